/** What a user agent and its client hints tell: browser, operating system, device. */
import Bowser from "bowser"
import type { BotKind } from "../domain/dimensions.ts"
import { MAX_USER_AGENT_LENGTH } from "../domain/limits.ts"
import { botOf } from "./bots.ts"

export interface Agent {
  readonly browser: string | null
  /** The major version: the rest changes weekly, or is frozen. */
  readonly browserVersion: string | null
  readonly os: string | null
  readonly device: "desktop" | "mobile" | "tablet" | "tv" | "other" | null
  readonly bot: BotKind | null
}

/** Headers of the client hints that browsers send unasked; empty where they send none. */
export interface AgentHeaders {
  readonly userAgent: string
  /** `Sec-CH-UA`. */
  readonly brands: string
  /** `Sec-CH-UA-Mobile`. */
  readonly mobile: string
  /** `Sec-CH-UA-Platform`. */
  readonly platform: string
}

/** Every browser, and almost no other program, begins so. */
const BROWSER = /^(?:Mozilla|Opera)\//

/** The library takes the first word for a browser's name where it knows none. */
const KNOWN: ReadonlySet<string> = new Set(Object.values(Bowser.BROWSER_MAP))

/** Names by which people know them better. */
const BROWSERS: { readonly [name: string]: string } = {
  "Microsoft Edge": "Edge",
  "Samsung Internet for Android": "Samsung Internet",
}

/** Platforms of the hint by the names that the user agent's have. */
const PLATFORMS: { readonly [name: string]: string } = {
  Windows: "Windows",
  macOS: "macOS",
  Android: "Android",
  iOS: "iOS",
  Linux: "Linux",
  "Chrome OS": "Chrome OS",
  "Chromium OS": "Chrome OS",
}

/** Brands that hide behind Chrome's user agent. */
const BRANDS = ["Brave", "Vivaldi", "DuckDuckGo"] as const

const DEVICES = ["desktop", "mobile", "tablet", "tv"] as const

const text = (value: string | undefined): string | null =>
  value === undefined || value === "" ? null : value

const versionOf = (version = ""): string | null => /^\d{1,5}/.exec(version)?.[0] ?? null

/** What a sender's headers tell of its program; all null for one that is no browser. Takes about 20 µs. */
export const agentOf = ({ userAgent, brands, mobile, platform }: AgentHeaders): Agent => {
  const agent = userAgent.slice(0, MAX_USER_AGENT_LENGTH)
  const bot = botOf(agent)
  if (!BROWSER.test(agent)) return { browser: null, browserVersion: null, os: null, device: null, bot }
  // Not all at once: it would look for the engine, too, which takes it half of its time.
  const parser = Bowser.getParser(agent, true)
  const { name = "", version } = parser.getBrowser()
  const { name: system } = parser.getOS()
  const { type } = parser.getPlatform()
  const isKnown = bot === null && KNOWN.has(name)
  const brand = brands === "" ? undefined : BRANDS.find((each) => brands.includes(`"${each}"`))
  const os = PLATFORMS[platform.replaceAll('"', "")] ?? text(system)
  const device = DEVICES.find((each) => each === type) ?? "other"
  return {
    browser: isKnown ? (brand ?? BROWSERS[name] ?? name) : null,
    browserVersion: isKnown ? versionOf(version) : null,
    os: bot === null ? os : null,
    device: bot !== null ? null : mobile === "?1" && device === "desktop" ? "mobile" : device,
    bot,
  }
}

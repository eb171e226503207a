/** A real browser. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { canInstall, installFromDebian } from "../../src/embedded/debian.ts"
import { temporaryFolder } from "./temporaryFolder.ts"
import { installed, wants } from "./wants.ts"

const { CHROMIUM: NAMED } = process.env
const USUAL = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

/** What the setting of that name says, else the machine's; `undefined` where there is none. */
const find = (): string | undefined =>
  (NAMED === undefined ? USUAL : [NAMED]).find((path) => existsSync(path))

export const CHROMIUM = find()

/** Installs Debian's, as root where there is none, as Redis is installed. What failed is said, and stops nothing. */
export const installChromium = async (): Promise<void> => {
  if (find() !== undefined || NAMED !== undefined || !canInstall()) return
  console.log("No Chromium on this machine: installing Debian's package for the tests in a browser.")
  const failure = await installFromDebian(["chromium"])
  if (failure !== undefined) console.log(`Chromium could not be installed: ${failure}`)
}

/** Options of tests in it. */
export const wantsChromium = wants(CHROMIUM !== undefined, installed("Chromium", "chromium"))

/** A visitor's: Chromium's own, without a screen, is a bot's, whose events are in no figure. */
export const USER_AGENT =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-sync",
  `--user-agent=${USER_AGENT}`,
  "--disable-background-networking",
  "--disable-component-update",
  "--font-render-hinting=none",
  // Nobody's site is asked.
  "--host-resolver-rules=MAP example.com ~NOTFOUND",
]

/** Options of starting it, without these of the arguments that it is usually driven with. */
const options = (without: ReadonlyArray<string>) => {
  if (CHROMIUM === undefined) throw new Error("There is no Chromium on this machine.")
  return {
    executablePath: join(import.meta.dirname, "chromium.sh"),
    env: { ...process.env, CHROMIUM },
    ...{ timeout: 0, ignoreDefaultArgs: [...without], args: ARGUMENTS },
  }
}

/** Starts it, without these of the arguments that it is usually driven with; whoever asked closes it. */
export const launch = async (without: ReadonlyArray<string> = []): Promise<Browser> => {
  const { chromium } = await import("playwright-core")
  return chromium.launch(options(without))
}

/** Has one run while the tests of a group do, which get it by the answer. */
export const runsBrowser = (): (() => Browser) => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(() => browser?.close())
  return () => browser
}

/** Starts one whose user has blocked cookies, and what else sites may keep; whoever asked closes it. */
export const launchWithoutCookies = async (): Promise<Browser> => {
  const { chromium } = await import("playwright-core")
  const profile = temporaryFolder()
  mkdirSync(join(profile, "Default"))
  const blocked = { profile: { default_content_setting_values: { cookies: 2 } } }
  writeFileSync(join(profile, "Default/Preferences"), JSON.stringify(blocked))
  // Contexts of a browser that is started without a profile have no settings.
  const context = await chromium.launchPersistentContext(profile, options(["--disable-back-forward-cache"]))
  const browser = context.browser()
  if (browser === null) throw new Error("Chromium's profile has no browser.")
  return browser
}

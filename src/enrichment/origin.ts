/** Where a visitor came from: source, medium and channel of an event, by its page's parameters and its referrer. */
import { cut } from "../domain/cut.ts"
import { encodeFact } from "../domain/dimensions.ts"
import { hostAndPath, parametersOf, partsOf } from "../domain/pageUrl.ts"
import { channelOf } from "./channels.ts"
import { plainHost, type Source, type SourceKind, sourceNamed, sourceOfHost } from "./sources.ts"

/** What an event says about where its visitor came from. */
export interface Trail {
  /** As sent: parameters that are not kept may tell something, too. */
  readonly pageUrl: string | null
  readonly referrer: string | null
  /** The page's host, where the URL does not name it. */
  readonly host: string | null
}

/** Code units of a value that a link's maker chose. */
const MAX_VALUE = 200

/** Media of sources that a referrer names. */
const MEDIA: { readonly [K in SourceKind]: string } = {
  search: "organic",
  social: "social",
  email: "email",
  paid: "cpc",
  video: "referral",
  shopping: "referral",
  ai: "referral",
  referral: "referral",
}

/** Ids that advertisers' links carry, and whose they are. */
const CLICK_IDS: ReadonlyArray<readonly [parameter: string, source: string]> = [
  ["gclid", "google"],
  ["gbraid", "google"],
  ["wbraid", "google"],
  ["msclkid", "bing"],
]

const UTM = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"] as const

/** What a visitor has who typed the address, or follows a link within the site. */
const DIRECT = encodeFact("origin", { channel: "Direct" })

/** The address of the page that linked here, unless it is of the page's own host: then `null`. */
const foreign = (referrer: string | null, own: string | null) => {
  if (referrer === null) return null
  const { host, path } = partsOf(referrer)
  // A path alone is one of the site.
  if (host === null || (own !== null && plainHost(host) === plainHost(own))) return null
  return { host, path }
}

/** The fact `origin` of an event. Pure; takes some microseconds, so callers remember what they have asked. */
export const originOf = ({ pageUrl, referrer, host }: Trail): string | null => {
  const page = pageUrl === null ? null : partsOf(pageUrl)
  const from = foreign(referrer, page?.host ?? host)
  const given = page === null || page.query === "" ? new Map<string, string>() : parametersOf(page.query)
  const named = (name: string): string | null => {
    const value = cut((given.get(name) ?? "").trim().toWellFormed(), MAX_VALUE).replaceAll("\u0000", "")
    return value === "" ? null : value
  }
  const utm = Object.fromEntries(UTM.map((name) => [name, named(name)]))
  const click = CLICK_IDS.find(([parameter]) => given.has(parameter))
  const told = named("utm_source") ?? named("ref") ?? named("source") ?? click?.[1] ?? null
  const source: Source | null =
    told !== null ? sourceNamed(told) : from === null ? null : sourceOfHost(from.host, from.path)
  const tagged = named("utm_medium") ?? (click === undefined ? null : "cpc")
  const campaign = named("utm_campaign")
  if (source === null && tagged === null && campaign === null) return DIRECT
  // A name that nothing is known of tells no medium, while a host that links here does.
  const isUnknown = source === null || (told !== null && source.kind === "referral")
  const medium = tagged ?? (isUnknown ? null : MEDIA[source.kind])
  return encodeFact("origin", {
    ...utm,
    source: source?.name ?? null,
    medium,
    channel: channelOf({ source, medium, campaign }),
    referrer: from === null ? null : hostAndPath(plainHost(from.host), from.path),
  })
}

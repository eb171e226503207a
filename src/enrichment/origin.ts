/** Where a visitor came from: source, medium and channel of an event, by its page's parameters and its referrer. */
import { cut } from "../domain/cut.ts"
import { encodeFact } from "../domain/dimensions.ts"
import { hostAndPath, parametersOf, partsOf } from "../domain/pageUrl.ts"
import { channelOf } from "./channels.ts"
import { plainHost, type Source, type SourceKind, sourceNamed, sourceOfHost } from "./sources.ts"

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

/** What the maker of a link has written into it; `null` where nothing. */
interface Tags {
  readonly utm: { readonly [parameter: string]: string | null }
  /** Who sends the visitor. */
  readonly told: string | null
  readonly medium: string | null
}

/** What the URL of an event's page tells of where its visitor came from. */
export interface Landing {
  /** Without `www.`; `null` where the URL names none. */
  readonly host: string | null
  /** `null` where there are none. */
  readonly tags: Tags | null
}

/** A page that links here. */
export interface Referrer {
  /** Without `www.` */
  readonly host: string
  readonly source: Source
  /** Without its query. */
  readonly address: string
  /** The fact `origin` of who follows it, where the page that it leads to has no tags. */
  readonly origin: string | null
}

const tagsOf = (query: string): Tags | null => {
  if (query === "") return null
  const given = parametersOf(query)
  const named = (name: string): string | null => {
    const value = cut((given.get(name) ?? "").trim().toWellFormed(), MAX_VALUE).replaceAll("\u0000", "")
    return value === "" ? null : value
  }
  const utm = Object.fromEntries(UTM.map((name) => [name, named(name)]))
  const click = CLICK_IDS.find(([parameter]) => given.has(parameter))
  const told = named("utm_source") ?? named("ref") ?? named("source") ?? click?.[1] ?? null
  const medium = named("utm_medium") ?? (click === undefined ? null : "cpc")
  return told === null && medium === null && Object.values(utm).every((value) => value === null)
    ? null
    : { utm, told, medium }
}

/** What a page's URL tells, as it was sent: parameters that are not kept may tell something, too. Takes some microseconds. */
export const landingOf = (url: string): Landing => {
  const { host, query } = partsOf(url)
  return { host: host === null ? null : plainHost(host), tags: tagsOf(query) }
}

/** What a referrer tells; `null` for a path alone, which is one of the site. Takes some microseconds. */
export const referrerOf = (url: string): Referrer | null => {
  const { host, path } = partsOf(url)
  if (host === null) return null
  const plain = plainHost(host)
  const from = { host: plain, source: sourceOfHost(host, path), address: hostAndPath(plain, path) }
  return { ...from, origin: encoded(null, from) }
}

const encoded = (tags: Tags | null, from: Omit<Referrer, "origin"> | null): string | null => {
  const told = tags?.told ?? null
  const source: Source | null = told !== null ? sourceNamed(told) : (from?.source ?? null)
  const campaign = tags?.utm.utm_campaign ?? null
  const tagged = tags?.medium ?? null
  if (source === null && tagged === null && campaign === null) return DIRECT
  // A name that nothing is known of tells no medium, while a host that links here does.
  const isUnknown = source === null || (told !== null && source.kind === "referral")
  const medium = tagged ?? (isUnknown ? null : MEDIA[source.kind])
  return encodeFact("origin", {
    ...tags?.utm,
    source: source?.name ?? null,
    medium,
    channel: channelOf({ source, medium, campaign }),
    referrer: from?.address ?? null,
  })
}

/** The fact `origin` of an event. `host` is that of its page, without `www.`, where the page's URL names none. */
export const originOf = (
  page: Landing | null,
  referrer: Referrer | null,
  host: string | null,
): string | null => {
  const own = page?.host ?? host
  const from = own !== null && referrer?.host === own ? null : referrer
  const tags = page?.tags ?? null
  if (tags !== null) return encoded(tags, from)
  return from === null ? DIRECT : from.origin
}

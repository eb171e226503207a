/**
 * The dimensions of an event: what figures can be broken down by and filtered on. {@link DIMENSIONS} is the one list; what is
 * stored, read, shown and asked for is derived from it.
 *
 * What is stored of an event beside its own fields are three **facts**, each a short tuple that neighbouring events share:
 * where the visitor came from (`origin`), who sent the event (`client`), and what the event is called (`label`). In the stream
 * and in Postgres a fact is a JSON array without the nulls at its end ({@link encodeFact}), so that a value which a later version
 * adds at the end is null in older events. `page` and `host` are functions of the stored page_url (`pageUrl.ts`).
 */

/** A stored tuple that values of an event share. */
export type FactName = "origin" | "client" | "label"

/**
 * Where a dimension's value comes from:
 * - `event`: the event itself, so it differs from one event of a visit to the next;
 * - `request`: the request that sent it;
 * - `visit`: all events of the visit together.
 */
export type DimensionKind = "event" | "request" | "visit"

/** Which of a visit's events has the value that the whole visit is counted under; `null`: each event counts for itself. */
export type VisitValue = "first" | "entry" | "exit" | null

export interface Dimension {
  readonly kind: DimensionKind
  readonly visit: VisitValue
  /** The stored tuple that holds it; `null` where it is told from the event's other fields, or from the visit. */
  readonly fact: FactName | null
  /** What it is, for people. */
  readonly what: string
}

const dimension = (
  kind: DimensionKind,
  visit: VisitValue,
  fact: FactName | null,
  what: string,
): Dimension => ({ kind, visit, fact, what })

/** Every dimension by its name, in the order in which it is shown. `data.<key>` comes on top, see {@link DATA_DIMENSION}. */
export const DIMENSIONS = {
  event: dimension("event", null, null, "The event's name, as sent; its type where none was given."),
  page: dimension("event", null, null, "Path of the page, with the kept part of its query."),
  host: dimension("event", null, null, "Host of the page's URL."),
  title: dimension("event", null, "label", "Title of the page."),
  entry_page: dimension("visit", "entry", null, "Page of the visit's first page view."),
  exit_page: dimension("visit", "exit", null, "Page of the visit's last page view."),
  source: dimension(
    "event",
    "first",
    "origin",
    "Who sent the visitor: Google, GitHub, ChatGPT, newsletter …",
  ),
  medium: dimension("event", "first", "origin", "By what means: organic, social, email, cpc, referral …"),
  channel: dimension("event", "first", "origin", "Group of sources by GA4's rules, and AI Assistants."),
  referrer: dimension("event", "first", "origin", "Address of the page that linked here, without its query."),
  utm_source: dimension("event", "first", "origin", "utm_source, as given."),
  utm_medium: dimension("event", "first", "origin", "utm_medium, as given."),
  utm_campaign: dimension("event", "first", "origin", "utm_campaign, as given."),
  utm_term: dimension("event", "first", "origin", "utm_term, as given."),
  utm_content: dimension("event", "first", "origin", "utm_content, as given."),
  browser: dimension("request", "first", "client", "Browser, such as Chrome."),
  browser_version: dimension("request", "first", "client", "The browser's major version."),
  os: dimension("request", "first", "client", "Operating system, such as Windows."),
  device: dimension("request", "first", "client", "desktop, mobile, tablet, tv or other."),
  country: dimension("request", "first", "client", "Country, two letters (ISO 3166-1)."),
  region: dimension(
    "request",
    "first",
    "client",
    "Region of the country (ISO 3166-2 without the country), or its name.",
  ),
  city: dimension("request", "first", "client", "City, in English."),
  language: dimension(
    "request",
    "first",
    "client",
    "Language that is preferred, two or three letters (ISO 639).",
  ),
  screen: dimension("request", "first", "client", "Width of the screen in CSS pixels, as a range."),
  bot: dimension(
    "request",
    "first",
    "client",
    "Kind of bot, or `other_host` for what was marked as none of the site's; null for everybody else.",
  ),
} as const satisfies { readonly [name: string]: Dimension }

export type DimensionName = keyof typeof DIMENSIONS

/** A dimension by a key of `event_data`: its top-level texts, numbers and booleans. */
export const DATA_DIMENSION = /^data\.(.+)$/s

/** The order of a fact's values; new ones are added at the end only. */
export const FACTS = {
  origin: [
    ...(["source", "medium", "channel", "referrer"] as const),
    ...(["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"] as const),
  ],
  client: [
    ...(["browser", "browser_version", "os", "device", "country", "region", "city"] as const),
    ...(["language", "screen", "bot"] as const),
  ],
  label: ["title", "name"],
} as const satisfies { readonly [F in FactName]: ReadonlyArray<DimensionName | "name"> }

/** Values of a fact by their names. */
export type FactValues<F extends FactName> = { readonly [K in (typeof FACTS)[F][number]]: string | null }

/** What stands in place of a bot's kind where a page of another host than the site's has sent the event. */
export const OTHER_HOST = "other_host"

/**
 * Kinds of bots: of AI companies, other crawlers, monitors, browsers without a screen, and pages fetched before anybody asked; and
 * {@link OTHER_HOST}, which is left out of figures as they are.
 */
export const BOT_KINDS = ["ai", "crawler", "monitor", "headless", "prefetch", OTHER_HOST] as const
export type BotKind = (typeof BOT_KINDS)[number]

/** What is stored of an event, each fact encoded; `null` where nothing is known, as of the events of earlier versions. */
export interface EventFacts {
  readonly origin: string | null
  readonly client: string | null
  readonly label: string | null
  /** Marked as a bot's, or as none of the site's: stored, and left out of every figure. */
  readonly bot: boolean
}

/** Of an event that nothing is known of. */
export const NO_FACTS: EventFacts = { origin: null, client: null, label: null, bot: false }

/** Neighbouring values of a fact as text, of which {@link joinFact} makes one. */
export const encodeValues = (values: ReadonlyArray<string | null>): string =>
  JSON.stringify(values).slice(1, -1)

const NULL_AT_END = ",null"

/** A fact of its encoded values, joined by commas: a JSON array without the nulls at its end; `null` when there is nothing in it. */
export const joinFact = (values: string): string | null => {
  let end = values.length
  while (values.endsWith(NULL_AT_END, end)) end -= NULL_AT_END.length
  const told = values.slice(0, end)
  return told === "null" ? null : `[${told}]`
}

/** A fact as text. */
export const encodeFact = <F extends FactName>(fact: F, values: Partial<FactValues<F>>): string | null => {
  const named: { readonly [name: string]: string | null | undefined } = values
  return joinFact(encodeValues(FACTS[fact].map((name) => named[name] ?? null)))
}

/** The values of an encoded fact, in the order of {@link FACTS}, as many as there are; `null` for a text that is none. */
export const decodeFact = (text: string): ReadonlyArray<string | null> | null => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!Array.isArray(value)) return null
  return value.every((each): each is string | null => each === null || typeof each === "string")
    ? value
    : null
}

/** A stored dimension, or the name that is part of `event`. */
type StoredName = (typeof FACTS)[FactName][number]

/** What is known of an event by its facts: only dimensions that have a value, by their names; `name` is the event's own. */
export type KnownDimensions = { readonly [K in StoredName]?: string }

/** The values of an event's facts. A fact that is none, which nobody writes, says nothing. */
export const knownDimensions = (facts: Pick<EventFacts, FactName>): KnownDimensions => {
  const known: { [name: string]: string } = {}
  for (const fact of ["label", "origin", "client"] as const) {
    const text = facts[fact]
    const values = text === null ? null : decodeFact(text)
    values?.forEach((value, i) => {
      const name = FACTS[fact][i]
      if (value !== null && name !== undefined) known[name] = value
    })
  }
  return known
}

/** The kind of bot that an event is marked for. */
export const botKindOf = (facts: EventFacts): BotKind => {
  const { bot } = knownDimensions(facts)
  return BOT_KINDS.find((kind) => kind === bot) ?? "crawler"
}

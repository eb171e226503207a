/**
 * An event: what senders may POST, and what becomes of it. Pure and synchronous; this is the per-event path, so refusals are
 * shared values where they can be and nothing is copied twice.
 */
import { cut } from "./cut.ts"
import type { EventFacts } from "./dimensions.ts"
import { unheldNumber } from "./exactJson.ts"
import {
  EVENT_TYPE,
  ISO_TIMESTAMP,
  MAX_AGE_MS,
  MAX_AGE_TEXT,
  MAX_AHEAD_MS,
  MAX_AHEAD_TEXT,
  MAX_EVENT_DATA_BYTES,
  MAX_EVENT_DATA_DEPTH,
  MAX_EVENT_NAME_LENGTH,
  MAX_LANGUAGE_LENGTH,
  MAX_SENT_URL_LENGTH,
  MAX_TITLE_LENGTH,
  MAX_URL_LENGTH,
  MAX_USER_AGENT_LENGTH,
  UUID,
} from "./limits.ts"
import { keptReferrer, type PageQuery } from "./pageQuery.ts"
import { screenOf } from "./screen.ts"
import { slugOf } from "./slug.ts"
import { parseInstant } from "./time.ts"

export type JsonObject = { readonly [key: string]: unknown }

/** Why an event was not taken: the `code` of the answer, the `reason` of the metric and of the log. */
export type RejectionCode =
  | "INVALID_BODY"
  | "INVALID_EVENT_TYPE"
  | "INVALID_EVENT_DATA"
  | "EVENT_DATA_TOO_LARGE"
  | "INVALID_PAGE_URL"
  | "INVALID_REFERRER"
  | "INVALID_ID"
  | "INVALID_TIMESTAMP"
  | "TIMESTAMP_OUT_OF_RANGE"
  | "INVALID_VISITOR_ID"
  | "MISSING_VISITOR"
  | "INVALID_SITE"
  | "UNKNOWN_SITE"
  | "SITE_ARCHIVED"
  | "HOST_NOT_ALLOWED"

/** A refusal: the code, and one sentence that names the field, what was wrong and what would be right. */
export class Rejection {
  readonly code: RejectionCode
  readonly error: string
  constructor(code: RejectionCode, error: string) {
    this.code = code
    this.error = error
  }
}

/** An event as a sender described it, decoded; the visitor is still to be decided when it is `null`. */
export interface EventInput {
  readonly site: string
  readonly id: string | null
  readonly visitorId: string | null
  readonly type: string
  /** Unix milliseconds. */
  readonly createdAt: number
  /** The part of the page's URL that is kept. */
  readonly pageUrl: string | null
  readonly referrer: string | null
  /** Compact JSON of an object, or `null`. */
  readonly data: string | null
  /** The event's name as people read it; `null` where the type is all there is. */
  readonly name: string | null
  readonly title: string | null
  /** Class of the screen's width. */
  readonly screen: string | null
  /** As the tracker tells it. */
  readonly language: string | null
  /** The visitor's program, where a server says it of the event; only one that holds a write key is believed. */
  readonly userAgent: string | null
  /** The page's URL as it was sent: what is told from it may not be kept. */
  readonly sentPageUrl: string | null
}

/** What decoding needs to know of the request around the event. */
export interface EventContext {
  /** Receipt, unix milliseconds. */
  readonly now: number
  /** The declared sites, those that take events. */
  readonly sites: ReadonlySet<string>
  /** Those that take none any more. */
  readonly archived?: ReadonlySet<string> | undefined
  /** The site of an event that names none (the query's, or the default one). */
  readonly site: string
  /** The Referer header, for an event with neither `referrer` nor `page_url`: beside a page's URL it is the page itself. */
  readonly referer: string | null
  readonly pageQuery: PageQuery
}

/** The types that have a meaning here; any other is a custom event. */
export const KNOWN_TYPES = [
  "page_view",
  "cv_theme_change",
  "letter_generate",
  "pdf_download",
  "button_click",
  "link_click",
  "form_submit",
] as const

/** Other names for the known types that senders are known to use. */
const TYPE_ALIASES = new Map([
  ["cv_theme_view", "cv_theme_change"],
  ["cv_theme_selected", "cv_theme_change"],
  ["letter_generated", "letter_generate"],
  ["pageview", "page_view"],
  ["pdf_downloaded", "pdf_download"],
])

const INVALID_BODY = new Rejection("INVALID_BODY", "An event must be a JSON object.")
const INVALID_TYPE = new Rejection(
  "INVALID_EVENT_TYPE",
  `event_type is required and must be 1 to 50 characters of a-z, 0-9, '_', '.', ':' and '-'; or a name of 1 to ${MAX_EVENT_NAME_LENGTH} characters in its place.`,
)
const INVALID_DATA = new Rejection("INVALID_EVENT_DATA", "event_data must be a JSON object.")
const DATA_TOO_DEEP = new Rejection(
  "INVALID_EVENT_DATA",
  `event_data must not nest deeper than ${MAX_EVENT_DATA_DEPTH} levels.`,
)
const DATA_TEXT = new Rejection(
  "INVALID_EVENT_DATA",
  "event_data must not contain NUL characters, lone surrogates or a key named __proto__.",
)
const DATA_TOO_LARGE = new Rejection(
  "EVENT_DATA_TOO_LARGE",
  `event_data must be at most ${MAX_EVENT_DATA_BYTES} bytes of JSON.`,
)
const INVALID_PAGE_URL = new Rejection(
  "INVALID_PAGE_URL",
  "page_url must be a string without NUL characters or lone surrogates.",
)
const INVALID_REFERRER = new Rejection(
  "INVALID_REFERRER",
  "referrer must be a string without NUL characters or lone surrogates.",
)
const INVALID_ID = new Rejection("INVALID_ID", "id must be a UUID.")
const INVALID_VISITOR_ID = new Rejection("INVALID_VISITOR_ID", "visitor_id must be a UUID.")
const INVALID_TIMESTAMP = new Rejection(
  "INVALID_TIMESTAMP",
  "timestamp must be an ISO 8601 date and time or unix milliseconds.",
)
const TIMESTAMP_OUT_OF_RANGE = new Rejection(
  "TIMESTAMP_OUT_OF_RANGE",
  `timestamp must lie between ${MAX_AGE_TEXT} ago and ${MAX_AHEAD_TEXT} ahead.`,
)
const SECONDS = new Rejection(
  "TIMESTAMP_OUT_OF_RANGE",
  "timestamp is in seconds: it must be unix milliseconds, a thousand times as much.",
)
const INVALID_SITE = new Rejection("INVALID_SITE", "site must be a string: the slug of a declared site.")

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Postgres' text and jsonb accept neither U+0000 nor half a surrogate pair; one such value would fail its whole batch. */
const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\u0000")

/** Most digits of a number that a refusal quotes. */
const MAX_QUOTED = 40

const unstorable = (text: string): Rejection => {
  const number = unheldNumber(text)
  if (number === null) return DATA_TEXT
  const quoted = number.length > MAX_QUOTED ? `${number.slice(0, MAX_QUOTED)}…` : number
  return new Rejection(
    "INVALID_EVENT_DATA",
    `event_data has the number ${quoted}, which is not kept exactly: send it as a string.`,
  )
}

const checkData = (value: unknown, depth: number): Rejection | null => {
  if (typeof value === "string") return isStorable(value) ? null : unstorable(value)
  if (Array.isArray(value)) {
    if (depth > MAX_EVENT_DATA_DEPTH) return DATA_TOO_DEEP
    for (const item of value) {
      const problem = checkData(item, depth + 1)
      if (problem !== null) return problem
    }
    return null
  }
  if (!isObject(value)) return null
  if (depth > MAX_EVENT_DATA_DEPTH) return DATA_TOO_DEEP
  for (const key of Object.keys(value)) {
    if (key === "__proto__" || !isStorable(key)) return DATA_TEXT
    const problem = checkData(value[key], depth + 1)
    if (problem !== null) return problem
  }
  return null
}

/** Some senders write `type` for `letter_type`; the figures and the store know only the latter. */
const normalizeData = (type: string, data: JsonObject): JsonObject => {
  if (type !== "letter_generate" || (data.letter_type ?? "") !== "" || typeof data.type !== "string")
    return data
  const { type: letterType, ...rest } = data
  return { ...rest, letter_type: letterType }
}

const decodeData = (type: string, value: unknown): string | null | Rejection => {
  if (value === undefined || value === null) return null
  if (!isObject(value)) return INVALID_DATA
  const problem = checkData(value, 1)
  if (problem !== null) return problem
  const json = JSON.stringify(normalizeData(type, value))
  // UTF-8 takes at most 3 bytes per code unit, so most texts need no measuring.
  const large = 3 * json.length > MAX_EVENT_DATA_BYTES && Buffer.byteLength(json) > MAX_EVENT_DATA_BYTES
  return large ? DATA_TOO_LARGE : json
}

const decodeUrl = (value: unknown, problem: Rejection): string | null | Rejection => {
  if (value === undefined || value === null || value === "") return null
  return typeof value === "string" && isStorable(value) ? cut(value, MAX_SENT_URL_LENGTH) : problem
}

/** A text that says something on top: what is none is ignored, because earlier versions ignored the field. */
const optionalText = (value: unknown, length: number): string | null =>
  typeof value === "string" && value !== "" && isStorable(value) ? cut(value, length) : null

const decodeName = (value: unknown): string | null =>
  typeof value === "string" &&
  value.trim() !== "" &&
  value.length <= MAX_EVENT_NAME_LENGTH &&
  isStorable(value)
    ? value
    : null

const isTaken = (at: number, now: number): boolean => at >= now - MAX_AGE_MS && at <= now + MAX_AHEAD_MS

/** When it happened: by the sender's clock, else by its stopwatch, else now. An age that is none is ignored. */
const decodeTimestamp = (value: unknown, age: unknown, now: number): number | Rejection => {
  if (value === undefined || value === null)
    return typeof age !== "number" || !(age >= 0)
      ? now
      : age > MAX_AGE_MS
        ? TIMESTAMP_OUT_OF_RANGE
        : now - Math.trunc(age)
  let at: number
  if (typeof value === "number") at = Math.trunc(value)
  else if (typeof value === "string" && ISO_TIMESTAMP.test(value)) at = parseInstant(value)
  else return INVALID_TIMESTAMP
  if (!Number.isSafeInteger(at)) return INVALID_TIMESTAMP
  if (isTaken(at, now)) return at
  return typeof value === "number" && isTaken(at * 1000, now) ? SECONDS : TIMESTAMP_OUT_OF_RANGE
}

const decodeUuid = (value: unknown, problem: Rejection): string | null | Rejection => {
  if (value === undefined || value === null) return null
  return typeof value === "string" && UUID.test(value) ? value.toLowerCase() : problem
}

/** The declared site of that name, or why there is none. */
export const decodeSite = (
  value: unknown,
  context: Pick<EventContext, "site" | "sites" | "archived">,
): string | Rejection => {
  if (value === undefined || value === null) return context.site
  if (typeof value !== "string") return INVALID_SITE
  if (context.sites.has(value)) return value
  if (context.archived?.has(value) === true)
    return new Rejection("SITE_ARCHIVED", `site "${value}" is archived: it takes no events any more.`)
  const named = value.length <= 64 && isStorable(value) ? JSON.stringify(value) : "of that name"
  return new Rejection("UNKNOWN_SITE", `site ${named} is not declared in SITES.`)
}

/** Decodes one parsed JSON value as an event. Never throws; a refusal says which field and why. */
export const decodeEvent = (body: unknown, context: EventContext): EventInput | Rejection => {
  if (!isObject(body)) return INVALID_BODY
  const name = decodeName(body.name)
  const type = (body.event_type ?? null) === null && name !== null ? slugOf(name) : body.event_type
  if (typeof type !== "string" || !EVENT_TYPE.test(type)) return INVALID_TYPE
  const canonicalType = TYPE_ALIASES.get(type) ?? type
  const site = decodeSite(body.site, context)
  if (site instanceof Rejection) return site
  const id = decodeUuid(body.id, INVALID_ID)
  if (id instanceof Rejection) return id
  const visitorId = decodeUuid(body.visitor_id, INVALID_VISITOR_ID)
  if (visitorId instanceof Rejection) return visitorId
  const createdAt = decodeTimestamp(body.timestamp, body.age, context.now)
  if (createdAt instanceof Rejection) return createdAt
  const sentPageUrl = decodeUrl(body.page_url, INVALID_PAGE_URL)
  if (sentPageUrl instanceof Rejection) return sentPageUrl
  const given = decodeUrl(body.referrer, INVALID_REFERRER)
  if (given instanceof Rejection) return given
  // An empty text says that there is none.
  const referrer = given ?? (sentPageUrl === null && body.referrer !== "" ? context.referer : null)
  const data = decodeData(canonicalType, body.event_data)
  if (data instanceof Rejection) return data
  return {
    site,
    id,
    visitorId,
    type: canonicalType,
    createdAt,
    pageUrl: sentPageUrl === null ? null : cut(context.pageQuery.kept(sentPageUrl), MAX_URL_LENGTH),
    referrer: referrer === null ? null : cut(keptReferrer(referrer), MAX_URL_LENGTH),
    data,
    name,
    title: optionalText(body.title, MAX_TITLE_LENGTH),
    screen: screenOf(body.screen),
    language: optionalText(body.language, MAX_LANGUAGE_LENGTH),
    userAgent: optionalText(body.user_agent, MAX_USER_AGENT_LENGTH),
    sentPageUrl,
  }
}

/** An event as the stream carries it: complete, with its visitor. */
export interface StreamEvent {
  readonly site: string
  /** The sender's idempotency key. */
  readonly id: string | null
  readonly visitorId: string
  readonly type: string
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly pageUrl: string | null
  readonly referrer: string | null
  readonly data: JsonObject | null
  readonly facts: EventFacts
}

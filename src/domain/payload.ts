/**
 * What the stream carries of an event, and how that becomes the event again. Two lines of text: the event, and its facts where there
 * are any. In the stream's entry each is a field of its own, so that nodes of a version that knows no facts go on reading events
 * while a deployment is upgraded; each has a version.
 */
import { decodeFact, type EventFacts, NO_FACTS } from "./dimensions.ts"
import type { EventInput, JsonObject, StreamEvent } from "./event.ts"
import { UUID } from "./limits.ts"

/** Version of the event's line; an actor dead-letters what it cannot read rather than guess. */
const EVENT_VERSION = 1
/** Version of the facts' line. A reader takes another version's for none: the event counts all the same. */
const FACTS_VERSION = "1"

const json = JSON.stringify

/**
 * The stream's payload of an event: a JSON array `[version, site, id, visitor, type, created_at, page_url, referrer, data]`; and
 * version, mark, origin, client and label of its facts between tabs, which JSON does not contain.
 */
export const encodePayload = (event: EventInput, visitorId: string, facts: EventFacts): string => {
  // Slugs, UUIDs and types contain nothing that JSON escapes, and `data` is JSON already.
  const line = `[${EVENT_VERSION},"${event.site}",${event.id === null ? "null" : `"${event.id}"`},"${visitorId}","${event.type}",${event.createdAt},${event.pageUrl === null ? "null" : json(event.pageUrl)},${event.referrer === null ? "null" : json(event.referrer)},${event.data ?? "null"}]`
  if (facts === NO_FACTS) return line
  return `${line}\n${FACTS_VERSION}\t${facts.bot ? "bot" : ""}\t${facts.origin ?? ""}\t${facts.client ?? ""}\t${facts.label ?? ""}`
}

/** The fields of a stream entry that a payload is; the facts' are empty where it has none. */
export const toFields = (payload: string): { readonly event: string; readonly facts: string } => {
  const end = payload.indexOf("\n")
  return end < 0
    ? { event: payload, facts: "" }
    : { event: payload.slice(0, end), facts: payload.slice(end + 1) }
}

/** The payload of a stream entry's fields. */
export const ofFields = (event: string, facts: string): string =>
  facts === "" ? event : `${event}\n${facts}`

/** Facts that are remembered: most events of a batch share theirs with others. */
const MAX_REMEMBERED = 4096
const remembered = new Map<string, EventFacts>()

const isFact = (text: string): boolean => text === "" || decodeFact(text) !== null

const readFacts = (text: string): EventFacts | string => {
  const [version, mark, origin = "", client = "", label = ""] = text.split("\t")
  if (version !== FACTS_VERSION) return NO_FACTS
  if (!isFact(origin) || !isFact(client) || !isFact(label))
    return "The payload's facts are not JSON arrays of texts."
  return { origin: origin || null, client: client || null, label: label || null, bot: mark === "bot" }
}

const decodeFacts = (text: string): EventFacts | string => {
  if (text === "") return NO_FACTS
  const known = remembered.get(text)
  if (known !== undefined) return known
  const facts = readFacts(text)
  if (typeof facts === "string") return facts
  if (remembered.size >= MAX_REMEMBERED) remembered.clear()
  remembered.set(text, facts)
  return facts
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isText = (value: unknown): value is string | null => value === null || typeof value === "string"

/** Reads a payload back, or says in a sentence why it cannot be read. */
export const decodePayload = (payload: string): StreamEvent | string => {
  const fields = toFields(payload)
  let parts: unknown
  try {
    parts = JSON.parse(fields.event)
  } catch {
    return "The payload is not JSON."
  }
  if (!Array.isArray(parts) || parts.length !== 9) return "The payload is not an array of 9 values."
  const [version, site, id, visitorId, type, createdAt, pageUrl, referrer, data] =
    parts as ReadonlyArray<unknown>
  if (version !== EVENT_VERSION) return `The payload's version is not ${EVENT_VERSION}.`
  if (typeof site !== "string" || typeof type !== "string")
    return "The payload's site or type is not a string."
  if (!(id === null || (typeof id === "string" && UUID.test(id)))) return "The payload's id is not a UUID."
  if (typeof visitorId !== "string" || !UUID.test(visitorId)) return "The payload's visitor is not a UUID."
  if (typeof createdAt !== "number" || !Number.isSafeInteger(createdAt))
    return "The payload's time is not an integer."
  if (!isText(pageUrl) || !isText(referrer)) return "The payload's page_url or referrer is not a string."
  if (data !== null && !isObject(data)) return "The payload's data is not an object."
  const facts = decodeFacts(fields.facts)
  if (typeof facts === "string") return facts
  return { site, id, visitorId, type, createdAt, pageUrl, referrer, data, facts }
}

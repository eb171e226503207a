/** Events that must be refused, one of every kind, and requests that must be refused as a whole. */
import { MAX_AGE_MS } from "../../domain/limits.ts"
import { DAY_MS, MINUTE_MS } from "../../domain/time.ts"
import type { Random } from "./random.ts"
import type { PlannedEvent, Sender, Shipment } from "./traffic.ts"

type Flaw = readonly [name: string, make: (random: Random, now: number) => Partial<PlannedEvent>]

const withFields = (fields: { readonly [key: string]: unknown }) => (random: Random) => ({
  body: { event_type: "page_view", id: random.uuid(), visitor_id: random.uuid(), ...fields },
})

/** Every kind of event that the contract refuses. */
export const FLAWS: readonly [Flaw, ...Array<Flaw>] = [
  ["no event_type", withFields({ event_type: undefined })],
  ["empty event_type", withFields({ event_type: "" })],
  ["upper-case event_type", withFields({ event_type: "Page_View" })],
  ["event_type with a space", withFields({ event_type: "page view" })],
  ["event_type of 51 characters", withFields({ event_type: "a".repeat(51) })],
  ["event_type is a number", withFields({ event_type: 7 })],
  ["event_type with NUL", withFields({ event_type: "page\u0000view" })],
  ["id is no UUID", withFields({ id: "abc" })],
  ["id is a number", withFields({ id: 12 })],
  ["visitor_id is no UUID", withFields({ visitor_id: "someone@example.org" })],
  ["visitor_id is an object", withFields({ visitor_id: {} })],
  ["too old", (random, now) => withFields({ timestamp: now - MAX_AGE_MS - MINUTE_MS })(random)],
  [
    "too old, ISO",
    (random, now) => withFields({ timestamp: new Date(now - 30 * DAY_MS).toISOString() })(random),
  ],
  ["ahead by 10 minutes", (random, now) => withFields({ timestamp: now + 600_000 })(random)],
  [
    "ahead by a day, ISO",
    (random, now) => withFields({ timestamp: new Date(now + DAY_MS).toISOString() })(random),
  ],
  ["timestamp is a word", withFields({ timestamp: "yesterday" })],
  ["timestamp is a boolean", withFields({ timestamp: true })],
  ["event_data is an array", withFields({ event_data: [1, 2] })],
  ["event_data is a string", withFields({ event_data: "theme" })],
  ["event_data is a number", withFields({ event_data: 4 })],
  ["event_data over 8 KiB", withFields({ event_data: { text: "é".repeat(4096) } })],
  ["event_data with NUL", withFields({ event_data: { a: ["x\u0000y"] } })],
  ["event_data with a NUL key", withFields({ event_data: { "a\u0000": 1 } })],
  ["event_data with half a surrogate pair", withFields({ event_data: { a: "\ud800" } })],
  ["page_url is a number", withFields({ page_url: 5 })],
  ["page_url with NUL", withFields({ page_url: "/a\u0000" })],
  ["referrer is an array", withFields({ referrer: ["/"] })],
  ["referrer with NUL", withFields({ referrer: "https://a.org/\u0000" })],
  ["unknown site", withFields({ site: "no-such-site" })],
  ["site is a number", withFields({ site: 1 })],
  ["an array instead of an event", () => ({ body: [] })],
  ["a number instead of an event", () => ({ body: 42 })],
  ["null instead of an event", () => ({ body: null })],
  ["a string instead of an event", () => ({ body: "page_view" })],
]

/** Lines that are not JSON; in an array they would make the whole body invalid. */
const BROKEN_JSON = [
  '{"event_type":"page_view"',
  "{event_type:'page_view'}",
  '{"event_type":"page_view",}',
  "page_view",
  '{"event_type":"page_view","page_url":"\u0000"}',
] as const

/** One event that must be refused. */
export const flawedEvent = (random: Random, form: Shipment["form"], now: number): PlannedEvent => {
  // Where the path does not decide, a bare array is a batch and not an event. Inside an array of events it is refused.
  if (form !== "array" && random.chance(0.1)) {
    const raw = random.pick(BROKEN_JSON)
    return { body: null, raw, flaw: `broken JSON: ${JSON.stringify(raw)}` }
  }
  const [flaw, make] = random.pick(FLAWS)
  const { body } = make(random, now)
  return { body, flaw }
}

const plain = (): PlannedEvent => ({ body: { event_type: "page_view" }, flaw: null })

/** A request that must be refused as a whole, so that nothing in it counts. */
export const flawedShipment = (random: Random, sender: Sender): Shipment => {
  const json = { site: null, sender, contentType: "application/json" }
  switch (random.integer(0, 4)) {
    case 0:
      return {
        ...json,
        form: "array",
        events: [{ ...plain(), raw: '[{"event_type":"page_view"},' }],
        refusedWith: [400],
      }
    case 1:
      return { ...json, form: "array", events: Array.from({ length: 1001 }, plain), refusedWith: [400, 413] }
    case 2:
      return { ...json, form: "single", contentType: "text/xml", events: [plain()], refusedWith: [415] }
    case 3:
      return { ...json, form: "array", contentType: "image/png", events: [plain()], refusedWith: [415] }
    default:
      return { ...json, form: "single", site: "no-such-site", events: [plain()], refusedWith: [400] }
  }
}

/** Events as the chunks that Postgres keeps: rows of up to 1,000 events, their columns as arrays. */
import { TaggedError } from "effect/Data"
import { CLICK_TYPES } from "../../domain/aggregation.ts"
import type { EventFacts } from "../../domain/dimensions.ts"
import { DAY_MS } from "../../domain/time.ts"
import { doubles, integers, smallints, texts, uuids } from "./binaryArrays.ts"

/** An event that no table can hold as it is, whenever it is tried. */
export class UnstorableEvent extends TaggedError("UnstorableEvent")<{ readonly message: string }> {}

/** Events of a chunk at most: larger ones take hardly less disk, but reading one event reads its chunk. */
export const MAX_CHUNK_EVENTS = 1000
/** Fewer make a chunk that compaction merges with others. Two halves of what is too much for one chunk are none. */
const SMALL_CHUNK_EVENTS = MAX_CHUNK_EVENTS / 4
/** Code units of `event_data` after which a chunk ends whatever their number, so that none gets too large to handle. */
const MAX_CHUNK_DATA = 256 * 1024

/** An event as a chunk holds it. */
export interface ChunkEvent {
  readonly id: string
  readonly visitorId: string
  readonly type: string
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly pageUrl: string | null
  readonly referrer: string | null
  /** JSON. */
  readonly data: string | null
  readonly facts: EventFacts
}

/** A chunk as parameters of {@link insertChunk}, in the order of its columns. */
export type ChunkValues = ReadonlyArray<number | boolean | Buffer | null>

/** Columns of a fact: a dictionary, and the place in it of each event's. Both are NULL where no event of the chunk has the fact. */
const FACT_COLUMNS = ["origins", "origin", "clients", "client", "labels", "label"]

/** Columns of a chunk that are arrays: its dictionaries, what it has of each event, and what it has of each click. */
export const ARRAY_COLUMNS = [
  ...["types", "pages", "referrers", "visitors"],
  ...["ids", "offsets", "type", "page", "referrer", "visitor", "data"],
  ...["click_page", "click_x", "click_y"],
  ...FACT_COLUMNS,
]
const COLUMNS = ["first_at", "last_at", "site_id", "events", "small", "bots", ...ARRAY_COLUMNS]

/** Parameters that a chunk is: the number of its {@link ChunkValues}. */
export const CHUNK_PARAMETERS = COLUMNS.length

/**
 * The statement that inserts a chunk, its {@link ChunkValues} from parameter `$first` on: once, or once a row of the relation
 * `from`.
 */
export const insertChunk = (first: number, from = ""): string => {
  const parameters = Array.from({ length: CHUNK_PARAMETERS }, (_, i) => `$${first + i}`)
  const [firstAt, lastAt, ...rest] = parameters
  return `
    INSERT INTO event_chunks (${COLUMNS.join()})
    SELECT to_timestamp(${firstAt}::float8 / 1000), to_timestamp(${lastAt}::float8 / 1000), ${rest.join(", ")}
    ${from === "" ? "" : `FROM ${from}`}`
}

/** Values in the order of their first appearance, and each one's place among them, from 1. */
class Dictionary<Value> {
  readonly values: Array<Value> = []
  readonly #places = new Map<Value, number>()

  place(value: Value): number {
    const known = this.#places.get(value)
    if (known !== undefined) return known
    const place = this.values.push(value)
    this.#places.set(value, place)
    return place
  }
}

/** The events in the order of their visitors: neighbours that are alike compress well. */
const byVisitor = (events: ReadonlyArray<ChunkEvent>, visitors: Dictionary<string>): Array<ChunkEvent> => {
  const groups: Array<Array<ChunkEvent>> = []
  for (const event of events) {
    const place = visitors.place(event.visitorId)
    const group = groups[place - 1]
    if (group === undefined) groups.push([event])
    else group.push(event)
  }
  return groups.flat()
}

/** Where a click was: `x` and `y` of its data, or `null` when these are not two numbers. */
const positionOf = ({ type, data }: ChunkEvent): { readonly x: number; readonly y: number } | null => {
  if (data === null || !CLICK_TYPES.has(type)) return null
  const value: unknown = JSON.parse(data)
  return typeof value === "object" &&
    value !== null &&
    "x" in value &&
    "y" in value &&
    typeof value.x === "number" &&
    typeof value.y === "number"
    ? { x: value.x, y: value.y }
    : null
}

/** A fact's {@link FACT_COLUMNS}. */
const factColumns = (
  events: ReadonlyArray<ChunkEvent>,
  factOf: (facts: EventFacts) => string | null,
): readonly [Buffer, Buffer] | readonly [null, null] => {
  const dictionary = new Dictionary<string | null>()
  const places = events.map(({ facts }) => dictionary.place(factOf(facts)))
  return dictionary.values.some((value) => value !== null)
    ? [texts(dictionary.values), smallints(places)]
    : [null, null]
}

/** Events that are all marked as bots', or none. */
const toChunk = (siteId: number, events: ReadonlyArray<ChunkEvent>, small: boolean): ChunkValues => {
  let firstAt = Number.POSITIVE_INFINITY
  let lastAt = 0
  for (const { createdAt } of events) {
    if (createdAt < firstAt) firstAt = createdAt
    if (createdAt > lastAt) lastAt = createdAt
  }
  const types = new Dictionary<string>()
  const pages = new Dictionary<string | null>()
  const referrers = new Dictionary<string | null>()
  const visitors = new Dictionary<string>()
  const ordered = byVisitor(events, visitors)
  const type = ordered.map((event) => types.place(event.type))
  const page = ordered.map((event) => pages.place(event.pageUrl))
  const referrer = ordered.map((event) => referrers.place(event.referrer))
  const clicks = { page: [] as Array<number>, x: [] as Array<number>, y: [] as Array<number> }
  for (const event of ordered) {
    const position = positionOf(event)
    if (position === null) continue
    clicks.page.push(pages.place(event.pageUrl))
    clicks.x.push(position.x)
    clicks.y.push(position.y)
  }
  return [
    firstAt,
    lastAt,
    siteId,
    events.length,
    small,
    events[0]?.facts.bot === true,
    texts(types.values),
    texts(pages.values),
    texts(referrers.values),
    uuids(visitors.values),
    uuids(ordered.map((event) => event.id)),
    integers(ordered.map((event) => event.createdAt - firstAt)),
    smallints(type),
    smallints(page),
    smallints(referrer),
    smallints(ordered.map((event) => visitors.place(event.visitorId))),
    texts(ordered.map((event) => event.data)),
    smallints(clicks.page),
    doubles(clicks.x),
    doubles(clicks.y),
    ...factColumns(ordered, ({ origin }) => origin),
    ...factColumns(ordered, ({ client }) => client),
    ...factColumns(ordered, ({ label }) => label),
  ]
}

const byTime = (a: ChunkEvent, b: ChunkEvent): number =>
  a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

/** A site's events of one UTC day as chunks of about equal size; where there are several, one begins after the other ends. */
const ofDay = (siteId: number, events: ReadonlyArray<ChunkEvent>): ReadonlyArray<ChunkValues> => {
  const perChunk = Math.ceil(events.length / Math.ceil(events.length / MAX_CHUNK_EVENTS))
  const data = events.reduce((sum, event) => sum + (event.data?.length ?? 0), 0)
  if (perChunk === events.length && data <= MAX_CHUNK_DATA)
    return [toChunk(siteId, events, events.length < SMALL_CHUNK_EVENTS)]
  const sorted = events.toSorted(byTime)
  const chunks: Array<ChunkValues> = []
  let from = 0
  let held = 0
  for (let to = 1; to <= sorted.length; to++) {
    held += sorted[to - 1]?.data?.length ?? 0
    const isFull = to - from >= perChunk || held >= MAX_CHUNK_DATA
    if (!isFull && to < sorted.length) continue
    const small = held < MAX_CHUNK_DATA && to - from < SMALL_CHUNK_EVENTS
    chunks.push(toChunk(siteId, sorted.slice(from, to), small))
    from = to
    held = 0
  }
  return chunks
}

/**
 * A site's events as chunks, none of which crosses a UTC midnight. Events marked as bots' have chunks of their own: whoever asks
 * for figures passes these by without looking into them.
 */
export const toChunks = (siteId: number, events: ReadonlyArray<ChunkEvent>): ReadonlyArray<ChunkValues> => {
  const days = Map.groupBy(events, ({ createdAt, facts }) =>
    facts.bot ? -1 - Math.floor(createdAt / DAY_MS) : Math.floor(createdAt / DAY_MS),
  )
  return [...days.values()].flatMap((ofOne) => ofDay(siteId, ofOne))
}

/** What Postgres' jsonb takes in no string: U+0000, and half a surrogate pair, as JSON.stringify writes them. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/

/**
 * `event_data` as a chunk holds it. Throws an {@link UnstorableEvent} where Postgres would refuse the value as jsonb: it is text
 * there, and must not fail whoever reads it.
 */
export const toData = (data: unknown): string => {
  const json = JSON.stringify(data)
  if (json.includes("\\u") && UNSTORABLE.test(json))
    throw new UnstorableEvent({ message: "event_data has a NUL character or half a surrogate pair" })
  return json
}

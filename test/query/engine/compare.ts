/** What is stored, as the plain count wants it, and an answer beside that count. */
import type { DimensionName } from "../../../src/domain/dimensions.ts"
import type { AnswerRow, EngineAnswer } from "../../../src/query/engine/messages.ts"
import { isSeries } from "../../../src/query/engine/statement.ts"
import type { Query, Range } from "../../../src/query/language/index.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { rows } from "../../support/events.ts"
import type { ReferenceEvent, referenceAnswer } from "./reference.ts"

type StoredNames = Exclude<DimensionName, "event" | "page" | "host" | "referrer">

/** Every event that Postgres has, in no order. */
export const storedEvents = async (postgres: Postgres): Promise<ReadonlyArray<ReferenceEvent>> => {
  const found = await rows<
    {
      id: string
      visitor_id: string
      event_type: string
      event: string
      event_data: unknown
      page_url: string | null
      created_at: Date
      site: string
      is_bot: boolean
      referred_from: string | null
    } & { [name in StoredNames]: string | null }
  >(postgres, "SELECT * FROM analytics_events")
  return found.map(({ id, visitor_id, event_type, event, created_at, page_url, event_data, ...rest }) => ({
    ...{ site: rest.site, id, visitorId: visitor_id, type: event_type, createdAt: created_at.getTime() },
    ...{ pageUrl: page_url, data: event_data === null ? null : JSON.stringify(event_data), bot: rest.is_bot },
    told: { ...rest, referrer: rest.referred_from, name: event === event_type ? null : event },
  }))
}

const close = (a: number | null, b: number | null): boolean =>
  a === b || (a !== null && b !== null && Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a)))

type Metrics = ReadonlyArray<number | null>

const same = (a: Metrics, b: Metrics): boolean =>
  a.length === b.length && a.every((each, i) => close(each, b[i] ?? null))

/** A row's dimensions; an interval of time by its number. */
type Key = ReadonlyArray<string | number | null>

interface Row {
  readonly key: Key
  readonly metrics: Metrics
}

/** Texts by their bytes in UTF-8, numbers by their size; nothing comes last, whatever the direction. */
const order = (a: string | number | null, b: string | number | null, descending: boolean): number => {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  const by =
    typeof a === "number" && typeof b === "number"
      ? a - b
      : Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)))
  return descending ? -by : by
}

const inOrder = (query: Query, all: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const valueIn = (row: Row, by: "metric" | "dimension", index: number) =>
    (by === "metric" ? row.metrics[index] : row.key[index]) ?? null
  return all.toSorted((a, b) => {
    for (const { by, index, descending } of query.order) {
      const [first, second] = [valueIn(a, by, index), valueIn(b, by, index)]
      // Sums of fractions may differ in their last digit.
      if (typeof first === "number" && typeof second === "number" && close(first, second)) continue
      const difference = order(first, second, descending)
      if (difference !== 0) return difference
    }
    for (const [i, each] of a.key.entries()) {
      const difference = order(each, b.key[i] ?? null, false)
      if (difference !== 0) return difference
    }
    return 0
  })
}

/** Every row that the answer is a part of, in its order: a series has those of intervals without events, too. */
const expectedRows = (
  query: Query,
  { rows: counted }: ReturnType<typeof referenceAnswer>,
  isUnknown: Unknown["interval"],
) => {
  const nothing = query.metrics.map((metric) => (metric.of === "data" ? null : 0))
  const untold = query.metrics.map(() => null)
  const all = isSeries(query)
    ? query.buckets.map((bucket, i) => ({
        key: [i],
        metrics: isUnknown(bucket) ? untold : (counted.get(JSON.stringify([i])) ?? nothing),
      }))
    : [...counted].map(([key, metrics]) => ({ key: JSON.parse(key) as Key, metrics }))
  return { nothing, untold, all: inOrder(query, all) }
}

/** Of what nothing is known: an interval of a series, or all of what a question is compared with. */
export interface Unknown {
  readonly interval: (interval: Range) => boolean
  readonly comparison: boolean
}

const ALL_KNOWN: Unknown = { interval: () => false, comparison: false }

/** What is different in an answer from the plain count; empty if nothing is. */
export const differences = (
  query: Query,
  answer: EngineAnswer,
  reference: ReturnType<typeof referenceAnswer>,
  unknown: Unknown = ALL_KNOWN,
): ReadonlyArray<string> => {
  const { nothing, untold, all } = expectedRows(query, reference, unknown.interval)
  const expected = all.slice(query.offset, query.offset + query.limit)
  const keyOf = ({ dimensions }: AnswerRow): Key =>
    dimensions.map((value, i) =>
      query.dimensions[i]?.of === "time" ? query.buckets.findIndex(({ name }) => name === value) : value,
    )
  const complaints: Array<string> = []
  if (answer.total !== all.length) complaints.push(`${answer.total} rows are told, ${all.length} there are`)
  if (answer.rows.length !== expected.length)
    complaints.push(`${answer.rows.length} rows are shown, of ${expected.length}`)
  for (const [i, row] of answer.rows.entries()) {
    const [key, wanted] = [JSON.stringify(keyOf(row)), expected[i]]
    if (key !== JSON.stringify(wanted?.key)) {
      complaints.push(`row ${i} is ${key}, not ${JSON.stringify(wanted?.key)}`)
      continue
    }
    if (!same(row.metrics, wanted?.metrics ?? nothing))
      complaints.push(`${key}: ${row.metrics}, counted ${wanted?.metrics}`)
    const interval = isSeries(query) ? query.comparisonBuckets[Number(keyOf(row)[0])] : undefined
    const isUntold = unknown.comparison || (interval !== undefined && unknown.interval(interval))
    const before = isUntold ? untold : (reference.before?.get(key) ?? nothing)
    if (row.comparison !== null && !same(row.comparison, before))
      complaints.push(`${key} before: ${row.comparison}, counted ${before}`)
  }
  return complaints
}

/** The answer to a question as a plain count over the events gives it: written to be read, with nothing of the engine in it. */
import type { DimensionName } from "../../../src/domain/dimensions.ts"
import { pageOf } from "../../../src/domain/pageUrl.ts"
import { Calendar } from "../../../src/domain/period.ts"
import { visitsOf } from "../../../src/domain/visits.ts"
import type {
  Filter,
  FilterDimension,
  Funnel,
  Metric,
  Query,
  Range,
} from "../../../src/query/language/index.ts"

/** An event with what its request told. */
export interface ReferenceEvent {
  readonly site: string
  readonly id: string
  readonly visitorId: string
  readonly type: string
  readonly createdAt: number
  readonly pageUrl: string | null
  readonly data: string | null
  readonly bot: boolean
  readonly told: { readonly [name in DimensionName | "name"]?: string | null }
}

/** An event and its visit, as far as dimensions need it. */
interface Counted {
  readonly event: ReferenceEvent
  readonly first: ReferenceEvent
  readonly visit: number
  readonly entryPage: string | null
  readonly exitPage: string | null
  readonly ms: number
  readonly bounce: boolean
}

const ofVisit: ReadonlySet<string> = new Set([
  ...["source", "medium", "channel", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_term"],
  ...["utm_content", "browser", "browser_version", "os", "device", "country", "region", "city", "language"],
  ...["screen", "bot"],
])

const scalar = (data: string | null, key: string): string | number | boolean | null => {
  const value: unknown = data === null ? null : JSON.parse(data)
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null
  const held: unknown = Reflect.get(value, key)
  return typeof held === "string" || typeof held === "number" || typeof held === "boolean" ? held : null
}

const dimensionValue = (
  { event, first, entryPage, exitPage }: Counted,
  dimension: FilterDimension,
): string | null => {
  if (dimension.of === "data") {
    const value = scalar(event.data, dimension.key)
    return value === null ? null : String(value)
  }
  const { name } = dimension
  if (name === "event") return event.told.name ?? event.type
  if (name === "entry_page") return entryPage
  if (name === "exit_page") return exitPage
  if (name === "page" || name === "host") return event.pageUrl === null ? null : pageOf(event.pageUrl)[name]
  return (ofVisit.has(name) ? first : event).told[name] ?? null
}

const meets = (counted: Counted, filter: Filter, all: ReadonlyArray<Counted>): boolean => {
  switch (filter.is) {
    case "all":
      return filter.filters.every((each) => meets(counted, each, all))
    case "any":
      return filter.filters.some((each) => meets(counted, each, all))
    case "not":
      return !meets(counted, filter.filter, all)
    case "done":
      return all.some(
        (other) =>
          other.visit === counted.visit &&
          other.event.site === counted.event.site &&
          meets(other, filter.filter, all),
      )
    case "comparison": {
      const value = dimensionValue(counted, filter.dimension)
      return filter.values.some((wanted) => {
        if (value === null || wanted === null) return value === wanted
        const fold = (text: string) => (filter.caseSensitive ? text : text.toLowerCase())
        if (filter.comparison === "is") return fold(value) === fold(wanted)
        if (filter.comparison === "contains") return fold(value).includes(fold(wanted))
        return new RegExp(wanted, filter.caseSensitive ? "" : "i").test(value)
      })
    }
  }
}

const count = (of: ReadonlyArray<Counted>, type: string): number =>
  of.filter(({ event }) => event.type === type).length

const metricOf = (metric: Metric, of: ReadonlyArray<Counted>, allVisitors: number): number | null => {
  const visits = [...new Map(of.map((each) => [each.visit, each])).values()]
  const visitors = new Set(of.map(({ event }) => event.visitorId)).size
  const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole)
  if (metric.of === "data") {
    const numbers = of.map(({ event }) => scalar(event.data, metric.key)).filter((n) => typeof n === "number")
    if (numbers.length === 0) return null
    const sum = numbers.reduce((total, n) => total + n, 0)
    if (metric.aggregation === "sum") return sum
    if (metric.aggregation === "avg") return sum / numbers.length
    return metric.aggregation === "min" ? Math.min(...numbers) : Math.max(...numbers)
  }
  switch (metric.name) {
    case "visitors":
      return visitors
    case "visits":
      return visits.length
    case "page_views":
      return count(of, "page_view")
    case "events":
      return of.length
    case "letters":
      return count(of, "letter_generate")
    case "views_per_visit":
      return share(count(of, "page_view"), visits.length)
    case "bounce_rate":
      return share(100 * visits.filter(({ bounce }) => bounce).length, visits.length)
    case "visit_duration":
      return share(visits.reduce((total, { ms }) => total + ms, 0) / 1000, visits.length)
    case "percentage":
      return share(100 * visitors, allVisitors)
    case "conversion_rate":
      return share(count(of, "letter_generate"), visitors)
  }
}

/** Rows by the JSON of their dimensions. */
export type ReferenceRows = ReadonlyMap<string, ReadonlyArray<number | null>>

/** The events that a question is about, in a range. */
const metBy = (query: Query, range: Range, all: ReadonlyArray<Counted>): ReadonlyArray<Counted> => {
  const bots = { exclude: [false], include: [false, true], only: [true] }[query.bots]
  return all.filter(
    (each) =>
      query.sites.includes(each.event.site) &&
      each.event.createdAt >= range.from &&
      each.event.createdAt < range.until &&
      bots.includes(each.event.bot) &&
      query.filters.every((filter) => meets(each, filter, all)),
  )
}

const rowsIn = (
  query: Query,
  range: Range,
  buckets: Query["buckets"],
  all: ReadonlyArray<Counted>,
): ReferenceRows => {
  const met = metBy(query, range, all)
  const keyOf = (each: Counted) =>
    JSON.stringify(
      query.dimensions.map((dimension) => {
        if (dimension.of === "figure") throw new Error("figures have a count of their own")
        if (dimension.of !== "time") return dimensionValue(each, dimension)
        const at = each.event.createdAt
        return buckets.findIndex(({ from, until }) => at >= from && at < until)
      }),
    )
  const allVisitors = new Set(met.map(({ event }) => event.visitorId)).size
  const groups = Map.groupBy(met, keyOf)
  if (query.dimensions.length === 0 && groups.size === 0) groups.set("[]", [])
  return new Map(
    [...groups].map(([key, of]) => [key, query.metrics.map((metric) => metricOf(metric, of, allVisitors))]),
  )
}

const counted = (events: ReadonlyArray<ReferenceEvent>, timeZone: string): ReadonlyArray<Counted> =>
  visitsOf(events, new Calendar(timeZone)).flatMap((visit, number) =>
    visit.events.map(
      (event): Counted => ({
        ...{ event, first: visit.events[0], visit: number, bounce: visit.bounce },
        ...{ entryPage: visit.entryPage, exitPage: visit.exitPage, ms: visit.endedAt - visit.startedAt },
      }),
    ),
  )

/** The events that a question is about. */
export const metEvents = (
  query: Query,
  events: ReadonlyArray<ReferenceEvent>,
  timeZone: string,
): ReadonlyArray<ReferenceEvent> =>
  metBy(query, query.range, counted(events, timeZone)).map(({ event }) => event)

/** How many steps are taken from an event that is the first. */
const stepsFrom = (
  start: Counted,
  { steps, within }: Funnel,
  others: ReadonlyArray<Counted>,
  all: ReadonlyArray<Counted>,
): number => {
  const began = start.event.createdAt
  let at = began
  for (const [i, step] of steps.entries()) {
    const before = steps[i - 1]
    if (before === undefined) continue
    const times = others
      .filter(
        (each) =>
          meets(each, step, all) &&
          (each.event.createdAt > at || (each.event.createdAt === at && !meets(each, before, all))) &&
          (within === "visit" || each.event.createdAt <= began + within),
      )
      .map(({ event }) => event.createdAt)
    if (times.length === 0) return i
    at = Math.min(...times)
  }
  return steps.length
}

/** Visitors of each step of a funnel. */
export const referenceFunnel = (
  funnel: Funnel,
  events: ReadonlyArray<ReferenceEvent>,
  timeZone: string,
): ReadonlyArray<number> => {
  const all = counted(events, timeZone)
  const asked = metBy(funnel.query, funnel.query.range, all)
  const most = new Map<string, number>()
  const whole = Map.groupBy(asked, ({ event, visit }) =>
    funnel.within === "visit" ? `${event.site} ${visit}` : event.visitorId,
  )
  for (const others of whole.values())
    for (const start of others) {
      const [first] = funnel.steps
      if (first === undefined || !meets(start, first, all)) continue
      const { visitorId } = start.event
      most.set(visitorId, Math.max(most.get(visitorId) ?? 0, stepsFrom(start, funnel, others, all)))
    }
  return funnel.steps.map((_, i) => [...most.values()].filter((steps) => steps > i).length)
}

/** Every row of the answer, without order and limit; and the rows of what it is compared with. */
export const referenceAnswer = (query: Query, events: ReadonlyArray<ReferenceEvent>, timeZone: string) => {
  const all = counted(events, timeZone)
  const { comparison } = query
  return {
    rows: rowsIn(query, query.range, query.buckets, all),
    before: comparison === null ? null : rowsIn(query, comparison, query.comparisonBuckets, all),
  }
}

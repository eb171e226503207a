/** Questions as SQL for the query engine. What users choose is in the values, never in the text. */
import type { DimensionName } from "../../domain/dimensions.ts"
import type { Calendar } from "../../domain/period.ts"
import type { Bucket, Filter, Metric, MetricName, Query, Range } from "../language/index.ts"
import {
  columns,
  DIMENSION_NAMES,
  dimensionValue,
  EVENT_COLUMNS,
  figureValue,
  numberOf,
  quoted,
} from "./columns.ts"
import { eventsOfParts } from "./dayParts.ts"
import { type EventTables, isWhollyIn, type TakenDay, tablesOf, touches } from "./siteDay.ts"
import { Values } from "./values.ts"

export interface Statement {
  readonly text: string
  readonly values: ReadonlyArray<string | number>
}

/** Begins every text that is shown: the driver takes a U+FEFF at a text's beginning for a byte order mark, and leaves it out. */
export const MARK = "="

const NO_EVENTS = `SELECT ${[
  ...Object.entries(EVENT_COLUMNS).map(([name, type]) => `NULL::${type} AS ${name}`),
  ...DIMENSION_NAMES.map((name) => `NULL::VARCHAR AS "${name}"`),
].join(", ")} WHERE false`

/** The events of some files with some dimensions; none where there are no files. */
export const eventsOf = ({ ended, growing }: EventTables, dimensions: ReadonlySet<DimensionName>): string => {
  const some = [
    ...(ended.length === 0 ? [] : [`FROM read_parquet([${ended.map(quoted).join(", ")}])`]),
    ...(growing.length === 0 ? [] : [eventsOfParts(growing, dimensions)]),
  ].map((events) => `SELECT ${columns([...Object.keys(EVENT_COLUMNS), ...dimensions])} FROM (${events})`)
  return some.length === 0 ? NO_EVENTS : some.join(" UNION ALL ")
}

const comparison = (filter: Filter & { readonly is: "comparison" }, values: Values): string => {
  const column = dimensionValue(filter.dimension, values)
  const texts = filter.values.filter((value) => value !== null)
  const fold = (of: string) => (filter.caseSensitive ? of : `lower(${of})`)
  const alternatives = texts.map((text) => {
    const value = `${values.add(text)}::VARCHAR`
    if (filter.comparison === "is") return `${fold(column)} = ${fold(value)}`
    if (filter.comparison === "contains") return `contains(${fold(column)}, ${fold(value)})`
    // RE2: linear in the text's length, whatever the pattern is.
    return `regexp_matches(${column}, ${value}, '${filter.caseSensitive ? "c" : "i"}')`
  })
  if (texts.length < filter.values.length) alternatives.push(`${column} IS NULL`)
  return `(${alternatives.join(" OR ")})`
}

/**
 * SQL: true for an event that meets a condition; NULL or false for others. Comparisons stand in it as they are, so that files are read
 * by them: of columns that come after, only what is left of the rows.
 */
export const truth = (filter: Filter, values: Values): string => {
  switch (filter.is) {
    case "comparison":
      return comparison(filter, values)
    case "all":
      return `(${["true", ...filter.filters.map((each) => truth(each, values))].join(" AND ")})`
    case "any":
      return `(${["false", ...filter.filters.map((each) => truth(each, values))].join(" OR ")})`
    case "not":
      return `NOT ${condition(filter.filter, values)}`
    case "done":
      return `visit IN (SELECT visit FROM events WHERE ${truth(filter.filter, values)})`
  }
}

/** SQL: whether an event meets a condition; never NULL. */
export const condition = (filter: Filter, values: Values): string =>
  `coalesce(${truth(filter, values)}, false)`

const patternsIn = (filter: Filter): ReadonlyArray<string> => {
  if (filter.is === "not" || filter.is === "done") return patternsIn(filter.filter)
  if (filter.is !== "comparison") return filter.filters.flatMap(patternsIn)
  return filter.comparison === "matches" ? filter.values.filter((value) => value !== null) : []
}

/** The statement that fails where a pattern of some filters is none, whatever events there are; `null` without patterns. */
export const patternCheck = (filters: ReadonlyArray<Filter>): Statement | null => {
  const values = new Values()
  const tried = filters
    .flatMap(patternsIn)
    .map((pattern) => `regexp_matches('', ${values.add(pattern)}::VARCHAR)`)
  return tried.length === 0 ? null : { text: `SELECT ${tried.join(", ")}`, values: values.list }
}

/** SQL: whether an event of a bot's, or of nobody's, is counted. */
export const BOTS = { exclude: "NOT bots", only: "bots", include: "true" } as const

/** Whether a question is by time alone and in its order, so that intervals without events are rows, too. */
export const isSeries = ({ dimensions, order }: Query): boolean =>
  dimensions.length === 1 && dimensions.every(({ of }) => of === "time") && order[0]?.by === "dimension"

/** The n-th dimension of each event: a text, a place's number, or the number of its interval. */
const dimensionColumns = (query: Query, values: Values): ReadonlyArray<string> =>
  query.dimensions.map((dimension, i) => {
    if (dimension.of === "time") return `bucket AS d${i}`
    const value =
      dimension.of === "figure" ? figureValue(dimension, values) : dimensionValue(dimension, values)
    return `${value} AS d${i}`
  })

/** Metrics that are told by what a visit is, beyond its number; the others by events alone. */
const OF_WHOLE_VISITS: ReadonlySet<MetricName> = new Set(["bounce_rate", "visit_duration"] as const)

/** Whether a question's rows are made of visits; else they are made of events, in one step. */
const isOfVisits = ({ metrics, presence = 1 }: Query): boolean =>
  presence > 1 || metrics.some((metric) => metric.of === "events" && OF_WHOLE_VISITS.has(metric.name))

/** What of each metric is added up: within a visit, over visits, and what is shown. */
interface MetricParts {
  readonly ofEvent?: string
  readonly ofVisit: ReadonlyArray<string>
  readonly ofRow: ReadonlyArray<string>
  readonly shown: string
}

const metricParts = (metric: Metric, i: number, values: Values): MetricParts => {
  if (metric.of === "data") {
    const part = { sum: "sum", avg: "sum", min: "min", max: "max" }[metric.aggregation]
    return {
      ofEvent: `${numberOf(metric.key, values)} AS x${i}`,
      ofVisit: [`${part}(x${i}) AS x${i}`, `count(x${i}) AS n${i}`],
      ofRow: [`${part}(x${i}) AS x${i}`, `sum(n${i}) AS n${i}`],
      shown: metric.aggregation === "avg" ? `x${i} / nullif(n${i}, 0)` : `x${i}`,
    }
  }
  const whole = { ofVisit: [], ofRow: [] }
  switch (metric.name) {
    case "visitors":
      return { ...whole, shown: "visitors" }
    case "visits":
      return { ...whole, shown: "visits" }
    case "events":
      return { ...whole, shown: "events" }
    case "page_views":
      return { ...whole, shown: "page_views" }
    case "letters":
      return { ...whole, shown: "letters" }
    case "views_per_visit":
      return { ...whole, shown: "coalesce(page_views / nullif(visits, 0), 0)" }
    case "bounce_rate":
      return { ...whole, shown: "coalesce(100 * bounces / nullif(visits, 0), 0)" }
    case "visit_duration":
      return { ...whole, shown: "coalesce(visit_ms / (1000 * nullif(visits, 0)), 0)" }
    case "conversion_rate":
      return { ...whole, shown: "coalesce(letters / nullif(visitors, 0), 0)" }
    case "percentage":
      return { ...whole, shown: "coalesce(100 * visitors / nullif(all_visitors, 0), 0)" }
  }
}

const list = (parts: ReadonlyArray<string>): string => parts.map((part) => `, ${part}`).join("")

const groupBy = (columns: ReadonlyArray<string>): string =>
  columns.length === 0 ? "" : `GROUP BY ${columns.join(", ")}`

const join = (buckets: ReadonlyArray<Bucket>, values: Values): string =>
  buckets.length === 0
    ? ""
    : `ASOF JOIN (
        SELECT unnest(string_split(${values.add(buckets.map(({ from }) => from).join())}, ','))::BIGINT AS since,
          unnest(range(${buckets.length})) AS bucket
      ) ON created_at >= since`

/** SQL: of the dimensions d0, d1, that those of figures have a value. */
const inFigures = (query: Query): string => {
  const conditions = query.dimensions.flatMap(({ of }, i) => (of === "figure" ? [`d${i} IS NOT NULL`] : []))
  return conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`
}

/** SQL: visits of intervals, and, without their events, of the intervals after these in which their visitors are present still. */
const stillPresent = (visits: string, intervals: number): string =>
  intervals === 1
    ? visits
    : `(SELECT * REPLACE (d0 + later AS d0, CASE WHEN later = 0 THEN events ELSE 0 END AS events)
        FROM ${visits}, range(${intervals}) AS intervals(later))`

/** What the rows of one range are made of, named `now` or `before`. */
export interface RangeRows {
  readonly range: Range
  readonly buckets: ReadonlyArray<Bucket>
  readonly name: "now" | "before"
}

/** What a question reads: days with their files, and the calendar that tells when each begins. */
export interface AskedEvents {
  readonly days: ReadonlyArray<TakenDay>
  /** Of the deployment's zone. */
  readonly calendar: Calendar
}

/** SQL: selects from the events of a range that meet a condition. Where a range has all of a day, no event of it is asked when it was. */
export const eventsIn = (
  { days, calendar }: AskedEvents,
  range: Range,
  values: Values,
  { selected, joined = "", condition: met }: { selected: string; joined?: string; condition: string },
): string => {
  const inTime = () =>
    `created_at >= ${values.add(range.from)}::BIGINT AND created_at < ${values.add(range.until)}::BIGINT`
  const touched = days.filter(({ day }) => touches(range, calendar, day))
  const whole = touched.filter(({ day }) => isWhollyIn(range, calendar, day))
  const cut = touched.filter((day) => !whole.includes(day))
  const some = [
    ...(whole.length === 0 && cut.length > 0 ? [] : [{ of: whole, conditions: met }]),
    ...(cut.length === 0 ? [] : [{ of: cut, conditions: `${inTime()} AND ${met}` }]),
  ]
  return some
    .map(
      ({ of, conditions }) =>
        `SELECT ${selected} FROM (${eventsOf(tablesOf(of), values.dimensions)}) AS events ${joined} WHERE ${conditions}`,
    )
    .join(" UNION ALL ")
}

/** SQL: what rows of events add up to, and of what they are told apart by. */
const sumsOfEvents = (query: Query, name: string, parts: ReadonlyArray<MetricParts>): string => {
  const dimensions = query.dimensions.map((_, i) => `d${i}`)
  return `
  ${name}_rows AS (
    SELECT count(DISTINCT visitor) AS visitors, count(DISTINCT visit) AS visits, count(*) AS events,
      count(*) FILTER (type = 'page_view') AS page_views, count(*) FILTER (type = 'letter_generate') AS letters,
      (SELECT count(DISTINCT visitor) FROM ${name}_met ${inFigures(query)}) AS all_visitors${list(dimensions)}${list(parts.flatMap(({ ofVisit }) => ofVisit))}
    FROM ${name}_met ${inFigures(query)} ${groupBy(dimensions)}
  )`
}

/** SQL: what visits add up to, each counted once for every value of the dimensions that it has events of. */
const sumsOfVisits = (query: Query, name: string, parts: ReadonlyArray<MetricParts>): string => {
  const dimensions = query.dimensions.map((_, i) => `d${i}`)
  return `
  ${name}_visits AS (
    SELECT visit${list(dimensions)}, any_value(visitor) AS visitor, any_value(visit_ms) AS visit_ms, any_value(bounce) AS bounce,
      count(*) AS events, count(*) FILTER (type = 'page_view') AS page_views,
      count(*) FILTER (type = 'letter_generate') AS letters${list(parts.flatMap(({ ofVisit }) => ofVisit))}
    FROM ${name}_met ${inFigures(query)} ${groupBy(["visit", ...dimensions])}
  ), ${name}_rows AS (
    SELECT count(DISTINCT visitor) AS visitors, count(*) AS visits, coalesce(sum(events), 0) AS events,
      coalesce(sum(page_views), 0) AS page_views, coalesce(sum(letters), 0) AS letters,
      coalesce(sum(visit_ms), 0) AS visit_ms, count(*) FILTER (bounce) AS bounces,
      (SELECT count(DISTINCT visitor) FROM ${name}_visits) AS all_visitors${list(dimensions)}${list(parts.flatMap(({ ofRow }) => ofRow))}
    FROM ${stillPresent(`${name}_visits`, query.presence ?? 1)} ${groupBy(dimensions)}
  )`
}

/** SQL: counts the events of one range, under its name and `_rows`: the dimensions d0, d1, and what metrics are made of. */
const countedEvents = (
  query: Query,
  { range, buckets, name }: RangeRows,
  asked: AskedEvents,
  values: Values,
): string => {
  const parts = query.metrics.map((metric, i) => metricParts(metric, i, values))
  const met = eventsIn(asked, range, values, {
    selected: `visit, visitor, type, visit_ms, bounce${list(dimensionColumns(query, values))}${list(parts.flatMap(({ ofEvent }) => ofEvent ?? []))}`,
    joined: join(buckets, values),
    condition: [BOTS[query.bots], ...query.filters.map((filter) => truth(filter, values))].join(" AND "),
  })
  const sums = isOfVisits(query) ? sumsOfVisits : sumsOfEvents
  return `${name}_met AS (${met}), ${sums(query, name, parts)}`
}

/** SQL: what was counted of a range, as it is shown: the dimensions d0, d1 and the metrics m0, m1 … */
const shownRows = (query: Query, name: string): string => {
  const dimensions = query.dimensions.map((_, i) => `d${i}`)
  const metrics = query.metrics.map(
    (metric, i) => `(${metricParts(metric, i, new Values()).shown})::DOUBLE AS m${i}`,
  )
  return `${name} AS (SELECT ${[...dimensions, ...metrics].join(", ")} FROM ${name}_rows)`
}

/** The ranges that a question has rows of. */
export const rangesOf = ({
  range,
  buckets,
  comparison,
  comparisonBuckets,
}: Query): ReadonlyArray<RangeRows> => [
  { range, buckets, name: "now" },
  ...(comparison === null
    ? []
    : [{ range: comparison, buckets: comparisonBuckets, name: "before" as const }]),
]

/**
 * SQL: the answer to a question, from what was counted of its ranges. Its rows have the dimensions (d0, d1: a text, or the number of an
 * interval), the metrics (m0, m1 …), those of the comparison (c0, c1 …; NULL where it has no such row), and the number of all rows
 * (total).
 */
export const answerFrom = (query: Query, counted: ReadonlyArray<string>): string => {
  const isCompared = query.comparison !== null
  const dimensions = query.dimensions.map((_, i) => `d${i}`)
  const on = dimensions.map((d) => `now.${d} IS NOT DISTINCT FROM before.${d}`)
  const order = [
    ...query.order.map(
      ({ by, index, descending }) =>
        `now.${by === "metric" ? "m" : "d"}${index} ${descending ? "DESC" : "ASC"} NULLS LAST`,
    ),
    ...dimensions.map((d) => `now.${d} ASC NULLS LAST`),
  ]
  const series = isSeries(query)
  const shown = [
    ...query.dimensions.map(({ of }, i) => {
      if (of !== "time") return `'${MARK}' || now.d${i}::VARCHAR AS d${i}`
      return isCompared && series ? `coalesce(now.d${i}, before.d${i}) AS d${i}` : `now.d${i}`
    }),
    ...query.metrics.map((_, i) => `now.m${i}`),
    ...(isCompared ? query.metrics.map((_, i) => `before.m${i} AS c${i}`) : []),
    "count(*) OVER () AS total",
  ]
  const rows = rangesOf(query).map(({ name }) => shownRows(query, name))
  return `
  WITH ${[...counted, ...rows].join(", ")}
  SELECT ${shown.join(", ")}
  FROM now ${!isCompared ? "" : `${series ? "FULL" : "LEFT"} JOIN before ON ${on.length === 0 ? "true" : on.join(" AND ")}`}
  ORDER BY ${order.join(", ")}
  ${series ? "" : `LIMIT ${query.limit} OFFSET ${query.offset}`}`
}

/** SQL: all events of some days, for what is asked of whole visits. */
export const allEvents = ({ days }: AskedEvents, values: Values): string =>
  `events AS NOT MATERIALIZED (${eventsOf(tablesOf(days), values.dimensions)})`

/** The statement that answers a question from files of events. */
export const statementFor = (query: Query, asked: AskedEvents): Statement => {
  const values = new Values()
  const counted = rangesOf(query).map((rows) => countedEvents(query, rows, asked, values))
  return { text: answerFrom(query, [allEvents(asked, values), ...counted]), values: values.list }
}

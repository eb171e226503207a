/**
 * Tallies: the events of a site's days, told apart by one dimension, in numbers that add up to an answer about any of these days.
 *
 * Visits end with their day, so that visits, and what is counted in them, are sums of days. Visitors are not: one may be there on
 * several days. But in a range each is there for a first time. A tally is therefore of a value, a day, and the last day before on which
 * its visitors were there with that value; those of a range are the visitors of its tallies whose day before lies before the range. So
 * distinct visitors are a sum, too, and an exact one, and no tally tells who they were.
 */
import type { DimensionName } from "../../domain/dimensions.ts"
import type { Calendar, Day } from "../../domain/period.ts"
import type { Query, QueryDimension } from "../language/index.ts"
import { copyTo, parquet } from "./dayParts.ts"
import { DAY_OF_VISIT, dayNumber, type EventTables } from "./siteDay.ts"
import { answerFrom, BOTS, eventsOf, type RangeRows, rangesOf, type Statement } from "./statement.ts"

/** What tallies count. */
const COUNTS = ["visitors", "visits", "events", "page_views", "letters", "visit_ms", "bounces"] as const

/** What events are told apart by; `null` where by nothing. */
export type TallyDimension = DimensionName | null

const sums = (names: ReadonlyArray<string>): string =>
  names.map((name) => `sum(${name})::BIGINT AS ${name}`).join(", ")

/** What tallies are made of. */
export interface TallySource {
  readonly dimension: TallyDimension
  readonly of: EventTables
  /** Events from then on are left out, unix milliseconds. */
  readonly until: number
  /** Earlier days, on which the same visitors may have been there. */
  readonly before: EventTables
}

/** The statement that writes the tallies of some days. */
export const writeTallies = (target: string, { dimension, of, until, before }: TallySource): string => {
  const value = dimension === null ? "NULL::VARCHAR" : `"${dimension}"`
  const dimensions = new Set(dimension === null ? [] : [dimension])
  return copyTo(
    target,
    `
    WITH visits AS (
      SELECT visit, ${value} AS value, any_value(visitor) AS visitor, any_value(visit_ms) AS visit_ms, any_value(bounce) AS bounce,
        count(*) AS events, count(*) FILTER (type = 'page_view') AS page_views, count(*) FILTER (type = 'letter_generate') AS letters
      FROM (${eventsOf(of, dimensions)}) WHERE ${BOTS.exclude} AND created_at < ${until} GROUP BY visit, value
    ), present AS (
      SELECT ${DAY_OF_VISIT} AS day, value, visitor, count(*) AS visits, sum(events) AS events, sum(page_views) AS page_views,
        sum(letters) AS letters, sum(visit_ms) AS visit_ms, count(*) FILTER (bounce) AS bounces
      FROM visits GROUP BY day, value, visitor
    ), before AS (
      SELECT ${value} AS value, visitor, max(${DAY_OF_VISIT}) AS day
      FROM (${eventsOf(before, dimensions)}) WHERE ${BOTS.exclude} AND visitor IN (SELECT visitor FROM present) GROUP BY value, visitor
    ), linked AS (
      SELECT present.*, coalesce(
        lag(present.day) OVER (PARTITION BY present.value, present.visitor ORDER BY present.day), before.day
      ) AS previous
      FROM present LEFT JOIN before ON present.visitor = before.visitor AND present.value IS NOT DISTINCT FROM before.value
    )
    SELECT day, value, previous, count(*) AS visitors, ${sums(COUNTS.slice(1))} FROM linked GROUP BY day, value, previous`,
  )
}

const daysOf = (files: ReadonlyArray<string>, first: Day, end: Day): string =>
  `${parquet(files)} WHERE day >= ${dayNumber(first)} AND day < ${dayNumber(end)}`

/** The statement that writes the tallies of other files to one, of the days from one on until before another. */
export const writeSomeTallies = (
  target: string,
  files: ReadonlyArray<string>,
  first: Day,
  end: Day,
): string => copyTo(target, `SELECT * FROM ${daysOf(files, first, end)} ORDER BY day`)

/** The tallies of a range. */
export interface RangeTallies {
  /** Files with tallies of days, of which those from one day on, until before another, are of the range. */
  readonly files: ReadonlyArray<string>
  readonly first: Day
  readonly end: Day
  /** Files with tallies of the range's other days; all of them are. */
  readonly recent: ReadonlyArray<string>
}

/** Files that tallies are read from. */
export const filesOfTallies = ({ files, recent }: RangeTallies): ReadonlyArray<string> => [
  ...files,
  ...recent,
]

const NO_TALLIES = `SELECT NULL::INTEGER AS day, NULL::VARCHAR AS value, NULL::INTEGER AS previous, ${COUNTS.map((name) => `0 AS ${name}`).join(", ")} WHERE false`

const talliesOf = ({ files, first, end, recent }: RangeTallies): string => {
  const some = [
    ...(files.length === 0 ? [] : [`SELECT * FROM ${daysOf(files, first, end)}`]),
    ...(recent.length === 0 ? [] : [`SELECT * FROM ${parquet(recent)}`]),
  ]
  return `(${some.length === 0 ? NO_TALLIES : some.join(" UNION ALL BY NAME ")})`
}

/** SQL: the visitors of tallies who were not there before, since a day. */
const VISITORS = "coalesce(sum(visitors) FILTER (previous IS NULL OR previous < since), 0)"

/** The tallies of a question's range: by its dimension, and, where that is asked, by none: of how many visitors those of a value are a part. */
export interface TalliesOfQuestion {
  readonly told: RangeTallies
  readonly all: RangeTallies | null
}

const countedTallies = (
  query: Query,
  { buckets, name }: RangeRows,
  { told, all }: TalliesOfQuestion,
  calendar: Calendar,
): string => {
  const [dimension] = query.dimensions
  const since = dayNumber(told.first)
  const starts = buckets.map(({ from }, i) => {
    const start = dayNumber(calendar.dayOf(from))
    return `(${i}, ${start}, ${Math.max(start, since)})`
  })
  const tallies =
    dimension?.of === "time"
      ? `${talliesOf(told)} AS tallies ASOF JOIN (VALUES ${starts.join(", ")}) AS intervals(bucket, start, since) ON tallies.day >= intervals.start`
      : `${talliesOf(told)} AS tallies, (SELECT ${since} AS since)`
  return `
  ${name}_rows AS (
    SELECT ${VISITORS} AS visitors, ${COUNTS.slice(1)
      .map((count) => `coalesce(sum(${count}), 0) AS ${count}`)
      .join(", ")},
      ${all === null ? "NULL" : `(SELECT ${VISITORS} FROM ${talliesOf(all)}, (SELECT ${since} AS since))`} AS all_visitors
      ${dimension === undefined ? "" : `, ${dimension.of === "time" ? "bucket" : "value"} AS d0`}
    FROM ${tallies} ${dimension === undefined ? "" : "GROUP BY d0"}
  )`
}

/** The statement that answers a question from the tallies of its ranges. */
export const statementOfTallies = (
  query: Query,
  tallies: ReadonlyArray<TalliesOfQuestion>,
  calendar: Calendar,
): Statement => {
  const counted = rangesOf(query).flatMap((rows, i) => {
    const of = tallies[i]
    return of === undefined ? [] : [countedTallies(query, rows, of, calendar)]
  })
  return { text: answerFrom(query, counted), values: [] }
}

/** What tallies of a question are told apart by; `undefined` where tallies do not tell it. */
export const tallyDimensionOf = (dimension: QueryDimension | undefined): TallyDimension | undefined => {
  if (dimension === undefined) return null
  if (dimension.of === "list") return dimension.name
  const isOfDays = dimension.of === "time" && dimension.interval !== "minute" && dimension.interval !== "hour"
  return isOfDays ? null : undefined
}

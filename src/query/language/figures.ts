/** The questions that the API's own figures are: each of the sites, the time and the filters of a question that was read. */
import { MINUTE_MS } from "../../domain/time.ts"
import type { Filter } from "./filters.ts"
import type { MetricName } from "./metrics.ts"
import type { FigureDimension, Query } from "./query.ts"

const metricsOf = (names: ReadonlyArray<MetricName>): Query["metrics"] =>
  names.map((name) => ({ of: "events", name }))

const bySize = (
  query: Query,
  metrics: ReadonlyArray<MetricName>,
  dimensions: ReadonlyArray<FigureDimension>,
): Query => ({
  ...query,
  ...{ metrics: metricsOf(metrics), dimensions, buckets: [], comparisonBuckets: [] },
  order: [{ by: "metric", index: 0, descending: true }],
})

/** One row, of all of the events. */
export const totalsOf = (query: Query, metrics: ReadonlyArray<MetricName>): Query =>
  bySize(query, metrics, [])

/** Views of each theme, by the theme as it was sent. */
export const themeViewsOf = (query: Query): Query =>
  bySize(query, ["events"], [{ of: "figure", name: "theme" }])

/** Letters of the types `motivation` and `anti_motivation`. */
export const lettersByTypeOf = (query: Query): Query =>
  bySize(query, ["events"], [{ of: "figure", name: "letter_type" }])

/** Clicks by their places, on one page or all. */
export const clicksOf = (
  query: Query,
  {
    page,
    grid,
    limit,
  }: {
    readonly page: { readonly page: string; readonly host: string | null } | null
    readonly grid: number | null
    readonly limit: number
  },
): Query => {
  const is = (name: "page" | "host", value: string | null): Filter => ({
    ...{ is: "comparison", comparison: "is", dimension: { of: "list", name }, values: [value] },
    caseSensitive: true,
  })
  const filters = page === null ? [] : [is("page", page.page), is("host", page.host)]
  const asked = bySize(
    query,
    ["events"],
    [
      { of: "figure", name: "x", grid },
      { of: "figure", name: "y", grid },
    ],
  )
  return { ...asked, filters: [...query.filters, ...filters], limit }
}

const minuteOf = (instant: number): number => Math.floor(instant / MINUTE_MS) * MINUTE_MS

/**
 * Events of each minute, and the visitors who are present in it: seen in it or in the minutes before, so many together. The question is
 * by minutes; the one that its range begins in is whole, and those before it, in which visitors were seen, are rows, too.
 */
export const presenceOf = (query: Query, minutes: number): Query => {
  const first = minuteOf(query.range.from)
  const before = Array.from({ length: minutes - 1 }, (_, i) => first - (minutes - 1 - i) * MINUTE_MS)
  const bucket = (from: number, until: number) => ({ name: new Date(from).toISOString(), from, until })
  return {
    ...query,
    metrics: metricsOf(["events", "visitors"]),
    range: { from: before[0] ?? first, until: query.range.until },
    buckets: [
      ...before.map((from) => bucket(from, from + MINUTE_MS)),
      ...query.buckets.map(({ from, until }) => bucket(minuteOf(from), until)),
    ],
    presence: minutes,
  }
}

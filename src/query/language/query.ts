/**
 * A question to the events: what may be asked, read with a sentence for each thing that is wrong, and resolved until nothing is left to
 * the one who answers. The vocabulary is that of Plausible's Stats API v2 where that has a word.
 */
import { Calendar } from "../../domain/period.ts"
import { ALL_SITES, choiceOf, chosenSites } from "../../domain/siteChoice.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import {
  decodeFilters,
  dimensionOf,
  encodeFilter,
  type Filter,
  type FilterDimension,
  nameOfDimension,
} from "./filters.ts"
import { type SiteGoal, sharedGoals } from "./goals.ts"
import { type Bucket, bucketsOf, INTERVALS, type Interval, MAX_INTERVALS } from "./intervals.ts"
import { METRICS, type Metric, metricOf, nameOfMetric } from "./metrics.ts"
import { QueryProblem, shown } from "./problem.ts"
import {
  COMPARISONS_IN_TIME,
  type Compare,
  compareRange,
  type Range,
  type RangeContext,
  resolveRange,
} from "./range.ts"

/** What a row of the answer stands for: a value of a dimension, or an interval of time. */
export type QueryDimension =
  | FilterDimension
  | FigureDimension
  | { readonly of: "time"; readonly interval: Interval }

/**
 * What the API's own figures are told apart by: nobody asks for it by a name. An event without a value is not in the answer; a click's
 * `x` and `y` are those of the cell it is in, where there is a grid.
 */
export type FigureDimension =
  | { readonly of: "figure"; readonly name: "theme" | "letter_type" }
  | { readonly of: "figure"; readonly name: "x" | "y"; readonly grid: number | null }

/** Which events of bots are counted. */
export const BOTS = ["exclude", "include", "only"] as const
export type Bots = (typeof BOTS)[number]

/** What rows are sorted by: the n-th metric or the n-th dimension. */
export interface Order {
  readonly by: "metric" | "dimension"
  readonly index: number
  readonly descending: boolean
}

/** A question with every default made explicit, and nothing in it that depends on when it is asked. */
export interface Query {
  readonly sites: ReadonlyArray<string>
  readonly metrics: ReadonlyArray<Metric>
  readonly dimensions: ReadonlyArray<QueryDimension>
  /** All of them must hold. */
  readonly filters: ReadonlyArray<Filter>
  readonly range: Range
  /** What `range` is compared with. */
  readonly comparison: Range | null
  readonly timeZone: string
  readonly bots: Bots
  readonly order: ReadonlyArray<Order>
  readonly limit: number
  readonly offset: number
  /** The intervals of the range, for a question by time; else empty. */
  readonly buckets: ReadonlyArray<Bucket>
  readonly comparisonBuckets: ReadonlyArray<Bucket>
  /** In a question by time: intervals in which a visitor is counted from an event on, that of the event included; 1 if it is not said. */
  readonly presence?: number
}

/** What a question is read with. */
export interface QueryContext {
  /** Unix milliseconds. */
  readonly now: number
  /** Sites that may be asked about, and the one that is asked about by default. */
  readonly sites: ReadonlySet<string>
  readonly site: string
  /** The deployment's zone. */
  readonly timeZone: string
  /** The zone that a site has of its own; none has where this is not given. */
  readonly zoneOfSite?: (site: string) => string | null
  /** The first event of a site, unix milliseconds. */
  readonly earliest: (site: string) => number | null
  /** Rows that may be asked for, and those that are where none are named. */
  readonly rows?: RowLimit
  /** Goals that conditions may be on; none where there are none given. */
  readonly goals?: ReadonlyArray<SiteGoal>
}

export interface RowLimit {
  readonly default: number
  readonly most: number
}

export const MAX_DIMENSIONS = 2
export const MAX_METRICS = 16
export const DEFAULT_LIMIT = 1000
export const MAX_LIMIT = 10_000
/** Rows of an answer that is downloaded: all of them where no fewer are asked for. */
export const MAX_DOWNLOAD_ROWS = 50_000
export const MAX_OFFSET = 10_000_000

const MAX_ORDER = 4

type Body = { readonly [name: string]: unknown }

const isBody = (value: unknown): value is Body =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/** Every field of a question; others are refused, for they are most often mistyped. */
export const FIELDS = [
  ...["site", "sites", "metrics", "dimensions", "filters", "date_range", "interval", "time_zone"],
  ...["compare", "bots", "order_by", "limit", "offset"],
] as const

const absent = (value: unknown): value is null | undefined => value === undefined || value === null

const oneOf = <A extends string>(
  name: string,
  value: unknown,
  allowed: ReadonlyArray<A>,
): A | QueryProblem => {
  const found = allowed.find((each) => each === value)
  return found ?? new QueryProblem(`${name} is ${shown(value)}: it should be ${allowed.join(", ")}.`)
}

const wholeNumber = (name: string, value: unknown, least: number, most: number): number | QueryProblem =>
  typeof value === "number" && Number.isInteger(value) && value >= least && value <= most
    ? value
    : new QueryProblem(`${name} is ${shown(value)}: it should be a whole number from ${least} to ${most}.`)

/** The sites of a question: `site` and each of `sites` may choose several. */
export const sitesOf = (
  { site, sites }: Body,
  context: QueryContext,
): ReadonlyArray<string> | QueryProblem => {
  if (!absent(site) && !absent(sites))
    return new QueryProblem("site and sites are both given: give one of them.")
  const asked: unknown = absent(sites) || typeof sites === "string" ? [sites ?? site ?? context.site] : sites
  if (!isList(asked) || asked.length === 0)
    return new QueryProblem(`sites is ${shown(asked)}: it should be a list of sites, at least one.`)
  const chosen = asked.every((text) => typeof text === "string")
    ? chosenSites(choiceOf(asked), context.sites)
    : { unknown: asked.find((text) => typeof text !== "string") }
  return "sites" in chosen
    ? chosen.sites
    : new QueryProblem(
        `site ${shown(chosen.unknown)} is unknown: it should be one of ${[...context.sites].join(", ")}, several of them with commas between, or ${ALL_SITES}.`,
      )
}

const metricsOf = (value: unknown): ReadonlyArray<Metric> | QueryProblem => {
  if (!isList(value) || value.length === 0 || value.length > MAX_METRICS)
    return new QueryProblem(
      `metrics is ${shown(value)}: it should be a list of 1 to ${MAX_METRICS} of ${Object.keys(METRICS).join(", ")}, sum(data.<key>), avg(…), min(…), max(…).`,
    )
  const metrics: Array<Metric> = []
  for (const [i, name] of value.entries()) {
    const metric = typeof name === "string" ? metricOf(name) : null
    if (metric === null)
      return new QueryProblem(
        `metrics[${i}] is ${shown(name)}: it should be one of ${Object.keys(METRICS).join(", ")}, sum(data.<key>), avg(…), min(…), max(…).`,
      )
    metrics.push(metric)
  }
  return metrics
}

const TIME = /^time:(.*)$/

const queryDimensionOf = (name: string): QueryDimension | null => {
  const interval = INTERVALS.find((each) => each === TIME.exec(name)?.[1])
  return interval === undefined ? dimensionOf(name) : { of: "time", interval }
}

/** The name by which a dimension of a question is asked for. */
export const nameOfQueryDimension = (dimension: QueryDimension): string =>
  dimension.of === "time"
    ? `time:${dimension.interval}`
    : dimension.of === "figure"
      ? dimension.name
      : nameOfDimension(dimension)

/** `interval` is short for a first dimension `time:<interval>`. */
const dimensionsOf = ({ dimensions, interval }: Body): ReadonlyArray<QueryDimension> | QueryProblem => {
  if (!absent(dimensions) && !isList(dimensions))
    return new QueryProblem(`dimensions is ${shown(dimensions)}: it should be a list of dimensions.`)
  const names: Array<unknown> = [...(isList(dimensions) ? dimensions : [])]
  if (!absent(interval)) {
    const known = oneOf("interval", interval, INTERVALS)
    if (known instanceof QueryProblem) return known
    if (!names.includes(`time:${known}`)) names.unshift(`time:${known}`)
  }
  const found = new Map<string, QueryDimension>()
  for (const [i, name] of names.entries()) {
    const dimension = typeof name === "string" ? queryDimensionOf(name) : null
    if (dimension === null || typeof name !== "string")
      return new QueryProblem(
        `dimensions[${i}] is ${shown(name)}: it should be a dimension such as page, data.<key> or ${INTERVALS.map((each) => `time:${each}`).join(", ")}.`,
      )
    found.set(name, dimension)
  }
  const all = [...found.values()]
  if (all.length > MAX_DIMENSIONS || all.filter(({ of }) => of === "time").length > 1)
    return new QueryProblem(
      `dimensions is ${shown(names)}: it should be at most ${MAX_DIMENSIONS}, and at most one of them of time.`,
    )
  return all
}

const zoneOf = (value: unknown, otherwise: string): Calendar | QueryProblem => {
  const name = absent(value) ? otherwise : value
  const problem = new QueryProblem(
    `time_zone is ${shown(value)}: it should be the name of a time zone such as Europe/Paris.`,
  )
  // Offsets such as +01:00 are zones to newer engines only.
  if (typeof name !== "string" || /^[+-]/.test(name)) return problem
  try {
    return new Calendar(name)
  } catch {
    return problem
  }
}

/** The zone of a question that names none: that of its sites, where they have one in common, else the deployment's. */
const defaultZone = (sites: ReadonlyArray<string>, { timeZone, zoneOfSite }: QueryContext): string => {
  const [zone = timeZone, ...others] = new Set(sites.map((site) => zoneOfSite?.(site) ?? timeZone))
  return others.length === 0 ? zone : timeZone
}

const orderOf = (
  value: unknown,
  metrics: ReadonlyArray<string>,
  dimensions: ReadonlyArray<string>,
): ReadonlyArray<Order> | QueryProblem => {
  const names = [...metrics, ...dimensions]
  if (absent(value)) {
    const time = dimensions.findIndex((name) => TIME.test(name))
    return time === -1
      ? [{ by: "metric", index: 0, descending: true }]
      : [{ by: "dimension", index: time, descending: false }]
  }
  if (!isList(value) || value.length > MAX_ORDER)
    return new QueryProblem(
      `order_by is ${shown(value)}: it should be a list of at most ${MAX_ORDER} pairs such as ["visitors", "desc"].`,
    )
  const orders: Array<Order> = []
  for (const [i, pair] of value.entries()) {
    const [name, direction] = isList(pair) ? pair : []
    const at = typeof name === "string" ? names.indexOf(name) : -1
    if (at === -1 || (direction !== "asc" && direction !== "desc"))
      return new QueryProblem(
        `order_by[${i}] is ${shown(pair)}: it should be one of ${names.join(", ")}, which are asked for, and "asc" or "desc".`,
      )
    const isMetric = at < metrics.length
    orders.push({
      by: isMetric ? "metric" : "dimension",
      index: isMetric ? at : at - metrics.length,
      descending: direction === "desc",
    })
  }
  return orders
}

const earliestOf = (sites: ReadonlyArray<string>, { earliest }: QueryContext): number | null =>
  sites.reduce<number | null>((least, site) => {
    const first = earliest(site)
    return first !== null && (least === null || first < least) ? first : least
  }, null)

/**
 * Where the range goes on, a comparison with totals ends after as many minutes as have passed of it: no more often than that, so that
 * what has been told of its last day tells the next questions, too.
 */
const asFarAs = (comparison: Range, range: Range, now: number): Range =>
  now < range.from || now >= range.until
    ? comparison
    : {
        ...comparison,
        until: Math.min(
          comparison.until,
          comparison.from + Math.floor((now - range.from) / MINUTE_MS) * MINUTE_MS,
        ),
      }

/** The time of a question: its range, what that is compared with, and their intervals. */
const timesOf = (
  body: Body,
  dimensions: ReadonlyArray<QueryDimension>,
  context: RangeContext,
): Pick<Query, "range" | "comparison" | "buckets" | "comparisonBuckets"> | QueryProblem => {
  const { calendar, now } = context
  const asked = absent(body.date_range) ? "7d" : body.date_range
  const found = resolveRange(asked, context)
  if (found instanceof QueryProblem) return found
  const compare: Compare | null | QueryProblem = absent(body.compare)
    ? null
    : oneOf("compare", body.compare, COMPARISONS_IN_TIME)
  if (compare instanceof QueryProblem) return compare
  const range = { from: found.from, until: found.until }
  const time = dimensions.find((dimension) => dimension.of === "time")
  const whole = compare === null ? null : compareRange(found, compare, asked, calendar)
  const comparison = whole === null || time !== undefined ? whole : asFarAs(whole, range, now)
  if (time === undefined) return { range, comparison, buckets: [], comparisonBuckets: [] }
  const buckets = bucketsOf(range, time.interval, calendar)
  const comparisonBuckets = comparison === null ? [] : bucketsOf(comparison, time.interval, calendar)
  if (buckets === null || comparisonBuckets === null)
    return new QueryProblem(
      `date_range is ${shown(asked)}: it has more than ${MAX_INTERVALS} intervals of one ${time.interval}; ask for a shorter one, or for longer intervals.`,
    )
  return { range, comparison, buckets, comparisonBuckets }
}

/** Reads a question: the parsed body of a request. Never throws; a problem says which field it is and what would be right. */
export const decodeQuery = (body: unknown, context: QueryContext): Query | QueryProblem => {
  if (!isBody(body)) return new QueryProblem(`The question is ${shown(body)}: it should be a JSON object.`)
  const unknown = Object.keys(body).find((name) => !FIELDS.some((field) => field === name))
  if (unknown !== undefined)
    return new QueryProblem(`There is no field ${shown(unknown)}: the fields are ${FIELDS.join(", ")}.`)
  const sites = sitesOf(body, context)
  if (sites instanceof QueryProblem) return sites
  const metrics = metricsOf(body.metrics)
  if (metrics instanceof QueryProblem) return metrics
  const dimensions = dimensionsOf(body)
  if (dimensions instanceof QueryProblem) return dimensions
  const filters = decodeFilters(body.filters, sharedGoals(context.goals ?? [], sites))
  if (filters instanceof QueryProblem) return filters
  const calendar = zoneOf(body.time_zone, defaultZone(sites, context))
  if (calendar instanceof QueryProblem) return calendar
  const times = timesOf(body, dimensions, {
    ...{ now: context.now, calendar },
    earliest: earliestOf(sites, context),
  })
  if (times instanceof QueryProblem) return times
  const bots = absent(body.bots) ? "exclude" : oneOf("bots", body.bots, BOTS)
  if (bots instanceof QueryProblem) return bots
  const order = orderOf(body.order_by, metrics.map(nameOfMetric), dimensions.map(nameOfQueryDimension))
  if (order instanceof QueryProblem) return order
  const rows = context.rows ?? { default: DEFAULT_LIMIT, most: MAX_LIMIT }
  const limit = absent(body.limit) ? rows.default : wholeNumber("limit", body.limit, 1, rows.most)
  if (limit instanceof QueryProblem) return limit
  const offset = absent(body.offset) ? 0 : wholeNumber("offset", body.offset, 0, MAX_OFFSET)
  if (offset instanceof QueryProblem) return offset
  return {
    ...{ sites, metrics, dimensions, filters, ...times },
    ...{ timeZone: calendar.timeZone, bots, order, limit, offset },
  }
}

const instants = ({ from, until }: Range) => [new Date(from).toISOString(), new Date(until).toISOString()]

/** A question as answers repeat it: with every default made explicit, and times as instants, the end exclusive. */
export const encodeQuery = (query: Query) => {
  const metrics = query.metrics.map(nameOfMetric)
  const dimensions = query.dimensions.map(nameOfQueryDimension)
  return {
    sites: query.sites,
    metrics,
    dimensions,
    filters: query.filters.map(encodeFilter),
    date_range: instants(query.range),
    ...(query.comparison !== null && { comparison_date_range: instants(query.comparison) }),
    time_zone: query.timeZone,
    bots: query.bots,
    order_by: query.order.map(({ by, index, descending }) => [
      (by === "metric" ? metrics : dimensions)[index],
      descending ? "desc" : "asc",
    ]),
    limit: query.limit,
    offset: query.offset,
  }
}

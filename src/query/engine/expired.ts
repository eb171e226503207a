/**
 * Answers of days whose raw events have expired. Daily totals and the unique visitors of days, weeks and months outlive them; what those
 * cannot tell is null, and said, rather than guessed.
 */
import * as Effect from "effect/Effect"
import { MAX_EXACT_UNIQUES } from "../../domain/limits.ts"
import { addDays, type Calendar, type Day, PERIODS, periodBounds, periodKey } from "../../domain/period.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { type Metric, nameOfMetric, type Query, type Range } from "../language/index.ts"
import type { EngineAnswer } from "./messages.ts"
import { isSeries } from "./statement.ts"

/** Sites by the instant since when all of their events are kept: the deployment's, or a later one of their own. */
const RAW_SINCE = `
  SELECT (extract(epoch FROM since) * 1000)::float8 AS at, array_agg(slug) AS sites
  FROM (
    SELECT slug, greatest(sites.raw_since, deployment.raw_since) AS since FROM sites CROSS JOIN deployment
    WHERE slug = ANY ($1)
  ) AS kept
  WHERE since IS NOT NULL GROUP BY since`

const TOTALS = `
  SELECT to_char(day, 'YYYY-MM-DD') AS day, metric, sum(count)::float8 AS count
  FROM daily_totals JOIN sites ON sites.id = site_id
  WHERE slug = ANY ($1) AND day >= $2 AND day < $3 AND metric IN ('events', 'page_views', 'letters')
  GROUP BY day, metric`

const VISITORS = `
  SELECT period_key AS key, sum(uniques)::float8 AS count, max(uniques)::float8 AS largest
  FROM period_uniques JOIN sites ON sites.id = site_id
  WHERE slug = $1 AND period_key = ANY ($2)
  GROUP BY period_key`

const NAMED = `
  SELECT metric, name, sum(count)::float8 AS count
  FROM daily_totals JOIN sites ON sites.id = site_id
  WHERE slug = ANY ($1) AND day >= $2 AND day < $3 AND metric = ANY ($4)
  GROUP BY metric, name`

/** Dimensions whose values daily totals know: their metrics, and the value that each stands for; `null` where it has a name. */
const NAMED_BY: { readonly [name: string]: { readonly [metric: string]: string | null } } = {
  theme: { theme: null },
  letter_type: { letters_motivation: "motivation", letters_anti_motivation: "anti_motivation" },
}

const ADDED = ["events", "page_views", "letters"] as const
type Added = (typeof ADDED)[number]
const isAdded = (name: string): name is Added => ADDED.some((each) => each === name)

type Totals = { readonly [name in Added]: number }

/** Where daily totals are. */
export interface TotalsSource {
  readonly postgres: Postgres
  /** Of the deployment's zone. */
  readonly calendar: Calendar
}

export interface Sources<E> extends TotalsSource {
  /** Asks about raw events. */
  readonly ask: (query: Query) => Effect.Effect<EngineAnswer, E>
}

/** What is known of a range of which no raw events are left. */
interface Expired {
  readonly totals: Totals
  /** When its first day with events begins, unix milliseconds; `null` if it has none. */
  readonly first: number | null
  /** `null` where nothing tells. */
  readonly visitors: number | null
  readonly isEstimate: boolean
}

const NO_TOTALS: Totals = { events: 0, page_views: 0, letters: 0 }

/** The key of the day, week or month that a range is. */
const periodOf = (range: Range, calendar: Calendar): string | null => {
  const day = calendar.dayOf(range.from)
  for (const period of PERIODS) {
    const { from, until } = periodBounds(period, day)
    if (calendar.startOf(from) === range.from && calendar.startOf(until) === range.until)
      return periodKey(period, day)
  }
  return null
}

/** Whether totals of days say something of a question: they know nothing but the day, in the deployment's zone. */
const isOfDays = (query: Query, calendar: Calendar): boolean => {
  if (query.filters.length > 0 || query.bots !== "exclude" || query.timeZone !== calendar.timeZone)
    return false
  const [dimension] = query.dimensions
  if (dimension?.of === "figure") return NAMED_BY[dimension.name] !== undefined
  if (dimension !== undefined && (dimension.of !== "time" || !isSeries(query))) return false
  return dimension?.interval !== "hour" && dimension?.interval !== "minute"
}

/** A metric of a range that is expired, wholly or in part; `null` where it cannot be told. */
const metricOf = (metric: Metric, { totals, visitors }: Expired): number | null => {
  if (metric.of === "data") return null
  if (isAdded(metric.name)) return totals[metric.name]
  if (totals.events === 0) return 0
  if (visitors === null) return null
  if (metric.name === "visitors") return visitors
  return metric.name === "conversion_rate" && visitors > 0 ? totals.letters / visitors : null
}

/** Reads what is known of ranges that are expired: of each, its days' totals, and its visitors where it is a day, week or month. */
const expiredOf = (
  { postgres, calendar }: TotalsSource,
  sites: ReadonlyArray<string>,
  ranges: ReadonlyArray<Range>,
): Effect.Effect<ReadonlyArray<Expired>, StoreError> =>
  Effect.gen(function* () {
    const from = Math.min(...ranges.map((range) => range.from))
    const until = Math.max(...ranges.map((range) => range.until))
    const days = [calendar.dayOf(from), calendar.dayOf(until - 1)] as const
    const rows = yield* postgres.query<{ day: Day; metric: Added; count: number }>("expired_totals", TOTALS, [
      ...[sites, days[0], addDays(days[1], 1)],
    ])
    const keys = ranges.map((range) => (sites.length === 1 ? periodOf(range, calendar) : null))
    const visitors = new Map(
      (yield* postgres.query<{ key: string; count: number; largest: number }>("expired_visitors", VISITORS, [
        ...[sites[0], keys.filter((key) => key !== null)],
      ])).map((row) => [row.key, row]),
    )
    return ranges.map((range, i) => {
      const totals = { ...NO_TOTALS }
      let first: number | null = null
      for (const { day, metric, count } of rows) {
        const start = calendar.startOf(day)
        if (start < range.from || start >= range.until) continue
        totals[metric] += count
        if (metric === "events" && count > 0) first = Math.min(first ?? start, start)
      }
      const found = visitors.get(keys[i] ?? "")
      return {
        ...{ totals, first },
        visitors: found?.count ?? null,
        isEstimate: found !== undefined && found.largest > MAX_EXACT_UNIQUES,
      }
    })
  })

/** Rows of a range, one an interval, or one. */
interface Told {
  readonly rows: ReadonlyArray<ReadonlyArray<number | null>>
  readonly unknown: ReadonlySet<string>
  readonly isEstimate: boolean
  readonly isImported: boolean
}

/** The answer to a range whose beginning is expired until an instant. */
const tell = <E>(
  sources: Sources<E>,
  query: Query,
  range: Range,
  buckets: Query["buckets"],
  keptFrom: number,
): Effect.Effect<Told, E | StoreError> =>
  Effect.gen(function* () {
    const whole: ReadonlyArray<Range> = query.dimensions.length === 0 ? [range] : buckets
    const expired = whole.filter(({ from }) => from < keptFrom)
    const parts = expired.map(({ from, until }) => ({ from, until: Math.min(until, keptFrom) }))
    const known = parts.length === 0 ? [] : yield* expiredOf(sources, query.sites, parts)
    const rest = { from: Math.max(range.from, keptFrom), until: range.until }
    const order: Query["order"] =
      query.dimensions.length === 0 ? query.order : [{ by: "dimension", index: 0, descending: false }]
    const asked = { ...query, range: rest, comparison: null, comparisonBuckets: [], buckets, order }
    const kept =
      rest.from < rest.until
        ? yield* sources.ask({ ...asked, limit: Math.max(1, whole.length), offset: 0 })
        : { rows: [], total: 0 }
    const unknown = new Set<string>()
    const rows = whole.map((each, i) => {
      const raw = query.metrics.map((_, m) => kept.rows[i]?.metrics[m] ?? 0)
      const of = known[i]
      if (of === undefined) return kept.rows[i]?.metrics ?? raw
      // Visitors of a range that is in part kept are neither sums nor known.
      const told = each.until <= keptFrom ? of : { ...of, visitors: null }
      return query.metrics.map((metric, m) => {
        const added = metric.of === "events" && isAdded(metric.name)
        const value = metricOf(metric, told)
        if (added) return (value ?? 0) + (raw[m] ?? 0)
        if (of.totals.events === 0) return kept.rows[i]?.metrics[m] ?? value
        if (value === null) unknown.add(nameOfMetric(metric))
        return value
      })
    })
    return {
      ...{ rows, unknown },
      isEstimate: known.some(({ isEstimate }, i) => isEstimate && (whole[i]?.until ?? 0) <= keptFrom),
      isImported: known.some(({ totals }) => totals.events > 0),
    }
  })

/** The answer to a question by what daily totals know by name: their counts until an instant, and those of the events from then on. */
const namedBeyond = <E>(
  { postgres, calendar, ask }: Sources<E>,
  query: Query,
  named: { readonly [metric: string]: string | null },
  keptFrom: number,
): Effect.Effect<EngineAnswer, E | StoreError> =>
  Effect.gen(function* () {
    const { from, until } = query.range
    const found = yield* postgres.query<{ metric: string; name: string; count: number }>(
      "expired_named",
      NAMED,
      [...[query.sites, calendar.dayOf(from), calendar.dayOf(Math.min(until, keptFrom))], Object.keys(named)],
    )
    const kept =
      keptFrom < until ? yield* ask({ ...query, range: { from: keptFrom, until }, offset: 0 }) : { rows: [] }
    const counts = new Map<string | null, number>()
    const add = (value: string | null, count: number) => counts.set(value, (counts.get(value) ?? 0) + count)
    for (const { metric, name, count } of found) add(named[metric] ?? name, count)
    for (const { dimensions, metrics } of kept.rows) add(dimensions[0] ?? null, metrics[0] ?? 0)
    const rows = [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([value, count]) => ({ dimensions: [value], metrics: [count], comparison: null }))
    return {
      rows: rows.slice(query.offset, query.offset + query.limit),
      total: rows.length,
      imported: found.length > 0,
    }
  })

/** The time of which there were events that are no longer kept. */
interface ExpiredTime {
  /** When the first day of it begins, and since when events are kept, unix milliseconds. */
  readonly first: number
  readonly since: number
  /** The beginning of a sentence that says so. */
  readonly begin: string
}

/** What there was of ranges before raw events are kept; `null` where there is nothing. */
const expiredBefore = (
  sources: TotalsSource,
  sites: ReadonlyArray<string>,
  ranges: ReadonlyArray<Range>,
): Effect.Effect<ExpiredTime | null, StoreError> =>
  Effect.gen(function* () {
    const kept = yield* sources.postgres.query<KeptSince>("raw_since", RAW_SINCE, [sites])
    const expired = (yield* Effect.forEach(kept, (each) => firstExpired(sources, each, ranges))).filter(
      (each) => each !== null,
    )
    if (expired.length === 0) return null
    const first = Math.min(...expired.map((each) => each.first))
    const since = Math.max(...expired.map((each) => each.since))
    return { first, since, begin: `Events before ${new Date(since).toISOString()} are no longer kept` }
  })

/** Sites, and since when all of their events are kept, unix milliseconds. */
interface KeptSince {
  readonly at: number
  readonly sites: ReadonlyArray<string>
  readonly [column: string]: unknown
}

/** When the first day of ranges begins of which these sites had events that have expired. */
const firstExpired = (
  sources: TotalsSource,
  { at: since, sites }: KeptSince,
  ranges: ReadonlyArray<Range>,
): Effect.Effect<Pick<ExpiredTime, "first" | "since"> | null, StoreError> =>
  Effect.gen(function* () {
    const { calendar } = sources
    const parts = ranges
      .filter(({ from }) => from < since)
      // Totals know days only: rather too much is said of the first one than too little.
      .map(({ from, until }) => ({
        from: calendar.startOf(calendar.dayOf(from)),
        until: Math.min(until, since),
      }))
    if (parts.length === 0) return null
    const days = (yield* expiredOf(sources, sites, parts)).flatMap(({ first }) => first ?? [])
    return days.length === 0 ? null : { first: Math.min(...days), since }
  })

/** Says of an answer that has raw events only what is missing, if anything is. */
export const saysWhatIsMissing =
  (sources: TotalsSource, { sites, range }: Query) =>
  <E>(answered: Effect.Effect<EngineAnswer, E>): Effect.Effect<EngineAnswer, E | StoreError> =>
    Effect.gen(function* () {
      const before = yield* expiredBefore(sources, sites, [range])
      const answer = yield* answered
      return before === null ? answer : { ...answer, notices: [`${before.begin}, and not counted here.`] }
    })

/**
 * Answers a question. Where it begins before raw events do, one without filters goes on from daily totals: those are added up, visitors
 * are known of days, weeks and months, and the rest is null. So is what it is compared with where that is not of whole days.
 */
export const answerBeyond = <E>(
  query: Query,
  sources: Sources<E>,
): Effect.Effect<EngineAnswer, E | StoreError> =>
  Effect.gen(function* () {
    const { calendar, ask } = sources
    const ranges = query.comparison === null ? [query.range] : [query.range, query.comparison]
    const before = yield* expiredBefore(sources, query.sites, ranges)
    if (before === null) return yield* ask(query)
    const { since, begin } = before
    const startsADay = (at: number) => calendar.startOf(calendar.dayOf(at)) === at
    const keptFrom = startsADay(since) ? since : calendar.startOf(addDays(calendar.dayOf(since), 1))
    const isOfWholeDays = ({ from, until }: Range) =>
      (from >= keptFrom || startsADay(from)) && (until >= keptFrom || startsADay(until))
    if (!isOfDays(query, calendar) || !isOfWholeDays(query.range))
      return {
        ...withoutExpired(query, yield* ask(query), before),
        notices: [
          `${begin}, and not counted here: their daily totals tell questions without filters, of whole days of ${calendar.timeZone}.`,
        ],
      }
    const [dimension] = query.dimensions
    const named = dimension?.of === "figure" ? NAMED_BY[dimension.name] : undefined
    if (named !== undefined) return yield* namedBeyond(sources, query, named, keptFrom)
    const now = yield* tell(sources, query, query.range, query.buckets, keptFrom)
    const then =
      query.comparison === null
        ? null
        : isOfWholeDays(query.comparison) || query.comparison.until <= before.first
          ? yield* tell(sources, query, query.comparison, query.comparisonBuckets, keptFrom)
          : untold(query)
    return answerOf(query, begin, now, then)
  })

/** An answer in which intervals that had events and have expired are unknown, not empty. */
const withoutExpired = (query: Query, answer: EngineAnswer, { first, since }: ExpiredTime): EngineAnswer => {
  if (!isSeries(query)) return answer
  const unknown = query.metrics.map(() => null)
  const isExpired = (bucket: Range | undefined) =>
    bucket !== undefined && bucket.until > first && bucket.until <= since
  const isDescending = query.order[0]?.descending === true
  const rows = answer.rows.map(({ dimensions, metrics, comparison }, i) => {
    const at = isDescending ? answer.total - 1 - query.offset - i : query.offset + i
    return {
      dimensions,
      metrics: isExpired(query.buckets[at]) ? unknown : metrics,
      comparison: comparison !== null && isExpired(query.comparisonBuckets[at]) ? unknown : comparison,
    }
  })
  return { ...answer, rows }
}

/** Of a time that is not of whole days, totals tell nothing. */
const untold = ({ metrics, buckets, dimensions }: Query): Told => ({
  rows: (dimensions.length === 0 ? [null] : buckets).map(() => metrics.map(() => null)),
  unknown: new Set(metrics.map((metric) => `${nameOfMetric(metric)} of the time before`)),
  ...{ isEstimate: false, isImported: false },
})

const answerOf = (query: Query, begin: string, now: Told, then: Told | null): EngineAnswer => {
  const none = query.metrics.map((metric) => (metric.of === "data" ? null : 0))
  const all = now.rows.map((metrics, i) => ({
    dimensions: query.dimensions.length === 0 ? [] : [query.buckets[i]?.name ?? null],
    metrics,
    comparison: then === null ? null : (then.rows[i] ?? none),
  }))
  const rows = query.order[0]?.descending === true ? all.reverse() : all
  const told = then === null ? [now] : [now, then]
  const unknown = [...new Set(told.flatMap((each) => [...each.unknown]))]
  return {
    rows: rows.slice(query.offset, query.offset + query.limit),
    total: rows.length,
    imported: told.some(({ isImported }) => isImported),
    approximate: told.some(({ isEstimate }) => isEstimate)
      ? query.metrics.map(nameOfMetric).filter((name) => name === "visitors" || name === "conversion_rate")
      : [],
    notices:
      unknown.length === 0
        ? []
        : [`${begin}: their daily totals do not tell ${unknown.join(", ")} where it is null.`],
  }
}

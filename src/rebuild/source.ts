/** What Postgres knows of one partition's figures, as of one moment: all that Redis' are rebuilt from. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DayTotals } from "../domain/aggregation.ts"
import { CURRENT_VISITOR_MS } from "../domain/limits.ts"
import { addDays, type Calendar, type Day } from "../domain/period.ts"
import { partitionOf } from "../domain/visitor.ts"
import { within } from "../events/chunks/index.ts"
import { type StoredTotal, toDayTotals } from "../events/totals/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Session } from "../stores/postgres.ts"

/** A visitor with an event on a day. */
export interface VisitorDay {
  readonly site: string
  readonly day: Day
  readonly visitorId: string
}

export interface RebuildSource {
  /** Every figure here holds the events up to this stream entry, and no later one. */
  readonly lastStreamId: string
  /** Every day ever, by site and day; `visitors` is empty, for {@link RebuildSource.visitors} brings those. */
  readonly totals: ReadonlyArray<DayTotals>
  /** The partition's visitors of every day with raw events, each once a site and day, oldest day first. Read it once. */
  readonly visitors: Stream.Stream<ReadonlyArray<VisitorDay>, StoreError>
  /**
   * The first day of a site whose raw events are all there, and with it the first whose `visitors` are; `null` when those of every
   * day are. Of a period that begins before, `periodUniques` has the visitors, or those it had when events last went:
   * the greater of both numbers is the best there is.
   */
  readonly completeSince: (site: string) => Day | null
  readonly periodUniques: ReadonlyArray<{
    readonly site: string
    readonly periodKey: string
    readonly uniques: number
  }>
  /** Visitors of the last 5 minutes, with their last event's time in unix milliseconds. */
  readonly lastSeen: ReadonlyArray<{
    readonly site: string
    readonly visitorId: string
    readonly lastSeen: number
  }>
}

export interface RebuildSourceOptions {
  readonly partition: number
  readonly partitions: number
  /** In the deployment's time zone. */
  readonly calendar: Calendar
  /** Unix milliseconds. */
  readonly now: number
}

/** Rows of a cursor's batch. */
export const BATCH_ROWS = 10_000

/** Keeps retention from dropping a day while it is read; being no query, it comes before the snapshot. */
export const KEEP_TABLES = "LOCK TABLE event_chunks IN ACCESS SHARE MODE"

const SELECT_PARTITION = "SELECT last_stream_id FROM stream_partitions WHERE partition = $1"

const SELECT_TOTALS = `
  SELECT slug AS site, day::text, metric, name, count
  FROM daily_totals JOIN sites ON sites.id = site_id
  WHERE partition = $1
  ORDER BY slug, day`

const SELECT_UNIQUES = `
  SELECT slug AS site, period_key, uniques
  FROM period_uniques JOIN sites ON sites.id = site_id
  WHERE partition = $1
  ORDER BY slug, period_key`

const SELECT_LAST_SEEN = `
  SELECT slug AS site, visitor_id, max(created_at) AS last_seen
  FROM (
    SELECT site_id, visitor_id, created_at FROM chunk_events WHERE NOT bots AND ${within("$1", "'infinity'")} OFFSET 0
  ) AS recent JOIN sites ON sites.id = site_id
  GROUP BY slug, visitor_id`

/** Of chunks that lie in the day as a whole, their lists of visitors say it all. */
const SELECT_VISITORS = `
  SELECT slug AS site, visitor_id
  FROM (
    SELECT site_id, visitor_id FROM event_chunks CROSS JOIN unnest(visitors) AS visitor_id
    WHERE first_at >= $1 AND first_at < $2 AND last_at < $2 AND NOT bots
    UNION
    SELECT site_id, visitor_id FROM chunk_events
    WHERE NOT bots AND ${within("$1", "$2")} AND NOT (first_at >= $1 AND last_at < $2)
  ) AS seen JOIN sites ON sites.id = site_id`

/** The first and last UTC day that have tables, from their names; days between them may have none. */
const SELECT_RAW_DAYS = `
  SELECT to_date(min(right(relname, 8)), 'YYYYMMDD')::text AS first,
    to_date(max(right(relname, 8)), 'YYYYMMDD')::text AS last
  FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
  WHERE inhparent = 'event_chunks'::regclass`

/** Of each site: the deployment's, or a later one of its own. */
const SELECT_RAW_SINCE = `
  SELECT slug, greatest(sites.raw_since, deployment.raw_since) AS raw_since FROM sites CROSS JOIN deployment`

/** The zone's days that any raw event can lie in, oldest first. */
export const rawDays = (
  session: Session,
  calendar: Calendar,
): Effect.Effect<ReadonlyArray<Day>, StoreError> =>
  Effect.map(session.query<{ first: Day | null; last: Day | null }>(SELECT_RAW_DAYS), ({ rows }) => {
    const days: Array<Day> = []
    const { first, last } = rows[0] ?? { first: null, last: null }
    if (first === null || last === null) return days
    const end = calendar.dayOf(Date.parse(`${addDays(last, 1)}T00:00:00Z`) - 1)
    for (let day = calendar.dayOf(Date.parse(`${first}T00:00:00Z`)); day <= end; day = addDays(day, 1))
      days.push(day)
    return days
  })

/** The first day whose raw events are all there, when those before an instant (unix milliseconds) may have been deleted. */
export const firstCompleteDay = (calendar: Calendar, since: number): Day => {
  const day = calendar.dayOf(since)
  return calendar.startOf(day) === since ? day : addDays(day, 1)
}

/** The first day of each site whose raw events are all there; `null` when none were ever deleted. */
export const rawCompleteSince = (
  session: Session,
  calendar: Calendar,
): Effect.Effect<ReadonlyMap<string, Day | null>, StoreError> =>
  Effect.map(
    session.query<{ slug: string; raw_since: Date | null }>(SELECT_RAW_SINCE),
    ({ rows }) =>
      new Map(
        rows.map(({ slug, raw_since: since }) => [
          slug,
          since === null ? null : firstCompleteDay(calendar, since.getTime()),
        ]),
      ),
  )

/** The instants between which a day's events lie, the second excluded. */
export const boundsOf = (calendar: Calendar, day: Day): readonly [from: Date, until: Date] => [
  new Date(calendar.startOf(day)),
  new Date(calendar.startOf(addDays(day, 1))),
]

/** Opens the source on a connection of its own, held until the scope closes. Writers go on meanwhile, unseen. */
export const openRebuildSource = Effect.fnUntraced(function* (
  postgres: Postgres,
  { partition, partitions, calendar, now }: RebuildSourceOptions,
): Effect.fn.Return<RebuildSource, StoreError, Scope.Scope> {
  const isOurs = (visitorId: string) => partitionOf(visitorId, partitions) === partition
  const session = yield* postgres.session("rebuild")
  yield* session.begin("snapshot")
  yield* session.query("SET LOCAL statement_timeout = 0")
  yield* session.query(KEEP_TABLES)

  const progress = yield* session.query<{ last_stream_id: string }>(SELECT_PARTITION, [partition])
  const totals = yield* session.query<StoredTotal>(SELECT_TOTALS, [partition])
  const uniques = yield* session.query<{ site: string; period_key: string; uniques: string }>(
    SELECT_UNIQUES,
    [partition],
  )
  const lastSeen = yield* session.query<{ site: string; visitor_id: string; last_seen: Date }>(
    SELECT_LAST_SEEN,
    // After the instant, to the millisecond.
    [new Date(now - CURRENT_VISITOR_MS + 1)],
  )
  const days = yield* rawDays(session, calendar)
  const complete = yield* rawCompleteSince(session, calendar)

  const visitorsOf = (day: Day): Stream.Stream<ReadonlyArray<VisitorDay>, StoreError> =>
    session
      .stream<{ site: string; visitor_id: string }>(SELECT_VISITORS, boundsOf(calendar, day), BATCH_ROWS)
      .pipe(
        Stream.map((rows) =>
          rows
            .filter((row) => isOurs(row.visitor_id))
            .map((row) => ({ site: row.site, day, visitorId: row.visitor_id })),
        ),
      )

  return {
    lastStreamId: progress.rows[0]?.last_stream_id ?? "0-0",
    totals: toDayTotals(totals.rows),
    visitors: Stream.fromIterable(days).pipe(Stream.flatMap(visitorsOf)),
    completeSince: (site) => complete.get(site) ?? null,
    periodUniques: uniques.rows.map((row) => ({
      site: row.site,
      periodKey: row.period_key,
      uniques: Number(row.uniques),
    })),
    lastSeen: lastSeen.rows
      .filter((row) => isOurs(row.visitor_id))
      .map((row) => ({ site: row.site, visitorId: row.visitor_id, lastSeen: row.last_seen.getTime() })),
  }
})

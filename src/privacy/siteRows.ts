/** The part of a site's erasure that Postgres has: its raw events, and all that was added up of them. */
import * as Effect from "effect/Effect"
import { LATE_WINDOW_MS } from "../domain/lateWindow.ts"
import { Calendar, type Day } from "../domain/period.ts"
import { DAY_MS } from "../domain/time.ts"
import { LOCK_CHUNKS } from "../events/chunks/index.ts"
import { FENCE_ALL } from "../events/schema/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Sql } from "../stores/postgres.ts"

/** What Postgres has of a site. */
export interface SiteRows {
  /** Raw events, marked ones too. */
  readonly events: number
  /** Times of the first and the last of them, ISO 8601. */
  readonly first_at: string | null
  readonly last_at: string | null
  /** Days of which there are totals, and the first of them: they outlive raw events. */
  readonly days: number
  readonly first_day: string | null
}

const ISO = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`
const utc = (instant: string): string => `to_char(${instant} AT TIME ZONE 'UTC', ${ISO})`

const SELECT = `
  SELECT events, first_at, last_at, days, first_day FROM
  (SELECT coalesce(sum(events), 0)::float8 AS events, ${utc("min(first_at)")} AS first_at, ${utc("max(last_at)")} AS last_at
    FROM event_chunks WHERE site_id = (SELECT id FROM sites WHERE slug = $1)) AS raw,
  (SELECT count(DISTINCT day)::integer AS days, min(day)::text AS first_day
    FROM daily_totals WHERE site_id = (SELECT id FROM sites WHERE slug = $1)) AS totals`

const NOTHING: SiteRows = { events: 0, first_at: null, last_at: null, days: 0, first_day: null }

/** What there is of a site. */
export const rowsOfSite = (sql: Sql, site: string): Effect.Effect<SiteRows, StoreError> =>
  Effect.map(sql.query<SiteRows & Record<string, unknown>>(SELECT, [site]), ({ rows }) => rows[0] ?? NOTHING)

const OF_SITE = "site_id = (SELECT id FROM sites WHERE slug = $1)"
const DELETE_CHUNKS = `
  WITH gone AS (DELETE FROM event_chunks WHERE ${OF_SITE} RETURNING events, first_at, last_at)
  SELECT coalesce(sum(events), 0)::float8 AS events, ${utc("min(first_at)")} AS first_at, ${utc("max(last_at)")} AS last_at
  FROM gone`
/** Of days before `$2`; of all of them where that is `null`. */
const DELETE_TOTALS = `
  WITH gone AS (DELETE FROM daily_totals WHERE ${OF_SITE} AND ($2::date IS NULL OR day < $2) RETURNING day)
  SELECT count(DISTINCT day)::integer AS days, min(day)::text AS first_day FROM gone`
/** Only retention writes them. */
const DELETE_UNIQUES = `DELETE FROM period_uniques WHERE ${OF_SITE}`

/** Beyond {@link LATE_WINDOW_MS}, for what waits through a long outage, milliseconds. */
const OUTAGE_MS = 30 * DAY_MS

type Gone = Pick<SiteRows, "events" | "first_at" | "last_at">
type GoneTotals = Pick<SiteRows, "days" | "first_day">

const deleteChunks = (sql: Sql, site: string) =>
  Effect.map(
    sql.query<Gone & Record<string, unknown>>(DELETE_CHUNKS, [site]),
    ({ rows }) => rows[0] ?? NOTHING,
  )

const deleteTotals = (sql: Sql, site: string, before: Day | null) =>
  Effect.map(
    sql.query<GoneTotals & Record<string, unknown>>(DELETE_TOTALS, [site, before]),
    ({ rows }) => rows[0] ?? NOTHING,
  )

/** The least and the greatest of times of one form; `null` says nothing. */
const ends = (...times: ReadonlyArray<string | null>): readonly [string | null, string | null] => {
  const known = times.filter((each) => each !== null).sort()
  return [known[0] ?? null, known.at(-1) ?? null]
}

/**
 * Deletes what there is of a site in the transaction, and returns what there was. Every actor is fenced: from its end on, none writes
 * that does not know of the erasure.
 *
 * Most goes before that, while batches are written; then nobody waits for longer than what came meanwhile takes. Totals of the days
 * that events still come for are left to the time after it: a batch adds to their rows, and would wait for them with its partition
 * locked.
 *
 * @param now unix milliseconds
 */
export const eraseSiteRows = (sql: Sql, site: string, now: number): Effect.Effect<SiteRows, StoreError> =>
  Effect.gen(function* () {
    yield* sql.query(LOCK_CHUNKS)
    const before = yield* deleteChunks(sql, site)
    const past = yield* deleteTotals(sql, site, new Calendar("UTC").dayOf(now - LATE_WINDOW_MS - OUTAGE_MS))
    yield* sql.query(DELETE_UNIQUES, [site])
    yield* sql.query(FENCE_ALL)
    const late = yield* deleteChunks(sql, site)
    const recent = yield* deleteTotals(sql, site, null)
    const [first] = ends(before.first_at, late.first_at)
    const [, last] = ends(before.last_at, late.last_at)
    return {
      ...{ events: before.events + late.events, first_at: first, last_at: last },
      ...{ days: past.days + recent.days, first_day: past.first_day ?? recent.first_day },
    }
  })

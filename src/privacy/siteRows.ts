/** The part of a site's erasure that Postgres has: its raw events, and all that was added up of them. */
import * as Effect from "effect/Effect"
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
const DELETE_CHUNKS = `DELETE FROM event_chunks WHERE ${OF_SITE}`
const DELETE_TOTALS = [
  `DELETE FROM daily_totals WHERE ${OF_SITE}`,
  `DELETE FROM period_uniques WHERE ${OF_SITE}`,
]

/**
 * Deletes what there is of a site in the transaction, and returns what there was. Every actor is fenced: from its end on, none writes
 * that does not know of the erasure.
 *
 * Most goes before that, while batches are written; then nobody waits for longer than what came meanwhile takes. Totals are for the
 * time after it: a batch adds to their rows, and would wait for them with its partition locked.
 */
export const eraseSiteRows = (sql: Sql, site: string): Effect.Effect<SiteRows, StoreError> =>
  Effect.gen(function* () {
    yield* sql.query(LOCK_CHUNKS)
    const before = yield* rowsOfSite(sql, site)
    yield* sql.query(DELETE_CHUNKS, [site])
    yield* sql.query(FENCE_ALL)
    const late = yield* rowsOfSite(sql, site)
    yield* sql.query(DELETE_CHUNKS, [site])
    for (const statement of DELETE_TOTALS) yield* sql.query(statement, [site])
    return {
      ...late,
      events: before.events + late.events,
      first_at: [before.first_at, late.first_at].filter((each) => each !== null).sort()[0] ?? null,
      last_at:
        [before.last_at, late.last_at]
          .filter((each) => each !== null)
          .sort()
          .at(-1) ?? null,
    }
  })

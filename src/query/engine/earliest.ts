/** When the events of each site begin. */
import * as Effect from "effect/Effect"
import type { Calendar, Day } from "../../domain/period.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

const EARLIEST = `
  SELECT slug AS site, (extract(epoch FROM first.at) * 1000)::float8 AS at, to_char(first.day, 'YYYY-MM-DD') AS day
  FROM sites JOIN LATERAL (
    SELECT (SELECT min(first_at) FROM event_chunks WHERE site_id = sites.id) AS at,
      (SELECT min(day) FROM daily_totals WHERE site_id = sites.id AND metric = 'events') AS day
  ) AS first ON first.at IS NOT NULL OR first.day IS NOT NULL`

interface EarliestRow {
  readonly site: string
  readonly at: number | null
  readonly day: Day | null
  readonly [column: string]: unknown
}

/**
 * The first event of each site that has had any, unix milliseconds: where it is kept no longer, the beginning of its day, which is all
 * that daily totals tell.
 */
export const earliestEvents = (
  postgres: Postgres,
  calendar: Calendar,
): Effect.Effect<ReadonlyMap<string, number>, StoreError> =>
  Effect.map(
    postgres.query<EarliestRow>("earliest_events", EARLIEST),
    (rows) =>
      new Map(
        rows.map(({ site, at, day }) => {
          const isKept = at !== null && (day === null || calendar.dayOf(at) <= day)
          return [site, isKept ? at : day === null ? 0 : calendar.startOf(day)]
        }),
      ),
  )

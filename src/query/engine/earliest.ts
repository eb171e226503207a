/** When the events of each site begin. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

const EARLIEST = `
  SELECT slug AS site, (extract(epoch FROM min(first_at)) * 1000)::float8 AS at
  FROM event_chunks JOIN sites ON sites.id = site_id GROUP BY slug`

/** The first event of each site that has any, unix milliseconds. */
export const earliestEvents = (postgres: Postgres): Effect.Effect<ReadonlyMap<string, number>, StoreError> =>
  Effect.map(
    postgres.query<{ readonly site: string; readonly at: number }>("earliest_events", EARLIEST),
    (rows) => new Map(rows.map(({ site, at }) => [site, at])),
  )

/** Where visitors of a site clicked. */
import type * as Effect from "effect/Effect"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { within } from "./chunkEvents.ts"

const HOUR_MS = 3_600_000

/** Positions of one answer: more than any picture shows, few enough to send. */
export const MAX_HEATMAP_POINTS = 10_000

export interface HeatmapPoint {
  readonly x: number
  readonly y: number
  readonly count: number
}

export interface HeatmapQuery {
  /** A site's slug. */
  readonly site: string
  /** `null` for all pages. */
  readonly pageUrl: string | null
  /** Length of the window that ends at `now`. */
  readonly hours: number
  /** Unix milliseconds. */
  readonly now: number
}

/** Chunks without a click are not taken apart, and clicks whose data are the same read once (OFFSET 0: not once a use,
 * and grouped without its chunk's arrays). */
const SELECT_POINTS = `
  SELECT x::float8, y::float8, sum(times)::integer AS count
  FROM (
    SELECT data -> 'x' AS x, data -> 'y' AS y, times
    FROM (
      SELECT event_data::jsonb AS data, times
      FROM (
        SELECT event_data, count(*) AS times
        FROM (
          SELECT event_data FROM chunk_events
          WHERE site_id = (SELECT id FROM sites WHERE slug = $1)
            AND ${within("$2", "'infinity'")}
            AND chunk_types && '{button_click,link_click}'
            AND event_type IN ('button_click', 'link_click')
            AND ($3::text IS NULL OR page_url = $3)
          OFFSET 0
        ) AS found
        GROUP BY event_data
      ) AS clicks
      OFFSET 0
    ) AS decoded
    OFFSET 0
  ) AS positions
  WHERE jsonb_typeof(x) = 'number' AND jsonb_typeof(y) = 'number'
  GROUP BY 1, 2
  ORDER BY count DESC, 1, 2
  LIMIT $4`

/**
 * Positions of the `button_click` and `link_click` events of the last hours, most clicked first, then by x and y; at most
 * {@link MAX_HEATMAP_POINTS}. Events whose `x` and `y` are not both numbers are left out.
 */
export const heatmap = (
  postgres: Postgres,
  { site, pageUrl, hours, now }: HeatmapQuery,
): Effect.Effect<ReadonlyArray<HeatmapPoint>, StoreError> =>
  postgres.query<HeatmapPoint>("heatmap", SELECT_POINTS, [
    site,
    // Instants after the window's beginning, to the millisecond.
    new Date(now - hours * HOUR_MS + 1),
    pageUrl,
    MAX_HEATMAP_POINTS,
  ])

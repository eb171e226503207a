/** Where visitors of a site clicked. */
import type * as Effect from "effect/Effect"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"

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

/** The condition on `event_type` is the clicks index's own, or the index would not serve. */
const SELECT_POINTS = `
  SELECT (event_data ->> 'x')::float8 AS x, (event_data ->> 'y')::float8 AS y, count(*)::integer AS count
  FROM analytics_events
  WHERE site_id = (SELECT id FROM sites WHERE slug = $1)
    AND event_type IN ('button_click', 'link_click')
    AND created_at > $2
    AND ($3::text IS NULL OR page_url = $3)
    AND jsonb_typeof(event_data -> 'x') = 'number' AND jsonb_typeof(event_data -> 'y') = 'number'
  GROUP BY 1, 2
  ORDER BY count DESC, x, y
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
    new Date(now - hours * HOUR_MS),
    pageUrl,
    MAX_HEATMAP_POINTS,
  ])

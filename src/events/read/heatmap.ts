/** Where visitors of a site, or of several as one, clicked. */
import * as Effect from "effect/Effect"
import { CLICK_TYPES } from "../../domain/aggregation.ts"
import type { HeatmapPoint } from "../../domain/answers.ts"
import { isSamePage, pageKey, pageOf } from "../../domain/pageUrl.ts"
import { slugsOf } from "../../domain/siteChoice.ts"
import { HOUR_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { eventsOf, within } from "../chunks/index.ts"
import { among } from "./among.ts"
import type { ChunkClicks, ClickCache } from "./clickCache.ts"
import { clicksSince } from "./clicks.ts"
import { PlaceCounts } from "./placeCounts.ts"

/** Places of one answer: more than any picture shows, few enough to send. */
export const MAX_HEATMAP_POINTS = 10_000

export interface HeatmapQuery {
  /** A choice of sites that has been read. */
  readonly site: string
  /** A stored page_url of the page, in any spelling; `null` for all pages. */
  readonly pageUrl: string | null
  /** Length of the window that ends at `now`. */
  readonly hours: number
  /** Edge of the square cells that clicks are summed in; `null` for each exact position. */
  readonly grid: number | null
  /** Most places, the most clicked. */
  readonly limit: number
  /** Unix milliseconds. */
  readonly now: number
}

/** The most clicked places, and how many places there are. */
export interface Heatmap {
  readonly points: ReadonlyArray<HeatmapPoint>
  readonly total: number
}

/** Pages with clicks that may be the wanted one, by what they have in common whatever is escaped. */
const selectPages = (sites: ReadonlyArray<string>) => `
  SELECT DISTINCT page
  FROM (
    SELECT unnest(pages) AS page
    FROM event_chunks
    WHERE site_id ${among(sites)} AND NOT bots AND last_at >= $2
      AND first_at >= date_trunc('day', $2::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
      AND click_page IS DISTINCT FROM '{}'
  ) AS held
  WHERE page LIKE $3 OR position('%' IN page) > 0`

/** What every spelling of a page has, but for those that escape letters. */
const patternOf = (pageUrl: string): string =>
  `%${pageOf(pageUrl)
    .page.replaceAll(/%[\dA-F]{2}|[^A-Za-z\d]/g, "%")
    .replaceAll(/%+/g, "%")}%`

/**
 * Chunks that begin in the window tell their clicks. Of one that lies across its beginning each event's time has to be looked
 * at, and one of an earlier version tells nothing: these are taken apart (OFFSET 0: once, and without the chunk's arrays).
 */
const selectPoints = (sites: ReadonlyArray<string>) => `
  SELECT x, y, count(*)::integer AS count, (count(*) OVER ())::integer AS total
  FROM (
    SELECT CASE WHEN $5::float8 IS NULL THEN x ELSE floor(x / $5) * $5 END AS x,
      CASE WHEN $5::float8 IS NULL THEN y ELSE floor(y / $5) * $5 END AS y
    FROM (
    SELECT x, y
    FROM (
      SELECT wanted, unnest(click_x) AS x, unnest(click_y) AS y,
        unnest(CASE WHEN $3::text[] IS NOT NULL THEN click_page END) AS page
      FROM (
        SELECT click_page, click_x, click_y, CASE WHEN $3::text[] IS NOT NULL THEN ARRAY(
            SELECT place::integer FROM unnest(pages) WITH ORDINALITY AS held (page, place) WHERE page = ANY ($3)
          ) END AS wanted
        FROM event_chunks
        WHERE site_id ${among(sites)} AND NOT bots AND first_at >= $2 AND click_page <> '{}'
          AND ($3::text[] IS NULL OR pages && $3)
        OFFSET 0
      ) AS chunk
    ) AS click
    WHERE $3::text[] IS NULL OR page = ANY (wanted)
    UNION ALL
    SELECT x::float8, y::float8
    FROM (
      SELECT data -> 'x' AS x, data -> 'y' AS y
      FROM (
        SELECT event_data::jsonb AS data
        FROM event_chunks AS chunk CROSS JOIN LATERAL ${eventsOf("chunk")}
        WHERE site_id ${among(sites)} AND NOT bots AND ${within("$2", "'infinity'")}
          AND (first_at < $2 OR click_page IS NULL)
          AND types && '{${[...CLICK_TYPES].join()}}' AND event_type = ANY ('{${[...CLICK_TYPES].join()}}')
          AND ($3::text[] IS NULL OR page_url = ANY ($3))
        OFFSET 0
      ) AS found
      OFFSET 0
    ) AS decoded
    WHERE jsonb_typeof(x) = 'number' AND jsonb_typeof(y) = 'number'
    ) AS positions
  ) AS places
  GROUP BY x, y
  ORDER BY count DESC, x, y
  LIMIT $4`

/** Counts in Postgres what is too much to be counted here. */
const inPostgres = Effect.fnUntraced(function* (
  postgres: Postgres,
  { site, pageUrl, grid, limit }: HeatmapQuery,
  since: Date,
): Effect.fn.Return<Heatmap, StoreError> {
  const sites = slugsOf(site)
  const pages =
    pageUrl === null
      ? null
      : (yield* postgres.query<{ readonly page: string }>("heatmap_pages", selectPages(sites), [
          sites,
          since,
          patternOf(pageUrl),
        ])).flatMap(({ page }) => (isSamePage(page, pageUrl) ? [page] : []))
  const rows = yield* postgres.query<HeatmapPoint & { readonly total: number }>(
    "heatmap",
    selectPoints(sites),
    [...[sites, since, pages, limit, grid]],
  )
  return { points: rows.map(({ x, y, count }) => ({ x, y, count })), total: rows[0]?.total ?? 0 }
})

const countPlaces = (chunks: ReadonlyArray<ChunkClicks>, { pageUrl, grid, limit }: HeatmapQuery): Heatmap => {
  const places = new PlaceCounts()
  const wanted = pageUrl === null ? null : pageKey(pageUrl)
  for (const { pages, page, x, y } of chunks) {
    const ofPage = wanted === null ? null : pages.indexOf(wanted)
    if (ofPage === -1) continue
    for (let i = 0; i < x.length; i++) {
      if (ofPage !== null && page[i] !== ofPage) continue
      const clickX = x[i] ?? 0
      const clickY = y[i] ?? 0
      if (grid === null) places.add(clickX, clickY)
      else places.add(Math.floor(clickX / grid) * grid, Math.floor(clickY / grid) * grid)
    }
  }
  return { points: places.most(limit), total: places.size }
}

/**
 * Where the `button_click` and `link_click` events of the last hours were, most clicked first, then by x and y. A cell of a grid is
 * named by its least x and y. Events whose `x` and `y` are not both numbers are left out.
 */
export const heatmap = Effect.fnUntraced(function* (
  postgres: Postgres,
  cache: ClickCache,
  query: HeatmapQuery,
): Effect.fn.Return<Heatmap, StoreError> {
  // Instants after the window's beginning, to the millisecond.
  const since = new Date(query.now - query.hours * HOUR_MS + 1)
  const clicks = yield* clicksSince(postgres, cache, slugsOf(query.site), since)
  return clicks === null ? yield* inPostgres(postgres, query, since) : countPlaces(clicks, query)
})

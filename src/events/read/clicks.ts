/** The clicks of sites since an instant, chunk by chunk: this node keeps them, and asks which chunks there are. */
import * as Effect from "effect/Effect"
import { CLICK_TYPES } from "../../domain/aggregation.ts"
import { pageKey } from "../../domain/pageUrl.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { CHUNK_KEY, eventsOf } from "../chunks/index.ts"
import { among } from "./among.ts"
import type { ChunkClicks, ClickCache } from "./clickCache.ts"

/** Events of chunks that are read together: what they take in memory on their way is bounded. */
const PORTION_EVENTS = 200_000
/** Times that chunks may turn out to have been merged meanwhile. */
const TRIES = 3

interface ListedChunk {
  readonly key: string
  readonly first_at: Date
  readonly events: number
  /** Whether it has to be taken apart: it lies across the instant, or an earlier version wrote it, which told no clicks. */
  readonly apart: boolean
}

/** Chunks with events since $2. */
const selectChunks = (sites: ReadonlyArray<string>) => `
  SELECT ${CHUNK_KEY}::text AS key, first_at, events, first_at < $2 OR click_page IS NULL AS apart
  FROM event_chunks
  WHERE site_id ${among(sites)} AND NOT bots AND last_at >= $2
    AND first_at >= date_trunc('day', $2::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'`

/** Lists come as JSON, which is read several times as fast as arrays. */
interface ClicksRow {
  readonly key: string
  readonly pages: ReadonlyArray<string | null>
  /** Of each click, its page's place among them, from 1; `null` where they are one for each click. */
  readonly page: ReadonlyArray<number> | null
  readonly x: ReadonlyArray<number>
  readonly y: ReadonlyArray<number>
}

/** Those that begin from $2 until $3 and have one of the keys $4 (OFFSET 0: a key is told once). */
const chunksOf = (sites: ReadonlyArray<string>) => `(
    SELECT *, ${CHUNK_KEY} AS key FROM event_chunks
    WHERE site_id ${among(sites)} AND NOT bots AND first_at >= $2 AND first_at <= $3
    OFFSET 0
  ) AS chunk`

const selectClicks = (sites: ReadonlyArray<string>) => `
  SELECT key::text, to_json(pages) AS pages, to_json(click_page) AS page, to_json(click_x) AS x, to_json(click_y) AS y
  FROM ${chunksOf(sites)}
  WHERE key = ANY ($4::bigint[])`

/** The clicks since $5, told by the events. */
const selectApart = (sites: ReadonlyArray<string>) => `
  SELECT key::text, clicks.*
  FROM ${chunksOf(sites)} CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(page_url), '[]') AS pages, NULL AS page,
      coalesce(json_agg(x), '[]') AS x, coalesce(json_agg(y), '[]') AS y
    FROM (
      SELECT page_url, data -> 'x' AS x, data -> 'y' AS y
      FROM (
        SELECT page_url, event_data::jsonb AS data FROM ${eventsOf("chunk")}
        WHERE created_at >= $5 AND event_type = ANY ('{${[...CLICK_TYPES].join()}}')
        OFFSET 0
      ) AS found
      OFFSET 0
    ) AS decoded
    WHERE jsonb_typeof(x) = 'number' AND jsonb_typeof(y) = 'number'
  ) AS clicks
  WHERE key = ANY ($4::bigint[])`

const toClicks = (
  { pages, page, x, y }: ClicksRow,
  keyOf: (pageUrl: string | null) => string,
): ChunkClicks => {
  const places = new Map<string, number>()
  const ofClicks = new Uint16Array(x.length)
  for (let i = 0; i < x.length; i++) {
    const key = keyOf(pages[page === null ? i : (page[i] ?? 0) - 1] ?? null)
    const place = places.get(key) ?? places.size
    places.set(key, place)
    ofClicks[i] = place
  }
  return { pages: [...places.keys()], page: ofClicks, x: Float64Array.from(x), y: Float64Array.from(y) }
}

/** The key of each page, told once. */
const pageKeys = () => {
  const known = new Map<string, string>()
  return (pageUrl: string | null): string => {
    if (pageUrl === null) return ""
    const key = known.get(pageUrl) ?? pageKey(pageUrl)
    known.set(pageUrl, key)
    return key
  }
}

/** Chunks in portions, those that are taken apart by themselves. */
const portionsOf = (chunks: ReadonlyArray<ListedChunk>): ReadonlyArray<ReadonlyArray<ListedChunk>> => {
  const sorted = chunks.toSorted((a, b) => a.first_at.getTime() - b.first_at.getTime())
  let events = 0
  const portions = Map.groupBy(sorted, (chunk) => {
    events += chunk.events
    return `${Math.floor(events / PORTION_EVENTS)} ${chunk.apart}`
  })
  return [...portions.values()]
}

/** The clicks of all listed chunks; `null` if there are too many, `"changed"` if a chunk has gone since it was listed. */
const clicksOf = Effect.fnUntraced(function* (
  postgres: Postgres,
  cache: ClickCache,
  sites: ReadonlyArray<string>,
  since: Date,
): Effect.fn.Return<ReadonlyArray<ChunkClicks> | null | "changed", StoreError> {
  const listed = yield* postgres.query<ListedChunk & { readonly [column: string]: unknown }>(
    "heatmap_chunks",
    selectChunks(sites),
    [sites, since],
  )
  const found: Array<ChunkClicks> = []
  let clicks = 0
  const take = (each: ChunkClicks) => {
    clicks += each.x.length
    found.push(each)
  }
  const missing = listed.filter((chunk) => {
    const known = chunk.apart ? undefined : cache.get(chunk.key)
    if (known !== undefined) take(known)
    return known === undefined
  })
  const keyOf = pageKeys()
  for (const portion of portionsOf(missing)) {
    if (clicks > cache.limits.maxClicks) return null
    const apart = portion[0]?.apart === true
    const rows = yield* postgres.query<ClicksRow & { readonly [column: string]: unknown }>(
      "heatmap",
      apart ? selectApart(sites) : selectClicks(sites),
      [
        ...[sites, portion[0]?.first_at, portion.at(-1)?.first_at, portion.map(({ key }) => key)],
        ...(apart ? [since] : []),
      ],
    )
    if (rows.length < portion.length) return "changed"
    for (const row of rows) {
      const read = toClicks(row, keyOf)
      if (!apart) cache.add(row.key, read)
      take(read)
    }
  }
  return clicks > cache.limits.maxClicks ? null : found
})

/**
 * The clicks of sites since an instant, as of when it was listed which chunks there are; `null` if there are more than
 * the limit, or chunks are being merged all the time.
 */
export const clicksSince = Effect.fnUntraced(function* (
  postgres: Postgres,
  cache: ClickCache,
  sites: ReadonlyArray<string>,
  since: Date,
): Effect.fn.Return<ReadonlyArray<ChunkClicks> | null, StoreError> {
  for (let tries = 0; tries < TRIES; tries++) {
    const found = yield* clicksOf(postgres, cache, sites, since)
    if (found !== "changed") return found
  }
  return null
})

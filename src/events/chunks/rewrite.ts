/**
 * Rewrites chunks: to merge small ones, and to take events out of them. Chunks are only ever added by batches; whoever
 * removes or replaces some holds {@link LOCK_CHUNKS} until the end of the transaction, so what one has read is still so when
 * it writes, and nobody looks for an event while another moves it.
 */
import * as Effect from "effect/Effect"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import { LOCKS } from "../../stores/locks.ts"
import type { Sql } from "../../stores/postgres.ts"
import { type ChunkEvent, insertChunk, toChunks } from "./chunk.ts"

/** The lock of those that rewrite chunks; statements after it see what its holder before has done. */
export const LOCK_CHUNKS = `SELECT pg_advisory_xact_lock(${LOCKS.chunks})`

/** Where a chunk is. */
export interface ChunkPlace {
  readonly site_id: number
  readonly first_at: Date
  /** `(block,item)`. */
  readonly place: string
}

interface HeldEvent {
  readonly id: string
  readonly visitor_id: string
  readonly event_type: string
  readonly event_data: string | null
  readonly page_url: string | null
  readonly referrer: string | null
  readonly created_ms: number
  readonly origin: string | null
  readonly client: string | null
  readonly label: string | null
  readonly bots: boolean
}

/** `$1` and `$2` are the beginning and end of the UTC day, so that only its table is visited. */
const ON_DAY = "first_at >= $1 AND first_at < $2 AND site_id = $3"

const SELECT_EVENTS = `
  SELECT id, visitor_id, event_type, event_data, page_url, referrer,
    (extract(epoch FROM created_at) * 1000)::float8 AS created_ms, origin, client, label, bots
  FROM chunk_events
  WHERE ${ON_DAY} AND place = ANY ($4::tid[])`

const DELETE_CHUNKS = `DELETE FROM event_chunks WHERE ${ON_DAY} AND ctid = ANY ($4::tid[])`

/**
 * Replaces chunks by as few as hold those of their events that stay, and returns the number of the others. Needs
 * {@link LOCK_CHUNKS}, taken before the places were looked up.
 */
export const rewriteChunks = Effect.fnUntraced(function* (
  sql: Sql,
  places: ReadonlyArray<ChunkPlace>,
  stays: (event: ChunkEvent) => boolean,
): Effect.fn.Return<number, StoreError> {
  let gone = 0
  const dayOf = ({ first_at }: ChunkPlace) => Math.floor(first_at.getTime() / DAY_MS) * DAY_MS
  for (const [, together] of Map.groupBy(places, (place) => `${place.site_id} ${dayOf(place)}`)) {
    const [first] = together
    if (first === undefined) continue
    const day = dayOf(first)
    const chunks = [new Date(day), new Date(day + DAY_MS), first.site_id, together.map(({ place }) => place)]
    const { rows } = yield* sql.query<HeldEvent>(SELECT_EVENTS, chunks)
    const kept = rows
      .map((row) => ({
        id: row.id,
        visitorId: row.visitor_id,
        type: row.event_type,
        createdAt: row.created_ms,
        pageUrl: row.page_url,
        referrer: row.referrer,
        data: row.event_data,
        facts: { origin: row.origin, client: row.client, label: row.label, bot: row.bots },
      }))
      .filter(stays)
    gone += rows.length - kept.length
    const deleted = yield* sql.query(DELETE_CHUNKS, chunks)
    if (deleted.count !== together.length)
      return yield* Effect.die(
        new Error(`${together.length} chunks were to be rewritten, but ${deleted.count} were there`),
      )
    for (const chunk of toChunks(first.site_id, kept)) yield* sql.query(insertChunk(1), chunk)
  }
  return gone
})

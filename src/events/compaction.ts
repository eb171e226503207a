/**
 * Merges small chunks: an event that came alone is a chunk of its own, which takes as much disk as ten events in a large one.
 * Each merge is a short transaction; between two, it can be interrupted, and the next run continues. Several nodes may try;
 * one at a time rewrites chunks.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { LOCKS } from "./locks.ts"
import { type ChunkPlace, rewriteChunks } from "./rewrite.ts"
import { requireKnownSchema } from "./schemaVersion.ts"

const DAY_MS = 86_400_000
/** A day that ended longer ago than this is closed: few events are still to come. */
export const CLOSED_AFTER_MS = 3_600_000
/** Small chunks of a site and day that are merged: as soon as there are two, or, while the day goes on, so many. */
const ENOUGH = { closed: 2, open: 16 } as const
/**
 * While a day goes on, only chunks of fewer events are merged. Larger ones are the batches of a load that leaves no processor
 * idle: they wait until the day is closed.
 */
const OPEN_EVENTS = 64
/** More than any small chunk has. */
const ANY_EVENTS = 32_767
/** Events of a merge: some ten milliseconds of work on both sides, for which a batch of events may have to wait. */
const MERGE_EVENTS = 2000
/** Pause after a merge, in times as long as it took: compaction takes a quarter of a processor at most. */
const PAUSE = 3

const SELECT_SMALL = `
  SELECT site_id, date_trunc('day', first_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS day, count(*)::integer AS chunks
  FROM event_chunks WHERE small AND (first_at < $1 OR events < ${OPEN_EVENTS})
  GROUP BY 1, 2 HAVING count(*) >= ${ENOUGH.closed}
  ORDER BY 2, 1`

interface SmallChunks {
  readonly site_id: number
  readonly day: Date
  readonly chunks: number
}

const TRY_LOCK = `SELECT pg_try_advisory_xact_lock(${LOCKS.chunks}) AS locked`

/** As many events lie in so many chunks at most. */
const SELECT_PLACES = `
  SELECT site_id, first_at, ctid::text AS place, events FROM event_chunks
  WHERE small AND site_id = $1 AND first_at >= $2 AND first_at < $3 AND events < $4
  ORDER BY first_at
  LIMIT ${MERGE_EVENTS}`

export interface CompactionOptions {
  /** Unix milliseconds. */
  readonly now: number
  readonly metrics: Metrics
  /** Runs after each merge. */
  readonly onMerge?: () => Effect.Effect<void>
}

/** Merges what there is to merge and gives the number of chunks that were merged. */
export const compact = Effect.fnUntraced(function* (
  postgres: Postgres,
  { now, metrics, onMerge = () => Effect.void }: CompactionOptions,
): Effect.fn.Return<number, StoreError> {
  yield* requireKnownSchema(postgres, "compaction")
  /** The first day that is not closed yet. */
  const openFrom = Math.floor((now - CLOSED_AFTER_MS) / DAY_MS) * DAY_MS
  let merged = 0
  for (const small of yield* postgres.query<SmallChunks & Record<string, unknown>>(
    "compaction",
    SELECT_SMALL,
    [new Date(openFrom)],
  )) {
    const isClosed = small.day.getTime() < openFrom
    // Of those that are merged at most one small chunk comes of it.
    for (let left = small.chunks; left >= (isClosed ? ENOUGH.closed : ENOUGH.open); ) {
      const began = performance.now()
      const taken = yield* merge(postgres, small, isClosed ? ANY_EVENTS : OPEN_EVENTS).pipe(
        Effect.tap((count) => {
          metrics.compactedChunks.inc(count)
          return onMerge()
        }),
        Effect.uninterruptible,
      )
      if (taken === 0) break
      merged += taken
      left -= taken - 1
      yield* Effect.sleep(PAUSE * (performance.now() - began))
    }
  }
  return merged
})

/**
 * Merges the earliest small chunks of a site and day that have fewer than so many events; gives their number, 0 when another is
 * at it or none are left.
 */
const merge = (
  postgres: Postgres,
  { site_id, day }: SmallChunks,
  below: number,
): Effect.Effect<number, StoreError> =>
  postgres.transaction("compaction", async (sql) => {
    const lock = await sql.query<{ locked: boolean }>(TRY_LOCK)
    if (lock.rows[0]?.locked !== true) return 0
    const { rows } = await sql.query<ChunkPlace & { events: number }>(SELECT_PLACES, [
      ...[site_id, day, new Date(day.getTime() + DAY_MS), below],
    ])
    let held = 0
    const taken = rows.filter((chunk) => {
      const fits = held < MERGE_EVENTS
      held += chunk.events
      return fits
    })
    if (taken.length < 2) return 0
    await rewriteChunks(sql, taken, () => true)
    return taken.length
  })

/** Compacts every minute until the scope closes. A run that fails is logged and the next one comes in its time. */
export const scheduleCompaction = (
  postgres: Postgres,
  metrics: Metrics,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => compact(postgres, { now: Date.now(), metrics })).pipe(
    Effect.tap((chunks) => (chunks > 0 ? Effect.logDebug(`${chunks} small chunks merged`) : Effect.void)),
    Effect.catchCause((cause) => Effect.logWarning("compaction failed; the next run continues", cause)),
    Effect.schedule(Schedule.spaced("1 minute")),
    Effect.forkScoped,
    Effect.asVoid,
  )

/**
 * Merges small chunks: an event that came alone is a chunk of its own, which takes as much disk as ten events in a large one.
 * Each merge is a short transaction; between two, it can be interrupted, and the next run continues. Several nodes may try;
 * one at a time rewrites chunks.
 */
import { performance } from "node:perf_hooks"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { DAY_MS, HOUR_MS } from "../../domain/time.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import type { StoreError } from "../../stores/errors.ts"
import { LOCKS } from "../../stores/locks.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { requireKnownSchema, type SchemaTooNew } from "../schema/index.ts"
import { type ChunkPlace, rewriteChunks } from "./rewrite.ts"

/** A day that ended longer ago than this is closed: few events are still to come. */
const CLOSED_AFTER_MS = HOUR_MS
/** Small chunks of a site and day after which they are merged: two, or more while the day goes on. */
const ENOUGH = { closed: 2, open: 16 } as const
/** Events of a merge: about 10 ms of work on both sides, for which a batch of events may have to wait. */
const MERGE_EVENTS = 2000
/** Chunks of a merge. */
const MERGE_CHUNKS = 500
/** Pause after a merge, in times as long as it took: compaction takes a quarter of a processor at most. */
const PAUSE = 3
/** Part of the time for which this thread must have been at work since the last run for the load to be called one. */
const BUSY = 0.1

/** The first instant of the first UTC day that is not closed, unix milliseconds. */
export const openSince = (now: number): number => Math.floor((now - CLOSED_AFTER_MS) / DAY_MS) * DAY_MS

/** Small chunks, and those among them that are merged on a day that goes on although there is a load; each has an index. */
const SMALL = "small"
const TINY = "small AND events < 64"

const selectMergeable = (which: string): string => `
  SELECT site_id, date_trunc('day', first_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS day, bots, count(*)::integer AS chunks
  FROM event_chunks WHERE ${which} AND first_at >= $1 AND first_at < $2
  GROUP BY 1, 2, 3 HAVING count(*) >= $3
  ORDER BY 2, 1, 3`

interface Mergeable {
  readonly site_id: number
  readonly day: Date
  /** Whether they are chunks of events marked as bots', which are not mixed with others. */
  readonly bots: boolean
  readonly chunks: number
}

const TRY_LOCK = `SELECT pg_try_advisory_xact_lock(${LOCKS.chunks}) AS locked`

const selectPlaces = (which: string): string => `
  SELECT site_id, first_at, ctid::text AS place, events FROM event_chunks
  WHERE ${which} AND site_id = $1 AND first_at >= $2 AND first_at < $3 AND bots = $4
  ORDER BY first_at
  LIMIT ${MERGE_CHUNKS}`

export interface CompactionOptions {
  /** Unix milliseconds. */
  readonly now: number
  /**
   * Whether there is a load that leaves chunks of a hundred events or so all the time: those of days that go on wait then until it
   * has ended, or their day is closed.
   */
  readonly busy: boolean
  readonly metrics: Metrics
  /** Runs after each merge. */
  readonly onMerge?: () => Effect.Effect<void>
}

/** Merges what there is to merge, of every site and day in turn, and returns the number of chunks that were merged. */
export const compact = Effect.fnUntraced(function* (
  postgres: Postgres,
  { now, busy, metrics, onMerge = () => Effect.void }: CompactionOptions,
): Effect.fn.Return<number, StoreError | SchemaTooNew> {
  yield* requireKnownSchema(postgres, "compaction")
  const open = new Date(openSince(now))
  const select = (which: string, from: Date | string, until: Date | string, enough: number) =>
    postgres
      .query<Mergeable & Record<string, unknown>>("compaction", selectMergeable(which), [from, until, enough])
      .pipe(Effect.map((found) => found.map((each) => ({ ...each, which, enough, left: each.chunks }))))
  const ofOpenDays = busy ? TINY : SMALL
  let groups = [
    ...(yield* select(SMALL, "-infinity", open, ENOUGH.closed)),
    ...(yield* select(ofOpenDays, open, "infinity", ENOUGH.open)),
  ]
  let merged = 0
  while (groups.length > 0) {
    for (const group of groups) {
      const began = performance.now()
      const taken = yield* merge(postgres, group, group.which).pipe(
        Effect.tap((count) => {
          metrics.compactedChunks.inc(count)
          return onMerge()
        }),
        Effect.uninterruptible,
      )
      merged += taken
      // At most one that can be merged again comes of them.
      group.left = taken === 0 ? 0 : group.left - taken + 1
      yield* Effect.sleep(PAUSE * (performance.now() - began))
    }
    groups = groups.filter(({ left, enough }) => left >= enough)
  }
  return merged
})

/** Merges the earliest of such chunks of a site and day; returns their number, 0 when another node is merging or none are left. */
const merge = (
  postgres: Postgres,
  { site_id, day, bots }: Mergeable,
  which: string,
): Effect.Effect<number, StoreError> =>
  postgres.transaction("compaction", (sql) =>
    Effect.gen(function* () {
      const lock = yield* sql.query<{ locked: boolean }>(TRY_LOCK)
      if (lock.rows[0]?.locked !== true) return 0
      const { rows } = yield* sql.query<ChunkPlace & { events: number }>(selectPlaces(which), [
        ...[site_id, day, new Date(day.getTime() + DAY_MS), bots],
      ])
      let held = 0
      const taken = rows.filter((chunk) => {
        const fits = held < MERGE_EVENTS
        held += chunk.events
        return fits
      })
      if (taken.length < 2) return 0
      yield* rewriteChunks(sql, taken, () => true)
      return taken.length
    }),
  )

/** Compacts every minute until the scope closes. A run that fails is logged and the next one comes in its time. */
export const scheduleCompaction = (
  postgres: Postgres,
  metrics: Metrics,
  now: () => number,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => {
    let last = performance.eventLoopUtilization()
    return Effect.suspend(() => {
      const busy = performance.eventLoopUtilization(last).utilization > BUSY
      return compact(postgres, { now: now(), busy, metrics })
    }).pipe(
      Effect.tap((chunks) =>
        chunks > 0 ? Effect.logDebug("chunks merged").pipe(Effect.annotateLogs({ chunks })) : Effect.void,
      ),
      Effect.catchCause((cause) => Effect.logWarning("compaction failed: the next run continues", cause)),
      Effect.tap(() =>
        Effect.sync(() => {
          // What compaction itself took is no load.
          last = performance.eventLoopUtilization()
        }),
      ),
      Effect.schedule(Schedule.spaced("1 minute")),
    )
  }).pipe(Effect.forkScoped, Effect.asVoid)

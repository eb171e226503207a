/** Finishes erasures of sites: what the transaction has left of them, wherever the process died that had begun it. */
import * as Effect from "effect/Effect"
import { decodePayload } from "../domain/payload.ts"
import { DEFAULT_PACE, removeExpiredRows } from "../events/retention/index.ts"
import { type SchemaTooNew, storedDeployment } from "../events/schema/index.ts"
import { erasedEntries, type UnknownPartition } from "../events/write/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { rewriteAppendOnlyFile } from "../stores/redis.ts"
import { dropDeadLetter, listDeadLetters } from "../stream/deadLetters.ts"
import { type ErasedFiguresOptions, partitionsWithErased, takeErasedFigures } from "./erasedFigures.ts"

/** Drops the dead letters of sites whose erasures are unfinished, and adds their number to what is known of each site. */
const dropErasedLetters = (
  options: ErasedFiguresOptions,
  sites: ReadonlySet<string>,
  dropped: Map<string, number>,
): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const isErased = yield* erasedEntries(options.postgres, options.settings)
    const partitions = (yield* storedDeployment(options.postgres))?.partitions ?? 0
    const letters = yield* listDeadLetters({ ...options, partitions }, Number.MAX_SAFE_INTEGER)
    for (const { partition, id, entry, payload } of letters) {
      const event = decodePayload(payload)
      if (typeof event === "string" || !sites.has(event.site)) continue
      if (!isErased(event.site, partition, entry)) continue
      if (yield* dropDeadLetter({ ...options, partitions }, partition, id))
        dropped.set(event.site, (dropped.get(event.site) ?? 0) + 1)
    }
  })

const SELECT_UNFINISHED = "SELECT id, site FROM site_erasures WHERE finished_at IS NULL"
/** Ids that senders gave to events that are gone: sent again, these are new ones. */
const OF_ERASED = `EXISTS (
  SELECT FROM sites JOIN erased_entries AS erased ON erased.site = sites.slug
  WHERE sites.id = site_id AND erased.partition = idempotency_keys.partition
    AND sites.slug IN (SELECT site FROM site_erasures WHERE finished_at IS NULL)
    AND (stream_ms, stream_seq) <= (split_part(up_to, '-', 1)::bigint, split_part(up_to, '-', 2)::bigint))`
const DELETE_KEYS = `DELETE FROM idempotency_keys WHERE ctid = ANY ($1::tid[]) AND ${OF_ERASED}`
/** Nodes look at their figures again then. */
const CHANGED = "UPDATE site_changes SET version = version + 1"
const FINISHED =
  "UPDATE site_erasures SET finished_at = now() WHERE id = ANY ($1::uuid[]) AND finished_at IS NULL"

/** What finishing has come to. */
export interface Finished {
  /** Whether all that has been erased is gone everywhere; if not, a later look goes on with it. */
  readonly complete: boolean
  /** Dead letters that went, by their sites. */
  readonly deadLetters: ReadonlyMap<string, number>
}

/**
 * Finishes erasures of sites, and gives up after some milliseconds. Fails never: that a store did not let it is logged, for whoever
 * looks next goes on.
 */
export const finishErasures = (
  options: ErasedFiguresOptions,
  patienceMs: number,
): Effect.Effect<Finished> => {
  const deadLetters = new Map<string, number>()
  return finish(options, deadLetters).pipe(
    Effect.timeoutOption(patienceMs),
    Effect.tap((done) =>
      done._tag === "Some"
        ? Effect.void
        : Effect.logWarning("erasure of a site unfinished: it takes long, and goes on within a minute"),
    ),
    Effect.map((done) => done._tag === "Some"),
    Effect.catch((error) =>
      Effect.logWarning("erasure of a site unfinished: tried again within a minute", error).pipe(
        Effect.as(false),
      ),
    ),
    Effect.map((complete) => ({ complete, deadLetters })),
  )
}

const finish = (
  options: ErasedFiguresOptions,
  deadLetters: Map<string, number>,
): Effect.Effect<void, StoreError | UnknownPartition | SchemaTooNew> =>
  Effect.gen(function* () {
    const { postgres, redis, metrics } = options
    const unfinished = yield* postgres.query<{ id: string; site: string }>(
      "finish_erasures",
      SELECT_UNFINISHED,
    )
    if (unfinished.length === 0) return
    const sites = new Set(unfinished.map(({ site }) => site))
    // At once: what is sent through again meanwhile would count.
    yield* dropErasedLetters(options, sites, deadLetters)
    for (let left = yield* partitionsWithErased(postgres); left.length > 0; ) {
      // Its next owner does it.
      for (const partition of left)
        yield* Effect.catchTag(takeErasedFigures(options, partition), "Fenced", () =>
          Effect.sleep("100 millis"),
        )
      left = yield* partitionsWithErased(postgres)
    }
    // And once no earlier owner can set one aside any more.
    yield* dropErasedLetters(options, sites, deadLetters)
    yield* deleteKeys(postgres)
    yield* rewriteAppendOnlyFile(redis, metrics)
    yield* postgres.transaction("finish_erasures", (sql) =>
      Effect.andThen(sql.query(CHANGED), sql.query(FINISHED, [unfinished.map(({ id }) => id)])),
    )
  })

const deleteKeys = (postgres: Postgres): Effect.Effect<number, StoreError> =>
  removeExpiredRows(
    postgres,
    "finish_erasures",
    {
      ...{ table: "idempotency_keys", condition: OF_ERASED, parameters: [], weight: "1" },
      remove: (sql, places) => Effect.map(sql.query(DELETE_KEYS, [places]), ({ count }) => count),
      afterBatch: () => Effect.void,
    },
    DEFAULT_PACE,
  )

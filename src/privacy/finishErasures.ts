/** Finishes erasures of sites: what the transaction has left of them, wherever the process died that had begun it. */
import * as Effect from "effect/Effect"
import { decodePayload } from "../domain/payload.ts"
import type { SchemaTooNew } from "../events/schema/index.ts"
import type { UnknownPartition } from "../events/write/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { rewriteAppendOnlyFile } from "../stores/redis.ts"
import { dropDeadLetter, listDeadLetters } from "../stream/deadLetters.ts"
import { compareIds } from "../stream/id.ts"
import { type ErasedFiguresOptions, partitionsWithErased, takeErasedFigures } from "./erasedFigures.ts"

const SELECT_ENTRIES = `SELECT site, partition, up_to AS "upTo", gone FROM erased_entries`

/** Tells of an entry of a stream whether its site was erased while it waited, or is none any more. */
export const erasedEntries = (
  postgres: Postgres,
): Effect.Effect<(site: string, partition: number, entry: string) => boolean, StoreError> =>
  Effect.map(
    postgres.query<{ site: string; partition: number; upTo: string; gone: boolean }>(
      "erased_entries",
      SELECT_ENTRIES,
    ),
    (rows) => {
      const known = new Map(rows.map((row) => [`${row.partition} ${row.site}`, row]))
      return (site, partition, entry) => {
        const erased = known.get(`${partition} ${site}`)
        return erased !== undefined && (erased.gone || compareIds(entry, erased.upTo) <= 0)
      }
    },
  )

/** Drops the dead letters of erased sites, and returns their number. */
export const dropErasedLetters = (
  options: ErasedFiguresOptions,
  partitions: number,
): Effect.Effect<number, StoreError> =>
  Effect.gen(function* () {
    const isErased = yield* erasedEntries(options.postgres)
    const letters = yield* listDeadLetters({ ...options, partitions }, Number.MAX_SAFE_INTEGER)
    let dropped = 0
    for (const { partition, id, entry, payload } of letters) {
      const event = decodePayload(payload)
      if (typeof event === "string" || !isErased(event.site, partition, entry)) continue
      if (yield* dropDeadLetter({ ...options, partitions }, partition, id)) dropped++
    }
    return dropped
  })

const SELECT_UNFINISHED = "SELECT id FROM site_erasures WHERE finished_at IS NULL"
/** Ids that senders gave to events that are gone: sent again, these are new ones. */
const DELETE_KEYS = `
  DELETE FROM idempotency_keys AS known USING sites, erased_entries AS erased
  WHERE sites.id = known.site_id AND erased.site = sites.slug AND erased.partition = known.partition
    AND sites.slug IN (SELECT site FROM site_erasures WHERE finished_at IS NULL)
    AND (stream_ms, stream_seq) <= (split_part(up_to, '-', 1)::bigint, split_part(up_to, '-', 2)::bigint)`
const FINISHED =
  "UPDATE site_erasures SET finished_at = now() WHERE id = ANY ($1::uuid[]) AND finished_at IS NULL"

/** Whether all that has been erased is gone everywhere: finishes what is not, and gives up after some milliseconds. */
export const finishErasures = (
  options: ErasedFiguresOptions,
  partitions: number,
  patienceMs: number,
): Effect.Effect<boolean, StoreError | UnknownPartition | SchemaTooNew> =>
  Effect.gen(function* () {
    const { postgres, redis, metrics } = options
    const unfinished = yield* postgres.query<{ id: string }>("finish_erasures", SELECT_UNFINISHED)
    if (unfinished.length === 0) return true
    for (let left = yield* partitionsWithErased(postgres, partitions); left.length > 0; ) {
      // Its next owner does it.
      for (const partition of left)
        yield* Effect.catchTag(takeErasedFigures(options, partition), "Fenced", () =>
          Effect.sleep("100 millis"),
        )
      left = yield* partitionsWithErased(postgres, partitions)
    }
    yield* dropErasedLetters(options, partitions)
    yield* deleteKeys(postgres)
    yield* rewriteAppendOnlyFile(redis, metrics)
    yield* postgres.query("finish_erasures", FINISHED, [unfinished.map(({ id }) => id)])
    return true
  }).pipe(
    Effect.timeoutOption(patienceMs),
    Effect.map((done) => done._tag === "Some"),
  )

const deleteKeys = (postgres: Postgres): Effect.Effect<void, StoreError> =>
  postgres.transaction("finish_erasures", (sql) =>
    sql.query("SET LOCAL statement_timeout = 0").pipe(Effect.andThen(sql.query(DELETE_KEYS)), Effect.asVoid),
  )

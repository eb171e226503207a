/** Erasure of a visitor wherever it may be: waiting in a stream, dead-lettered, in Postgres, among the current visitors. */
import { randomUUID } from "node:crypto"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import { BEYOND_ERASURE, type VisitorReceipt } from "../domain/answers.ts"
import { openDays } from "../domain/lateWindow.ts"
import { decodePayload } from "../domain/payload.ts"
import { type Calendar, PERIODS, periodKey } from "../domain/period.ts"
import { fingerprint, partitionOf } from "../domain/visitor.ts"
import { requireKnownSchema, storedDeployment } from "../events/schema/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"
import { type RedisConnection, redisCall, rewriteAppendOnlyFile } from "../stores/redis.ts"
import { figureKeys, streamKeys, VISITOR_BUCKETS } from "../stores/redisKeys.ts"
import { dropDeadLetter, listDeadLetters } from "../stream/deadLetters.ts"
import { compareIds, ZERO_ID } from "../stream/id.ts"
import { isBeingRebuilt } from "../stream/lease.ts"
import { eraseVisitorRows } from "./eraseRows.ts"

/** What an erasure waits for the actors to finish with the visitor's waiting events, or for a rebuild to end, milliseconds. */
const PATIENCE_MS = 8000

export interface EraseOptions {
  readonly redis: RedisConnection
  readonly postgres: Postgres
  readonly prefix: string
  readonly sites: ReadonlyArray<string>
  readonly metrics: Metrics
  readonly calendar: Calendar
  /** Writes a line of the audit log, in the transaction in which the visitor's rows go. */
  readonly note: (sql: Sql, who: string, action: string, what: string) => Effect.Effect<void, StoreError>
  /** Unix milliseconds. */
  readonly now: () => number
}

/** An erasure cannot be done now; asked for again, it can. */
export class ErasureMustWait extends TaggedError("ErasureMustWait")<{ readonly message: string }> {}

/** Fails when what is waited for takes too long. */
const orTryAgain = (message: string) =>
  Effect.timeoutOrElse({
    duration: PATIENCE_MS,
    orElse: () => Effect.fail(new ErasureMustWait({ message })),
  })

/** Waits until the actors have passed everything that was acknowledged for the partition up to now. */
const awaitProcessed = ({ redis, prefix, metrics }: EraseOptions, partition: number) =>
  Effect.gen(function* () {
    const keys = streamKeys(prefix, partition)
    const last = yield* redisCall(metrics, "erase", async () => {
      const entries = await redis.xrevrange(keys.events, "+", "-", "COUNT", 1)
      return entries[0]?.[0] ?? ZERO_ID
    })
    while (true) {
      const applied = yield* redisCall(metrics, "erase", () => redis.hget(keys.state, "applied"))
      if (compareIds(applied ?? ZERO_ID, last) >= 0) return
      yield* Effect.sleep("25 millis")
    }
  }).pipe(orTryAgain("events of the visitor may still wait to be stored"))

/** Takes a visitor out of every set that could be asked for it; the counts that it went into stay. */
const forget = async (
  { redis, prefix, sites, calendar, now }: EraseOptions,
  partition: number,
  visitor: number,
): Promise<void> => {
  // Sets of exact visitors are kept for periods that a late event may still belong to.
  const periods = new Set(
    openDays(calendar, now()).flatMap((day) => PERIODS.map((period) => periodKey(period, day))),
  )
  await Promise.all(
    sites.flatMap((site) => {
      const keys = figureKeys(prefix, partition, site)
      return [
        redis.zrem(keys.active, visitor),
        ...[...periods].map((period) =>
          redis.srem(keys.period(period).visitors + (visitor % VISITOR_BUCKETS), visitor),
        ),
      ]
    }),
  )
}

/**
 * {@link forget}, and again should a rebuild have begun meanwhile, once it has ended: what that has read of Postgres, the visitor
 * included, takes the figures' place.
 */
const forgetWhileNotRebuilt = (options: EraseOptions, partition: number, visitor: number) =>
  Effect.gen(function* () {
    while (true) {
      while (yield* isBeingRebuilt({ ...options, partition })) yield* Effect.sleep("25 millis")
      yield* redisCall(options.metrics, "erase", () => forget(options, partition, visitor))
      if (!(yield* isBeingRebuilt({ ...options, partition }))) return
    }
  }).pipe(orTryAgain("the figures of the visitor's partition are being rebuilt"))

/**
 * Erases every raw event of a visitor, of all sites; counts stay, they name nobody. Has to wait while
 * events of the visitor's partition wait that were acknowledged before, or its figures are being rebuilt, or where a newer version
 * has migrated the schema, whose nodes can do it. Returns the receipt, which the audit log has once the visitor's rows have gone.
 *
 * @param who as the audit log names them
 */
export const eraseVisitor = (
  options: EraseOptions,
  who: string,
  visitorId: string,
): Effect.Effect<VisitorReceipt, StoreError | ErasureMustWait> =>
  Effect.gen(function* () {
    const { redis, postgres, metrics } = options
    yield* requireKnownSchema(postgres, "erase_visitor").pipe(
      Effect.catchTag("SchemaTooNew", ({ message }) => new ErasureMustWait({ message })),
    )
    // The deployment's number, whatever this process has been told.
    const partitions = (yield* storedDeployment(postgres))?.partitions ?? 1
    const partition = partitionOf(visitorId, partitions)
    yield* awaitProcessed(options, partition)
    const letters = yield* listDeadLetters({ ...options, partitions }, Number.MAX_SAFE_INTEGER)
    let dropped = 0
    for (const letter of letters) {
      const event = decodePayload(letter.payload)
      if (typeof event !== "string" && event.visitorId === visitorId) {
        if (yield* dropDeadLetter({ ...options, partitions }, letter.partition, letter.id)) dropped++
      }
    }
    // Last of what a backup holds: one that has the journal's line was made when everything else had gone.
    const id = randomUUID()
    const { deleted, sites } = yield* eraseVisitorRows(postgres, visitorId, (sql) =>
      // Not who it was: what was erased must not live on in a log.
      options.note(sql, who, "erased", `a visitor, receipt ${id}`),
    )
    yield* forgetWhileNotRebuilt(options, partition, fingerprint(visitorId))
    yield* rewriteAppendOnlyFile(redis, metrics)
    return {
      ...{
        id,
        erased_at: new Date(options.now()).toISOString(),
        by: who,
        events: deleted,
        dead_letters: dropped,
      },
      ...{ visitor_id: visitorId, sites, not_reached: BEYOND_ERASURE },
    }
  })

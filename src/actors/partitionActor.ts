/**
 * The actor of one partition. It owns the partition's stream and figures while its epoch is the latest one.
 *
 * - **taking over**: Postgres hands out the next epoch, Redis notes it; from here on every earlier owner is fenced off.
 * - **reading**: entries after the applied position, as many as there are up to a batch, waiting when there are none.
 * - **committing** a batch, in stream order:
 *   1. Postgres, one transaction: rows, idempotency keys, daily totals, the partition's position;
 *   2. Redis, one script: figures, position, the entries leave the stream, and one delta for the dashboards.
 *   A crash between 1 and 2 leaves the entries in the stream; the next owner meets them again, Postgres tells which of
 *   them counted, and only 2 happens.
 * - **waiting** when a store is away: the same batch is tried again, for as long as it takes.
 * - **isolating** when Postgres cannot take a batch: it is halved until the entry that is to blame stands alone, which is
 *   tried a few times more and then dead-lettered. The others go on.
 * - **careful** when this partition's first entry has met several owners, so that an entry which ends its actor is found, too:
 *   a few entries at a time, and once an owner has ended during that, those few one by one.
 * - **fenced**: a later epoch owns the partition, or Redis was away and may have come back without its last writes; the actor
 *   ends, changes nothing more, and whoever owns the partition next takes it over anew.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Fenced, type StoreError } from "../stores/errors.ts"
import type { Entry } from "../stream/partitionLog.ts"
import { isSuspicious, processCarefully } from "./careful.ts"
import { processBatch } from "./isolate.ts"
import { type Owner, type PartitionActorOptions, takeOver, whileUnavailable } from "./owner.ts"

/** Entries of one batch: beyond about a thousand, Postgres gains nothing and a stop takes longer. */
export const BATCH_ENTRIES = 1000
/**
 * Rest after a batch that was not full, so that the next one is larger: what a batch costs whatever its size is shared by more
 * events. One that comes after a pause is processed at once.
 */
const REST = Duration.millis(50)

/**
 * Owns the partition until fenced or interrupted. `token` is the lease's, which the caller holds and renews.
 * An interruption waits for a running commit.
 */
export const runPartitionActor = (
  options: PartitionActorOptions,
  token: string,
): Effect.Effect<never, Fenced | StoreError> =>
  Effect.gen(function* () {
    const { owner, takeover } = yield* takeOver(options, token)
    let suspicious = isSuspicious(takeover)
    while (true) {
      const entries = yield* readOn(owner)
      if (entries.length > 0)
        yield* suspicious ? processCarefully(owner, entries, takeover.suspects) : processBatch(owner, entries)
      suspicious = false
      if (entries.length > 0 && entries.length < BATCH_ENTRIES) yield* Effect.sleep(REST)
    }
  })

/** The entries after the owner's position, none when none has come for a while; `Fenced` when Redis was away. */
const readOn = (owner: Owner): Effect.Effect<ReadonlyArray<Entry>, Fenced | StoreError> =>
  owner.log.read(owner.position, BATCH_ENTRIES).pipe(
    Effect.catch((error) =>
      error.unavailable
        ? // What a takeover finds may be older than this position, and reading on from it would pass that by.
          owner.log.read(owner.position, 1).pipe(
            Effect.retry({ schedule: whileUnavailable, while: (again) => again.unavailable }),
            Effect.andThen(
              new Fenced({
                partition: owner.partition,
                message: "Redis was away; the partition is taken over anew",
              }),
            ),
          )
        : Effect.fail(error),
    ),
  )

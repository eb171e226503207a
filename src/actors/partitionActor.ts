/**
 * The actor of one partition. It owns the partition's stream and figures while its epoch is the latest one. Its modes, as
 * mode.ts has them:
 *
 * - **takeover**: Postgres hands out the next epoch, Redis notes it; from here on every earlier owner is fenced off.
 * - **reading**: entries after the applied position, as many as there are up to a batch, waiting when there are none.
 * - **committing** a batch, in stream order:
 *   1. Postgres, one transaction: rows, idempotency keys, daily totals, the partition's position;
 *   2. Redis, one script: figures, position, the entries leave the stream, and one delta for the dashboards.
 *   A crash between 1 and 2 leaves the entries in the stream; the next owner meets them again, Postgres tells which of
 *   them counted, and only 2 happens.
 * - **waiting** while a store is unavailable: the same batch is tried again, for as long as it takes.
 * - **isolating** when Postgres cannot take a batch: it is halved until the entry that is to blame stands alone, which is
 *   tried a few times more and then dead-lettered. The others go on.
 * - **careful** when this partition's first entry has met several owners, so that an entry which ends its actor is found, too:
 *   a few entries at a time, and once an owner has ended during that, those few one by one.
 * - **fenced**: a later epoch owns the partition, or Redis was unavailable and may have come back without its last writes; the
 *   actor ends, changes nothing more, and the partition's next owner takes it over again.
 * - **ended**: stopped, failed, or without its lease.
 *
 * The first batch after a takeover may be processed carefully, every other one is committed; each of the two may lead to
 * waiting and isolating, and comes back from there. A read that waits ends fenced.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Fenced } from "../stores/errors.ts"
import type { Entry, Takeover } from "../stream/partitionLog.ts"
import { isSuspicious, processCarefully } from "./careful.ts"
import { processBatch } from "./isolate.ts"
import { ActorMode } from "./mode.ts"
import {
  type Owner,
  type PartitionActorOptions,
  type TakeoverError,
  takeOver,
  whileUnavailable,
} from "./owner.ts"
import type { CommitError } from "./verdict.ts"

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
): Effect.Effect<never, TakeoverError | CommitError> =>
  Effect.suspend(() => {
    const mode = new ActorMode(options.partition, options.metrics)
    return takeOver(options, mode, token).pipe(
      Effect.flatMap(({ owner, takeover }) => work(owner, takeover)),
      Effect.onExit((exit) => mode.enter(isFenced(exit) ? "fenced" : "ended")),
    )
  })

/** Whether an actor ended because it does not own its partition any more. */
const isFenced = (exit: Exit.Exit<never, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Fenced

/** Reads and processes, batch by batch. */
const work = (owner: Owner, takeover: Takeover): Effect.Effect<never, CommitError> =>
  Effect.gen(function* () {
    const { mode } = owner
    let suspicious = isSuspicious(takeover)
    yield* mode.enter("reading")
    while (true) {
      const entries = yield* readOn(owner)
      if (entries.length > 0) {
        yield* mode.enter(suspicious ? "careful" : "committing")
        yield* suspicious ? processCarefully(owner, entries, takeover.suspects) : processBatch(owner, entries)
        yield* mode.enter("reading")
      }
      suspicious = false
      if (entries.length > 0 && entries.length < BATCH_ENTRIES) yield* Effect.sleep(REST)
    }
  })

/** The entries after the owner's position, none when none has come for a while; `Fenced` when Redis was unavailable. */
const readOn = (owner: Owner): Effect.Effect<ReadonlyArray<Entry>, CommitError> =>
  owner.log.read(owner.position, BATCH_ENTRIES).pipe(
    Effect.catch((error) =>
      error.unavailable
        ? // What a takeover finds may be older than this position, and reading on from it would pass that by.
          owner.mode.enter("waiting", error).pipe(
            Effect.andThen(owner.log.read(owner.position, 1)),
            Effect.retry({ schedule: whileUnavailable, while: (again) => again.unavailable }),
            Effect.andThen(
              new Fenced({
                partition: owner.partition,
                message: "Redis was unavailable; the partition is taken over again",
              }),
            ),
          )
        : Effect.fail(error),
    ),
  )

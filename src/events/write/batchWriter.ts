/**
 * Writes a partition's events to Postgres, one transaction a batch, each event once whatever happens around it.
 *
 * As a rule nothing happens: the partition is where this process left it and every id is new. Then a batch takes the fast path
 * ({@link fastPath}): one statement, which changes nothing where the partition's epoch or position is another one. Then, or where
 * an id was known, it takes the slow path ({@link slowPath}): that locks the partition's row, and asks for each entry and id.
 */
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { Fenced, StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import type { NewOwner } from "../../stream/partitionLog.ts"
import { UnstorableEvent } from "../chunks/index.ts"
import { hasDay, KnownEventDays, KnownSites, requireKnownSchema, type SchemaTooNew } from "../schema/index.ts"
import type { Batch, Written } from "./batch.ts"
import { ErasedEntries } from "./erasedEntries.ts"
import { fastPath } from "./fastPath.ts"
import { slowPath } from "./slowPath.ts"
import { type EpochRow, NEXT_EPOCH } from "./statements.ts"

export type { Batch, BatchEntry, Written } from "./batch.ts"

/** The deployment has no such partition. */
export class UnknownPartition extends TaggedError("UnknownPartition")<{
  readonly partition: number
  readonly message: string
}> {}

/** Where a partition is: who may write, and the last stream id that Postgres has. */
export interface Position {
  readonly epoch: number
  readonly lastStreamId: string
}

/** Writes batches, and remembers what it has learnt of days, sites and partitions, so that a batch need not ask again. */
export interface BatchWriter {
  /**
   * Makes the caller the partition's only writer: batches of earlier epochs fail with {@link Fenced} from here on. Waits
   * for a batch that is being committed, so `lastStreamId` is final for every epoch before.
   */
  readonly acquireEpoch: (
    partition: number,
  ) => Effect.Effect<NewOwner, StoreError | UnknownPartition | SchemaTooNew>
  /**
   * Writes a batch and advances the partition, or changes nothing. Of events with the same id the first one is written,
   * whichever partition or batch it came in. Entries that were written before are recognised and not written again;
   * `counted` holds those among them that counted then, so that a crash before the figures were applied loses nothing.
   *
   * Fails with {@link Fenced} when a later epoch owns the partition, and with an {@link UnstorableEvent} when an event of the
   * batch cannot be stored, which a {@link StoreError} may mean as well. When the answer to the commit is lost, the next try finds
   * the entries written.
   */
  readonly write: (batch: Batch) => Effect.Effect<Written, StoreError | Fenced | UnstorableEvent>
}

const NOTHING: Written = {
  counted: [],
  totals: { days: new Map(), lastSeen: new Map() },
  duplicates: 0,
  redelivered: 0,
  erased: 0,
}

/** @param settings those of `SITES`: what waits of another one that was erased counts for nothing */
export const makeBatchWriter = (postgres: Postgres, settings: ReadonlyArray<string>): BatchWriter => {
  const days = new KnownEventDays(postgres)
  const sites = new KnownSites(postgres)
  const erasures = new ErasedEntries(postgres, settings)
  /** Where each partition was when this writer last heard of it. */
  const positions = new Map<number, Position>()

  /** Day tables and sites, which no transaction makes: it would hold a lock while another one makes the same. */
  const prepare = Effect.fnUntraced(function* ({ kept: entries }: Required<Batch>) {
    for (const { event } of entries)
      if (!hasDay(event.createdAt))
        return yield* new UnstorableEvent({
          message: `the event's time of ${event.createdAt} ms is outside 1970 to 9999`,
        })
    yield* days.ensure(entries.map(({ event }) => event.createdAt))
    yield* sites.ensure(entries.map(({ event }) => event.site))
  })

  const write = Effect.fnUntraced(function* (given: Batch) {
    const { partition, epoch, entries } = given
    const last = entries.at(-1)
    if (last === undefined) return NOTHING
    const kept = yield* erasures.kept(partition, entries)
    const batch = { ...given, kept }
    yield* prepare(batch)
    const position = positions.get(partition)
    // Until this try has ended well, nobody knows.
    positions.delete(partition)
    const fast =
      position?.epoch === epoch
        ? fastPath(postgres, batch, sites.ids, position.lastStreamId)
        : Effect.succeed(null)
    const slow = postgres.transaction("write_batch", (sql) => slowPath(sql, batch, sites.ids))
    const written = yield* Effect.flatMap(fast, (done) => (done === null ? slow : Effect.succeed(done)))
    if (written.redelivered < entries.length) positions.set(partition, { epoch, lastStreamId: last.streamId })
    return { ...written, erased: entries.length - kept.length }
  })

  return {
    acquireEpoch: Effect.fnUntraced(function* (partition) {
      const [row] = yield* postgres.query<EpochRow>("acquire_epoch", NEXT_EPOCH, [partition])
      if (row === undefined)
        return yield* new UnknownPartition({
          partition,
          message: `the deployment has no partition ${partition}`,
        })
      // Only now: a migration that this call had to wait for has been committed since.
      yield* requireKnownSchema(postgres, "acquire_epoch")
      yield* erasures.learn(partition)
      const position = { epoch: Number(row.epoch), lastStreamId: row.last_stream_id }
      positions.set(partition, position)
      return { ...position, deployment: row.deployment }
    }),

    // A table that is missing is made by the next try; nothing of this one is there.
    write: (given) =>
      Effect.retry(write(given), {
        times: 1,
        while: (error) => error._tag === "StoreError" && days.forgetDroppedDays(error),
      }),
  }
}

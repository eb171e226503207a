/**
 * Writes a partition's events to Postgres, one transaction a batch, each event once whatever happens around it.
 *
 * As a rule nothing happens: the partition is where this process left it and every id is new. Then a batch is one statement
 * ({@link writeAtOnce}), which changes nothing where the partition's epoch or position is another one. Then, or where an id
 * was known, the batch takes the long way ({@link write}): it locks the partition's row, and asks for each entry and id.
 */
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { BatchTotals } from "../../domain/aggregation.ts"
import { Fenced, type StoreError } from "../../stores/errors.ts"
import type { Postgres, Sql } from "../../stores/postgres.ts"
import { compareIds } from "../../stream/id.ts"
import { UnstorableEvent } from "../chunks/index.ts"
import {
  ensureSites,
  hasDay,
  KnownEventDays,
  requireKnownSchema,
  type SchemaTooNew,
} from "../schema/index.ts"
import {
  type Batch,
  type BatchEntry,
  chunksOf,
  keysOf,
  type SiteIds,
  totalRowsOf,
  totalsOf,
} from "./batch.ts"
import * as statements from "./statements.ts"

export type { Batch, BatchEntry } from "./batch.ts"

export interface Written {
  /** The entries, new and redelivered, that count in the figures, in stream order. */
  readonly counted: ReadonlyArray<BatchEntry>
  /** What the counted entries add to the figures. */
  readonly totals: BatchTotals
  /** New entries whose id had been written before. */
  readonly duplicates: number
  /** Entries that an earlier transaction had written. */
  readonly redelivered: number
}

/** What one pool of connections has learnt, so that a batch need not ask again. */
interface Known {
  readonly days: KnownEventDays
  readonly siteIds: Map<string, number>
  /** Where each partition was when this process last heard of it. */
  readonly positions: Map<number, { readonly epoch: number; readonly lastStreamId: string }>
}

const knownBy = new WeakMap<Postgres, Known>()

const knownOf = (postgres: Postgres): Known => {
  const before = knownBy.get(postgres)
  if (before !== undefined) return before
  const known: Known = { days: new KnownEventDays(postgres), siteIds: new Map(), positions: new Map() }
  knownBy.set(postgres, known)
  return known
}

/** The deployment has no such partition. */
export class UnknownPartition extends TaggedError("UnknownPartition")<{
  readonly partition: number
  readonly message: string
}> {}

/**
 * Makes the caller the partition's only writer: batches of earlier epochs fail with {@link Fenced} from here on. Waits
 * for a batch that is being committed, so `lastStreamId` is final for every epoch before.
 */
export const acquireEpoch = Effect.fnUntraced(function* (
  postgres: Postgres,
  partition: number,
): Effect.fn.Return<
  { readonly epoch: number; readonly lastStreamId: string },
  StoreError | UnknownPartition | SchemaTooNew
> {
  const rows = yield* postgres.query<statements.PartitionRow>("acquire_epoch", statements.NEXT_EPOCH, [
    partition,
  ])
  const row = rows[0]
  if (row === undefined)
    return yield* new UnknownPartition({
      partition,
      message: `the deployment has no partition ${partition}`,
    })
  // Only now: a migration that this call had to wait for has been committed since.
  yield* requireKnownSchema(postgres, "acquire_epoch")
  const position = { epoch: Number(row.epoch), lastStreamId: row.last_stream_id }
  knownOf(postgres).positions.set(partition, position)
  return position
})

/**
 * Writes a batch and advances the partition, or changes nothing. Of events with the same id the first one is written,
 * whichever partition or batch it came in. Entries that were written before are recognised and not written again;
 * `counted` holds those among them that counted then, so that a crash before the figures were applied loses nothing.
 *
 * Fails with {@link Fenced} when a later epoch owns the partition, and with an {@link UnstorableEvent} when an event of the batch
 * cannot be stored, which a {@link StoreError} may mean as well. When the answer to the commit is lost, the next try finds the
 * entries written.
 */
export const writeBatch = Effect.fnUntraced(function* (
  postgres: Postgres,
  batch: Batch,
): Effect.fn.Return<Written, StoreError | Fenced | UnstorableEvent> {
  const last = batch.entries.at(-1)
  if (last === undefined) return { counted: [], totals: NO_TOTALS, duplicates: 0, redelivered: 0 }
  const known = knownOf(postgres)
  for (const { event } of batch.entries)
    if (!hasDay(event.createdAt))
      return yield* new UnstorableEvent({
        message: `the event's time of ${event.createdAt} ms is outside 1970 to 9999`,
      })
  // Before the transaction, so that it holds no lock while another one creates the same day or site.
  yield* known.days.ensure(batch.entries.map((entry) => entry.event.createdAt))
  const newSites = new Set<string>()
  for (const { event } of batch.entries) if (!known.siteIds.has(event.site)) newSites.add(event.site)
  if (newSites.size > 0)
    for (const [slug, id] of yield* ensureSites(postgres, [...newSites])) known.siteIds.set(slug, id)

  const { partition, epoch } = batch
  const position = known.positions.get(partition)
  // Until this try has ended well, nobody knows.
  known.positions.delete(partition)
  const atOnce =
    position?.epoch === epoch ? yield* writeAtOnce(postgres, batch, known, position.lastStreamId) : null
  const written = atOnce ?? (yield* writeThoroughly(postgres, batch, known))
  if (written.redelivered < batch.entries.length)
    known.positions.set(partition, { epoch, lastStreamId: last.streamId })
  return written
})

const NO_TOTALS: BatchTotals = { days: new Map(), lastSeen: new Map() }

/** Why a batch that was tried in one statement is rolled back. */
class NotAtOnce extends TaggedError("NotAtOnce") {}

/** Runs what may throw an {@link UnstorableEvent}; anything else that it throws is a defect. */
const storable = <A>(make: () => A): Effect.Effect<A, UnstorableEvent> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(make())
    } catch (cause) {
      return cause instanceof UnstorableEvent ? Effect.fail(cause) : Effect.die(cause)
    }
  })

/** A batch as one statement, and what is written if that succeeds. */
interface AtOnce {
  readonly statement: ReturnType<typeof statements.writeAtOnce>
  readonly keys: number
  readonly written: Written
}

/** `null` for a batch that has entries at or before `from`, or too many chunks. Throws what makes an event unstorable. */
const planAtOnce = (batch: Batch, from: string, siteIds: SiteIds): AtOnce | null => {
  const { partition, epoch, entries, calendar } = batch
  const [first] = entries
  const last = entries.at(-1)
  if (first === undefined || last === undefined || compareIds(first.streamId, from) <= 0) return null
  const chunks = chunksOf(partition, entries, siteIds)
  if (chunks.length > statements.MAX_CHUNKS_AT_ONCE) return null
  const keys = keysOf(entries, siteIds)
  const totals = totalsOf(entries, calendar)
  const statement = statements.writeAtOnce({
    partition,
    epoch,
    from,
    to: last.streamId,
    totals: totalRowsOf(totals, siteIds),
    chunks,
    keys,
  })
  return {
    statement,
    keys: keys.length,
    written: { counted: entries, totals, duplicates: 0, redelivered: 0 },
  }
}

/**
 * Writes a batch in one statement, provided that the partition is at `from` in the batch's epoch, all entries come after that
 * and all their ids are new. `null` when nothing was written because it is not so.
 */
const writeAtOnce = Effect.fnUntraced(function* (
  postgres: Postgres,
  batch: Batch,
  { days, siteIds }: Known,
  from: string,
): Effect.fn.Return<Written | null, StoreError | UnstorableEvent> {
  const plan = yield* storable(() => planAtOnce(batch, from, siteIds))
  if (plan === null) return null
  const { statement, keys, written } = plan
  const tried =
    keys === 0
      ? postgres
          .query<statements.AtOnceRow>("write_batch", statement)
          .pipe(Effect.map(([row]) => row?.moved === true))
      : postgres
          .transaction("write_batch", (sql) =>
            Effect.flatMap(sql.query<statements.AtOnceRow>(statement), ({ rows: [row] }) =>
              // An id that was known: its event is in the chunks all the same, so all of it is rolled back.
              row?.moved === true && row.new_ids === keys ? Effect.succeed(true) : new NotAtOnce(),
            ),
          )
          .pipe(Effect.catchTag("NotAtOnce", () => Effect.succeed(false)))
  const isWritten = yield* Effect.tapError(tried, (error) => Effect.sync(() => days.forgetDroppedDays(error)))
  return isWritten ? written : null
})

/** Writes a batch whatever it meets. */
const writeThoroughly = (
  postgres: Postgres,
  batch: Batch,
  { days, siteIds }: Known,
): Effect.Effect<Written, StoreError | Fenced | UnstorableEvent> =>
  postgres
    .transaction("write_batch", (sql) => write(sql, batch, siteIds))
    .pipe(
      Effect.tapError((error) =>
        error._tag === "StoreError" ? Effect.sync(() => days.forgetDroppedDays(error)) : Effect.void,
      ),
    )

const write = Effect.fnUntraced(function* (
  sql: Sql,
  batch: Batch,
  siteIds: SiteIds,
): Effect.fn.Return<Written, StoreError | Fenced | UnstorableEvent> {
  const { partition, epoch, entries, calendar } = batch
  // The row stays locked until the commit: no later epoch can begin in between.
  const locked = yield* sql.query<statements.PartitionRow>(statements.lockPartition(partition))
  const row = locked.rows[0]
  if (row === undefined || Number(row.epoch) !== epoch)
    return yield* new Fenced({
      partition,
      message: `epoch ${row?.epoch} owns partition ${partition}; a batch of epoch ${epoch} changes nothing`,
    })

  const before = entries.filter((entry) => compareIds(entry.streamId, row.last_stream_id) <= 0)
  const after = entries.slice(before.length)
  const counted = yield* firstOnes(sql, partition, before, siteIds)
  const last = after.at(-1)
  if (last === undefined)
    return { counted, totals: totalsOf(counted, calendar), duplicates: 0, redelivered: before.length }

  const written = yield* newOnes(sql, partition, after, siteIds)
  const totals = totalsOf(written, calendar)
  const [chunk, ...further] = yield* storable(() => chunksOf(partition, written, siteIds))
  for (const each of further) yield* sql.query(statements.addChunk(each))
  yield* sql.query(
    statements.applyBatch({
      partition,
      lastStreamId: last.streamId,
      totals: totalRowsOf(totals, siteIds),
      chunk,
    }),
  )
  return {
    counted: counted.concat(written),
    totals: counted.length === 0 ? totals : totalsOf(counted.concat(written), calendar),
    duplicates: after.length - written.length,
    redelivered: before.length,
  }
})

/** Notes the entries' ids and gives the entries without one, and those that are the first to bring theirs. */
const newOnes = Effect.fnUntraced(function* (
  sql: Sql,
  partition: number,
  entries: ReadonlyArray<BatchEntry>,
  siteIds: SiteIds,
): Effect.fn.Return<ReadonlyArray<BatchEntry>, StoreError> {
  const keys = keysOf(entries, siteIds)
  if (keys.length === 0) return entries
  const { count } = yield* sql.query(statements.insertKeys(partition, keys))
  // As a rule all ids are new; only otherwise it has to be asked which.
  return count === keys.length ? entries : yield* firstOnes(sql, partition, entries, siteIds)
})

/** Entries without an id, and those that were the first to bring theirs, of entries whose ids have been noted. */
const firstOnes = Effect.fnUntraced(function* (
  sql: Sql,
  partition: number,
  entries: ReadonlyArray<BatchEntry>,
  siteIds: SiteIds,
): Effect.fn.Return<ReadonlyArray<BatchEntry>, StoreError> {
  const keys = keysOf(entries, siteIds)
  if (keys.length === 0) return entries
  const { rows } = yield* sql.query<{ stream_id: string }>(statements.selectFirstEntries(partition, keys))
  const first = new Set(rows.map((row) => row.stream_id))
  return entries.filter(({ streamId, event }) => event.id === null || first.has(streamId))
})

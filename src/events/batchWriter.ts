/** Writes a partition's events to Postgres, one transaction a batch, each event once whatever happens around it. */
import * as Effect from "effect/Effect"
import { aggregate } from "../domain/aggregation.ts"
import type { StreamEvent } from "../domain/event.ts"
import type { Calendar } from "../domain/period.ts"
import { Fenced, StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"
import { compareIds, eventIdOf, sequenceOf, timeOf } from "../stream/id.ts"
import * as statements from "./batchStatements.ts"
import { type ChunkValues, toChunks, toData } from "./chunks.ts"
import { toTotalRows } from "./dailyTotals.ts"
import { KnownEventDays } from "./eventDays.ts"
import { requireKnownSchema } from "./schemaVersion.ts"
import { ensureSites } from "./sites.ts"

/** An event and the stream entry that carries it. */
export interface BatchEntry {
  /** `<milliseconds>-<sequence>`. */
  readonly streamId: string
  readonly event: StreamEvent
}

export interface Batch {
  readonly partition: number
  /** From {@link acquireEpoch}. */
  readonly epoch: number
  /** In stream order. */
  readonly entries: ReadonlyArray<BatchEntry>
  /** In the deployment's time zone: the daily totals are of its days. */
  readonly calendar: Calendar
}

export interface Written {
  /** The entries, new and redelivered, that count in the figures, in stream order. */
  readonly counted: ReadonlyArray<BatchEntry>
  /** New entries whose id had been written before. */
  readonly duplicates: number
  /** Entries that an earlier transaction had written. */
  readonly redelivered: number
}

/** What one pool of connections has learnt, so that a batch need not ask again. */
interface Known {
  readonly days: KnownEventDays
  readonly siteIds: Map<string, number>
}

const knownBy = new WeakMap<Postgres, Known>()

const knownOf = (postgres: Postgres): Known => {
  const before = knownBy.get(postgres)
  if (before !== undefined) return before
  const known = { days: new KnownEventDays(postgres), siteIds: new Map<string, number>() }
  knownBy.set(postgres, known)
  return known
}

/**
 * Makes the caller the partition's only writer: batches of earlier epochs fail with {@link Fenced} from here on. Waits
 * for a batch that is being committed, so `lastStreamId` is final for every epoch before. A partition that the deployment
 * does not have is a {@link StoreError}, and so is a schema that a newer version has migrated (`SCHEMA_TOO_NEW`).
 */
export const acquireEpoch = Effect.fnUntraced(function* (
  postgres: Postgres,
  partition: number,
): Effect.fn.Return<{ readonly epoch: number; readonly lastStreamId: string }, StoreError> {
  const rows = yield* postgres.query<statements.PartitionRow>("acquire_epoch", statements.NEXT_EPOCH, [
    partition,
  ])
  const row = rows[0]
  if (row === undefined) return yield* unknownPartition("acquire_epoch", partition)
  // Only now: a migration that this call had to wait for has been committed since.
  yield* requireKnownSchema(postgres, "acquire_epoch")
  return { epoch: Number(row.epoch), lastStreamId: row.last_stream_id }
})

const unknownPartition = (operation: string, partition: number): StoreError =>
  new StoreError({
    store: "postgres",
    operation,
    unavailable: false,
    code: "P0002", // no_data_found
    message: `Postgres: the deployment has no partition ${partition}`,
  })

/**
 * Writes a batch and advances the partition, or changes nothing. Of events with the same id the first one is written,
 * whichever partition or batch it came in. Entries that were written before are recognised and not written again;
 * `counted` holds those among them that counted then, so that a crash before the figures were applied loses nothing.
 *
 * Fails with {@link Fenced} when a later epoch owns the partition, and with a {@link StoreError} that is `unavailable`
 * when the same batch may succeed later; any other means that an event of the batch cannot be stored. When the answer to
 * the commit is lost, the next try finds the entries written.
 */
export const writeBatch = Effect.fnUntraced(function* (
  postgres: Postgres,
  batch: Batch,
): Effect.fn.Return<Written, StoreError | Fenced> {
  if (batch.entries.length === 0) return { counted: [], duplicates: 0, redelivered: 0 }
  const known = knownOf(postgres)
  // Before the transaction, so that it holds no lock while another one creates the same day or site.
  yield* known.days.ensure(batch.entries.map((entry) => entry.event.createdAt))
  const newSites = new Set<string>()
  for (const { event } of batch.entries) if (!known.siteIds.has(event.site)) newSites.add(event.site)
  if (newSites.size > 0)
    for (const [slug, id] of yield* ensureSites(postgres, [...newSites])) known.siteIds.set(slug, id)

  return yield* postgres
    .transaction(
      "write_batch",
      (sql) => write(sql, batch, known.siteIds),
      (cause) => (cause instanceof Fenced || cause instanceof StoreError ? cause : null),
    )
    .pipe(Effect.mapError((error) => (error instanceof Fenced ? error : known.days.explain(error))))
})

const write = async (sql: Sql, batch: Batch, siteIds: ReadonlyMap<string, number>): Promise<Written> => {
  const { partition, epoch, entries } = batch
  // The row stays locked until the commit: no later epoch can begin in between.
  const locked = await sql.query<statements.PartitionRow>(statements.lockPartition(partition))
  const row = locked.rows[0]
  if (row === undefined) throw unknownPartition("write_batch", partition)
  if (Number(row.epoch) !== epoch)
    throw new Fenced({
      partition,
      message: `epoch ${row.epoch} owns partition ${partition}; a batch of epoch ${epoch} changes nothing`,
    })

  const before = entries.filter((entry) => compareIds(entry.streamId, row.last_stream_id) <= 0)
  const after = entries.slice(before.length)
  const counted = await firstOnes(sql, partition, before, siteIds)
  const last = after.at(-1)
  if (last === undefined) return { counted, duplicates: 0, redelivered: before.length }

  const written = await newOnes(sql, partition, after, siteIds)
  const { days } = aggregate(
    written.map((entry) => entry.event),
    batch.calendar,
  )
  const [chunk, ...further] = chunksOf(partition, written, siteIds)
  for (const each of further) await sql.query(statements.addChunk(each))
  await sql.query(
    statements.applyBatch({
      partition,
      lastStreamId: last.streamId,
      totals: [...days.values()].flatMap((totals) => toTotalRows(siteIdOf(siteIds, totals.site), totals)),
      chunk,
    }),
  )
  return {
    counted: counted.concat(written),
    duplicates: after.length - written.length,
    redelivered: before.length,
  }
}

const keysOf = (
  entries: ReadonlyArray<BatchEntry>,
  siteIds: ReadonlyMap<string, number>,
): ReadonlyArray<statements.Key> => {
  const keys: Array<statements.Key> = []
  for (const { streamId, event } of entries)
    if (event.id !== null)
      keys.push({
        id: event.id,
        siteId: siteIdOf(siteIds, event.site),
        streamMs: timeOf(streamId),
        streamSeq: sequenceOf(streamId),
      })
  return keys
}

/** Notes the entries' ids and gives the entries without one, and those that are the first to bring theirs. */
const newOnes = async (
  sql: Sql,
  partition: number,
  entries: ReadonlyArray<BatchEntry>,
  siteIds: ReadonlyMap<string, number>,
): Promise<ReadonlyArray<BatchEntry>> => {
  const keys = keysOf(entries, siteIds)
  if (keys.length === 0) return entries
  const { rowCount } = await sql.query(statements.insertKeys(partition, keys))
  // As a rule all ids are new; only otherwise it has to be asked which.
  return rowCount === keys.length ? entries : firstOnes(sql, partition, entries, siteIds)
}

/** Entries without an id, and those that were the first to bring theirs, of entries whose ids have been noted. */
const firstOnes = async (
  sql: Sql,
  partition: number,
  entries: ReadonlyArray<BatchEntry>,
  siteIds: ReadonlyMap<string, number>,
): Promise<ReadonlyArray<BatchEntry>> => {
  const keys = keysOf(entries, siteIds)
  if (keys.length === 0) return entries
  const { rows } = await sql.query<{ stream_id: string }>(statements.selectFirstEntries(partition, keys))
  const first = new Set(rows.map((row) => row.stream_id))
  return entries.filter(({ streamId, event }) => event.id === null || first.has(streamId))
}

const siteIdOf = (siteIds: ReadonlyMap<string, number>, site: string): number => {
  const id = siteIds.get(site)
  if (id === undefined) throw new Error(`site ${site} has no id`)
  return id
}

const chunksOf = (
  partition: number,
  entries: ReadonlyArray<BatchEntry>,
  siteIds: ReadonlyMap<string, number>,
): ReadonlyArray<ChunkValues> =>
  [...Map.groupBy(entries, ({ event }) => event.site)].flatMap(([site, ofSite]) =>
    toChunks(
      siteIdOf(siteIds, site),
      ofSite.map(({ streamId, event }) => ({
        id: event.id ?? eventIdOf(partition, streamId),
        visitorId: event.visitorId,
        type: event.type,
        createdAt: event.createdAt,
        pageUrl: event.pageUrl,
        referrer: event.referrer,
        data: event.data === null ? null : toData(event.data),
      })),
    ),
  )

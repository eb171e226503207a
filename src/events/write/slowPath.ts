/**
 * A batch of which it is not known what Postgres has already: locks the partition's row, and asks for each entry and id. It may be
 * tried again after any failure.
 */
import * as Effect from "effect/Effect"
import { Fenced, type StoreError } from "../../stores/errors.ts"
import type { Sql } from "../../stores/postgres.ts"
import { compareIds } from "../../stream/id.ts"
import type { UnstorableEvent } from "../chunks/index.ts"
import {
  type Batch,
  type BatchEntry,
  chunksOf,
  keysOf,
  type SiteIds,
  type Stored,
  totalRowsOf,
  totalsOf,
} from "./batch.ts"
import * as statements from "./statements.ts"

/** Writes a batch whatever it meets, within a transaction; fails with {@link Fenced} when its epoch is not the partition's. */
export const slowPath = Effect.fnUntraced(function* (
  sql: Sql,
  batch: Batch,
  siteIds: SiteIds,
): Effect.fn.Return<Stored, StoreError | Fenced | UnstorableEvent> {
  const { partition, epoch, entries, kept = entries, calendar } = batch
  // The row stays locked until the commit: no later epoch can begin in between.
  const locked = yield* sql.query<statements.PartitionRow>(statements.lockPartition(partition))
  const row = locked.rows[0]
  if (row === undefined || Number(row.epoch) !== epoch)
    return yield* new Fenced({
      partition,
      message: `epoch ${row?.epoch} owns partition ${partition}; a batch of epoch ${epoch} changes nothing`,
    })

  const isBefore = (entry: BatchEntry) => compareIds(entry.streamId, row.last_stream_id) <= 0
  const redelivered = entries.filter(isBefore).length
  const before = kept.filter(isBefore)
  const after = kept.slice(before.length)
  const counted = yield* firstOnes(sql, partition, before, siteIds)
  const last = entries.at(-1)
  if (last === undefined || redelivered === entries.length)
    return { counted, totals: totalsOf(counted, calendar), duplicates: 0, redelivered }

  const written = yield* newOnes(sql, partition, after, siteIds)
  const totals = totalsOf(written, calendar)
  const [chunk, ...further] = yield* chunksOf(partition, written, siteIds)
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
    redelivered,
  }
})

/** Notes the entries' ids and returns the entries without one, and those that are the first to bring theirs. */
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

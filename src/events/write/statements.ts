/** The SQL of a batch's transaction. Prepared once a connection (named), so that Postgres does not plan them again. */
import {
  bigints,
  CHUNK_PARAMETERS,
  type ChunkValues,
  insertChunk,
  integers,
  smallints,
  uuids,
} from "../chunks/index.ts"
import { addTotals, type TotalRow } from "../totals/index.ts"

/** Rows of stream_partitions as the driver returns them: a bigint is text. */
export interface PartitionRow {
  readonly epoch: string
  readonly last_stream_id: string
}

/** What {@link NEXT_EPOCH} returns. */
export interface EpochRow extends PartitionRow {
  readonly deployment: string
}

/** An event's own id, and the stream entry that brings it. */
export interface Key {
  readonly id: string
  readonly siteId: number
  readonly streamMs: number
  readonly streamSeq: number
}

export const NEXT_EPOCH = `
  UPDATE stream_partitions SET epoch = epoch + 1 WHERE partition = $1
  RETURNING epoch, last_stream_id, (SELECT id FROM deployment) AS deployment`

export const lockPartition = (partition: number) => ({
  name: "batch_lock_partition",
  text: "SELECT epoch, last_stream_id FROM stream_partitions WHERE partition = $1 FOR UPDATE",
  values: [partition],
})

/** Four parameters of the statements below: columns are faster to send than rows. */
const columns = (keys: ReadonlyArray<Key>) => [
  uuids(keys.map((key) => key.id)),
  smallints(keys.map((key) => key.siteId)),
  bigints(keys.map((key) => key.streamMs)),
  integers(keys.map((key) => key.streamSeq)),
]

/**
 * In the order of the ids, so that two partitions whose batches share ids wait for each other but not in a circle, and of the same
 * ids in the order of the stream: the first entry wins.
 */
const sorted = (keys: ReadonlyArray<Key>): ReadonlyArray<Key> =>
  keys.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : a.siteId - b.siteId))

/**
 * The partition is parameter `$1`; the {@link columns} begin at `$first`. In the list of what is selected, arrays are taken apart as
 * the rows are inserted; in FROM they would be kept as a table first.
 */
const insertKeysFrom = (first: number, from = ""): string => `
    INSERT INTO idempotency_keys (id, site_id, partition, stream_ms, stream_seq)
    SELECT unnest($${first}::uuid[]), unnest($${first + 1}::smallint[]), $1, unnest($${first + 2}::bigint[]), unnest($${first + 3}::integer[])
    ${from === "" ? "" : `FROM ${from}`}
    ON CONFLICT DO NOTHING`

/** Notes ids not seen before; its count is theirs. */
export const insertKeys = (partition: number, keys: ReadonlyArray<Key>) => ({
  name: "batch_insert_keys",
  text: insertKeysFrom(2),
  values: [partition, ...columns(sorted(keys))],
})

/** Which of the given entries were the first to bring their ids. */
export const selectFirstEntries = (partition: number, keys: ReadonlyArray<Key>) => ({
  name: "batch_select_first_entries",
  text: `
    SELECT stream_ms || '-' || stream_seq AS stream_id
    FROM unnest($2::uuid[], $3::smallint[], $4::bigint[], $5::integer[])
      AS brought (id, site_id, stream_ms, stream_seq)
    JOIN idempotency_keys USING (id, site_id, stream_ms, stream_seq)
    WHERE partition = $1`,
  values: [partition, ...columns(keys)],
})

/** A chunk of the batch beyond the one that {@link applyBatch} takes along. */
export const addChunk = (chunk: ChunkValues) => ({
  name: "batch_add_chunk",
  text: insertChunk(1),
  values: [...chunk],
})

/** Totals, the partition's progress and, in the same round trip, a chunk where the batch has one. */
export const applyBatch = (batch: {
  readonly partition: number
  readonly lastStreamId: string
  readonly totals: ReadonlyArray<TotalRow>
  readonly chunk: ChunkValues | undefined
}) => ({
  name: batch.chunk === undefined ? "batch_apply" : "batch_apply_chunk",
  text: `
    WITH totals AS (
      ${addTotals("$1", "$3")}
    )${batch.chunk === undefined ? "" : `, chunk AS (${insertChunk(4)})`}
    UPDATE stream_partitions SET last_stream_id = $2 WHERE partition = $1`,
  values: [batch.partition, batch.lastStreamId, JSON.stringify(batch.totals), ...(batch.chunk ?? [])],
})

/** Chunks of one statement at most; that many variants of it are prepared on each connection. */
export const MAX_CHUNKS = 6

/** What {@link wholeBatch} returns. */
export interface WholeBatchRow {
  /** Whether epoch and position were as expected; nothing is written otherwise. */
  readonly moved: boolean
  /** Ids that had not been seen before. */
  readonly new_ids: number
}

/**
 * The whole of a batch, in one round trip: written only if the partition's row has the epoch and the position that are expected of
 * it. Whether all ids were new is for the caller to see: the chunks and totals hold the events of all of them.
 *
 * What else was measured, on two cores that ran everything, in batches of 500: a row an event, 87,000/s by unnest of arrays, 76,000/s
 * by VALUES, 99,000/s by json_populate_recordset, and 165 to 250 bytes of disk each, where an event of a chunk takes about 46; COPY,
 * 133,000/s, knows no ON CONFLICT, and is a round trip of its own.
 */
export const wholeBatch = (batch: {
  readonly partition: number
  readonly epoch: number
  readonly from: string
  readonly to: string
  readonly totals: ReadonlyArray<TotalRow>
  /** At most {@link MAX_CHUNKS}. */
  readonly chunks: ReadonlyArray<ChunkValues>
  readonly keys: ReadonlyArray<Key>
}) => {
  const { partition, epoch, from, to, totals, chunks, keys } = batch
  const values: Array<unknown> = [partition, to, epoch, from, JSON.stringify(totals)]
  if (keys.length > 0) values.push(...columns(sorted(keys)))
  for (const chunk of chunks) values.push(...chunk)
  const name = `batch_whole_${chunks.length}${keys.length > 0 ? "_with_keys" : ""}`
  const text = wholeBatchTexts.get(name) ?? wholeBatchText(chunks.length, keys.length > 0)
  wholeBatchTexts.set(name, text)
  return { name, text, values }
}

/** By statement names: the texts are long, and the same for each batch. */
const wholeBatchTexts = new Map<string, string>()

const wholeBatchText = (chunks: number, withKeys: boolean): string => {
  const firstChunk = withKeys ? 10 : 6
  const inserted = Array.from(
    { length: chunks },
    (_, i) => `, chunk_${i} AS (${insertChunk(firstChunk + i * CHUNK_PARAMETERS, "moved")})`,
  )
  return `
    WITH moved AS (
      UPDATE stream_partitions SET last_stream_id = $2
      WHERE partition = $1 AND epoch = $3 AND last_stream_id = $4 RETURNING partition
    ), totals AS (
      ${addTotals("$1", "$5", "EXISTS (SELECT FROM moved)")}
    )${withKeys ? `, new_keys AS (${insertKeysFrom(6, "moved")} RETURNING 1)` : ""}${inserted.join("")}
    SELECT EXISTS (SELECT FROM moved) AS moved,
      ${withKeys ? "(SELECT count(*)::integer FROM new_keys)" : "0"} AS new_ids`
}

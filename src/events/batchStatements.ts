/** The SQL of a batch's transaction. Prepared once a connection (named), so that Postgres does not plan them again. */
import type { JsonObject } from "../domain/event.ts"
import { addTotals, type TotalRow } from "./dailyTotals.ts"

/** Rows of stream_partitions as the driver gives them: a bigint is text. */
export interface PartitionRow {
  readonly epoch: string
  readonly last_stream_id: string
}

export interface EventRow {
  readonly id: string
  readonly visitor_id: string
  /** Unix milliseconds. */
  readonly created_ms: number
  readonly site_id: number
  readonly event_type: string
  readonly page_url: string | null
  readonly referrer: string | null
  readonly event_data: JsonObject | null
}

/** An event's own id, and the stream entry that brings it. */
export interface Key {
  readonly id: string
  readonly siteId: number
  readonly streamMs: number
  readonly streamSeq: number
}

export const NEXT_EPOCH = `
  UPDATE stream_partitions SET epoch = epoch + 1 WHERE partition = $1 RETURNING epoch, last_stream_id`

export const lockPartition = (partition: number) => ({
  name: "batch_lock_partition",
  text: "SELECT epoch, last_stream_id FROM stream_partitions WHERE partition = $1 FOR UPDATE",
  values: [partition],
})

/** Parameters $2 to $5 of the two statements below: columns are faster to send than rows. */
const columns = (keys: ReadonlyArray<Key>) => [
  keys.map((key) => key.id),
  keys.map((key) => key.siteId),
  keys.map((key) => key.streamMs),
  keys.map((key) => key.streamSeq),
]

/**
 * Notes ids not seen before and gives the stream ids that brought them. In the order of the ids, so that two partitions
 * whose batches share ids wait for each other but never in a circle; of equal ids in one batch the first entry wins.
 */
export const insertKeys = (partition: number, keys: ReadonlyArray<Key>) => ({
  name: "batch_insert_keys",
  text: `
    INSERT INTO idempotency_keys (id, site_id, partition, stream_ms, stream_seq)
    SELECT id, site_id, $1, stream_ms, stream_seq
    FROM unnest($2::uuid[], $3::smallint[], $4::bigint[], $5::integer[])
      AS brought (id, site_id, stream_ms, stream_seq)
    ORDER BY id, site_id, stream_ms, stream_seq
    ON CONFLICT DO NOTHING
    RETURNING stream_ms || '-' || stream_seq AS stream_id`,
  values: [partition, ...columns(keys)],
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

/** Events, totals and the partition's progress in one round trip; json_to_recordset costs the least on both sides. */
export const applyBatch = (batch: {
  readonly partition: number
  readonly lastStreamId: string
  readonly events: ReadonlyArray<EventRow>
  readonly totals: ReadonlyArray<TotalRow>
}) => ({
  name: "batch_apply",
  text: `
    WITH events AS (
      INSERT INTO analytics_events
        (id, visitor_id, created_at, site_id, event_type, page_url, referrer, event_data)
      SELECT id, visitor_id, to_timestamp(created_ms / 1000), site_id, event_type, page_url, referrer, event_data
      FROM json_to_recordset($3::json) AS event (
        id uuid, visitor_id uuid, created_ms float8, site_id smallint,
        event_type text, page_url text, referrer text, event_data jsonb
      )
    ), totals AS (
      ${addTotals("$1", "$4")}
    )
    UPDATE stream_partitions SET last_stream_id = $2 WHERE partition = $1`,
  values: [batch.partition, batch.lastStreamId, JSON.stringify(batch.events), JSON.stringify(batch.totals)],
})

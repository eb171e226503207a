/** Ids that senders gave their events: which of them no retry can bring again. */
import * as Effect from "effect/Effect"
import { LATE_WINDOW_MS } from "../../domain/lateWindow.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { type Pace, removeExpiredRows } from "./expiredRows.ts"

const SELECT_PROGRESS = `
  SELECT partition, split_part(last_stream_id, '-', 1)::bigint::float8 AS ms
  FROM stream_partitions ORDER BY partition`

/**
 * Deletes the keys of entries that are {@link LATE_WINDOW_MS} behind their partition's last applied one, and returns their
 * number. Behind that one, not behind the clock: an entry that waits through a long outage may still be the retry of one
 * before it.
 */
export const deleteExpiredKeys = Effect.fnUntraced(function* (
  postgres: Postgres,
  now: number,
  pace: Pace,
): Effect.fn.Return<number, StoreError> {
  const progress = yield* postgres.query<{ partition: number; ms: number }>("retention", SELECT_PROGRESS)
  const oldestKept: Array<number> = []
  for (const { partition, ms } of progress) oldestKept[partition] = ms - LATE_WINDOW_MS
  // Arrays count from 1. Partitions that the deployment no longer has go by the clock.
  const condition = "stream_ms < coalesce(($2::float8[])[partition + 1], $3)"
  const parameters = [Array.from(oldestKept, (ms) => ms ?? null), now - LATE_WINDOW_MS]
  return yield* removeExpiredRows(
    postgres,
    "retention_keys",
    {
      table: "idempotency_keys",
      condition,
      parameters,
      weight: "1",
      remove: (sql, places) =>
        Effect.map(
          sql.query(`DELETE FROM idempotency_keys WHERE ctid = ANY ($1::tid[]) AND ${condition}`, [
            places,
            ...parameters,
          ]),
          ({ count }) => count,
        ),
      afterBatch: () => Effect.void,
    },
    pace,
  )
})

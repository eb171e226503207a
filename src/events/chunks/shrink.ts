/**
 * Gives the disk back what compaction has freed in days that have ended. While a day goes on, its own new chunks use that
 * space again; afterwards none come any more.
 */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { ARRAY_COLUMNS } from "./chunk.ts"
import { openSince } from "./compaction.ts"

const MEBIBYTE = 1024 * 1024
/** Times the size of its chunks that a table must take to be worth it; indexes and page borders are a fifth. */
const LOOSE = 1.5
/** Nobody can read a day while its table is rewritten; this much takes a second or two. */
const MAX_REWRITTEN = 256 * MEBIBYTE
/** Milliseconds to wait for those who read it, before it is left for another time. */
const LOCK_TIMEOUT_MS = 250

/** Bytes that a chunk's arrays take on disk; asked of the row, Postgres would decompress them first. */
const HELD = ARRAY_COLUMNS.map((column) => `coalesce(pg_column_size(${column}), 0)`).join(" + ")

/** With the index whose order the table is to have, the one of its day. */
const SELECT_SIZES = `
  SELECT day_table::regclass::text AS name, inhrelid::regclass::text AS index,
    held::float8, pg_total_relation_size(day_table)::float8 AS bytes
  FROM (
    SELECT tableoid AS day_table, sum(${HELD}) AS held
    FROM event_chunks WHERE first_at < $1 GROUP BY tableoid
  ) AS day
  JOIN pg_index ON indrelid = day_table
  JOIN pg_inherits ON inhrelid = indexrelid AND inhparent = 'event_chunks_newest'::regclass
  ORDER BY name`

/** Rewrites tables of closed days that hold much free space, and returns their number. One that is in use is left. */
export const shrinkDays = Effect.fnUntraced(function* (
  postgres: Postgres,
  now: number,
): Effect.fn.Return<number, StoreError> {
  const sizes = yield* postgres.query<{ name: string; index: string; held: number; bytes: number }>(
    "shrink",
    SELECT_SIZES,
    [new Date(openSince(now))],
  )
  const loose = sizes.filter(({ held, bytes }) => bytes > LOOSE * held + MEBIBYTE && held < MAX_REWRITTEN)
  const rewritten = yield* Effect.forEach(loose, ({ name, index }) =>
    // VACUUM (FULL) writes the table again, too, but not within a transaction.
    postgres
      .transaction("shrink", (sql) =>
        sql
          .query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
          .pipe(Effect.andThen(sql.query(`CLUSTER ${name} USING ${index}`)), Effect.as(1)),
      )
      .pipe(
        Effect.catch((error) =>
          Effect.logDebug("day table not shrunk").pipe(
            Effect.annotateLogs({ table: name, reason: error.message }),
            Effect.as(0),
          ),
        ),
      ),
  )
  return rewritten.reduce((sum, each) => sum + each, 0)
})

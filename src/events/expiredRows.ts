/** Deletes rows of one table through a cursor, in batches, each a short transaction of its own. */
import * as Effect from "effect/Effect"
import { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { openSession } from "./cursor.ts"

/** How deleting goes about it. */
export interface Pace {
  /** Rows of a batch. */
  readonly batchRows: number
  /** Batches after which the cursor is opened anew: while it is open, vacuum cleans up nothing anywhere. */
  readonly batchesPerCursor: number
  /** Pause after each batch, milliseconds, so that others get their share of the disk. */
  readonly pauseMs: number
}

/** 1,000,000 rows take about 2 seconds: 100 batches of some 10 ms, and the pauses. */
export const DEFAULT_PACE: Pace = { batchRows: 10_000, batchesPerCursor: 20, pauseMs: 10 }

export interface ExpiredRows<Row> {
  /** A table without children; it is put into the statements as it is. */
  readonly table: string
  /** SQL over the table's columns with the parameters `$2`, …; true for rows that go. */
  readonly condition: string
  readonly parameters: ReadonlyArray<unknown>
  /** SQL of what `onDelete` needs of each row, over the table as `gone`; `null` for nothing. */
  readonly returning: string | null
  /** Runs before the batch is committed; when it rejects (with a {@link StoreError}), the batch stays. */
  readonly onDelete: (rows: ReadonlyArray<Row>) => Promise<void>
  /** Runs after each committed batch, with its rows. */
  readonly afterBatch: (rows: number) => Effect.Effect<void>
}

const START = "(0,0)"

/** In the order of their places on disk, so that a cursor opened anew begins where the last one ended. */
const selectPlaces = (rows: ExpiredRows<never>): string =>
  `SELECT ctid::text AS place FROM ${rows.table} WHERE ctid > $1::tid AND ${rows.condition}`

/** By their places, the fastest way there is; the condition again, for a row that has moved in meanwhile. */
const deletePlaces = (rows: ExpiredRows<never>): string =>
  `DELETE FROM ${rows.table} AS gone WHERE ctid = ANY ($1::tid[]) AND ${rows.condition}` +
  (rows.returning === null ? "" : ` RETURNING ${rows.returning}`)

/**
 * Deletes the rows that meet the condition and gives their number. Interruption takes effect between two batches; what is
 * deleted stays deleted, and another call continues. Rows that come in behind the cursor are left to another call.
 */
export const deleteExpiredRows = <Row extends Record<string, unknown>>(
  postgres: Postgres,
  operation: string,
  rows: ExpiredRows<Row>,
  pace: Pace,
): Effect.Effect<number, StoreError> =>
  Effect.gen(function* () {
    let deleted = 0
    const deleteBatch = (places: ReadonlyArray<string>) =>
      postgres
        .transaction(
          operation,
          async (sql) => {
            // The planner thinks that reading the whole table is cheaper than visiting so many places; by far it is not.
            await sql.query("SET LOCAL enable_seqscan = off")
            const result = await sql.query<Row>(deletePlaces(rows), [places, ...rows.parameters])
            await rows.onDelete(result.rows)
            return result.rowCount ?? 0
          },
          (cause) => (cause instanceof StoreError ? cause : null),
        )
        .pipe(
          Effect.tap((count) => {
            deleted += count
            return rows.afterBatch(count)
          }),
          Effect.uninterruptible,
        )

    /** Up to `batchesPerCursor` batches; gives the place of the last row, or `null` when there were no more. */
    const deleteFrom = Effect.fnUntraced(function* (start: string) {
      const session = yield* openSession(postgres, operation)
      yield* session.begin("READ ONLY")
      yield* session.query("SET LOCAL statement_timeout = 0")
      const read = yield* session.cursor<{ place: string }>(
        selectPlaces(rows),
        [start, ...rows.parameters],
        pace.batchRows,
      )
      let last = start
      for (let batch = 0; batch < pace.batchesPerCursor; batch++) {
        const places = (yield* read).map((row) => row.place)
        const end = places.at(-1)
        if (end === undefined) return null
        yield* deleteBatch(places)
        yield* Effect.sleep(pace.pauseMs)
        last = end
      }
      return last
    }, Effect.scoped)

    for (let place: string | null = START; place !== null; ) place = yield* deleteFrom(place)
    return deleted
  })

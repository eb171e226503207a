/** Removes rows of one table through a cursor, in batches, each a short transaction of its own. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres, Sql } from "../../stores/postgres.ts"

/** How deleting goes about it. */
export interface Pace {
  /** Events, or keys, of a batch; a chunk goes as a whole. */
  readonly batchRows: number
  /** Batches after which the cursor is reopened: while one is open, vacuum cleans up nothing anywhere. */
  readonly batchesPerCursor: number
  /** Pause after each batch, milliseconds, so that others get their share of the disk. */
  readonly pauseMs: number
}

export const DEFAULT_PACE: Pace = { batchRows: 10_000, batchesPerCursor: 20, pauseMs: 10 }

export interface ExpiredRows<E> {
  /** A table without children; it is put into the statements as it is. */
  readonly table: string
  /** SQL over the table's columns with the parameters `$2`, …; true for rows that go. */
  readonly condition: string
  readonly parameters: ReadonlyArray<unknown>
  /** SQL of what a row counts towards a batch. */
  readonly weight: string
  /**
   * Removes the rows at these places, as far as they are still there and meet the condition, and returns what went. When it
   * fails, the batch stays.
   */
  readonly remove: (sql: Sql, places: ReadonlyArray<string>) => Effect.Effect<number, E>
  /** Runs after each committed batch, with what went. */
  readonly afterBatch: (count: number) => Effect.Effect<void>
}

interface Place {
  readonly place: string
  readonly weight: number
}

const START = "(0,0)"

/** In the order of their places on disk, so that a reopened cursor begins where the last one ended. */
const selectPlaces = (rows: ExpiredRows<unknown>): string =>
  `SELECT ctid::text AS place, ${rows.weight} AS weight FROM ${rows.table} WHERE ctid > $1::tid AND ${rows.condition}`

/** Takes places from the front until they weigh as much as a batch. */
const takeBatch = (places: Array<Place>, weight: number): ReadonlyArray<string> => {
  let taken = 0
  for (let held = 0; taken < places.length && held < weight; taken++) held += places[taken]?.weight ?? 0
  return places.splice(0, taken).map(({ place }) => place)
}

/**
 * Removes the rows that meet the condition and returns the sum of what went. Interruption takes effect between two batches;
 * what is gone stays gone, and another call continues. Rows that come in behind the cursor are left to another call.
 */
export const removeExpiredRows = <E>(
  postgres: Postgres,
  operation: string,
  rows: ExpiredRows<E>,
  pace: Pace,
): Effect.Effect<number, E | StoreError> =>
  Effect.gen(function* () {
    let removed = 0
    const removeBatch = (places: ReadonlyArray<string>) =>
      postgres
        .transaction(operation, (sql) =>
          // The planner takes reading the whole table to be cheaper than visiting this many places; it is far from that.
          sql.query("SET LOCAL enable_seqscan = off").pipe(Effect.andThen(rows.remove(sql, places))),
        )
        .pipe(
          Effect.tap((count) => {
            removed += count
            return rows.afterBatch(count)
          }),
          Effect.uninterruptible,
        )

    /** Up to `batchesPerCursor` batches; returns the place of the last row, or `null` when there were no more. */
    const removeFrom = Effect.fnUntraced(function* (start: string) {
      const session = yield* postgres.session(operation)
      yield* session.begin("reading")
      yield* session.query("SET LOCAL statement_timeout = 0")
      const read = yield* session.cursor<Place & Record<string, unknown>>(
        selectPlaces(rows),
        [start, ...rows.parameters],
        pace.batchRows,
      )
      const ahead: Array<Place> = []
      let last = start
      for (let batch = 0; batch < pace.batchesPerCursor; batch++) {
        if (ahead.length < pace.batchRows) ahead.push(...(yield* read))
        const places = takeBatch(ahead, pace.batchRows)
        const end = places.at(-1)
        if (end === undefined) return null
        yield* removeBatch(places)
        yield* Effect.sleep(pace.pauseMs)
        last = end
      }
      return last
    }, Effect.scoped)

    for (let place: string | null = START; place !== null; ) place = yield* removeFrom(place)
    return removed
  })

/** Raw events lie in one table a UTC day; this makes sure that the tables of a batch's days are there. */
import * as Effect from "effect/Effect"
import { DAY_MS } from "../../domain/time.ts"
import { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

/** 9999-12-31T23:59:59.999Z: the last instant whose day has a name of eight digits. */
const LAST_INSTANT = 253_402_300_799_999

const ENSURE_DAYS = "SELECT ensure_event_day(day) FROM unnest($1::date[]) AS wanted (day) ORDER BY day"

/** SQLSTATE check_violation: what an insert meets when no table takes the row, because retention dropped it since. */
const NO_PARTITION = "23514"

/** Name of a UTC day, `2025-12-08`, by its number since 1970-01-01. */
const nameOf = (dayNumber: number): string => new Date(dayNumber * DAY_MS).toISOString().slice(0, 10)

/** Days whose tables are made ahead. */
const DAYS_AHEAD = 3

/** The UTC day of an instant (unix milliseconds) and the next ones. */
export const upcomingDays = (now: number): ReadonlyArray<string> =>
  Array.from({ length: DAYS_AHEAD + 1 }, (_, i) => nameOf(Math.floor(now / DAY_MS) + i))

/** Creates the tables of UTC days (`2025-12-08`) that have none. */
export const ensureEventDays = (
  postgres: Postgres,
  days: ReadonlyArray<string>,
): Effect.Effect<void, StoreError> => postgres.query("ensure_event_days", ENSURE_DAYS, [days])

/** Remembers which days have a table, so that a batch asks only for new ones. */
export class KnownEventDays {
  readonly #days = new Set<number>()
  readonly #postgres: Postgres

  constructor(postgres: Postgres) {
    this.#postgres = postgres
  }

  /** After this the tables of the instants' days (unix milliseconds) exist, unless retention drops one meanwhile. */
  ensure(instants: Iterable<number>): Effect.Effect<void, StoreError> {
    const missing = new Set<number>()
    for (const instant of instants) {
      if (!(instant >= 0 && instant <= LAST_INSTANT))
        return Effect.fail(
          new StoreError({
            store: "postgres",
            operation: "ensure_event_days",
            unavailable: false,
            code: "22008", // datetime_field_overflow
            message: `Postgres: an event's time of ${instant} ms is outside 1970 to 9999`,
          }),
        )
      const day = Math.floor(instant / DAY_MS)
      if (!this.#days.has(day)) missing.add(day)
    }
    if (missing.size === 0) return Effect.void
    return ensureEventDays(this.#postgres, [...missing].map(nameOf)).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          for (const day of missing) this.#days.add(day)
        }),
      ),
    )
  }

  /**
   * What an insert's failure means: when a day's table is gone, everything remembered is forgotten and the error says
   * that another try may succeed.
   */
  explain(error: StoreError): StoreError {
    if (error.code !== NO_PARTITION) return error
    this.#days.clear()
    return new StoreError({
      store: "postgres",
      operation: error.operation,
      unavailable: true,
      code: error.code,
      message: error.message,
    })
  }
}

/** Raw events lie in one table a UTC day; this makes sure that the tables of a batch's days are there. */
import * as Effect from "effect/Effect"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres, Sql } from "../../stores/postgres.ts"
import { meaningOf } from "../../stores/sqlstate.ts"

/** 9999-12-31T23:59:59.999Z: the last instant whose day has a name of eight digits. */
const LAST_INSTANT = 253_402_300_799_999

const ENSURE_DAYS = "SELECT ensure_event_day(day) FROM unnest($1::date[]) AS wanted (day) ORDER BY day"

/** Whether an event's time (unix milliseconds) lies on a day that can have a table: in the years 1970 to 9999. */
export const hasDay = (instant: number): boolean => instant >= 0 && instant <= LAST_INSTANT

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

/** The same within a transaction. */
export const ensureDaysIn = (sql: Sql, days: ReadonlyArray<string>): Effect.Effect<void, StoreError> =>
  Effect.asVoid(sql.query(ENSURE_DAYS, [days]))

/** Remembers which days have a table, so that a batch asks only for new ones. */
export class KnownEventDays {
  readonly #days = new Set<number>()
  readonly #postgres: Postgres

  constructor(postgres: Postgres) {
    this.#postgres = postgres
  }

  /** After this the tables of the instants' days exist, unless retention drops one meanwhile. Each instant {@link hasDay}. */
  ensure(instants: Iterable<number>): Effect.Effect<void, StoreError> {
    const missing = new Set<number>()
    for (const instant of instants) {
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
   * Forgets every day after an insert has failed because a day has no table, so that another try asks for all of them; returns whether
   * it has failed for that. The table was dropped, or another session has made it a moment ago and this one's has not heard of it.
   */
  forgetDroppedDays(error: StoreError): boolean {
    const isDropped = meaningOf(error.code) === "no-day-table"
    if (isDropped) this.#days.clear()
    return isDropped
  }
}

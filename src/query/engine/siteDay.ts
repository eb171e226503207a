/** What the files of a site's day are made with. */

import * as Effect from "effect/Effect"
import type { Calendar, Day } from "../../domain/period.ts"
import { addDays } from "../../domain/period.ts"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import type { Range } from "../language/index.ts"
import type { Database, DatabaseError, NoRoom } from "./database.ts"
import type { PartedDay } from "./dayParts.ts"
import type { HeldFiles } from "./heldFiles.ts"

/** Bits of a visit's number: of the visit within its day, and of the site. */
const VISIT_BITS = 28n
const SITE_BITS = 15n

/** A site's day of the deployment's zone that may have events. */
export interface SiteDay {
  readonly site: string
  readonly siteId: number
  readonly day: Day
  /** Changes with the day's chunks. */
  readonly version: string
  /** How many events it has at most. */
  readonly events: number
}

/** What files are made with, and where. */
export interface Workshop {
  readonly postgres: Postgres
  readonly database: Database
  readonly held: HeldFiles
  /** Of the deployment's zone. */
  readonly calendar: Calendar
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Makes a file of a day by a statement, which may read lines; one that is not finished goes. */
export const makeFile = (
  { database, held }: Workshop,
  { siteId, day }: SiteDay,
  kind: string,
  statement: (target: string) => string,
  readsLines = false,
): Effect.Effect<string, DatabaseError | NoRoom> =>
  Effect.suspend(() => {
    const target = held.path(`${siteId}-${day}-${kind}`)
    return database.rows(statement(target), [], { readsLines }).pipe(
      Effect.map(() => {
        held.made(target)
        return target
      }),
      Effect.onError(() => Effect.sync(() => held.drop([target]))),
    )
  })

/** Makes a file of a day of the rows of several statements, which run one after the other: no more is in memory than one of them takes. */
export const makeTogether = (
  shop: Workshop,
  of: SiteDay,
  kind: string,
  statements: ReadonlyArray<(target: string) => string>,
  together: (target: string, files: ReadonlyArray<string>) => string,
): Effect.Effect<string, DatabaseError | NoRoom> => {
  const [only, ...others] = statements
  if (only !== undefined && others.length === 0) return makeFile(shop, of, kind, only)
  const made: Array<string> = []
  return Effect.gen(function* () {
    for (const statement of statements) made.push(yield* makeFile(shop, of, "part", statement))
    return yield* makeFile(shop, of, kind, (target) => together(target, made))
  }).pipe(Effect.ensuring(Effect.sync(() => shop.held.drop(made))))
}

/** The files of events, as statements read them. */
export interface EventTables {
  /** Of days that have ended, one each. */
  readonly ended: ReadonlyArray<string>
  readonly growing: ReadonlyArray<PartedDay>
}

/** A day whose events are asked for, and its files. */
export interface TakenDay extends SiteDay {
  /** Whether its events do not come in numbers any more. */
  readonly hasEnded: boolean
  readonly tables: EventTables
}

/** The files of some days together. */
export const tablesOf = (days: ReadonlyArray<TakenDay>): EventTables => ({
  ended: days.flatMap(({ tables }) => tables.ended),
  growing: days.flatMap(({ tables }) => tables.growing),
})

/** The files of a day, of one version. */
export interface DayFiles {
  readonly version: string
  readonly tables: EventTables
  /** Brings them up to date; `version` is that of what was read then, which may be a later one than the day was known by. */
  readonly become: (day: SiteDay) => Effect.Effect<void, StoreError | DatabaseError | NoRoom>
  /** Takes out what has gone of a day that is not asked for, an erased visitor's events among it; what is new can wait. */
  readonly prune: (day: SiteDay) => Effect.Effect<void, StoreError | DatabaseError | NoRoom>
  readonly drop: () => void
}

export const rangeOf = (calendar: Calendar, day: Day): Range => ({
  from: calendar.startOf(day),
  until: calendar.startOf(addDays(day, 1)),
})

/** Whether a range has something of a day. */
export const touches = (range: Range, calendar: Calendar, day: Day): boolean => {
  const { from, until } = rangeOf(calendar, day)
  return range.from < until && range.until > from
}

/** Whether a range has all of a day. */
export const isWhollyIn = (range: Range, calendar: Calendar, day: Day): boolean => {
  const { from, until } = rangeOf(calendar, day)
  return range.from <= from && until <= range.until
}

const utc = (day: Day): number => Date.parse(`${day}T00:00:00Z`)

/** The number of a day; each is one more than that of the day before. */
export const dayNumber = (day: Day): number => Math.round(utc(day) / DAY_MS)

/** The least number of a visit of a site's day. */
export const firstVisitOf = ({ siteId, day }: SiteDay): bigint =>
  ((BigInt(dayNumber(day)) << SITE_BITS) + BigInt(siteId)) << VISIT_BITS

/** SQL: the number of the day of a visit. */
export const DAY_OF_VISIT = `(visit >> ${SITE_BITS + VISIT_BITS})::INTEGER`

const iso = (instant: number): string => new Date(instant).toISOString()
const utcDay = (at: number) => iso(Math.floor(at / DAY_MS) * DAY_MS)

/** SQL: which chunks are of a site's UTC days that a day touches, with {@link utcDaysValues} as $1 to $3. */
export const CHUNKS_OF_UTC_DAYS =
  "site_id = $1 AND first_at >= $2::timestamptz AND first_at < $3::timestamptz"

export const utcDaysValues = ({ siteId }: SiteDay, { from, until }: Range): ReadonlyArray<unknown> => [
  ...[siteId, utcDay(from), utcDay(until + DAY_MS - 1)],
]

/** SQL: which chunks may have events of a site's day, with {@link chunkValues} as $1 to $5; only the tables of its UTC days are visited. */
export const CHUNKS_OF_DAY = `
  ${CHUNKS_OF_UTC_DAYS} AND first_at < $5::timestamptz AND last_at >= $4::timestamptz`

export const chunkValues = (of: SiteDay, range: Range): ReadonlyArray<unknown> => [
  ...[...utcDaysValues(of, range), iso(range.from), iso(range.until)],
]

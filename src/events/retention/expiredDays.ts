/** Removes a day's expired events: by dropping its table where all of it has expired, else chunk by chunk through a cursor. */
import * as Effect from "effect/Effect"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres, Sql } from "../../stores/postgres.ts"
import { meaningOf } from "../../stores/sqlstate.ts"
import { type ChunkPlace, LOCK_CHUNKS, rewriteChunks } from "../chunks/index.ts"
import { SITE_EVENT_COLUMNS, type SiteEventRow } from "../read/index.ts"
import type { Archive, ArchiveFailed } from "./archive.ts"
import { type Pace, removeExpiredRows } from "./expiredRows.ts"

/** How expired events leave: with their day's table, or in batches. */
export type Method = "drop" | "batches"

/** What the metric, the log and the command call a method. */
export const METHOD_NAMES: { readonly [M in Method]: string } = { drop: "partition", batches: "cursor" }

/** A day with a table, and whether all of it has expired. */
export interface ExpiredDay {
  /** UTC, `2025-12-08`. */
  readonly day: string
  readonly table: string
  /** Whether every event of the day has expired; otherwise those before the cutoff. */
  readonly whole: boolean
}

const TABLE = /^event_chunks_(\d{4})(\d{2})(\d{2})$/

/** A day's table, of which not all goes. */
export const tableOfDay = (day: string): ExpiredDay => ({
  ...{ day, table: `event_chunks_${day.replaceAll("-", "")}`, whole: false },
})

const SELECT_TABLES = `
  SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
  WHERE inhparent = 'event_chunks'::regclass
  ORDER BY relname`

/** The days that hold, or may hold, events before the cutoff (unix milliseconds), oldest first. */
export const expiredDays = (
  postgres: Postgres,
  cutoff: number,
): Effect.Effect<ReadonlyArray<ExpiredDay>, StoreError> =>
  Effect.map(postgres.query<{ relname: string }>("retention", SELECT_TABLES), (tables) =>
    tables.flatMap(({ relname }) => {
      const [matched, year, month, dayOfMonth] = TABLE.exec(relname) ?? []
      if (matched === undefined) return []
      const day = `${year}-${month}-${dayOfMonth}`
      const start = Date.parse(`${day}T00:00:00Z`)
      return start < cutoff ? [{ day, table: relname, whole: start + DAY_MS <= cutoff }] : []
    }),
  )

/** SQL that ends a condition: of a site alone, where one is meant. */
const ofSite = ({ siteId }: Pick<Removal, "siteId">): string =>
  siteId === undefined ? "" : ` AND site_id = ${siteId}`

export interface Removal {
  /** Unix milliseconds; only earlier events go. */
  readonly cutoff: number
  /** Of which site alone events go, by its number. */
  readonly siteId?: number
  /** Where events go first, if anywhere. */
  readonly archive: Archive | null
  readonly pace: Pace
  /** Runs after each committed step, with the number of events that went. */
  readonly removed: (method: Method, rows: number) => Effect.Effect<void>
}

/** {@link SiteEventRow}s of a day, whose beginning and end are `$1` and `$2`. */
const SELECT_ARCHIVE_ROWS = `
  SELECT ${SITE_EVENT_COLUMNS}
  FROM chunk_events JOIN sites ON sites.id = site_id
  WHERE first_at >= $1 AND first_at < $2`

const boundsOf = (day: string): readonly [from: Date, until: Date] => {
  const from = Date.parse(`${day}T00:00:00Z`)
  return [new Date(from), new Date(from + DAY_MS)]
}

/**
 * Deletes the day's events before the cutoff and returns their number. Compaction may move some past the cursor that looks for
 * them, so it goes over the day until there are none.
 */
export const deleteFromDay = Effect.fnUntraced(function* (
  postgres: Postgres,
  day: ExpiredDay,
  removal: Removal,
): Effect.fn.Return<number, StoreError | ArchiveFailed> {
  const some = `SELECT 1 FROM ${day.table} WHERE first_at < $1${ofSite(removal)} LIMIT 1`
  const areLeft = Effect.map(
    postgres.query("retention", some, [new Date(removal.cutoff)]),
    (rows) => rows.length > 0,
  )
  let deleted = 0
  while (yield* areLeft) deleted += yield* deleteOnce(postgres, day, removal)
  return deleted
})

const deleteOnce = (
  postgres: Postgres,
  day: ExpiredDay,
  removal: Removal,
): Effect.Effect<number, StoreError | ArchiveFailed> =>
  removeExpiredRows(
    postgres,
    "retention",
    {
      table: day.table,
      condition: `first_at < $2${ofSite(removal)}`,
      parameters: [new Date(removal.cutoff)],
      weight: "events",
      remove: (sql, places) => removeFromChunks(sql, day, places, removal),
      afterBatch: (events) => removal.removed("batches", events),
    },
    removal.pace,
  )

/** Removes the expired events of chunks of a day, those of the chunk that the cutoff divides one by one. */
const removeFromChunks = Effect.fnUntraced(function* (
  sql: Sql,
  { day, table }: ExpiredDay,
  places: ReadonlyArray<string>,
  removal: Removal,
): Effect.fn.Return<number, StoreError | ArchiveFailed> {
  const { cutoff, archive } = removal
  const isOfSite = ofSite(removal)
  // The places were looked up before, and whatever is there now is judged again.
  yield* sql.query(LOCK_CHUNKS)
  const values = [places, new Date(cutoff)]
  if (archive !== null) {
    const expired = yield* sql.query<SiteEventRow & Record<string, unknown>>(
      `${SELECT_ARCHIVE_ROWS} AND place = ANY ($3::tid[]) AND created_at < $4${isOfSite}`,
      [...boundsOf(day), ...values],
    )
    yield* archive.append(day, expired.rows)
  }
  const whole = yield* sql.query<{ events: number }>(
    `DELETE FROM ${table} WHERE ctid = ANY ($1::tid[]) AND last_at < $2${isOfSite} RETURNING events`,
    values,
  )
  const divided = yield* sql.query<ChunkPlace & Record<string, unknown>>(
    `SELECT site_id, first_at, ctid::text AS place FROM ${table}
     WHERE ctid = ANY ($1::tid[]) AND first_at < $2 AND last_at >= $2${isOfSite}`,
    values,
  )
  const fromDivided = yield* rewriteChunks(sql, divided.rows, (event) => event.createdAt >= cutoff)
  return whole.rows.reduce((sum, { events }) => sum + events, fromDivided)
})

/**
 * A drop excludes all readers and writers of every day for its moment, so it must not make them queue behind one that
 * takes long: it gives up after this.
 */
const DROP_LOCK_TIMEOUT = "250ms"
/** Tries at a drop, before the day's events are deleted chunk by chunk instead, which waits for nobody. */
const DROP_ATTEMPTS = 3
/** Whether the locks for a drop could not be had. */
const isLocked = (error: StoreError | ArchiveFailed): boolean =>
  error._tag === "StoreError" && meaningOf(error.code) === "lock"

/**
 * Drops a whole day's table and returns the number of its events; deletes them one batch after another when the locks for
 * it cannot be had. When this fails or is interrupted, both the table and the archive are as before.
 */
export const dropDay = (
  postgres: Postgres,
  day: ExpiredDay,
  removal: Removal,
): Effect.Effect<{ readonly method: Method; readonly rows: number }, StoreError | ArchiveFailed> =>
  dropOnce(postgres, day, removal).pipe(
    Effect.retry({ times: DROP_ATTEMPTS - 1, while: isLocked }),
    Effect.tap((rows) => removal.removed("drop", rows)),
    Effect.map((rows) => ({ method: "drop" as const, rows })),
    Effect.catch((error) =>
      isLocked(error)
        ? Effect.map(deleteFromDay(postgres, day, removal), (rows) => ({ method: "batches" as const, rows }))
        : Effect.fail(error),
    ),
  )

const dropOnce = (
  postgres: Postgres,
  { day, table }: ExpiredDay,
  { archive, pace }: Removal,
): Effect.Effect<number, StoreError | ArchiveFailed> =>
  Effect.gen(function* () {
    const session = yield* postgres.session("retention")
    const transaction = yield* session.begin()
    yield* session.query(`SET LOCAL lock_timeout = '${DROP_LOCK_TIMEOUT}'`)
    yield* session.query("SET LOCAL statement_timeout = 0")
    // Nobody adds an event of this day from here on, so what is counted and archived is what goes.
    yield* session.query(`LOCK TABLE ${table} IN SHARE MODE`)
    if (archive === null) {
      const counted = yield* session.query<{ rows: string }>(
        `SELECT coalesce(sum(events), 0) AS rows FROM ${table}`,
      )
      yield* session.query(`DROP TABLE ${table}`)
      yield* transaction.commit
      return Number(counted.rows[0]?.rows)
    }

    const before = yield* archive.size(day)
    let mayBeCommitted = false
    return yield* Effect.gen(function* () {
      let archived = 0
      yield* Effect.scoped(
        Effect.gen(function* () {
          const read = yield* session.cursor<SiteEventRow & Record<string, unknown>>(
            SELECT_ARCHIVE_ROWS,
            boundsOf(day),
            pace.batchRows,
          )
          for (let rows = yield* read; rows.length > 0; rows = yield* read) {
            yield* Effect.uninterruptible(archive.append(day, rows))
            archived += rows.length
          }
        }),
      )
      yield* session.query(`DROP TABLE ${table}`)
      mayBeCommitted = true
      yield* transaction.commit
      return archived
    }).pipe(
      Effect.onError(() =>
        // Once the commit was sent its events may be gone: then the archive keeps them, even if they come twice.
        mayBeCommitted ? Effect.void : Effect.ignore(archive.cutTo(day, before)),
      ),
    )
  }).pipe(Effect.scoped)

/** Removes a day's expired events: by dropping its table where all of it has expired, else row by row through a cursor. */
import * as Effect from "effect/Effect"
import { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { type Archive, type ArchiveRow, archiveError } from "./archive.ts"
import { openSession } from "./cursor.ts"
import { deleteExpiredRows, type Pace } from "./expiredRows.ts"

/** How expired events leave. */
export type RetentionPath = "partition" | "cursor"

/** A day with a table, and what of it has expired. */
export interface ExpiredDay {
  /** UTC, `2025-12-08`. */
  readonly day: string
  readonly table: string
  /** Whether every event of the day has expired; otherwise those before the cutoff. */
  readonly whole: boolean
}

const DAY_MS = 86_400_000
const TABLE = /^analytics_events_(\d{4})(\d{2})(\d{2})$/

const SELECT_TABLES = `
  SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
  WHERE inhparent = 'analytics_events'::regclass
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

export interface Removal {
  /** Unix milliseconds; only earlier events go. */
  readonly cutoff: number
  /** Where events go first, if anywhere. */
  readonly archive: Archive | null
  readonly pace: Pace
  /** Runs after each committed step, with the number of events that went. */
  readonly removed: (path: RetentionPath, rows: number) => Effect.Effect<void>
}

/** SQL of an {@link ArchiveRow}, over a day's table as `gone`. */
const ARCHIVE_COLUMNS = `
  (SELECT slug FROM sites WHERE sites.id = gone.site_id) AS site,
  gone.id, visitor_id, event_type, event_data, page_url, referrer, created_at`

/** Deletes the day's events before the cutoff and gives their number. */
export const deleteFromDay = (
  postgres: Postgres,
  { day, table }: ExpiredDay,
  { cutoff, archive, pace, removed }: Removal,
): Effect.Effect<number, StoreError> =>
  deleteExpiredRows<ArchiveRow & Record<string, unknown>>(
    postgres,
    "retention",
    {
      table,
      condition: "created_at < $2",
      parameters: [new Date(cutoff)],
      returning: archive === null ? null : ARCHIVE_COLUMNS,
      onDelete: async (rows) => archive?.append(day, rows),
      afterBatch: (rows) => removed("cursor", rows),
    },
    pace,
  )

/**
 * A drop excludes all readers and writers of every day for its moment, so it must not make them queue behind one that
 * takes long: it gives up after this.
 */
const DROP_LOCK_TIMEOUT = "250ms"
/** Tries at a drop, before the day's events are deleted row by row instead, which waits for nobody. */
const DROP_ATTEMPTS = 3
/** SQLSTATE lock_not_available and deadlock_detected. */
const LOCK_NOT_HAD = new Set(["55P03", "40P01"])

/**
 * Drops a whole day's table and gives the number of its events; deletes them one batch after another when the locks for
 * it cannot be had. When this fails or is interrupted, both the table and the archive are as before.
 */
export const dropDay = (
  postgres: Postgres,
  day: ExpiredDay,
  removal: Removal,
): Effect.Effect<{ readonly path: RetentionPath; readonly rows: number }, StoreError> =>
  dropOnce(postgres, day, removal).pipe(
    Effect.retry({ times: DROP_ATTEMPTS - 1, while: (error) => LOCK_NOT_HAD.has(error.code) }),
    Effect.tap((rows) => removal.removed("partition", rows)),
    Effect.map((rows) => ({ path: "partition" as const, rows })),
    Effect.catch((error) =>
      LOCK_NOT_HAD.has(error.code)
        ? Effect.map(deleteFromDay(postgres, day, removal), (rows) => ({ path: "cursor" as const, rows }))
        : Effect.fail(error),
    ),
  )

const dropOnce = (
  postgres: Postgres,
  { day, table }: ExpiredDay,
  { archive, pace }: Removal,
): Effect.Effect<number, StoreError> =>
  Effect.gen(function* () {
    const session = yield* openSession(postgres, "retention")
    const transaction = yield* session.begin()
    yield* session.query(`SET LOCAL lock_timeout = '${DROP_LOCK_TIMEOUT}'`)
    yield* session.query("SET LOCAL statement_timeout = 0")
    // Nobody adds an event of this day from here on, so what is counted and archived is what goes.
    yield* session.query(`LOCK TABLE ${table} IN SHARE MODE`)
    if (archive === null) {
      const counted = yield* session.query<{ rows: string }>(`SELECT count(*) AS rows FROM ${table}`)
      yield* session.query(`DROP TABLE ${table}`)
      yield* Effect.uninterruptible(transaction.commit)
      return Number(counted.rows[0]?.rows)
    }

    const onDisk = <A>(run: () => Promise<A>) =>
      Effect.tryPromise({
        try: run,
        catch: (cause) => (cause instanceof StoreError ? cause : archiveError(cause)),
      })
    const before = yield* onDisk(() => archive.size(day))
    let mayBeCommitted = false
    return yield* Effect.gen(function* () {
      let archived = 0
      yield* Effect.scoped(
        Effect.gen(function* () {
          const read = yield* session.cursor<ArchiveRow & Record<string, unknown>>(
            `SELECT ${ARCHIVE_COLUMNS} FROM ${table} AS gone`,
            [],
            pace.batchRows,
          )
          for (let rows = yield* read; rows.length > 0; rows = yield* read) {
            const batch = rows
            yield* Effect.uninterruptible(onDisk(() => archive.append(day, batch)))
            archived += batch.length
          }
        }),
      )
      yield* session.query(`DROP TABLE ${table}`)
      mayBeCommitted = true
      yield* Effect.uninterruptible(transaction.commit)
      return archived
    }).pipe(
      Effect.onError(() =>
        // Once the commit was sent its events may be gone: then the archive keeps them, even if they come twice.
        mayBeCommitted ? Effect.void : Effect.ignore(onDisk(() => archive.cutTo(day, before))),
      ),
    )
  }).pipe(Effect.scoped)

/** The tables of a backup: which there are, copied out as of one moment, and copied in again. */
import * as Effect from "effect/Effect"
import { escapeIdentifier } from "pg"
import {
  ensureDaysIn,
  MARK_UNFINISHED,
  migrateUpTo,
  type SchemaTooNew,
  TABLES,
} from "../events/schema/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Session, Sql } from "../stores/postgres.ts"
import { BackupError } from "./error.ts"
import type { Manifest, TablePart } from "./manifest.ts"
import { readPart, writePart } from "./parts.ts"

/** A table as it is now. */
interface Table extends Record<string, unknown> {
  readonly name: string
  readonly columns: ReadonlyArray<string>
  /** Tables that have to be filled before, by its foreign keys. */
  readonly needs: ReadonlyArray<string>
}

/** Restoring applies migrations, which fill this one. */
const BY_MIGRATIONS = "schema_migrations"

const SELECT_TABLES = `
  SELECT relname AS name,
    ARRAY(
      SELECT attname::text FROM pg_attribute
      WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
    ) AS columns,
    ARRAY(
      SELECT other.relname::text FROM pg_constraint JOIN pg_class AS other ON other.oid = confrelid
      WHERE conrelid = pg_class.oid AND contype = 'f' AND confrelid <> conrelid
    ) AS needs
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE nspname = current_schema() AND relkind IN ('r', 'p') AND NOT relispartition AND relname = ANY ($1)
  ORDER BY relname`

const SELECT_DAYS = `
  SELECT to_date(right(relname, 8), 'YYYYMMDD')::text AS day
  FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
  WHERE inhparent = 'event_chunks'::regclass
  ORDER BY 1`

const SELECT_SEQUENCES = `
  SELECT sequence.relname AS name, owner.relname AS of
  FROM pg_class AS sequence
  JOIN pg_depend ON objid = sequence.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
  JOIN pg_class AS owner ON owner.oid = refobjid
  WHERE sequence.relkind = 'S' AND owner.relname = ANY ($1)
  ORDER BY sequence.relname`

/** Tables of this program that the schema has, each after those that it needs. */
export const tablesIn = (sql: Sql): Effect.Effect<ReadonlyArray<Table>, StoreError> =>
  Effect.map(
    sql.query<Table>(SELECT_TABLES, [TABLES.filter((name) => name !== BY_MIGRATIONS)]),
    ({ rows }) => {
      const ordered: Array<Table> = []
      let left = rows
      while (left.length > 0) {
        const names = new Set(left.map(({ name }) => name))
        const next = left.filter(({ needs }) => !needs.some((need) => names.has(need)))
        if (next.length === 0) throw new Error(`tables need each other: ${[...names].join(", ")}`)
        ordered.push(...next)
        left = left.filter((table) => !next.includes(table))
      }
      return ordered
    },
  )

const listed = (names: ReadonlyArray<string>): string => names.map(escapeIdentifier).join(", ")

/** Keeps tables from being dropped or changed, before the transaction's snapshot is taken. */
export const lockTables = (sql: Sql, tables: ReadonlyArray<Table>): Effect.Effect<void, StoreError> =>
  Effect.asVoid(sql.query(`LOCK TABLE ${listed(tables.map(({ name }) => name))} IN ACCESS SHARE MODE`))

/** Failures of files as {@link BackupError}s; those of stores as they are. */
export const onFiles = <A>(what: string, run: () => Promise<A>): Effect.Effect<A, BackupError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new BackupError({ message: `${what}: ${cause instanceof Error ? cause.message : String(cause)}.` }),
  })

/** Copies the rows of a table into a file. */
export const dumpTable = (session: Session, folder: string, table: Table) =>
  Effect.gen(function* () {
    const { name, columns } = table
    const rows = yield* rowsOf(session, table)
    const part = yield* onFiles(`The table ${name} could not be copied`, () =>
      writePart(folder, `${name}.copy.gz`, rows),
    )
    const dumped: TablePart = { ...part, name, columns }
    return dumped
  })

/** The UTC days that have tables. */
export const daysIn = (sql: Sql): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  Effect.map(sql.query<{ day: string }>(SELECT_DAYS), ({ rows }) => rows.map(({ day }) => day))

/** Where the numbers are that tables give to their rows. Never behind the rows of a snapshot that was taken before. */
export const sequencesIn = (
  sql: Sql,
  tables: ReadonlyArray<Table>,
): Effect.Effect<Manifest["sequences"], StoreError> =>
  Effect.gen(function* () {
    const { rows } = yield* sql.query<{ name: string }>(SELECT_SEQUENCES, [tables.map(({ name }) => name)])
    return yield* Effect.forEach(rows, ({ name }) =>
      Effect.map(
        sql.query<{ last: string; is_called: boolean }>(
          `SELECT last_value::text AS last, is_called FROM ${escapeIdentifier(name)}`,
        ),
        (found) => ({ name, last: found.rows[0]?.last ?? "1", is_called: found.rows[0]?.is_called ?? false }),
      ),
    )
  })

/** A table's rows on their way. */
export interface Rows {
  readonly name: string
  readonly columns: ReadonlyArray<string>
}

/** What tables hold, wherever it comes from. */
export interface Contents<T extends Rows> extends Pick<Manifest, "schema" | "days" | "sequences"> {
  readonly tables: ReadonlyArray<T>
}

/**
 * Makes the schema as it was and fills it, within a transaction. `rowsOf` opens a table's rows, and `check` may fail for the number of
 * those that came.
 */
export const fillTables = <T extends Rows, E>(
  session: Session,
  contents: Contents<T>,
  rowsOf: (table: T) => Effect.Effect<AsyncIterable<Uint8Array>, E>,
  check: (table: T, rows: number) => Effect.Effect<void, E>,
): Effect.Effect<void, StoreError | SchemaTooNew | BackupError | E> =>
  Effect.gen(function* () {
    yield* session.query("SET LOCAL statement_timeout = 0")
    yield* migrateUpTo(session, contents.schema.version)
    const known = new Map((yield* tablesIn(session)).map((table) => [table.name, table]))
    const missing = contents.tables.filter(
      ({ name, columns }) => !columns.every((column) => known.get(name)?.columns.includes(column)),
    )
    if (missing.length > 0)
      return yield* new BackupError({
        message: `This program has no such tables: ${missing.map(({ name }) => name).join(", ")}. Use the version that made them, or a newer one.`,
      })
    yield* ensureDaysIn(session, contents.days)
    // What migrations have put there is among the rows.
    yield* session.query(`TRUNCATE ${listed([...known.keys()])}`)
    for (const table of contents.tables) {
      const rows = yield* session.copyIn(
        `COPY ${escapeIdentifier(table.name)} (${listed(table.columns)}) FROM STDIN`,
        yield* rowsOf(table),
      )
      yield* check(table, rows)
    }
    for (const { name, last, is_called } of contents.sequences)
      yield* session.query("SELECT setval($1::regclass, $2::bigint, $3)", [
        escapeIdentifier(name),
        last,
        is_called,
      ])
  })

/**
 * Fills an empty database from a backup, in one transaction: afterwards all of the rows are there, or none and no schema. The restore
 * is marked as unfinished with them, for there is more to do.
 */
export const loadTables = (
  postgres: Postgres,
  folder: string,
  manifest: Manifest,
): Effect.Effect<void, StoreError | SchemaTooNew | BackupError> =>
  Effect.gen(function* () {
    const session = yield* postgres.session("restore")
    const transaction = yield* session.begin()
    yield* fillTables(
      session,
      manifest,
      (part) => Effect.sync(() => readPart(folder, part)),
      (part, rows) =>
        rows === part.lines
          ? Effect.void
          : new BackupError({
              message: `${rows} rows of ${part.name} were restored instead of ${part.lines}.`,
            }),
    )
    yield* session.query(MARK_UNFINISHED)
    yield* transaction.commit
  }).pipe(Effect.scoped)

/** The rows of a table, as COPY has them. */
export const rowsOf = (session: Session, { name, columns }: Rows) =>
  session.copyOut(`COPY (SELECT ${listed(columns)} FROM ${escapeIdentifier(name)}) TO STDOUT`)

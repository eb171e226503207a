/** Versioned SQL migrations, `migrations/NNN_name.sql`, applied in order by one node at a time. */
import { readdirSync, readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { StoreError } from "../../stores/errors.ts"
import { LOCKS } from "../../stores/locks.ts"
import type { Postgres, Sql } from "../../stores/postgres.ts"
import { meaningOf } from "../../stores/sqlstate.ts"
import { FENCE_ALL } from "./deployment.ts"
import { MIGRATION_FILE, MIGRATIONS, type SchemaTooNew, SELECT_NEWEST, tooNew } from "./schemaVersion.ts"

interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

const CREATE_TABLE = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`

const SELECT_APPLIED = "SELECT 1 FROM schema_migrations WHERE version = $1"
/**
 * Waiting for a table that others use makes everyone wait who comes later, so a migration gives up soon and tries again. Not for
 * the lock of migrations: nodes that start together wait for that.
 */
const LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"
const TRIES = 30
/** Whether others have kept the migration from a lock for too long. */
const isLocked = (error: StoreError | SchemaTooNew): boolean =>
  error._tag === "StoreError" && meaningOf(error.code) === "lock"

const INSERT_APPLIED = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)"

const load = (): ReadonlyArray<Migration> =>
  readdirSync(MIGRATIONS)
    .sort()
    .flatMap((file) => {
      const version = MIGRATION_FILE.exec(file)?.[1]
      if (version === undefined) return []
      return [
        {
          version: Number(version),
          name: file.slice(0, -".sql".length),
          sql: readFileSync(new URL(file, MIGRATIONS), "utf8"),
        },
      ]
    })

/** Every table that a migration makes, those included that a later one drops. */
export const TABLES: ReadonlyArray<string> = [
  ...[...load(), { sql: CREATE_TABLE }].flatMap(({ sql }) =>
    [...sql.matchAll(/^ *CREATE TABLE (?:IF NOT EXISTS )?(\w+)/gm)].map(([, name = ""]) => name),
  ),
]

/** Applies a migration unless it has been applied before; tells whether it has. */
const apply = Effect.fnUntraced(function* (
  sql: Sql,
  migration: Migration,
): Effect.fn.Return<boolean, StoreError | SchemaTooNew> {
  // Waiting for another node's migration must not count as a slow statement.
  yield* sql.query("SET LOCAL statement_timeout = 0")
  yield* sql.query(`SELECT pg_advisory_xact_lock(${LOCKS.migrate})`)
  yield* sql.query(CREATE_TABLE)
  const newest = yield* sql.query<{ version: number; name: string }>(SELECT_NEWEST)
  const refusal = tooNew(newest.rows[0])
  if (refusal !== null) return yield* refusal
  const known = yield* sql.query(SELECT_APPLIED, [migration.version])
  if (known.rows.length > 0) return false
  yield* sql.query(LOCK_TIMEOUT)
  // An actor of an older version must not go on writing into a schema that it does not know. Before anything else is locked, so that
  // a batch which is being committed ends first. One that waits for this row has its tables already: a migration that wants one of
  // these for itself meets it there, one of the two is ended and tried again.
  if (migration.version > 1) yield* sql.query(FENCE_ALL)
  yield* sql.query(migration.sql)
  yield* sql.query(INSERT_APPLIED, [migration.version, migration.name])
  return true
})

/**
 * Brings the schema up to date and returns the names of the migrations that this call applied, in order. Each one is a
 * transaction that also records it, so a failed one leaves nothing behind and the next call continues there. Nodes that
 * start together wait for each other. Actors are fenced off by each migration and take their partitions over again; those
 * of an older version leave them to newer nodes. Fails with {@link SchemaTooNew} when this program is the older one.
 */
export const migrate = Effect.fnUntraced(function* (
  postgres: Postgres,
): Effect.fn.Return<ReadonlyArray<string>, StoreError | SchemaTooNew> {
  const applied: Array<string> = []
  for (const migration of load()) {
    const isNew = yield* postgres
      .transaction("migrate", (sql) => apply(sql, migration))
      .pipe(
        Effect.tapError((error) =>
          isLocked(error)
            ? Effect.logWarning("migration waiting: a table is locked").pipe(
                Effect.annotateLogs({ migration: migration.name }),
              )
            : Effect.void,
        ),
        Effect.retry({
          schedule: Schedule.spaced("1 second"),
          times: TRIES - 1,
          while: isLocked,
        }),
      )
    if (isNew) applied.push(migration.name)
  }
  return applied
})

/** Applies the migrations up to a version within a transaction that others cannot see yet. */
export const migrateUpTo = (sql: Sql, version: number): Effect.Effect<void, StoreError | SchemaTooNew> =>
  Effect.gen(function* () {
    for (const migration of load()) if (migration.version <= version) yield* apply(sql, migration)
    yield* sql.query("SET LOCAL lock_timeout = 0")
  })

/** Versioned SQL migrations, `migrations/NNN_name.sql`, applied in order by one node at a time. */
import { readdirSync, readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { LOCKS } from "./locks.ts"

interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

const FOLDER = new URL("./migrations/", import.meta.url)
const FILE_NAME = /^(\d{3})_[a-z0-9_]+\.sql$/

const CREATE_TABLE = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`

const SELECT_APPLIED = "SELECT 1 FROM schema_migrations WHERE version = $1"
const INSERT_APPLIED = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)"

const load = (): ReadonlyArray<Migration> =>
  readdirSync(FOLDER)
    .sort()
    .flatMap((file) => {
      const version = FILE_NAME.exec(file)?.[1]
      if (version === undefined) return []
      return [
        {
          version: Number(version),
          name: file.slice(0, -".sql".length),
          sql: readFileSync(new URL(file, FOLDER), "utf8"),
        },
      ]
    })

/**
 * Brings the schema up to date and gives the names of the migrations that this call applied, in order. Each one is a
 * transaction that also records it, so a failed one leaves nothing behind and the next call continues there. Nodes that
 * start together wait for each other.
 */
export const migrate = Effect.fnUntraced(function* (
  postgres: Postgres,
): Effect.fn.Return<ReadonlyArray<string>, StoreError> {
  const applied: Array<string> = []
  for (const migration of load()) {
    const isNew = yield* postgres.transaction("migrate", async (sql) => {
      // Waiting for another node's migration must not count as a slow statement.
      await sql.query("SET LOCAL statement_timeout = 0")
      await sql.query(`SELECT pg_advisory_xact_lock(${LOCKS.migrate})`)
      await sql.query(CREATE_TABLE)
      const known = await sql.query(SELECT_APPLIED, [migration.version])
      if (known.rows.length > 0) return false
      await sql.query(migration.sql)
      await sql.query(INSERT_APPLIED, [migration.version, migration.name])
      return true
    })
    if (isNew) applied.push(migration.name)
  }
  return applied
})

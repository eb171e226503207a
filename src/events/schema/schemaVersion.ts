/**
 * Versions of the program beside each other. Whoever migrates fences off every actor; those of an older version learn
 * here that the schema has gone on without them, and leave processing, retention and erasure to newer nodes.
 */
import { readdirSync } from "node:fs"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

/** Where the migrations are, `NNN_name.sql`. */
export const MIGRATIONS = new URL("./migrations/", import.meta.url)
export const MIGRATION_FILE = /^(\d{3})_[a-z0-9_]+\.sql$/

/** The last schema version that this program knows. */
const LATEST = Math.max(...readdirSync(MIGRATIONS).map((file) => Number(MIGRATION_FILE.exec(file)?.[1] ?? 0)))

/** A newer version of this program has migrated the schema; this one leaves it alone. */
export class SchemaTooNew extends TaggedError("SchemaTooNew")<{ readonly message: string }> {}

export const SELECT_NEWEST = "SELECT version, name FROM schema_migrations ORDER BY version DESC LIMIT 1"

/** Why a schema whose last migration this is cannot be worked with, or `null` when it can. */
export const tooNew = (
  newest: { readonly version: number; readonly name: string } | undefined,
): SchemaTooNew | null =>
  newest === undefined || newest.version <= LATEST
    ? null
    : new SchemaTooNew({
        message: `Postgres: a newer version of this program has applied the migration ${newest.name}; replace this node by that version.`,
      })

/** Fails when a newer version has migrated the schema. */
export const requireKnownSchema = (
  postgres: Postgres,
  operation: string,
): Effect.Effect<void, StoreError | SchemaTooNew> =>
  postgres.query<{ version: number; name: string }>(operation, SELECT_NEWEST).pipe(
    Effect.flatMap(([newest]) => {
      const error = tooNew(newest)
      return error === null ? Effect.void : Effect.fail(error)
    }),
  )

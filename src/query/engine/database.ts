/** DuckDB, embedded: an instance that may read and write one folder only, and its statements. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A statement that the database refused, or could not finish. */
export class DatabaseError extends TaggedError("DatabaseError")<{ readonly message: string }> {}

export type DatabaseRow = { readonly [column: string]: unknown }

export interface Database {
  /** Runs one statement; one that is interrupted is ended. */
  readonly rows: (
    text: string,
    values?: ReadonlyArray<string | number>,
  ) => Effect.Effect<ReadonlyArray<DatabaseRow>, DatabaseError>
}

const databaseError = (cause: unknown): DatabaseError =>
  new DatabaseError({ message: cause instanceof Error ? cause.message : String(cause) })

/** Statements that leave a database nothing but its folder, and lock that. */
const settings = (folder: string, memoryBytes: number): ReadonlyArray<string> => {
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`
  return [
    "SET threads = 2",
    `SET memory_limit = '${Math.floor(memoryBytes / 1024)}KiB'`,
    `SET temp_directory = ${quoted(join(folder, "spill"))}`,
    "SET preserve_insertion_order = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    `SET allowed_directories = [${quoted(folder)}]`,
    "SET enable_external_access = false",
    "SET lock_configuration = true",
  ]
}

/** Opens a database in memory that is bounded to so many bytes, beyond which it uses files in the folder. */
export const openDatabase = (
  folder: string,
  memoryBytes: number,
): Effect.Effect<Database, DatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    const instance = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: async () => {
          mkdirSync(folder, { recursive: true, mode: 0o700 })
          const opened = await DuckDBInstance.create(":memory:")
          const first = await opened.connect()
          for (const setting of settings(folder, memoryBytes)) await first.run(setting)
          first.closeSync()
          return opened
        },
        catch: databaseError,
      }),
      (opened) => Effect.sync(() => opened.closeSync()),
    )
    const connection = Effect.acquireRelease(
      Effect.tryPromise({ try: () => instance.connect(), catch: databaseError }),
      (opened) => Effect.sync(() => opened.closeSync()),
    )
    const run = (opened: DuckDBConnection, text: string, values: Array<DuckDBValue>) =>
      Effect.callback<ReadonlyArray<DatabaseRow>, DatabaseError>((resume) => {
        const running = opened.runAndReadAll(text, values).then(
          (reader) => resume(Effect.succeed(reader.getRowObjectsJS())),
          (cause: unknown) => resume(Effect.fail(databaseError(cause))),
        )
        return Effect.promise(() => {
          opened.interrupt()
          return running
        })
      })
    return {
      rows: (text, values = []) =>
        Effect.scoped(Effect.flatMap(connection, (opened) => run(opened, text, [...values]))),
    }
  })

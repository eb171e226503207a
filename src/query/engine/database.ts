/** DuckDB, embedded: an instance that may read and write one folder only, and its statements. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/** A statement that the database refused, or could not finish. */
export class DatabaseError extends TaggedError("DatabaseError")<{ readonly message: string }> {}

/** There is no database on this platform: its package is not installed, or was not built for it. */
export class NoDatabase extends TaggedError("NoDatabase")<{ readonly message: string }> {}

/** What is asked for needs more of the disk than there is, or than it may have. */
export class NoRoom extends TaggedError("NoRoom")<{ readonly message: string }> {}

export type DatabaseRow = { readonly [column: string]: unknown }

/**
 * Of the memory for each statement that runs, bytes: one that sorts takes about as much on two threads before it has read anything
 * (DuckDB 1.5: 38 MB for those of a funnel), and none of it can go to the disk. One that reads lines of JSON takes it for each thread
 * (40 MB, 64 where lines are of half a megabyte, whatever `maximum_object_size` is).
 */
const STATEMENT_BYTES = 64 * 1024 * 1024

/** Statements have two threads, where there is memory for two that read lines. */
const threadsOf = (memoryBytes: number): number => (memoryBytes < 2 * STATEMENT_BYTES ? 1 : 2)

export interface Database {
  /** What its statements have of the memory together. */
  readonly memoryBytes: number
  /**
   * Runs one statement, when there is memory for it; one that is interrupted is ended, and has its memory until then. One that needs more
   * than others leave it (what it sorts or joins can go to the disk, but not all at once) is run again when it has all of it.
   */
  readonly rows: (
    text: string,
    values?: ReadonlyArray<string | number>,
    options?: { readonly readsLines: boolean },
  ) => Effect.Effect<ReadonlyArray<DatabaseRow>, DatabaseError | NoRoom>
}

const FULL = "it needs more of the disk than DATA_DIR has, or than QUERY_CACHE leaves it"

/** What a failure of the disk or of a statement means. */
export const databaseError = (cause: unknown): DatabaseError | NoRoom => {
  const message = cause instanceof Error ? cause.message : String(cause)
  return /ENOSPC|No space left on device|max_temp_directory_size/i.test(message)
    ? new NoRoom({ message: FULL })
    : new DatabaseError({ message })
}

/** Whether a statement needs more memory than there is. */
export const needsMore = (error: DatabaseError | NoRoom): boolean =>
  error._tag === "DatabaseError" && error.message.startsWith("Out of Memory")

/** How often a statement is told that it is to end, milliseconds: what has not begun yet when it is told does not hear it. */
const TOLD_EVERY_MS = 10

/** The package has a binary a platform, and none for some. */
const loadDuckDB = Effect.tryPromise({
  try: () => import("@duckdb/node-api"),
  catch: (cause) =>
    new NoDatabase({
      message: `DuckDB, which answers questions, does not run here (${process.platform} ${process.arch}): ${(cause instanceof Error ? cause.message : String(cause)).split("\n", 1)[0]}`,
    }),
})

/** Statements that leave a database nothing but its folder, and lock that. */
const settings = (folder: string, memoryBytes: number, spillBytes: number): ReadonlyArray<string> => {
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`
  return [
    `SET threads = ${threadsOf(memoryBytes)}`,
    `SET memory_limit = '${Math.floor(memoryBytes / 1024)}KiB'`,
    `SET max_temp_directory_size = '${Math.floor(spillBytes / 1024)}KiB'`,
    `SET temp_directory = ${quoted(join(folder, "spill"))}`,
    "SET preserve_insertion_order = false",
    // Files are read from the system's cache, which has memory of its own.
    "SET enable_external_file_cache = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    `SET allowed_directories = [${quoted(folder)}]`,
    "SET enable_external_access = false",
    "SET lock_configuration = true",
  ]
}

/** Opens a database in memory that is bounded to so many bytes, beyond which it uses files in the folder, which are bounded, too. */
export const openDatabase = (
  folder: string,
  memoryBytes: number,
  spillBytes = 1024 * 1024 * 1024,
): Effect.Effect<Database, DatabaseError | NoDatabase | NoRoom, Scope.Scope> =>
  Effect.gen(function* () {
    const { DuckDBInstance } = yield* loadDuckDB
    const instance = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: async () => {
          mkdirSync(folder, { recursive: true, mode: 0o700 })
          const opened = await DuckDBInstance.create(":memory:")
          const first = await opened.connect()
          for (const setting of settings(folder, memoryBytes, spillBytes)) await first.run(setting)
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
    const shares = Math.max(1, Math.floor(memoryBytes / STATEMENT_BYTES))
    const memory = yield* Semaphore.make(shares)
    /** Whoever waits for memory first: those after it that need less would overtake it for ever. */
    const first = yield* Semaphore.make(1)
    const run = (opened: DuckDBConnection, text: string, values: Array<DuckDBValue>) =>
      Effect.callback<ReadonlyArray<DatabaseRow>, DatabaseError | NoRoom>((resume) => {
        // With values, even none, it would be planned once before they are known, and again with them.
        const reading = values.length === 0 ? opened.runAndReadAll(text) : opened.runAndReadAll(text, values)
        const running = reading.then(
          (reader) => resume(Effect.succeed(reader.getRowObjectsJS())),
          (cause: unknown) => resume(Effect.fail(databaseError(cause))),
        )
        return Effect.promise(() => {
          opened.interrupt()
          const again = setInterval(() => opened.interrupt(), TOLD_EVERY_MS)
          return running.finally(() => clearInterval(again))
        })
      })
    const runWith = (taken: number, text: string, values: ReadonlyArray<string | number>) =>
      Effect.scoped(
        first
          .withPermits(1)(memory.takeScoped(taken))
          .pipe(
            Effect.andThen(connection),
            Effect.flatMap((opened) => run(opened, text, [...values])),
          ),
      )
    return {
      memoryBytes,
      rows: (text, values = [], { readsLines } = { readsLines: false }) => {
        const taken = readsLines ? threadsOf(memoryBytes) : 1
        return Effect.catchIf(
          runWith(taken, text, values),
          (error) => needsMore(error) && taken < shares,
          () => runWith(shares, text, values),
        )
      },
    }
  })

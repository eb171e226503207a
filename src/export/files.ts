/** Makes the file of a day. */
import { createWriteStream } from "node:fs"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { FILE_MODE } from "../embedded/index.ts"
import { type Database, linesToParquet } from "../query/engine/index.ts"
import { StoreError } from "../stores/errors.ts"
import { COLUMNS, type ExportedRow, lineMaker } from "./columns.ts"
import { ExportError, reasonOf } from "./error.ts"

/** The name of a day's file, by its format. */
export const FILE_NAMES = { parquet: "events.parquet", ndjson: "events.ndjson.gz" } as const
export type Format = keyof typeof FILE_NAMES

export type Events = Stream.Stream<ReadonlyArray<ExportedRow>, StoreError>

/** Makes a file of events in a folder; returns its path. */
export type MakeFile = (events: Events, folder: string) => Effect.Effect<string, StoreError | ExportError>

/** Writes events as lines to a file; returns the bytes of the longest one. */
const writeLines = (path: string, events: Events, format: Format) => {
  const lineOf = lineMaker(format === "ndjson")
  let longest = 0
  const lines = async function* () {
    for await (const rows of Stream.toAsyncIterable(events)) {
      const made = rows.map((row) => Buffer.from(lineOf(row)))
      for (const { length } of made) longest = Math.max(longest, length)
      yield Buffer.concat(made)
    }
  }
  return Effect.tryPromise({
    try: async (signal) => {
      const file = createWriteStream(path, { mode: FILE_MODE })
      await (format === "ndjson"
        ? pipeline(lines, createGzip(), file, { signal })
        : pipeline(lines, file, { signal }))
      return longest
    },
    catch: (cause) =>
      cause instanceof StoreError
        ? cause
        : new ExportError({ message: `A day could not be written: ${reasonOf(cause)}.` }),
  })
}

/** Gzip of a JSON object a line. */
export const makeNdjson: MakeFile = (events, folder) => {
  const path = join(folder, "day.ndjson.gz")
  return Effect.as(writeLines(path, events, "ndjson"), path)
}

/** Parquet, made by a database that may read and write that folder. */
export const makeParquet =
  (database: Database): MakeFile =>
  (events, folder) =>
    Effect.gen(function* () {
      const [lines, path] = [join(folder, "day.lines"), join(folder, "day.parquet")]
      const longest = yield* writeLines(lines, events, "parquet")
      yield* database.rows(linesToParquet({ path: lines, longest }, COLUMNS, path)).pipe(
        Effect.mapError(
          ({ message }) => new ExportError({ message: `A day could not be written as Parquet: ${message}.` }),
        ),
        Effect.ensuring(Effect.promise(() => rm(lines, { force: true }))),
      )
      return path
    })

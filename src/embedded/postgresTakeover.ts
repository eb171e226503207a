/**
 * Data of an older major version of PostgreSQL, which the present one cannot read: both are run, the old one on its data and the
 * present one on an empty folder, and all of the deployment is copied from one to the other. The old data stay as they are until the
 * copy is complete, and afterwards under another name.
 */
import { existsSync, readFileSync, renameSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { EmbeddedStoreError } from "./error.ts"
import { type Binaries, olderBinaries } from "./postgresBinaries.ts"
import { discard, type RunningStore } from "./store.ts"

/** Copies all of a deployment from one server's database to another's, empty one; both are URLs. */
export type CopyDatabase = (from: string, to: string) => Effect.Effect<void, { readonly message: string }>

export interface TakeoverOptions {
  /** Where the data are. */
  readonly directory: string
  readonly binaries: Binaries
  readonly start: (
    binaries: Binaries,
    directory: string,
  ) => Effect.Effect<RunningStore, EmbeddedStoreError, Scope.Scope>
  readonly copyDatabase?: CopyDatabase
}

/** The major version that data are of; `null` where there are none. */
const versionOf = (directory: string): number | null => {
  const file = join(directory, "PG_VERSION")
  return existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) : null
}

/** A name for data that are kept. */
const keptName = (directory: string, major: number): string => {
  let name = `${directory}-${major}`
  for (let n = 2; existsSync(name); n++) name = `${directory}-${major}-${n}`
  return name
}

/** Puts a complete copy in the place of the data that it was made of; also where that was interrupted half-way. */
const putInPlace = (directory: string, complete: string): string | null => {
  if (!existsSync(complete)) return null
  const major = versionOf(directory)
  const kept = major === null ? null : keptName(directory, major)
  if (kept !== null) renameSync(directory, kept)
  renameSync(complete, directory)
  return kept
}

const noteFiles = (directory: string) => [`${directory}.json`, `${directory}.log`, `${directory}.log.1`]

const failure = (message: string) => new EmbeddedStoreError({ store: "PostgreSQL", message })

/** Makes sure that the data, if there are any, are of the version of `binaries`. */
export const takeOver = (options: TakeoverOptions): Effect.Effect<void, EmbeddedStoreError> =>
  Effect.gen(function* () {
    const { directory, binaries, start, copyDatabase } = options
    const [unfinished, complete] = [`${directory}.taking`, `${directory}.taken`]
    putInPlace(directory, complete)
    const major = versionOf(directory)
    if (major === null || major === binaries.major) return
    if (major > binaries.major)
      return yield* failure(
        `The data in "${directory}" are of PostgreSQL ${major}, and this program has PostgreSQL ${binaries.major}: use the version of it that wrote them, or a newer one.`,
      )
    if (copyDatabase === undefined)
      return yield* failure(
        `The data in "${directory}" are of PostgreSQL ${major}: start a node to take them over.`,
      )
    const older = yield* olderBinaries(join(dirname(directory), `postgres-${major}-programs`), major)
    for (const path of [unfinished, ...noteFiles(unfinished)]) discard(path)
    yield* Effect.logInfo(
      `PostgreSQL: the data of version ${major} are being copied into version ${binaries.major}, which takes a while and as much disk again`,
    )
    yield* Effect.gen(function* () {
      const from = yield* start(older, directory)
      const to = yield* start(binaries, unfinished)
      yield* copyDatabase(from.url, to.url)
    }).pipe(
      Effect.scoped,
      Effect.mapError(({ message }) =>
        failure(
          `The data of PostgreSQL ${major} in "${directory}" could not be copied into version ${binaries.major}, and are as they were: ${message}`,
        ),
      ),
    )
    renameSync(unfinished, complete)
    const kept = putInPlace(directory, complete)
    for (const path of noteFiles(unfinished)) discard(path)
    yield* Effect.logInfo(
      `PostgreSQL: the data are of version ${binaries.major} now. Those of version ${major} are kept in "${kept}"; remove that folder, and "postgres-${major}-programs" beside it, when you are content`,
    )
  })

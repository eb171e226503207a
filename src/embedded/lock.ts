/** Only one process at a time works in a data directory. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeToOthers, FILE_MODE, makeFolder } from "./folder.ts"
import { isAlive, startTimeOf } from "./process.ts"

/** Another live process holds the data directory, or the directory cannot be written. */
export class DataDirInUse extends Data.TaggedError("DataDirInUse")<{ readonly message: string }> {}

interface Holder {
  readonly pid: number
  readonly startedAt: string | undefined
}

/**
 * Locks `dataDir` (created if missing) until the scope closes, and closes it to other users. Fails when another live process
 * holds it; the lock of a process that is gone is taken over. This works only among processes that see each other's ids: do
 * not share a directory between containers.
 */
export const lockDataDir = (dataDir: string): Effect.Effect<void, DataDirInUse, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => take(dataDir),
      catch: (cause) =>
        cause instanceof DataDirInUse
          ? cause
          : new DataDirInUse({
              message: `DATA_DIR "${dataDir}" cannot be used: ${(cause as Error).message}`,
            }),
    }),
    (path) => Effect.sync(() => rmSync(path, { force: true })),
  ).pipe(Effect.andThen(Effect.suspend(() => tellOpen(dataDir, closeToOthers(dataDir)))))

/** Others' files cannot be closed; and on a disk that somebody else hands out (Kubernetes' fsGroup), the folder is theirs. */
const tellOpen = (dataDir: string, [first, ...more]: ReadonlyArray<string>): Effect.Effect<void> =>
  first === undefined
    ? Effect.void
    : Effect.logWarning(
        `DATA_DIR "${dataDir}" may be readable by other users: "${first}"${more.length > 0 ? ` and ${more.length} more` : ""} ` +
          `cannot be closed to them (chmod go-rwx), probably because another user owns it.`,
      )

const take = (dataDir: string): string => {
  makeFolder(dataDir)
  const path = join(dataDir, "lock")
  const mine = `${path}.${process.pid}`
  writeFileSync(
    mine,
    JSON.stringify({ pid: process.pid, startedAt: startTimeOf(process.pid) } satisfies Holder),
    { mode: FILE_MODE },
  )
  try {
    while (!linkIfFree(mine, path)) removeStale(dataDir, path)
  } finally {
    rmSync(mine, { force: true })
  }
  return path
}

/** A link is created atomically, and never replaces an existing file. */
const linkIfFree = (source: string, target: string): boolean => {
  try {
    linkSync(source, target)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  }
}

const removeStale = (dataDir: string, path: string): void => {
  const seen = readIfThere(path)
  if (seen === undefined) return
  const holder = parseHolder(seen)
  if (holder !== undefined && isAlive(holder.pid) && startTimeOf(holder.pid) === holder.startedAt)
    throw new DataDirInUse({
      message: `DATA_DIR "${dataDir}" is in use by process ${holder.pid}; stop that one first, or give this one another DATA_DIR.`,
    })
  // Another process may have taken over in between: then the file moved aside is not the one examined, and is put back.
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (readIfThere(aside) !== seen) linkIfFree(aside, path)
  rmSync(aside, { force: true })
}

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

const parseHolder = (text: string): Holder | undefined => {
  try {
    return JSON.parse(text) as Holder
  } catch {
    return undefined
  }
}

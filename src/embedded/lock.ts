/** Only one process at a time works in a data directory. */
import { linkSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isMissing } from "../config/missingFile.ts"
import { closeToOthers, FILE_MODE, identityOf, makeFolder } from "./folder.ts"
import { isAlive, startTimeOf } from "./process.ts"

/** Another live process holds the data directory, or the directory cannot be written. */
export class DataDirInUse extends Data.TaggedError("DataDirInUse")<{ readonly message: string }> {}

interface Holder {
  readonly pid: number
  readonly startedAt: string | undefined
  /** Which folder it locked, which a copy of this file says as well. Locks of earlier versions do not tell. */
  readonly folder: string | undefined
  readonly path: string | undefined
}

/**
 * Locks `dataDir` (created if missing) until the scope closes, and closes it to other users. Fails when another live process
 * holds it; the lock of a process that is gone is taken over, and so is the lock in a copy of a folder in use. This works only
 * among processes that see each other's ids: do not share a directory between containers.
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
    ({ path }) => Effect.sync(() => rmSync(path, { force: true })),
  ).pipe(
    Effect.tap(({ original }) => (original === undefined ? Effect.void : tellCopy(dataDir, original))),
    Effect.andThen(Effect.suspend(() => tellOpen(dataDir, closeToOthers(dataDir)))),
  )

const tellCopy = (dataDir: string, { pid, path }: Holder): Effect.Effect<void> =>
  Effect.logWarning(
    `DATA_DIR "${dataDir}" is a copy of "${path}", made while that was in use by process ${pid}. From here on it is a ` +
      "deployment of its own, and the original with its stores is left alone. What was copied from running stores may be " +
      'incomplete: see "Backup and restore" in docs/operations.md.',
  )

/** Others' files cannot be closed; and on a disk that somebody else hands out (Kubernetes' fsGroup), the folder is theirs. */
const tellOpen = (dataDir: string, [first, ...more]: ReadonlyArray<string>): Effect.Effect<void> =>
  first === undefined
    ? Effect.void
    : Effect.logWarning(
        `DATA_DIR "${dataDir}" may be readable by other users: "${first}"${more.length > 0 ? ` and ${more.length} more` : ""} ` +
          `cannot be closed to them (chmod go-rwx), probably because another user owns it.`,
      )

interface Taken {
  /** The lock. */
  readonly path: string
  /** Who held the folder that this one is a copy of. */
  readonly original: Holder | undefined
}

const take = (dataDir: string): Taken => {
  makeFolder(dataDir)
  const path = join(dataDir, "lock")
  const mine = `${path}.${process.pid}`
  const holder: Holder = {
    pid: process.pid,
    startedAt: startTimeOf(process.pid),
    folder: identityOf(dataDir),
    path: realpathSync(dataDir),
  }
  // One of an earlier process with this id may be the lock itself, under its first name.
  rmSync(mine, { force: true })
  writeFileSync(mine, JSON.stringify(holder), { mode: FILE_MODE })
  let original: Holder | undefined
  try {
    while (!linkIfFree(mine, path)) original = removeStale(dataDir, path, holder) ?? original
  } finally {
    rmSync(mine, { force: true })
  }
  return { path, original }
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

/** Removes the lock unless its holder lives. Returns the holder of the folder that this one is a copy of. */
const removeStale = (dataDir: string, path: string, mine: Holder): Holder | undefined => {
  const seen = readIfThere(path)
  if (seen === undefined) return
  const holder = parseHolder(seen)
  const original = holder !== undefined && isCopyOf(mine, holder) ? holder : undefined
  if (holder !== undefined && original === undefined && lives(holder))
    throw new DataDirInUse({
      message: `DATA_DIR "${dataDir}" is in use by process ${holder.pid}; stop that one first, or give this one another DATA_DIR.`,
    })
  // Another process may have taken over in between: then the file moved aside is not the one examined, and is put back.
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (isMissing(error)) return
    throw error
  }
  if (readIfThere(aside) !== seen) linkIfFree(aside, path)
  rmSync(aside, { force: true })
  return original
}

const lives = ({ pid, startedAt }: Holder): boolean => isAlive(pid) && startTimeOf(pid) === startedAt

/** A folder that was renamed is still the same folder, and one that was put back in its place has its name. */
const isCopyOf = (mine: Holder, theirs: Holder): boolean =>
  theirs.folder !== undefined && theirs.folder !== mine.folder && theirs.path !== mine.path

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

const parseHolder = (text: string): Holder | undefined => {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== "object" || parsed === null) return undefined
    const { pid, startedAt, folder, path }: { readonly [name: string]: unknown } = { ...parsed }
    return typeof pid === "number" && Number.isSafeInteger(pid)
      ? { pid, startedAt: textOf(startedAt), folder: textOf(folder), path: textOf(path) }
      : undefined
  } catch {
    return undefined
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

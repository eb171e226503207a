/**
 * Which folder a folder is, and who may enter it: a data folder and everything in it are for its owner's eyes only (raw events,
 * passwords, the day's key).
 */
import {
  closeSync,
  constants,
  type Dirent,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  statSync,
} from "node:fs"
import { join } from "node:path"
import { isMissing } from "../config/missingFile.ts"

const FOLDER_MODE = 0o700
export const FILE_MODE = 0o600

/** What a child may not give to anybody but its owner when it creates a file. */
export const CHILD_UMASK = 0o077

const OTHERS = 0o077
const PERMISSIONS = 0o7777

/**
 * The names that this program gives to what it puts into a data folder. Another name is not touched: the folder may be one
 * that others use as well.
 */
const OURS =
  /^(?:lock(?:\.stale)?(?:\.\d+)?|redis(?:\.(?:json|log|log\.1|password))?|postgres(?:-\d+(?:-\d+|-programs)?|(?:\.tak(?:ing|en))?(?:\.(?:json|log|log\.1|password|new|initdb))?)?|stores\.json|write-key|replay-key)$/

/** What an embedded store that has been started has made. PostgreSQL's is there when the rest is. */
const MADE_BY = { redis: ["redis"], postgres: ["postgres", "PG_VERSION"] } as const

/**
 * Whether an embedded store has been started in a data folder. Creates nothing; throws when this user may not look into it.
 */
export const hasStore = (dataDir: string, store: keyof typeof MADE_BY): boolean => {
  try {
    statSync(join(dataDir, ...MADE_BY[store]))
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** What tells a file or folder from any copy of it, whatever it is called; undefined when there is none. */
export const identityOf = (path: string): string | undefined => {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** Creates a folder, and those above it that are missing, for its owner only. One that exists stays as it is. */
export const makeFolder = (path: string): void => {
  mkdirSync(path, { recursive: true, mode: FOLDER_MODE })
}

/** Runs something that starts a process, so that the process creates no file that others can read. */
export const withChildUmask = <A>(start: () => A): A => {
  const own = process.umask(CHILD_UMASK)
  try {
    return start()
  } finally {
    process.umask(own)
  }
}

/**
 * Takes all access to what this program has put into `dataDir` from everybody but its owner, and to the folder itself unless
 * something else is in it. Returns the paths for which that was not possible, because they belong to another user.
 */
export const closeToOthers = (dataDir: string): ReadonlyArray<string> => {
  // Windows has no such modes.
  if (process.platform === "win32") return []
  const folder = realpathSync(dataDir)
  const names = entriesOf(folder).map(({ name }) => name)
  const ours = names.filter((name) => OURS.test(name))
  const open = ours.length === names.length && !closeOne(folder) ? [folder] : []
  // A store's folder may be a link to another disk.
  for (const name of ours) open.push(...openFrom(realpathIfThere(join(folder, name))))
  return open
}

/** The paths from this one downwards that could not be closed. A folder is closed before what is in it. */
const openFrom = (path: string | undefined): ReadonlyArray<string> => {
  if (path === undefined) return []
  const open = closeOne(path) ? [] : [path]
  for (const entry of entriesOf(path)) {
    const below = join(path, entry.name)
    if (entry.isDirectory()) open.push(...openFrom(below))
    else if (entry.isFile() && !closeOne(below)) open.push(below)
  }
  return open
}

const realpathIfThere = (path: string): string | undefined => {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

const entriesOf = (path: string): ReadonlyArray<Dirent> => {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch {
    // A file; or a folder that a store has just removed, or that is closed even to us.
    return []
  }
}

/** Closes a file or folder, if it is not closed already. Returns whether it is closed then. */
const closeOne = (path: string): boolean => {
  try {
    if ((lstatSync(path).mode & OTHERS) === 0) return true
    // Without following a link that somebody puts there in between.
    const opened = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      fchmodSync(opened, fstatSync(opened).mode & PERMISSIONS & ~OTHERS)
    } finally {
      closeSync(opened)
    }
    return true
  } catch (error) {
    return isMissing(error)
  }
}

/**
 * Files of days that had ended, kept while there is no engine: an engine takes over what the one before has made. The name of each tells
 * the version of its day, and a digest of what is in it: one that is not as it was made, for whatever reason, is never read.
 */
import { createHash } from "node:crypto"
import { closeSync, openSync, readdirSync, readSync, rmSync } from "node:fs"
import { readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import type { Day } from "../../domain/period.ts"
import type { SiteDay } from "./siteDay.ts"

/** Such a file. */
export interface KeptFile {
  readonly siteId: number
  readonly day: Day
  readonly version: string
  readonly digest: string
  readonly path: string
}

const NAME = /^(\d+)-(\d{4}-\d{2}-\d{2})-ended-([0-9a-f]{24})-([0-9a-f]{24})\.parquet$/

/** Read at a time, bytes. */
const BLOCK = 1024 * 1024

const digestOf = (path: string): string => {
  const hash = createHash("sha256")
  const block = Buffer.allocUnsafe(BLOCK)
  const file = openSync(path, "r")
  try {
    for (let read = readSync(file, block); read > 0; read = readSync(file, block))
      hash.update(block.subarray(0, read))
  } finally {
    closeSync(file)
  }
  return hash.digest("hex").slice(0, 24)
}

/** The name by which a file of a day that has just been made can be kept. */
export const keptName = ({ siteId, day, version }: SiteDay, path: string): string =>
  `${siteId}-${day}-ended-${version}-${digestOf(path)}.parquet`

/** Whether a file is as it was made: an end of the machine may have lost a part of it. */
export const isAsMade = ({ path, digest }: KeptFile): boolean => {
  try {
    return digestOf(path) === digest
  } catch {
    // It has gone, or cannot be read.
    return false
  }
}

const keptFile = (folder: string, name: string): KeptFile | null => {
  const [, siteId, day, version, digest] = NAME.exec(name) ?? []
  if (siteId === undefined || day === undefined || version === undefined || digest === undefined) return null
  return { siteId: Number(siteId), day, version, digest, path: join(folder, name) }
}

const remove = { recursive: true, force: true }

/** Removes what is in an engine's folder but the files that can be kept, and returns those, later days at the end. */
export const keepFiles = (folder: string): ReadonlyArray<KeptFile> => {
  const kept: Array<KeptFile> = []
  for (const name of readdirSync(folder)) {
    const file = keptFile(folder, name)
    if (file === null) rmSync(join(folder, name), remove)
    else kept.push(file)
  }
  return kept.sort((a, b) => (a.day < b.day ? -1 : 1))
}

/** Whether there is anything in a folder. */
export const hasFiles = async (folder: string): Promise<boolean> =>
  (await readdir(folder).catch(() => [])).length > 0

/**
 * Removes whatever is in a folder but files of days as they are now, and of those the earliest, where they take more of the disk than
 * they may. An engine that starts meanwhile takes the folder away with all that is in it.
 */
export const removeOutdated = async (
  folder: string,
  days: ReadonlyArray<SiteDay>,
  maxBytes: number,
): Promise<void> => {
  const versions = new Map(days.map(({ siteId, day, version }) => [`${siteId} ${day}`, version]))
  const current: Array<KeptFile> = []
  for (const name of await readdir(folder).catch(() => [])) {
    const file = keptFile(folder, name)
    if (file !== null && versions.get(`${file.siteId} ${file.day}`) === file.version) current.push(file)
    else await rm(join(folder, name), remove)
  }
  let bytes = 0
  for (const { path } of current.sort((a, b) => (a.day > b.day ? -1 : 1))) {
    bytes += (await stat(path).catch(() => null))?.size ?? 0
    if (bytes > maxBytes) await rm(path, remove)
  }
}

/**
 * Files of days that had ended and of their tallies, kept while there is no engine: an engine takes over what the one before has made. The
 * name of each tells the version of its days, and a digest of what is in it: one that is not as it was made, for whatever reason, is
 * never read.
 */
import { createHash } from "node:crypto"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { Day } from "../../domain/period.ts"
import { DIMENSION_NAMES } from "./columns.ts"
import { digestOf, HEX, shortHash } from "./digest.ts"
import { filesOfParts, type KeptParts, keptPartsIn } from "./keptParts.ts"
import type { SiteDay } from "./siteDay.ts"
import type { TallyDimension } from "./tallies.ts"

interface Kept {
  readonly siteId: number
  readonly version: string
  readonly digest: string
  readonly path: string
}

/** The events of a day. */
export interface KeptDay extends Kept {
  readonly of: "day"
  readonly day: Day
}

/** What tallies are of: days from one on until before another, which look back on earlier ones since a third. */
export interface TalliedDays {
  readonly siteId: number
  readonly dimension: TallyDimension
  readonly since: Day
  readonly first: Day
  readonly end: Day
  /** Of all of them, as {@link versionOf} tells. */
  readonly version: string
}

/** Tallies of days. */
export interface KeptTallies extends Kept, TalliedDays {
  readonly of: "tallies"
}

/** What is kept: a file, or the parts of a day that goes on. */
export type KeptFile = KeptDay | KeptTallies | KeptParts

const DAY = "(\\d{4}-\\d{2}-\\d{2})"
const DAY_NAME = new RegExp(`^(\\d+)-${DAY}-ended-${HEX}-${HEX}-\\w+\\.parquet$`)
const TALLIES_NAME = new RegExp(`^(\\d+)-(\\w+)-tallies-${DAY}-${DAY}-${DAY}-${HEX}-${HEX}-\\w+\\.parquet$`)

/** What a dimension is called in a name that has none. */
const NONE = "all"

/** The version of some days together. */
export const versionOf = (days: ReadonlyArray<Pick<SiteDay, "day" | "version">>): string =>
  shortHash(createHash("sha256").update(days.map(({ day, version }) => `${day} ${version}`).join()))

/** The name by which a file of a day that has just been made can be kept, unless another one has it. */
export const keptDayName = ({ siteId, day, version }: SiteDay, path: string): string =>
  `${siteId}-${day}-ended-${version}-${digestOf(path)}`

/** The name by which a file of tallies that has just been made can be kept, unless another one has it. */
export const keptTalliesName = (of: TalliedDays, path: string): string =>
  `${of.siteId}-${of.dimension ?? NONE}-tallies-${of.since}-${of.first}-${of.end}-${of.version}-${digestOf(path)}`

/** Whether a file is as it was made: an end of the machine may have lost a part of it. */
export const isAsMade = ({ path, digest }: Kept): boolean => {
  try {
    return digestOf(path) === digest
  } catch {
    // It has gone, or cannot be read.
    return false
  }
}

const keptDay = (folder: string, name: string): KeptDay | null => {
  const [, siteId, day, version, digest] = DAY_NAME.exec(name) ?? []
  if (siteId === undefined || day === undefined || version === undefined || digest === undefined) return null
  return { of: "day", siteId: Number(siteId), day, version, digest, path: join(folder, name) }
}

const keptTallies = (folder: string, name: string): KeptTallies | null => {
  const [, siteId, told, since, first, end, version, digest] = TALLIES_NAME.exec(name) ?? []
  const dimension = told === NONE ? null : DIMENSION_NAMES.find((each) => each === told)
  if (siteId === undefined || dimension === undefined || since === undefined || first === undefined)
    return null
  if (end === undefined || version === undefined || digest === undefined) return null
  const of = { siteId: Number(siteId), dimension, since, first, end, version }
  return { of: "tallies", ...of, digest, path: join(folder, name) }
}

/** What is kept in a folder of these names, and all else that is in it. */
const keptIn = (
  folder: string,
  names: ReadonlyArray<string>,
): { readonly kept: ReadonlyArray<KeptFile>; readonly others: ReadonlyArray<string> } => {
  const files = names.flatMap((name) => keptDay(folder, name) ?? keptTallies(folder, name) ?? [])
  const kept = [...files, ...keptPartsIn(folder, names)]
  const paths = new Set(kept.flatMap(pathsOf))
  return { kept, others: names.map((name) => join(folder, name)).filter((path) => !paths.has(path)) }
}

/** The files of what is kept. */
const pathsOf = (file: KeptFile): ReadonlyArray<string> =>
  file.of === "parts" ? [file.path, ...filesOfParts(file)] : [file.path]

const lastDay = (file: KeptFile): Day => (file.of === "tallies" ? file.end : file.day)

/** The names in a folder; none where it was never made, or has been removed. */
export const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** The same; rejects where they cannot be told, so that what has to go is not taken for gone. */
export const listed = (folder: string): Promise<ReadonlyArray<string>> =>
  readdir(folder).catch((cause: unknown) => {
    if (existsSync(folder)) throw cause
    return []
  })

const remove = { recursive: true, force: true }

/** Removes what is in an engine's folder but what can be kept, and returns that, later days at the end. */
export const keepFiles = (folder: string): ReadonlyArray<KeptFile> => {
  const { kept, others } = keptIn(folder, namesIn(folder))
  for (const path of others) rmSync(path, remove)
  return [...kept].sort((a, b) => (lastDay(a) < lastDay(b) ? -1 : 1))
}

/** Files that could not be removed, or looked for. */
export class DiskError extends TaggedError("DiskError")<{ readonly message: string }> {}

/** Does something with files. */
export const onDisk = <A>(act: () => Promise<A>): Effect.Effect<A, DiskError> =>
  Effect.tryPromise({
    try: act,
    catch: (cause) => new DiskError({ message: cause instanceof Error ? cause.message : String(cause) }),
  })

/** Whether there is anything in a folder. */
export const hasFiles = (folder: string): Effect.Effect<boolean, DiskError> =>
  onDisk(async () => (await listed(folder)).length > 0)

/** Tells whether a file is of days as they are now. */
const isOf = (days: ReadonlyArray<SiteDay>): ((file: KeptFile) => boolean) => {
  const bySite = new Map(
    [...Map.groupBy(days, ({ siteId }) => siteId)].map(([siteId, of]) => [
      siteId,
      new Map(of.map((day) => [day.day, day])),
    ]),
  )
  return (file) => {
    const ofSite = bySite.get(file.siteId)
    if (ofSite === undefined) return false
    // Those of its parts that have gone have been removed.
    if (file.of === "parts") return ofSite.has(file.day)
    if (file.of === "day") return ofSite.get(file.day)?.version === file.version
    return file.version === versionOf(lookedAt(file, [...ofSite.values()]))
  }
}

/** Those of a site's days that tallies are of or look back on, in order. */
export const lookedAt = (
  { since, end }: Pick<TalliedDays, "since" | "end">,
  days: ReadonlyArray<SiteDay>,
): ReadonlyArray<SiteDay> =>
  days.filter(({ day }) => day >= since && day < end).sort((a, b) => (a.day < b.day ? -1 : 1))

/**
 * Removes whatever is in a folder but files of days as they are now, and of those the earliest, where they take more of the disk than
 * they may. An engine that starts meanwhile takes the folder away with all that is in it.
 */
export const removeOutdated = (
  folder: string,
  days: ReadonlyArray<SiteDay>,
  maxBytes: number,
): Effect.Effect<void, DiskError> => onDisk(() => remain(folder, days, maxBytes))

const remain = async (folder: string, days: ReadonlyArray<SiteDay>, maxBytes: number): Promise<void> => {
  const isCurrent = isOf(days)
  const { kept, others } = keptIn(folder, await listed(folder))
  const outdated = kept.filter((file) => !isCurrent(file))
  for (const path of [...others, ...outdated.flatMap(pathsOf)]) await rm(path, remove)
  let bytes = 0
  for (const file of kept.filter(isCurrent).sort((a, b) => (lastDay(a) > lastDay(b) ? -1 : 1))) {
    for (const path of pathsOf(file)) bytes += (await stat(path).catch(() => null))?.size ?? 0
    if (bytes > maxBytes) for (const path of pathsOf(file)) await rm(path, remove)
  }
}

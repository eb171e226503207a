/**
 * The parts of a day that goes on, kept while there is no engine: a list beside their files tells the next one which chunks are in them,
 * so that it reads those only that have come since. Nothing stays of a part that has chunks which have gone meanwhile, with an erased
 * visitor's events, say: while there is no engine, nobody could take them out.
 */
import { createHash } from "node:crypto"
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import type { Day } from "../../domain/period.ts"
import type { PartFiles } from "./dayParts.ts"
import { digestOf, HEX, shortHash } from "./digest.ts"
import { FORMAT } from "./siteDays.ts"

/**
 * Chunks by their keys: the number that their events have in the files, and their size: how many events they have, or more where those
 * are large.
 */
export type Chunks = ReadonlyMap<string, { readonly number: number; readonly size: number }>

/** A part's files, and what is in them. */
export interface ListedPart extends PartFiles {
  readonly chunks: Chunks
  /** The number of its first visit, from the day's. */
  readonly firstVisit: number
}

/** What an engine knows of a day that goes on. */
export interface ListedParts {
  readonly siteId: number
  readonly day: Day
  /** That all parts together are of; `""` where they are of none. */
  readonly version: string
  /** When its version was last seen to be another, unix milliseconds. */
  readonly changedAt: number
  /** The number that the next chunk has. */
  readonly nextChunk: number
  readonly parts: ReadonlyArray<ListedPart>
  /** The file of the day's visits. */
  readonly visits: string | null
}

/** The same, as another engine has left it. */
export interface KeptParts extends ListedParts {
  readonly of: "parts"
  /** The list's. */
  readonly path: string
}

const DAY = "\\d{4}-\\d{2}-\\d{2}"
const LIST_NAME = new RegExp(`^(\\d+)-(${DAY})-parts-${HEX}\\.list$`)
const FILE_NAME = new RegExp(`^\\d+-${DAY}-part-${HEX}-\\w+\\.parquet$`)

/** In place of the name of a file that there is not. */
const NONE = "-"

/** The name by which a file of a part, or of the day's visits, can be kept. */
export const keptPartName = ({ siteId, day }: Pick<ListedParts, "siteId" | "day">, path: string): string =>
  `${siteId}-${day}-part-${digestOf(path)}`

/** The files that are listed. */
export const filesOfParts = ({
  parts,
  visits,
}: Pick<ListedParts, "parts" | "visits">): ReadonlyArray<string> => [
  ...parts.flatMap((part) => [part.events, part.visits]),
  ...(visits === null ? [] : [visits]),
]

/** Keeps parts whose files have names by which they can be: writes the list. */
export const keepParts = (folder: string, listed: ListedParts): void => {
  const { siteId, day, version, changedAt, nextChunk, parts, visits } = listed
  const text = [
    FORMAT,
    [version === "" ? NONE : version, changedAt, nextChunk, visits === null ? NONE : basename(visits)],
    ...parts.map((part) => [
      ...[basename(part.events), basename(part.visits), part.firstVisit],
      ...[...part.chunks].map(([key, { number, size }]) => `${key}/${number}/${size}`),
    ]),
  ]
    .map((line) => (typeof line === "string" ? line : line.join(" ")))
    .join("\n")
  const path = join(folder, `${siteId}-${day}-parts-${shortHash(createHash("sha256").update(text))}.list`)
  const draft = `${path}.draft`
  writeFileSync(draft, text, { mode: 0o600 })
  renameSync(draft, path)
}

const partIn = (folder: string, line: string): ListedPart => {
  const [events = "", visits = "", firstVisit, ...chunks] = line.split(" ")
  const chunkOf = (told: string) => {
    const [key = "", number, size] = told.split("/")
    return [key, { number: Number(number), size: Number(size) }] as const
  }
  return {
    ...{ events: join(folder, events), visits: join(folder, visits), firstVisit: Number(firstVisit) },
    chunks: new Map(chunks.map(chunkOf)),
  }
}

/** A file with this digest; `null` where it has another, has gone, or cannot be read. */
const readIfAsMade = (path: string, digest: string | undefined): string | null => {
  try {
    const text = readFileSync(path, "utf8")
    return shortHash(createHash("sha256").update(text)) === digest ? text : null
  } catch {
    return null
  }
}

/** What a list tells; `null` where there is none, or it is not as it was written. */
const listIn = (folder: string, name: string): KeptParts | null => {
  const [, siteId, day, digest] = LIST_NAME.exec(name) ?? []
  if (siteId === undefined || day === undefined) return null
  const path = join(folder, name)
  const text = readIfAsMade(path, digest)
  if (text === null) return null
  const [format, about = "", ...lines] = text.split("\n")
  if (format !== FORMAT) return null
  const [version = "", changedAt, nextChunk, visits = NONE] = about.split(" ")
  return {
    ...{ of: "parts", path, siteId: Number(siteId), day, version: version === NONE ? "" : version },
    ...{ changedAt: Number(changedAt), nextChunk: Number(nextChunk) },
    parts: lines.map((line) => partIn(folder, line)),
    visits: visits === NONE ? null : join(folder, visits),
  }
}

/** The parts that are kept in a folder of these names, as far as their files are there. */
export const keptPartsIn = (folder: string, names: ReadonlyArray<string>): ReadonlyArray<KeptParts> => {
  const paths = new Set(names.map((name) => join(folder, name)))
  const found = new Map<string, KeptParts>()
  for (const name of names) {
    const kept = listIn(folder, name)
    if (kept !== null && filesOfParts(kept).every((path) => paths.has(path)))
      found.set(`${kept.siteId} ${kept.day}`, kept)
  }
  return [...found.values()]
}

/** Whether the files of parts are as they were made: an end of the machine may have lost some of them. */
export const arePartsAsMade = (kept: KeptParts): boolean =>
  filesOfParts(kept).every((path) => FILE_NAME.exec(basename(path))?.[1] === digestOf(path))

/** Removes a list, and the files that it names. */
export const removeParts = (kept: KeptParts): void => {
  for (const path of [kept.path, ...filesOfParts(kept)]) rmSync(path, { force: true })
}

/** Removes the parts that have chunks which have gone: `gone` are those of their chunks that are not there any more. */
export const keepPartsWithout = (folder: string, kept: KeptParts, gone: ReadonlySet<string>): void => {
  if (gone.size === 0) return
  const isDamaged = ({ chunks }: ListedPart) => [...gone].some((key) => chunks.has(key))
  const parts = kept.parts.filter((part) => !isDamaged(part))
  // Visits of the day are of all parts.
  if (parts.length > 0 && existsSync(kept.path))
    keepParts(folder, { ...kept, parts, version: "", visits: null })
  removeParts({ ...kept, parts: kept.parts.filter(isDamaged) })
}

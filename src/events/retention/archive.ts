/**
 * Expired events as files: `<folder>/<YYYY-MM-DD>.ndjson.gz`, one a UTC day, a gzip member appended for each batch. They are
 * raw events, so only their owner can read them.
 */
import { createReadStream, createWriteStream } from "node:fs"
import { chmod, mkdir, open, readdir, rename, rm, stat, truncate } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { pipeline } from "node:stream/promises"
import { promisify } from "node:util"
import { createGunzip, createGzip, gzip } from "node:zlib"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import { type SiteEventRow, toSiteEvent } from "../read/index.ts"

/** Events could not be archived, and so were not deleted; another try may succeed. */
export class ArchiveFailed extends TaggedError("ArchiveFailed")<{ readonly message: string }> {}

const compress = promisify(gzip)

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const FILE_NAME = /^\d{4}-\d\d-\d\d\.ndjson\.gz$/

const toLine = (row: SiteEventRow): string => `${JSON.stringify(toSiteEvent(row))}\n`

const onDisk = <A>(run: () => Promise<A>): Effect.Effect<A, ArchiveFailed> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new ArchiveFailed({
        message: `Events were not archived, and so not deleted: ${cause instanceof Error ? cause.message : String(cause)}`,
      }),
  })

/**
 * Takes access to the archives in a folder, as earlier versions wrote them, from everybody but their owner. A folder that
 * exists keeps its own mode: who may enter it is up to whoever made it. What cannot be changed is logged.
 */
export const closeArchives = (folder: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const names = yield* Effect.promise(() => readdir(folder).catch((): ReadonlyArray<string> => []))
    for (const name of names.filter((each) => FILE_NAME.test(each)))
      yield* Effect.tryPromise({
        try: async () => {
          const path = join(folder, name)
          if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, FILE_MODE)
        },
        catch: (cause) => (cause instanceof Error ? cause.message : String(cause)),
      }).pipe(
        Effect.catch((reason) =>
          Effect.logWarning("an archive may be readable by other users").pipe(
            Effect.annotateLogs({ reason }),
          ),
        ),
      )
  })

/**
 * Appends events to files that any gzip tool reads: members that follow each other are one text (RFC 1952, 2.2). An event
 * is in its file, on disk, before its deletion is committed; a crash in between makes it come again, so an archive holds
 * every deleted event at least once, and readers may drop lines whose `site` and `id` they have seen.
 */
export class Archive {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  #path(day: string): string {
    return join(this.#folder, `${day}.ndjson.gz`)
  }

  /** Appends a batch of a UTC day (`2025-12-08`) and waits for the disk; fails with the file as it was. */
  append(day: string, rows: ReadonlyArray<SiteEventRow>): Effect.Effect<void, ArchiveFailed> {
    return rows.length === 0 ? Effect.void : onDisk(() => this.#append(day, rows))
  }

  async #append(day: string, rows: ReadonlyArray<SiteEventRow>): Promise<void> {
    const before = await this.#size(day)
    try {
      const member = await compress(rows.map(toLine).join(""))
      await mkdir(this.#folder, { recursive: true, mode: FOLDER_MODE })
      const file = await open(this.#path(day), "a", FILE_MODE)
      try {
        await file.writeFile(member)
        await file.sync()
      } finally {
        await file.close()
      }
      if (before === 0) await this.#syncFolder()
    } catch (cause) {
      await this.#cutTo(day, before).catch(() => {})
      throw cause
    }
  }

  /** Bytes of a day's file; 0 when there is none. */
  size(day: string): Effect.Effect<number> {
    return Effect.promise(() => this.#size(day))
  }

  async #size(day: string): Promise<number> {
    try {
      return (await stat(this.#path(day))).size
    } catch {
      return 0
    }
  }

  /** Takes back what was appended since the file had this size. */
  cutTo(day: string, size: number): Effect.Effect<void, ArchiveFailed> {
    return onDisk(() => this.#cutTo(day, size))
  }

  async #cutTo(day: string, size: number): Promise<void> {
    if ((await this.#size(day)) > size) await truncate(this.#path(day), size)
  }

  /** A new file's name is on disk only after this. Windows has no such call, and needs none. */
  async #syncFolder(): Promise<void> {
    if (process.platform === "win32") return
    const folder = await open(this.#folder, "r")
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}

/** What an archive's line says of an event, as far as it matters for forgetting it. */
export interface ArchivedEvent {
  readonly visitorId: string
  /** Its slug. */
  readonly site: string
  /** Unix milliseconds. */
  readonly createdAt: number
}

/** The event of a line; throws for a line that is none. */
const eventOf = (line: string): ArchivedEvent => {
  const read: unknown = JSON.parse(line)
  if (typeof read === "object" && read !== null && "visitor_id" in read && "created_at" in read) {
    const site = "site" in read ? String(read.site) : ""
    return { visitorId: String(read.visitor_id), site, createdAt: Date.parse(String(read.created_at)) }
  }
  throw new Error("a line is no event")
}

/** Writes the lines that stay to another file, which then takes the archive's place. Returns how many do not stay. */
const rewrite = async (path: string, isForgotten: (event: ArchivedEvent) => boolean): Promise<number> => {
  const unfinished = `${path}.unfinished`
  let gone = 0
  const staying = async function* (lines: AsyncIterable<string>) {
    for await (const line of lines) {
      if (line !== "" && isForgotten(eventOf(line))) gone++
      else if (line !== "") yield `${line}\n`
    }
  }
  try {
    const lines = createInterface({
      input: createReadStream(path).pipe(createGunzip()),
      crlfDelay: Number.POSITIVE_INFINITY,
    })
    await pipeline(
      lines,
      staying,
      createGzip(),
      createWriteStream(unfinished, { mode: FILE_MODE, flush: true }),
    )
    if (gone > 0) await rename(unfinished, path)
    return gone
  } finally {
    await rm(unfinished, { force: true })
  }
}

/**
 * Takes events out of every archive in a folder; one that has none of them stays as it is. Nothing may be archived meanwhile. Returns
 * how many went.
 */
export const forgetInArchives = (
  folder: string,
  isForgotten: (event: ArchivedEvent) => boolean,
): Effect.Effect<number, ArchiveFailed> =>
  Effect.tryPromise({
    try: async () => {
      let gone = 0
      for (const name of (await readdir(folder)).filter((each) => FILE_NAME.test(each)).sort())
        gone += await rewrite(join(folder, name), isForgotten)
      return gone
    },
    catch: (cause) =>
      new ArchiveFailed({
        message: `Archives in ${folder} were not all rewritten: ${cause instanceof Error ? cause.message : String(cause)}`,
      }),
  })

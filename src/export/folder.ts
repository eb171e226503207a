/** A folder that days are exported to: each file is there as a whole or not at all, whenever the export ends. */
import { readdirSync, rmSync } from "node:fs"
import { chmod, mkdir, open, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { FILE_MODE, isAlive, makeFolder } from "../embedded/index.ts"
import { ExportError, reasonOf } from "./error.ts"

/** Begins, before a process id, the name of a folder with what is not finished; programs that read tables skip an underscore. */
const UNFINISHED = "_unfinished."

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : null)

const isMissing = (cause: unknown): boolean => ["ENOENT", "ENOTDIR"].some((code) => codeOf(cause) === code)

/** What stands for a file that is not there; another failure is thrown on. */
const nullIfMissing = (cause: unknown): null => {
  if (isMissing(cause)) return null
  throw cause
}

/** Waits until a file, or a folder's entries, are on disk. */
const sync = async (path: string): Promise<void> => {
  const handle = await open(path, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export class ExportFolder {
  readonly path: string
  /** For files that are being made. */
  readonly work: string

  constructor(path: string, work: string) {
    this.path = path
    this.work = work
  }

  #onDisk<A>(run: () => Promise<A>): Effect.Effect<A, ExportError> {
    return Effect.tryPromise({
      try: run,
      catch: (cause) => new ExportError({ message: `${this.path} cannot be used: ${reasonOf(cause)}.` }),
    })
  }

  /** The text of a file; `null` where there is none. */
  read(file: string): Effect.Effect<string | null, ExportError> {
    return this.#onDisk(() => readFile(join(this.path, file), "utf8").catch(nullIfMissing))
  }

  /** Bytes of a file; `null` where there is none. */
  size(file: string): Effect.Effect<number | null, ExportError> {
    return this.#onDisk(() => stat(join(this.path, file)).then(({ size }) => size, nullIfMissing))
  }

  /** Gives a finished file its place, and waits for the disk; returns its bytes. */
  put(file: string, made: string): Effect.Effect<number, ExportError> {
    return this.#onDisk(async () => {
      const target = join(this.path, file)
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      await chmod(made, FILE_MODE)
      await sync(made)
      const { size } = await stat(made)
      await rename(made, target)
      // Windows has no such call, and needs none.
      if (process.platform !== "win32") await sync(dirname(target))
      return size
    })
  }

  /** Writes a text to a file. */
  write(file: string, text: string): Effect.Effect<number, ExportError> {
    const made = join(this.work, "text")
    return Effect.andThen(
      this.#onDisk(() => writeFile(made, text, { mode: FILE_MODE })),
      this.put(file, made),
    )
  }

  /** Removes a file, and its folder where nothing else is in that. */
  remove(file: string): Effect.Effect<void, ExportError> {
    return this.#onDisk(async () => {
      await rm(join(this.path, file), { force: true })
      await rmdir(dirname(join(this.path, file))).catch((cause: unknown) => {
        if (!isMissing(cause) && !["ENOTEMPTY", "EEXIST"].some((code) => codeOf(cause) === code)) throw cause
      })
    })
  }
}

/** Opens a folder, which is made where it is not there. What is not finished when the scope closes goes, and what killed exports left. */
export const openFolder = (given: string): Effect.Effect<ExportFolder, ExportError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const path = resolve(given)
        makeFolder(path)
        for (const name of readdirSync(path))
          if (name.startsWith(UNFINISHED) && !isAlive(Number(name.slice(UNFINISHED.length))))
            rmSync(join(path, name), { recursive: true, force: true })
        const work = join(path, `${UNFINISHED}${process.pid}`)
        makeFolder(work)
        return new ExportFolder(path, work)
      },
      catch: (cause) => new ExportError({ message: `${given} cannot be used: ${reasonOf(cause)}.` }),
    }),
    ({ work }) => Effect.sync(() => rmSync(work, { recursive: true, force: true })),
  )

/** A folder that days are exported to. */
import { readdirSync, rmSync } from "node:fs"
import { chmod, mkdir, open, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isMissing } from "../config/missingFile.ts"
import { FILE_MODE, isAlive, makeFolder } from "../embedded/index.ts"
import { ExportError, reasonOf } from "./error.ts"
import type { ExportTarget } from "./target.ts"

/** Begins, before a process id, the name of a folder with what is not finished; programs that read tables skip an underscore. */
const UNFINISHED = "_unfinished."

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : null)

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

class ExportFolder implements ExportTarget {
  readonly name: string
  readonly work: string

  constructor(name: string, work: string) {
    this.name = name
    this.work = work
  }

  #onDisk<A>(run: () => Promise<A>): Effect.Effect<A, ExportError> {
    return Effect.tryPromise({
      try: run,
      catch: (cause) => new ExportError({ message: `${this.name} cannot be used: ${reasonOf(cause)}.` }),
    })
  }

  read(file: string): Effect.Effect<string | null, ExportError> {
    return this.#onDisk(() => readFile(join(this.name, file), "utf8").catch(nullIfMissing))
  }

  size(file: string): Effect.Effect<number | null, ExportError> {
    return this.#onDisk(() => stat(join(this.name, file)).then(({ size }) => size, nullIfMissing))
  }

  /** Waits for the disk as well. */
  put(file: string, made: string): Effect.Effect<number, ExportError> {
    return this.#onDisk(async () => {
      const target = join(this.name, file)
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

  write(file: string, text: string): Effect.Effect<void, ExportError> {
    const made = join(this.work, "text")
    return Effect.andThen(
      this.#onDisk(() => writeFile(made, text, { mode: FILE_MODE })),
      Effect.asVoid(this.put(file, made)),
    )
  }

  /** Its folder goes with it where nothing else is in that. */
  remove(file: string): Effect.Effect<void, ExportError> {
    return this.#onDisk(async () => {
      await rm(join(this.name, file), { force: true })
      await rmdir(dirname(join(this.name, file))).catch((cause: unknown) => {
        if (!isMissing(cause) && !["ENOTEMPTY", "EEXIST"].some((code) => codeOf(cause) === code)) throw cause
      })
    })
  }
}

/**
 * A folder for files that are being made, within a folder that is made where it is not there. It goes when the scope closes, and what
 * killed exports left goes at once.
 */
export const workWithin = (folder: string): Effect.Effect<string, ExportError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        makeFolder(folder)
        for (const name of readdirSync(folder))
          if (name.startsWith(UNFINISHED) && !isAlive(Number(name.slice(UNFINISHED.length))))
            rmSync(join(folder, name), { recursive: true, force: true })
        const work = join(folder, `${UNFINISHED}${process.pid}`)
        makeFolder(work)
        return work
      },
      catch: (cause) => new ExportError({ message: `${folder} cannot be used: ${reasonOf(cause)}.` }),
    }),
    (work) => Effect.sync(() => rmSync(work, { recursive: true, force: true })),
  )

/** Opens a folder, which is made where it is not there. */
export const openFolder = (given: string): Effect.Effect<ExportTarget, ExportError, Scope.Scope> => {
  const path = resolve(given)
  return Effect.map(workWithin(path), (work) => new ExportFolder(path, work))
}

/** A log that is still being written, read as `tail -F` does: through rotation, whichever way it is done. */
import { type FileHandle, open, stat } from "node:fs/promises"
import { StringDecoder } from "node:string_decoder"
import { setTimeout as sleep } from "node:timers/promises"
import { LineCutter } from "./lines.ts"

/** Milliseconds between looks at a file that has nothing new. */
const EVERY_MS = 500
const CHUNK_BYTES = 256 * 1024

/** A file under a name, which may be another one later. */
class Tail {
  readonly #path: string
  #file: FileHandle | null = null
  #inode = 0
  #position = 0
  #cutter = new LineCutter()
  #decoder = new StringDecoder("utf8")
  readonly #buffer = Buffer.alloc(CHUNK_BYTES)

  constructor(path: string) {
    this.#path = path
  }

  /** What has been written since the last call, up to a chunk; empty if nothing was. */
  async next(): Promise<ReadonlyArray<string>> {
    this.#file ??= await this.#open()
    if (this.#file === null) return []
    // Asked before reading: what was written into the old file before there was a new one is read to its end.
    const now = await stat(this.#path).catch(() => null)
    const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK_BYTES, this.#position)
    if (bytesRead > 0) {
      this.#position += bytesRead
      return this.#cutter.next(this.#decoder.write(this.#buffer.subarray(0, bytesRead)))
    }
    // A server writes into the old file until it has been told of the new one, which is not there before.
    if (now === null || (now.ino === this.#inode && now.size >= this.#position)) return []
    const rest = this.#cutter.end()
    await this.close()
    return rest
  }

  async #open(): Promise<FileHandle | null> {
    const file = await open(this.#path).catch(() => null)
    if (file !== null) this.#inode = (await file.stat()).ino
    this.#position = 0
    this.#cutter = new LineCutter()
    this.#decoder = new StringDecoder("utf8")
    return file
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = null
  }
}

/**
 * The lines of files as they are written, from their beginnings on, until the signal is given. An empty array says that there is
 * nothing new at the moment.
 */
export async function* followLines(
  paths: ReadonlyArray<string>,
  signal: AbortSignal,
): AsyncGenerator<ReadonlyArray<string>> {
  const tails = paths.map((path) => new Tail(path))
  try {
    while (!signal.aborted) {
      let idle = true
      for (const tail of tails) {
        const lines = await tail.next()
        if (lines.length === 0) continue
        idle = false
        yield lines
      }
      if (!idle) continue
      yield []
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {})
    }
  } finally {
    for (const tail of tails) await tail.close()
  }
}

/** Files in the engine's folder: each is there for as long as it is wanted, or being read. */
import { randomBytes } from "node:crypto"
import { renameSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"

export class HeldFiles {
  readonly #folder: string
  /** How many statements are reading a file. */
  readonly #readers = new Map<string, number>()
  readonly #unwanted = new Set<string>()
  readonly #bytes = new Map<string, number>()
  #sum = 0
  #next = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The path of a file that there has not been yet. */
  path(name: string, extension = "parquet"): string {
    return join(this.#folder, `${name}-${this.#next++}.${extension}`)
  }

  /** Notes that a file has been made. */
  made(file: string): void {
    this.#forget(file)
    const { size } = statSync(file)
    this.#bytes.set(file, size)
    this.#sum += size
  }

  /** Gives a file that was made a name that tells what is in it; returns its path, which there has not been yet, in no engine. */
  rename(file: string, name: string): string {
    const path = join(this.#folder, `${name}-${randomBytes(4).toString("hex")}.parquet`)
    renameSync(file, path)
    this.#forget(file)
    this.made(path)
    return path
  }

  /** What the files that were made take of the disk. */
  get bytes(): number {
    return this.#sum
  }

  /** Keeps files until they are given back. */
  take(files: ReadonlyArray<string>): void {
    for (const file of files) this.#readers.set(file, (this.#readers.get(file) ?? 0) + 1)
  }

  giveBack(files: ReadonlyArray<string>): void {
    for (const file of files) {
      const others = (this.#readers.get(file) ?? 0) - 1
      if (others > 0) this.#readers.set(file, others)
      else {
        this.#readers.delete(file)
        if (this.#unwanted.delete(file)) this.#remove(file)
      }
    }
  }

  /** Removes files; one that is being read, when it has been. */
  drop(files: ReadonlyArray<string>): void {
    for (const file of files) {
      if (this.#readers.has(file)) this.#unwanted.add(file)
      else this.#remove(file)
    }
  }

  #forget(file: string) {
    this.#sum -= this.#bytes.get(file) ?? 0
    this.#bytes.delete(file)
  }

  #remove(file: string) {
    this.#forget(file)
    rmSync(file, { force: true })
  }
}

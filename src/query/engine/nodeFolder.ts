/**
 * The folder of a node's query files, among those of all nodes of a data folder. A node touches its own while it lives, and leaves it to
 * the next one when it stops. Whoever starts takes over one that was left by giving it another name, which only one can; those that
 * nobody takes for long are removed, whatever there is in them.
 *
 * In it are the folder of the running engine, and between two engines the one of the last, as what is kept.
 */
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, renameSync, rmdirSync, rmSync, statSync, utimesSync } from "node:fs"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { MINUTE_MS } from "../../domain/time.ts"
import { listed, namesIn, onDisk } from "./keptFiles.ts"

/** How often a node touches its folder. */
export const TOUCHED_EVERY_MS = MINUTE_MS

/** After so long nobody has it any more. */
const LEFT_AFTER_MS = 5 * TOUCHED_EVERY_MS

/** Names of folders that a node has, and of those that one has left. */
const [OF_A_NODE, LEFT] = ["node-", "left-"] as const
/** Of those in them. */
const [OF_AN_ENGINE, KEPT] = ["engine-", "kept"] as const
/** Of those that are there for a moment. */
const TOUCH = "touch-"

const unique = (prefix: string): string => `${prefix}${randomBytes(8).toString("hex")}`

/** Whether something succeeds that another process may have done or undone. */
const succeeds = (act: () => void): boolean => {
  try {
    act()
    return true
  } catch {
    return false
  }
}

/** When it was touched last, unix milliseconds; never, where it has gone or nobody may tell. */
const touchedAt = (path: string): number => {
  try {
    return statSync(path).mtimeMs
  } catch {
    return Number.NEGATIVE_INFINITY
  }
}

/** Touches a folder at the time of the disk that it is on, as nodes' own clocks may differ. Returns whether it is there, and could be. */
const touch = (path: string): boolean =>
  succeeds(() => {
    const inIt = join(path, unique(TOUCH))
    mkdirSync(inIt, { mode: 0o700 })
    rmdirSync(inIt)
  }) ||
  // On a full disk, by its own clock.
  succeeds(() => utimesSync(path, new Date(), new Date()))

/** Removes a folder, if it can. */
const remove = (path: string): boolean => succeeds(() => rmSync(path, { recursive: true, force: true }))

/** Which of the folders in one were left, as far as the disk's own clock can be read. */
const whichAreLeft = (all: string): ((name: string) => boolean) => {
  const now = touch(all) ? touchedAt(all) : Number.NEGATIVE_INFINITY
  return (name) => touchedAt(join(all, name)) + LEFT_AFTER_MS < now
}

export class NodeFolder {
  readonly #all: string
  /** Made when the first question is asked, unless there was one to take over. */
  #own: string | null = null
  /** That of the engine that was started last. */
  #last: string | null = null

  /** @param all the folder of all nodes' folders */
  constructor(all: string) {
    this.#all = all
    const isLeft = whichAreLeft(all)
    this.#takeOver((name) => name.startsWith(LEFT) || isLeft(name))
  }

  /** Takes over a folder that may be taken, if there is one. */
  #takeOver(mayBeTaken: (name: string) => boolean): void {
    const all = this.#all
    const left = namesIn(all)
      .filter((name) => (name.startsWith(LEFT) || name.startsWith(OF_A_NODE)) && mayBeTaken(name))
      .map((name) => join(all, name))
      .sort((a, b) => touchedAt(b) - touchedAt(a))
    const own = join(all, unique(OF_A_NODE))
    if (!left.some((path) => succeeds(() => renameSync(path, own)))) return
    this.#own = own
    touch(own)
    // Of an engine whose node was killed.
    for (const name of namesIn(own).filter((each) => each.startsWith(OF_AN_ENGINE)))
      this.#keep(join(own, name))
  }

  /** Where the files are kept while there is no engine. */
  get kept(): string | null {
    return this.#own === null ? null : join(this.#own, KEPT)
  }

  /** A new engine's folder, in which is what has been kept. */
  forEngine(): string {
    const own = this.#own ?? join(this.#all, unique(OF_A_NODE))
    this.#own = own
    mkdirSync(own, { recursive: true, mode: 0o700 })
    const folder = join(own, unique(OF_AN_ENGINE))
    if (!succeeds(() => renameSync(join(own, KEPT), folder))) mkdirSync(folder, { mode: 0o700 })
    this.#last = folder
    return folder
  }

  /**
   * Keeps the folder of an engine that has ended, instead of what was kept before. One that another engine was started in the place of
   * ends late: its folder is removed, as that of the other one will be kept, and nobody would look through this one until then.
   */
  keep(folder: string): void {
    if (folder === this.#last) this.#keep(folder)
    else remove(folder)
  }

  #keep(folder: string): void {
    // It has been removed, or left to another node.
    if (!existsSync(folder)) return
    const { kept } = this
    const isKept = kept !== null && remove(kept) && succeeds(() => renameSync(folder, kept))
    if (!isKept) remove(folder)
  }

  /** Says that this node lives, or takes over a folder that was left. Returns whether it has all that it had. */
  touch(): boolean {
    const own = this.#own
    if (own !== null && touch(own)) return true
    this.#own = null
    // Those that were left a moment ago are for a node that starts again.
    this.#takeOver(whichAreLeft(this.#all))
    return own === null
  }

  /** Leaves it to the next node. */
  leave(): void {
    const own = this.#own
    if (own === null) return
    this.#own = null
    // Neither is, where there are files in it.
    succeeds(() => rmdirSync(join(own, KEPT)))
    if (!succeeds(() => rmdirSync(own))) succeeds(() => renameSync(own, join(this.#all, unique(LEFT))))
  }

  /** Removes the folders of nodes that have gone. */
  readonly removeOthers = onDisk(async () => {
    const isLeft = whichAreLeft(this.#all)
    for (const name of await listed(this.#all)) {
      const path = join(this.#all, name)
      if (path !== this.#own && isLeft(name)) await rm(path, { recursive: true, force: true })
    }
  })
}

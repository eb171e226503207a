/** Records what was sent and what became of it, in memory and, if asked to, in an NDJSON file. */
import { appendFileSync, writeFileSync } from "node:fs"
import type { JournalEntry } from "./traffic.ts"

/** Entries per write. */
const CHUNK = 500

export class Journal {
  readonly entries: Array<JournalEntry> = []
  readonly #path: string | null
  #waiting: Array<string> = []

  constructor(path: string | null = null) {
    this.#path = path
    if (path !== null) writeFileSync(path, "")
  }

  add(entry: JournalEntry): void {
    this.entries.push(entry)
    if (this.#path === null) return
    this.#waiting.push(JSON.stringify(entry))
    if (this.#waiting.length >= CHUNK) this.flush()
  }

  /** Writes whatever is not in the file yet. */
  flush(): void {
    if (this.#path === null || this.#waiting.length === 0) return
    appendFileSync(this.#path, `${this.#waiting.join("\n")}\n`)
    this.#waiting = []
  }

  count(outcome: JournalEntry["outcome"]): number {
    return this.entries.reduce((sum, entry) => sum + (entry.outcome === outcome ? 1 : 0), 0)
  }

  /** The number of rejections, by code. */
  rejections(): ReadonlyMap<string, number> {
    const codes = new Map<string, number>()
    for (const { outcome, code } of this.entries)
      if (outcome === "rejected") codes.set(code ?? "none", (codes.get(code ?? "none") ?? 0) + 1)
    return codes
  }
}

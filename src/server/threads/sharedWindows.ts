/**
 * The minutes of addresses, in memory that all threads of a node share, so that an address has one budget whichever of them it meets.
 * Where a set of the table is full, the window of it that began first makes room.
 */
import { isOver, type Taken, type Windows } from "../http/rateLimit.ts"
import { SharedTable, type TableKey, WAYS } from "./sharedTable.ts"

export class SharedWindows implements Windows {
  readonly #table: SharedTable

  /** @param memory from `tableMemory`, for nothing else */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#table = new SharedTable(memory, thread)
  }

  take(address: string, wanted: number, limit: number, now: number): Taken {
    const key = this.#table.keyOf(address)
    return this.#table.locked(() => this.#takeFrom(this.#rowOf(key, now), wanted, limit))
  }

  /** The row of an address' window, which has begun by now. */
  #rowOf(key: TableKey, now: number): number {
    const { since } = this.#table
    let oldest = key.first
    for (let row = key.first; row < key.first + WAYS; row++) {
      const began = since[row] ?? 0
      if (began !== 0 && this.#table.isNamed(row, key)) {
        if (isOver(began, now)) this.#begin(row, key, now)
        return row
      }
      if (began < (since[oldest] ?? 0)) oldest = row
    }
    this.#begin(oldest, key, now)
    return oldest
  }

  #begin(row: number, key: TableKey, now: number): void {
    this.#table.name(row, key)
    this.#table.since[row] = now
    this.#table.counts[row] = 0
  }

  #takeFrom(row: number, wanted: number, limit: number): Taken {
    const { counts, since } = this.#table
    const before = counts[row] ?? 0
    const granted = Math.min(wanted, limit - before)
    counts[row] = before + granted
    return { granted, used: before + granted, since: since[row] ?? 0 }
  }

  /** The thread has ended: gives the lock back that it may have had. */
  ended(): void {
    this.#table.ended()
  }
}

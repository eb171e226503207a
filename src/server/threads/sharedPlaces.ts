/**
 * How many dashboards a node and an address may have, counted in memory that all threads of the node share: a request to become a
 * dashboard is answered at once, by whichever thread it meets.
 */
import type { PlaceLimits, PlaceRefusal, Places } from "../dashboards/places.ts"
import { SharedTable, type TableKey, WAYS } from "./sharedTable.ts"

export class SharedPlaces implements Places {
  readonly #limits: PlaceLimits
  readonly #table: SharedTable

  /** @param memory from `tableMemory`, for nothing else */
  constructor(limits: PlaceLimits, memory: SharedArrayBuffer, thread: number) {
    this.#limits = limits
    this.#table = new SharedTable(memory, thread)
  }

  enter(address: string): PlaceRefusal | null {
    const { wsMaxConnections, wsMaxConnectionsPerIp } = this.#limits
    const { sum, counts } = this.#table
    const key = this.#table.keyOf(address)
    return this.#table.locked(() => {
      const taken = sum[0] ?? 0
      if (taken >= wsMaxConnections) return "TOO_MANY_CONNECTIONS"
      const row = this.#rowOf(key) ?? this.#freeRow(key)
      // Where an address' set is full, only the node's own limit holds.
      if (row !== null) {
        const ofAddress = counts[row] ?? 0
        if (ofAddress >= wsMaxConnectionsPerIp) return "CONNECTION_LIMIT"
        counts[row] = ofAddress + 1
      }
      sum[0] = taken + 1
      return null
    })
  }

  leave(address: string): void {
    const { sum, counts } = this.#table
    const key = this.#table.keyOf(address)
    this.#table.locked(() => {
      const row = this.#rowOf(key)
      if (row !== null) counts[row] = (counts[row] ?? 0) - 1
      sum[0] = Math.max(0, (sum[0] ?? 0) - 1)
    })
  }

  /** The row of an address that has dashboards. */
  #rowOf(key: TableKey): number | null {
    for (let row = key.first; row < key.first + WAYS; row++)
      if ((this.#table.counts[row] ?? 0) > 0 && this.#table.isNamed(row, key)) return row
    return null
  }

  /** A row of its set for an address that has none yet, named after it. */
  #freeRow(key: TableKey): number | null {
    for (let row = key.first; row < key.first + WAYS; row++)
      if (this.#table.counts[row] === 0) {
        this.#table.name(row, key)
        return row
      }
    return null
  }

  /** The thread has ended: gives the lock back that it may have had. */
  ended(): void {
    this.#table.ended()
  }
}

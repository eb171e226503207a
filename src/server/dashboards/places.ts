/** How many dashboards a node and an address may have. */

/** Why there is no place for another. */
export type PlaceRefusal = "TOO_MANY_CONNECTIONS" | "CONNECTION_LIMIT"

/** Room for dashboards. */
export interface Places {
  /** Takes a place for a dashboard of an address. Calls back with `null`, at once or later, or with why there is none. */
  enter(address: string, done: (refusal: PlaceRefusal | null) => void): void
  /** Gives a place back. */
  leave(address: string): void
}

/** The places of a node. */
export class NodePlaces implements Places {
  readonly #max: number
  readonly #maxPerAddress: number
  readonly #perAddress = new Map<string, number>()
  #taken = 0

  constructor(max: number, maxPerAddress: number) {
    this.#max = max
    this.#maxPerAddress = maxPerAddress
  }

  enter(address: string, done: (refusal: PlaceRefusal | null) => void) {
    const taken = this.#perAddress.get(address) ?? 0
    if (this.#taken >= this.#max) return done("TOO_MANY_CONNECTIONS")
    if (taken >= this.#maxPerAddress) return done("CONNECTION_LIMIT")
    this.#taken++
    this.#perAddress.set(address, taken + 1)
    done(null)
  }

  leave(address: string) {
    const left = (this.#perAddress.get(address) ?? 0) - 1
    if (left < 0) return
    this.#taken--
    if (left > 0) this.#perAddress.set(address, left)
    else this.#perAddress.delete(address)
  }
}

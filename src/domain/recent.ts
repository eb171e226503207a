/** Values by keys, as many as were asked for last: a cache whose memory is bounded. */

/** Two generations: what is asked for moves to the younger one, and when that is full the older one is forgotten. */
export class Recent<Value> {
  readonly #size: number
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()

  /** @param size of a generation: between that and twice as many values are kept */
  constructor(size: number) {
    this.#size = size
  }

  /** The value that is remembered for a key. */
  get(key: string): Value | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    return old === undefined ? undefined : this.set(key, old)
  }

  /** Remembers the value of a key, and returns it; values must not be undefined. */
  set(key: string, value: Value): Value {
    if (this.#young.size >= this.#size) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
    return value
  }
}

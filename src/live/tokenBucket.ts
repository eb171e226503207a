/** A token bucket that refills in steps. */

export interface TokenBucketOptions {
  /** The refill rate, tokens per second. */
  readonly perSecond: number
  /** The most tokens it can hold, and the number it starts with. */
  readonly capacity: number
  /** Milliseconds between two refills. */
  readonly stepMs: number
  /** Milliseconds of the first step that have already passed. */
  readonly aheadMs?: number
  /** Milliseconds since any fixed moment: only differences count. */
  readonly now: () => number
}

export class TokenBucket {
  readonly #options: TokenBucketOptions
  #tokens: number
  /** When the current step began. */
  #at: number

  constructor(options: TokenBucketOptions) {
    this.#options = options
    this.#tokens = options.capacity
    this.#at = options.now() - (options.aheadMs ?? 0)
  }

  /** Takes `wanted` tokens, or as many as there are. Returns the number taken. */
  take(wanted: number): number {
    const { perSecond, capacity, stepMs } = this.#options
    const now = this.#options.now()
    const steps = Math.floor((now - this.#at) / stepMs)
    if (steps > 0) {
      this.#tokens = Math.min(this.#tokens + (steps * stepMs * perSecond) / 1000, capacity)
      this.#at += steps * stepMs
    } else if (now < this.#at) {
      // A clock that was set back refills nothing, and the steps keep their phase.
      this.#at -= Math.ceil((this.#at - now) / stepMs) * stepMs
    }
    const taken = Math.min(wanted, Math.floor(this.#tokens))
    this.#tokens -= taken
    return taken
  }
}

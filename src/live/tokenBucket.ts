/** A budget that refills in steps. */

export interface TokenBucketOptions {
  /** What refills it, tokens a second. */
  readonly perSecond: number
  /** Tokens that it holds at most, and at first. */
  readonly capacity: number
  /** Milliseconds of a step. */
  readonly stepMs: number
  /** Milliseconds of the first step that are over already. */
  readonly aheadMs?: number
  /** Milliseconds, unix or not: only differences count. */
  readonly now: () => number
}

export class TokenBucket {
  readonly #options: TokenBucketOptions
  #tokens: number
  /** When the last step began. */
  #at: number

  constructor(options: TokenBucketOptions) {
    this.#options = options
    this.#tokens = options.capacity
    this.#at = options.now() - (options.aheadMs ?? 0)
  }

  /** Takes so many tokens, or as many as there are; gives how many. */
  take(wanted: number): number {
    const { perSecond, capacity, stepMs } = this.#options
    const now = this.#options.now()
    const steps = Math.floor((now - this.#at) / stepMs)
    if (steps > 0) {
      this.#tokens = Math.min(this.#tokens + (steps * stepMs * perSecond) / 1000, capacity)
      this.#at += steps * stepMs
    } else if (now < this.#at) {
      // A clock that was set back refills nothing, and the steps keep their moments.
      this.#at -= Math.ceil((this.#at - now) / stepMs) * stepMs
    }
    const taken = Math.min(wanted, Math.floor(this.#tokens))
    this.#tokens -= taken
    return taken
  }
}

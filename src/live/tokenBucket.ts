/** A budget that refills evenly: at most a second's worth at once. */

export class TokenBucket {
  readonly #perSecond: number
  readonly #now: () => number
  #tokens: number
  #at: number

  /** @param now milliseconds */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#now = now
    this.#tokens = perSecond
    this.#at = now()
  }

  /** Takes one token when there is one. */
  take(): boolean {
    const now = this.#now()
    // A clock that was set back refills nothing.
    const gained = (Math.max(now - this.#at, 0) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#tokens + gained, this.#perSecond)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

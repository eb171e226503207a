/** A token bucket: so many a second, and a second's worth at once. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #now: () => number
  #tokens: number
  #at: number

  /** `now` gives unix milliseconds. */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#now = now
    this.#tokens = perSecond
    this.#at = now()
  }

  /** Takes a token; false when there is none. */
  take(): boolean {
    const at = this.#now()
    // A clock that was set back refills nothing, once.
    const passed = Math.max(0, at - this.#at)
    this.#tokens = Math.min(this.#perSecond, this.#tokens + (passed * this.#perSecond) / 1000)
    this.#at = at
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

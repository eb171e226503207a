/** A budget that refills in steps: at most a second's worth at once. */

/**
 * Milliseconds of a step. While more comes than is shown, what is shown comes as clumps of a step: a packet for each
 * dashboard five times a second rather than for every event.
 */
const STEP_MS = 200

export class TokenBucket {
  readonly #perSecond: number
  readonly #now: () => number
  #tokens: number
  /** When the last step began. */
  #at: number

  /** @param now milliseconds */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#now = now
    this.#tokens = perSecond
    this.#at = now()
  }

  /** Takes so many tokens, or as many as there are; gives how many. */
  take(wanted: number): number {
    const now = this.#now()
    const steps = Math.floor((now - this.#at) / STEP_MS)
    if (steps > 0) {
      this.#tokens = Math.min(this.#tokens + (steps * STEP_MS * this.#perSecond) / 1000, this.#perSecond)
      this.#at += steps * STEP_MS
    } else if (now < this.#at) this.#at = now // a clock that was set back refills nothing
    const taken = Math.min(wanted, Math.floor(this.#tokens))
    this.#tokens -= taken
    return taken
  }
}

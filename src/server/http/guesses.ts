/** How often an address may present a wrong secret, and what the log says of it: how many there were, and from no address. */
import { MAX_GUESSES_PER_MINUTE } from "../../domain/limits.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import { RateLimit } from "./rateLimit.ts"

export interface GuessesOptions {
  /** Told of the wrong secrets of a minute, of all addresses: at the first one, and again when there are ten times as many. */
  readonly onGuesses: (guesses: number) => void
  /** Unix milliseconds. */
  readonly now: () => number
}

export class Guesses {
  readonly #options: GuessesOptions
  readonly #limit = new RateLimit(MAX_GUESSES_PER_MINUTE)
  #since = 0
  #guesses = 0

  constructor(options: GuessesOptions) {
    this.#options = options
  }

  /** Seconds until an address may try again; 0 when it may now. */
  waitOf(address: string): number {
    const { remaining, reset } = this.#limit.take(address, 0, this.#options.now())
    return remaining > 0 ? 0 : reset
  }

  /** Counts a wrong secret. */
  wrong(address: string): void {
    const now = this.#options.now()
    this.#limit.take(address, 1, now)
    if (now - this.#since >= MINUTE_MS || now < this.#since) {
      this.#since = now
      this.#guesses = 0
    }
    this.#guesses++
    if (Number.isInteger(Math.log10(this.#guesses))) this.#options.onGuesses(this.#guesses)
  }
}

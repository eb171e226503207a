/** Doing something at most once an interval, without losing the last occasion. */

/**
 * Runs `job` at once when the last run began long enough ago, else when it will have. Runs never overlap: an occasion
 * during a run leads to another one.
 */
export class Throttle {
  readonly #intervalMs: number
  readonly #job: () => Promise<void>
  #startedAt = Number.NEGATIVE_INFINITY
  #running = false
  #again = false
  #timer: NodeJS.Timeout | null = null
  #stopped = false

  /** @param job must not reject */
  constructor(intervalMs: number, job: () => Promise<void>) {
    this.#intervalMs = intervalMs
    this.#job = job
  }

  trigger() {
    if (this.#stopped || this.#timer !== null) return
    if (this.#running) {
      this.#again = true
      return
    }
    const wait = this.#startedAt + this.#intervalMs - performance.now()
    if (wait <= 0) return this.#run()
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#run()
    }, wait)
  }

  #run() {
    this.#startedAt = performance.now()
    this.#running = true
    void this.#job().then(() => {
      this.#running = false
      if (!this.#again) return
      this.#again = false
      this.trigger()
    })
  }

  stop() {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}

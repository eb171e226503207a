/**
 * Runs a job at most once per interval without missing the last trigger. A trigger runs it at once if the last run began
 * an interval ago, else as soon as that is so; later where the job is to rest. Runs never overlap: a trigger during a run leads to another run.
 */
export class Throttle {
  readonly #intervalMs: number
  readonly #job: () => Promise<void>
  #startedAt = Number.NEGATIVE_INFINITY
  #restsUntil = Number.NEGATIVE_INFINITY
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
    const wait = Math.max(this.#startedAt + this.#intervalMs, this.#restsUntil) - performance.now()
    if (wait <= 0) return this.#run()
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#run()
    }, wait)
  }

  /** Runs the job no sooner than in so many milliseconds. */
  rest(milliseconds: number) {
    this.#restsUntil = performance.now() + milliseconds
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

/** Bodies that are still arriving, and how long that may take. */
import { Problem, SHUTTING_DOWN } from "./problem.ts"

/** How long a body may take to arrive. */
export interface ArrivalLimits {
  /** Milliseconds in which nothing of it arrives. */
  readonly silenceMs: number
  /** Milliseconds in all. */
  readonly totalMs: number
}

/** A body of which some parts are missing. */
export class Arrival {
  /** `performance.now()` milliseconds, like {@link heardAt}. */
  readonly began = performance.now()
  heardAt = this.began
  bytes = 0
  /** Called once if it takes too long, or if the server stops before it has come. */
  readonly late: (problem: Problem) => void

  constructor(late: (problem: Problem) => void) {
    this.late = late
  }

  heard(bytes: number): void {
    this.heardAt = performance.now()
    this.bytes += bytes
  }
}

/** Watches all bodies of a server that are still arriving. */
export class Arrivals {
  readonly #limits: ArrivalLimits
  readonly #arriving = new Set<Arrival>()
  readonly #sweeper: NodeJS.Timeout
  readonly #silent: Problem
  readonly #slow: Problem

  constructor(limits: ArrivalLimits) {
    const { silenceMs, totalMs } = limits
    this.#limits = limits
    this.#silent = new Problem("BODY_TIMEOUT", `Nothing of the body arrived for ${silenceMs / 1000} seconds.`)
    this.#slow = new Problem("BODY_TIMEOUT", `The body did not arrive within ${totalMs / 1000} seconds.`)
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(Math.min(silenceMs, totalMs) / 10, 10))
    this.#sweeper.unref()
  }

  begin(late: (problem: Problem) => void): Arrival {
    const arrival = new Arrival(late)
    this.#arriving.add(arrival)
    return arrival
  }

  /** It has arrived, or nobody waits for it any more. */
  end(arrival: Arrival): void {
    this.#arriving.delete(arrival)
  }

  /** What has come while this thread was busy is read before any of it is given up: a turn of the event loop begins with its timers. */
  #sweep(): void {
    const now = performance.now()
    for (const arrival of this.#arriving)
      if (this.#lateBy(now, arrival) !== null) {
        setImmediate(() => this.#giveUpLate(now))
        return
      }
  }

  /** Why a body is waited for no longer; `null` while it is. */
  #lateBy(now: number, { heardAt, began }: Arrival): Problem | null {
    if (now - heardAt > this.#limits.silenceMs) return this.#silent
    return now - began > this.#limits.totalMs ? this.#slow : null
  }

  #giveUpLate(now: number): void {
    for (const arrival of this.#arriving) {
      const problem = this.#lateBy(now, arrival)
      if (problem !== null) this.#giveUp(arrival, problem)
    }
  }

  #giveUp(arrival: Arrival, problem: Problem): void {
    this.#arriving.delete(arrival)
    arrival.late(problem)
  }

  /** Waits for no body any more. */
  stop(): void {
    clearInterval(this.#sweeper)
    for (const arrival of this.#arriving) this.#giveUp(arrival, SHUTTING_DOWN)
  }
}

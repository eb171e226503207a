/**
 * Reads that many callers ask for at once: one read of the store, one answer for all. A key's answer is
 *
 * - **awaited** by all who ask while it is being read;
 * - **fresh** for the first half of the time it is kept;
 * - **renewed** in the second half, by the first who asks: all of them still get the old one, without waiting;
 * - **gone** at the end.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { StoreError } from "../../stores/errors.ts"
import type { Problem } from "../http/problem.ts"

/** Runs an effect in the server's scope. */
export type Runner = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

interface Entry<A> {
  /** Callers that wait for the read in progress; `null` once it is done. */
  waiting: Array<(result: Exit.Exit<A, Problem | StoreError>) => void> | null
  result: Exit.Exit<A, Problem | StoreError> | null
  /** Milliseconds of the cache's clock, like `until`. */
  renewAt: number
  until: number
  weight: number
}

export interface ReadCacheOptions<A> {
  readonly run: Runner
  /** How many milliseconds an answer is kept that took `tookMs` to read; with 0, reads in progress are joined and none is kept. */
  readonly keepMs: (tookMs: number) => number
  /** Most answers kept; the oldest goes first. */
  readonly maxEntries: number
  /** The weight of an answer, and the most that all kept answers may weigh together; the oldest goes first. */
  readonly weigh: (value: A) => number
  readonly maxWeight: number
  /** Milliseconds; `performance.now` by default. */
  readonly now?: () => number
}

/** Joins reads by key and keeps their answers briefly. Failures are passed to those who wait and are not kept. */
export class ReadCache<A> {
  readonly #options: ReadCacheOptions<A>
  readonly #entries = new Map<string, Entry<A>>()
  readonly #now: () => number
  #weight = 0

  constructor(options: ReadCacheOptions<A>) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Calls `done` with the answer of `key`: at once if it is kept, else after `load` has been run for all who wait. */
  get(
    key: string,
    load: () => Effect.Effect<A, Problem | StoreError>,
    done: (result: Exit.Exit<A, Problem | StoreError>) => void,
  ) {
    const known = this.#entries.get(key)
    if (known !== undefined) {
      if (known.waiting !== null) {
        known.waiting.push(done)
        return
      }
      const now = this.#now()
      if (known.result !== null && now < known.until) {
        if (now >= known.renewAt) this.#renew(key, known, load)
        return done(known.result)
      }
      this.forget(key)
    }
    const entry: Entry<A> = { waiting: [done], result: null, renewAt: 0, until: 0, weight: 0 }
    if (this.#entries.size >= this.#options.maxEntries) this.#evict()
    this.#entries.set(key, entry)
    const began = this.#now()
    this.#options
      .run(Effect.suspend(load))
      .addObserver((result) => this.#settle(key, entry, result, this.#now() - began))
  }

  /** If a renewal fails, the next caller tries again, as long as the old answer is kept. */
  #renew(key: string, entry: Entry<A>, load: () => Effect.Effect<A, Problem | StoreError>) {
    entry.renewAt = Number.POSITIVE_INFINITY
    const began = this.#now()
    this.#options.run(Effect.suspend(load)).addObserver((result) => {
      if (this.#entries.get(key) !== entry) return
      if (Exit.isFailure(result)) entry.renewAt = 0
      else this.#keep(key, entry, result, this.#now() - began)
    })
  }

  /** Makes the next `get` of a key read again. Those who wait keep waiting for the read in progress. */
  forget(key: string) {
    this.#weight -= this.#entries.get(key)?.weight ?? 0
    this.#entries.delete(key)
  }

  #settle(key: string, entry: Entry<A>, result: Exit.Exit<A, Problem | StoreError>, tookMs: number) {
    const waiting = entry.waiting ?? []
    entry.waiting = null
    // If it was forgotten in the meantime, it answers those who wait for it and nobody else.
    if (this.#entries.get(key) === entry) this.#keep(key, entry, result, tookMs)
    for (const done of waiting) done(result)
  }

  #keep(key: string, entry: Entry<A>, result: Exit.Exit<A, Problem | StoreError>, tookMs: number) {
    const keepMs = this.#options.keepMs(tookMs)
    const weight = Exit.isSuccess(result) ? this.#options.weigh(result.value) : Number.POSITIVE_INFINITY
    if (keepMs <= 0 || weight > this.#options.maxWeight) return this.forget(key)
    const now = this.#now()
    entry.result = result
    entry.renewAt = now + keepMs / 2
    entry.until = now + keepMs
    this.#weight += weight - entry.weight
    entry.weight = weight
    while (this.#weight > this.#options.maxWeight) this.#evict()
  }

  /** A read in progress may be forgotten, too: it still answers those who wait for it. */
  #evict() {
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.forget(oldest.value)
  }
}

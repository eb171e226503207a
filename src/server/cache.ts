/** Reads that many ask at once: one question to the store, one answer for all. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { StoreError } from "../stores/errors.ts"

/** Runs an effect in the server's scope. */
export type Runner = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

interface Entry<A> {
  /** Those who wait while the read is under way; `null` when it is done. */
  waiting: Array<(result: Exit.Exit<A, StoreError>) => void> | null
  result: Exit.Exit<A, StoreError> | null
  /** `performance.now()` milliseconds. */
  until: number
}

export interface ReadCacheOptions<A> {
  readonly run: Runner
  /** How old an answer may get; 0 only joins reads that are under way. */
  readonly ttlMs: number
  /** Answers kept; the oldest goes first. */
  readonly maxEntries: number
  /** Answers that it rejects are given to those who wait, and not kept. */
  readonly keeps?: (value: A) => boolean
}

/** Coalesces reads by key and keeps their answers for a moment. Failures are handed to those who wait and not kept. */
export class ReadCache<A> {
  readonly #options: ReadCacheOptions<A>
  readonly #entries = new Map<string, Entry<A>>()

  constructor(options: ReadCacheOptions<A>) {
    this.#options = options
  }

  /** Gives `done` the answer of `key`: at once when it is fresh, else when `load` has been run for all who wait. */
  get(
    key: string,
    load: () => Effect.Effect<A, StoreError>,
    done: (result: Exit.Exit<A, StoreError>) => void,
  ) {
    const known = this.#entries.get(key)
    if (known !== undefined) {
      if (known.waiting !== null) {
        known.waiting.push(done)
        return
      }
      if (known.result !== null && known.until > performance.now()) return done(known.result)
      this.#entries.delete(key)
    }
    const entry: Entry<A> = { waiting: [done], result: null, until: 0 }
    if (this.#entries.size >= this.#options.maxEntries) this.#evict()
    this.#entries.set(key, entry)
    this.#options.run(Effect.suspend(load)).addObserver((result) => this.#settle(key, entry, result))
  }

  /** Makes the next `get` of a key ask anew. Those who wait keep waiting for the read that is under way. */
  forget(key: string) {
    this.#entries.delete(key)
  }

  #settle(key: string, entry: Entry<A>, result: Exit.Exit<A, StoreError>) {
    const waiting = entry.waiting ?? []
    entry.waiting = null
    const keep =
      this.#options.ttlMs > 0 && Exit.isSuccess(result) && (this.#options.keeps?.(result.value) ?? true)
    if (keep) {
      entry.result = result
      entry.until = performance.now() + this.#options.ttlMs
    } else if (this.#entries.get(key) === entry) this.#entries.delete(key)
    for (const done of waiting) done(result)
  }

  /** A read under way may be forgotten too: it still answers those who wait for it. */
  #evict() {
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }
}

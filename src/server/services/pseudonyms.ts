/**
 * What visitors are called where everybody may look: an id that stands for a visitor until the day ends, and by which nobody can
 * follow one from day to day, or send events as one.
 */
import { randomBytes } from "node:crypto"
import { pseudonymOf } from "../../domain/visitor.ts"
import type { VisitorKeys } from "./services.ts"

/** Pseudonyms that are kept, so that a visitor's further events cost no HMAC; about 2 MB when full. */
const MAX_KEPT = 10_000

export class Pseudonyms {
  readonly #keys: VisitorKeys
  readonly #now: () => number
  /** In place of the day's key while Redis has not given it: then pseudonyms are this process' own. */
  readonly #fallback = randomBytes(32)
  readonly #kept = new Map<string, string>()
  #key: Buffer | null = null

  /** @param now unix milliseconds */
  constructor(keys: VisitorKeys, now: () => number) {
    this.#keys = keys
    this.#now = now
  }

  /** What a visitor is called today. */
  of(visitorId: string): string {
    const key = this.#keys.current(this.#now()) ?? this.#fallback
    if (key !== this.#key || this.#kept.size >= MAX_KEPT) {
      this.#kept.clear()
      this.#key = key
    }
    const known = this.#kept.get(visitorId)
    if (known !== undefined) return known
    const pseudonym = pseudonymOf(key, visitorId)
    this.#kept.set(visitorId, pseudonym)
    return pseudonym
  }
}

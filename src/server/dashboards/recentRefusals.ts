/** What all nodes have refused lately, for who begins to listen. */
import type { Refusal } from "../../domain/frames.ts"
import { MINUTE_MS } from "../../domain/time.ts"

/** What is remembered, at most. */
const MAX_KEPT = 256
/** What is told of a site, at most. */
const MAX_TOLD = 16
const KEPT_MS = 15 * MINUTE_MS

export class RecentRefusals {
  /** By site, reason and host; the latest last. */
  readonly #kept = new Map<string, Refusal>()
  readonly #now: () => number

  /** @param now unix milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  add(refusal: Refusal): void {
    const key = JSON.stringify([refusal.site, refusal.code, refusal.host])
    const events = (this.#kept.get(key)?.events ?? 0) + refusal.events
    this.#kept.delete(key)
    this.#kept.set(key, { ...refusal, events })
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest)
  }

  /** What concerns a site, the latest first. */
  of(concerns: (site: string) => boolean): ReadonlyArray<Refusal> {
    const since = this.#now() - KEPT_MS
    return [...this.#kept.values()]
      .filter(({ site, timestamp }) => concerns(site) && Date.parse(timestamp) >= since)
      .toReversed()
      .slice(0, MAX_TOLD)
  }
}

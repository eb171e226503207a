/** How many events an address may still send this minute. */
import { MINUTE_MS } from "../../domain/time.ts"

const WINDOW_MS = MINUTE_MS
/** Addresses remembered; beyond, the one whose minute began first is forgotten. About 20 MB when full. */
const MAX_ADDRESSES = 100_000

interface Window {
  /** Unix milliseconds. */
  readonly since: number
  used: number
}

/** What a request gets of its address' budget. */
export interface Grant {
  /** Events that may be taken, at most those asked for. */
  readonly granted: number
  readonly remaining: number
  /** Seconds until the budget is whole again. */
  readonly reset: number
}

/**
 * A fixed window of a minute for each address, begun by its first event. Windows are kept in the order in which they began,
 * so the first is always the one to forget.
 */
export class RateLimit {
  readonly limit: number
  readonly #maxAddresses: number
  readonly #windows = new Map<string, Window>()

  constructor(limit: number, maxAddresses = MAX_ADDRESSES) {
    this.limit = limit
    this.#maxAddresses = maxAddresses
  }

  /** Takes up to `wanted` events from an address' budget; `now` is in unix milliseconds. */
  take(address: string, wanted: number, now: number): Grant {
    let window = this.#windows.get(address)
    if (window === undefined || now - window.since >= WINDOW_MS || now < window.since) {
      this.#windows.delete(address)
      if (this.#windows.size >= this.#maxAddresses) {
        const oldest = this.#windows.keys().next()
        if (!oldest.done) this.#windows.delete(oldest.value)
      }
      window = { since: now, used: 0 }
      this.#windows.set(address, window)
    }
    const granted = Math.min(wanted, this.limit - window.used)
    window.used += granted
    return {
      granted,
      remaining: this.limit - window.used,
      reset: Math.ceil((window.since + WINDOW_MS - now) / 1000),
    }
  }

  /** Addresses remembered. */
  get size(): number {
    return this.#windows.size
  }

  /** Header lines that tell a sender where it stands (draft-ietf-httpapi-ratelimit-headers-07). */
  headers(grant: Grant): string {
    return `RateLimit-Limit: ${this.limit}\r\nRateLimit-Remaining: ${grant.remaining}\r\nRateLimit-Reset: ${grant.reset}\r\nRateLimit-Policy: ${this.limit};w=${WINDOW_MS / 1000}\r\n`
  }
}

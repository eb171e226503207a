/** How many events an address may still send this minute. */
import { MINUTE_MS } from "../../domain/time.ts"

export const WINDOW_MS = MINUTE_MS
/** Addresses remembered; beyond, the one whose minute began first is forgotten. About 20 MB when full. */
const MAX_ADDRESSES = 100_000

/** An address' minute. */
export interface Window {
  /** Unix milliseconds. */
  readonly since: number
  used: number
}

/** Where the minutes of addresses are kept. */
export interface Windows {
  /** Takes up to `wanted` of what an address' minute leaves of `limit`; it begins with the first. `now` is in unix milliseconds. */
  take(address: string, wanted: number, limit: number, now: number): Taken
}

export interface Taken extends Readonly<Window> {
  readonly granted: number
}

/**
 * Whether a minute has passed, or the clock has been set back by one. By less it may seem to have been where another thread was
 * quicker to take than this one after both had read the clock.
 */
export const isOver = (since: number, now: number): boolean => Math.abs(now - since) >= WINDOW_MS

/** In this thread's own memory, in the order in which they began, so the first is always the one to forget. */
export class OwnWindows implements Windows {
  readonly #maxAddresses: number
  readonly #windows = new Map<string, Window>()

  constructor(maxAddresses = MAX_ADDRESSES) {
    this.#maxAddresses = maxAddresses
  }

  take(address: string, wanted: number, limit: number, now: number): Taken {
    let window = this.#windows.get(address)
    if (window === undefined || isOver(window.since, now)) {
      this.#windows.delete(address)
      if (this.#windows.size >= this.#maxAddresses) {
        const oldest = this.#windows.keys().next()
        if (!oldest.done) this.#windows.delete(oldest.value)
      }
      window = { since: now, used: 0 }
      this.#windows.set(address, window)
    }
    const granted = Math.min(wanted, limit - window.used)
    window.used += granted
    return { granted, used: window.used, since: window.since }
  }

  /** Addresses remembered. */
  get size(): number {
    return this.#windows.size
  }
}

/** What a request gets of its address' budget. */
export interface Grant {
  /** Events that may be taken, at most those asked for. */
  readonly granted: number
  readonly remaining: number
  /** Seconds until the budget is whole again. */
  readonly reset: number
}

/** A fixed window of a minute for each address, begun by its first event. */
export class RateLimit {
  readonly limit: number
  readonly #windows: Windows

  constructor(limit: number, windows: Windows = new OwnWindows()) {
    this.limit = limit
    this.#windows = windows
  }

  /** Takes up to `wanted` events from an address' budget; `now` is in unix milliseconds. */
  take(address: string, wanted: number, now: number): Grant {
    const { granted, used, since } = this.#windows.take(address, wanted, this.limit, now)
    return {
      granted,
      remaining: this.limit - used,
      reset: Math.ceil((since + WINDOW_MS - now) / 1000),
    }
  }

  /** Header lines that tell a sender where it stands (draft-ietf-httpapi-ratelimit-headers-07). */
  headers(grant: Grant): string {
    return `RateLimit-Limit: ${this.limit}\r\nRateLimit-Remaining: ${grant.remaining}\r\nRateLimit-Reset: ${grant.reset}\r\nRateLimit-Policy: ${this.limit};w=${WINDOW_MS / 1000}\r\n`
  }
}

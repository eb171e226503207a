/**
 * What is refused of the events that are sent here, gathered for those who set a site up: by site, reason and host, and told once a
 * second at most, so that senders of nothing but rubbish cost no more than a little.
 */
import type { Refusal } from "../../domain/frames.ts"
import type { DropReason } from "../http/problemCodes.ts"

/** Why something is refused: an event for its reason, or a page by its browser, before it sends any. */
export type RefusalCode = DropReason | "CORS"

/** Milliseconds between two times that it is told. */
const EVERY_MS = 1000
/** What is told at once, at most. */
const MAX_REFUSALS = 32
/** Characters of what an event says its site is, and of a host. */
const MAX_SITE = 64
const MAX_HOST = 253

/** From where an event comes, as far as its request says. */
export interface Sending {
  readonly origin: string
  readonly referer: string
}

/** The host of the page that has sent a request; `null` where it does not say. */
export const hostOf = ({ origin, referer }: Sending): string | null => {
  const address = origin === "" || origin === "null" ? referer : origin
  return URL.canParse(address) ? new URL(address).host || null : null
}

/** Gathers what is refused. */
export class Refusals {
  readonly #tell: (refusals: ReadonlyArray<Refusal>) => void
  readonly #now: () => number
  #gathered = new Map<string, Refusal>()
  #timer: NodeJS.Timeout | null = null

  /**
   * @param tell called with what was gathered
   * @param now unix milliseconds
   */
  constructor(tell: (refusals: ReadonlyArray<Refusal>) => void, now: () => number) {
    this.#tell = tell
    this.#now = now
  }

  /** Takes note of events of what they call a site. */
  note(named: string, code: RefusalCode, sending: Sending, events: number): void {
    const site = named.slice(0, MAX_SITE)
    const key = `${site} ${code} ${sending.origin} ${sending.origin === "" ? sending.referer : ""}`
    const before = this.#gathered.get(key)
    if (before === undefined && this.#gathered.size === MAX_REFUSALS) return
    const host = before === undefined ? (hostOf(sending)?.slice(0, MAX_HOST) ?? null) : before.host
    const timestamp = new Date(this.#now()).toISOString()
    this.#gathered.set(key, { site, code, host, events: (before?.events ?? 0) + events, timestamp })
    if (this.#timer !== null) return
    this.#timer = setTimeout(() => this.#flush(), EVERY_MS)
    this.#timer.unref()
  }

  #flush(): void {
    this.#timer = null
    const gathered = [...this.#gathered.values()]
    this.#gathered = new Map()
    this.#tell(gathered)
  }
}

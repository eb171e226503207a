/**
 * Tickets for the heatmap of one page, for a time and with filters: what a page's own script shows the figures by, which has neither a
 * session nor a key. A ticket is its contents, signed under a key that all nodes share for the day, so it is stored nowhere; it opens
 * nothing else, and is good for an hour, or until a little after midnight.
 */
import { createHmac, timingSafeEqual } from "node:crypto"
import { HOUR_MS } from "../../domain/time.ts"
import type { Granter } from "../http/access.ts"
import type { VisitorKeys } from "./services.ts"

/** Milliseconds for which a ticket is good. */
const GOOD_MS = HOUR_MS

/** Begins every ticket, so that one that is found somewhere is known for what it is. */
const PREFIX = "mah_"

/** What a ticket is for. */
export interface TicketFor {
  /** The URL of the page, or its path where its host is not known. */
  readonly page_url: string
  /** The question that its clicks are of, as answers repeat it. */
  readonly query: { readonly sites: ReadonlyArray<string> } & object
  /** By whose access it was made: it opens what they may see, for as long as they may. */
  readonly by: Granter
}

export interface Ticket {
  readonly ticket: string
  /** Unix milliseconds. */
  readonly until: number
}

export class HeatmapTickets {
  readonly #keys: VisitorKeys
  readonly #now: () => number

  /** @param now unix milliseconds */
  constructor(keys: VisitorKeys, now: () => number) {
    this.#keys = keys
    this.#now = now
  }

  /** A ticket for a page; `null` while there is no key. */
  make(contents: TicketFor): Ticket | null {
    const until = this.#now() + GOOD_MS
    const text = Buffer.from(JSON.stringify({ ...contents, until })).toString("base64url")
    const key = this.#keys.current(this.#now())
    if (key === null) return null
    return { ticket: `${PREFIX}${text}.${signature(key, text).toString("base64url")}`, until }
  }

  /** What a ticket is for; `null` for one that is not good, or not any more. */
  read(ticket: string): TicketFor | null {
    const now = this.#now()
    const [, text, signed] = /^mah_([\w-]+)\.([\w-]{43})$/.exec(ticket) ?? []
    if (text === undefined || signed === undefined) return null
    const given = Buffer.from(signed, "base64url")
    // It may have been made before midnight.
    const isOurs = [now, now - GOOD_MS].some((at) => {
      const key = this.#keys.current(at)
      return key !== null && given.length === 32 && timingSafeEqual(given, signature(key, text))
    })
    if (!isOurs) return null
    // Signed here, so it is what was made here.
    const contents: TicketFor & { readonly until: number } = JSON.parse(
      Buffer.from(text, "base64url").toString(),
    )
    return contents.until > now ? contents : null
  }
}

/** Under a key of its own, for the day's has other uses. */
const signature = (key: Buffer, text: string): Buffer =>
  createHmac("sha256", createHmac("sha256", key).update("heatmap tickets").digest()).update(text).digest()

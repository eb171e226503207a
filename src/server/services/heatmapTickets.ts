/**
 * Tickets for the heatmap of one page, for a time and with filters: what a page's own script shows the figures by, which has neither a
 * session nor a key. A ticket is its contents, signed under a key that all nodes share for the day, so it is stored nowhere; it opens
 * nothing else, and is good for an hour.
 */
import { createHmac } from "node:crypto"
import { readSigned, signedToken } from "../../access/tokens.ts"
import { HOUR_MS } from "../../domain/time.ts"
import type { Granter } from "../http/access.ts"
import type { VisitorKeys } from "./services.ts"

/** Milliseconds for which a ticket is good: the next day's key is there before. */
const GOOD_MS = HOUR_MS

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
    const key = this.#keyOf(until)
    if (key === null) return null
    const text = Buffer.from(JSON.stringify(contents)).toString("base64url")
    return { ticket: signedToken("heatmap", key, text, until), until }
  }

  /** What a ticket is for; `null` for one that is not good, or not any more. */
  read(ticket: string): TicketFor | null {
    const text = readSigned("heatmap", ticket, (_, until) => this.#keyOf(until), this.#now())
    // Signed here, so it is what was made here.
    return text === null ? null : JSON.parse(Buffer.from(text, "base64url").toString())
  }

  /** Of the day in which a ticket ends, so that it is there until then. One of its own, for the day's has other uses. */
  #keyOf(until: number): Buffer | null {
    const key = this.#keys.current(until)
    return key && createHmac("sha256", key).update("heatmap tickets").digest()
  }
}

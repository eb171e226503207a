/** Whose event it is: what senders say about their visitor, in order of precedence. */
import { type EventInput, Rejection } from "../../domain/event.ts"
import { UUID } from "../../domain/limits.ts"
import { deriveVisitorId, VISITOR_COOKIE } from "../../domain/visitor.ts"
import type { VisitorKeys } from "../services/services.ts"

/** Derived ids that are cached, so that a visitor's later events cost no HMAC; about 3 MB when full. In memory only. */
const MAX_DERIVED = 10_000
/** Code units; ids of longer user agents are derived each time rather than cached. */
const MAX_REMEMBERED_AGENT = 400

const INVALID_HEADER = new Rejection("INVALID_VISITOR_ID", "X-Visitor-Id must be a UUID.")
const MISSING = new Rejection("MISSING_VISITOR", "Missing visitor session")

/** What a request says about its visitor. */
export interface VisitorHints {
  /** The `X-Visitor-Id` header; empty if there is none. */
  readonly header: string
  readonly cookie: string
  readonly userAgent: string
  /** The client's address; called only when it is needed. */
  readonly address: () => string
}

const IN_COOKIES = new RegExp(`(?:^|;)\\s*${VISITOR_COOKIE}="?([^;"]*)"?\\s*(?:;|$)`)

/** The visitor of the {@link VISITOR_COOKIE}; a value that is not a UUID belongs to something else and is ignored. */
export const cookieVisitor = (cookie: string): string | null => {
  if (!cookie.includes(VISITOR_COOKIE)) return null
  const value = IN_COOKIES.exec(cookie)?.[1]?.trim()
  return value !== undefined && UUID.test(value) ? value.toLowerCase() : null
}

export class Visitors {
  readonly #keys: VisitorKeys
  readonly #required: boolean
  #derivedWith: Buffer | null = null
  readonly #derived = new Map<string, string>()

  constructor(keys: VisitorKeys, required: boolean) {
    this.#keys = keys
    this.#required = required
  }

  /**
   * The visitor of an event: the body's, else the header's, else the cookie's, else an id derived for the day. `null` if
   * an id would have to be derived and the day's key is unavailable.
   */
  of(event: EventInput, hints: VisitorHints, now: number): string | Rejection | null {
    if (event.visitorId !== null) return event.visitorId
    if (hints.header !== "") return UUID.test(hints.header) ? hints.header.toLowerCase() : INVALID_HEADER
    const fromCookie = cookieVisitor(hints.cookie)
    if (fromCookie !== null) return fromCookie
    if (this.#required) return MISSING
    // By the event's own day, as the figures are, as long as its key is there.
    const key = this.#keys.current(event.createdAt) ?? this.#keys.current(now)
    return key === null ? null : this.#derive(key, hints.address(), hints.userAgent)
  }

  #derive(key: Buffer, address: string, userAgent: string): string {
    if (userAgent.length > MAX_REMEMBERED_AGENT) return deriveVisitorId(key, address, userAgent)
    if (key !== this.#derivedWith || this.#derived.size >= MAX_DERIVED) {
      this.#derived.clear()
      this.#derivedWith = key
    }
    const from = `${address}\n${userAgent}`
    const known = this.#derived.get(from)
    if (known !== undefined) return known
    const id = deriveVisitorId(key, address, userAgent)
    this.#derived.set(from, id)
    return id
  }
}

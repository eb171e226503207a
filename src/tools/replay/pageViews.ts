/** Finds the page views in an access log and turns each into an event. Pure: clock and key are passed in. */
import { createHash } from "node:crypto"
import { cut } from "../../domain/cut.ts"
import { MAX_AGE_MS, MAX_AGE_TEXT, MAX_URL_LENGTH } from "../../domain/limits.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import { deriveVisitorId } from "../../domain/visitor.ts"
import { botOf, isProgram } from "../../enrichment/bots.ts"
import { DEFAULT_SKIPPED } from "../../sdk/index.ts"
import type { AccessLine } from "./accessLine.ts"
import { parseAccessLine } from "./accessLog.ts"
import type { Proxies } from "./addresses.ts"

/** Why a line is not an event, in the words of the summary. */
export const SKIP_REASONS = {
  malformed: "of no access log",
  noise: "without a request of HTTP",
  method: "not a GET",
  status: "not answered with a page (2xx, 304)",
  file: "not a page, by its name or type",
  program: "of a program, or without a user agent",
  bot: "of a bot, by its user agent",
  too_old: `older than ${MAX_AGE_TEXT} after the shift`,
  ahead: "dated a week or more after the lines around",
} as const

export type SkipReason = keyof typeof SKIP_REASONS

/** The body of an event, as `POST /events` accepts it. */
export interface PageViewEvent {
  readonly event_type: "page_view"
  readonly id: string
  readonly visitor_id: string
  /** Unix milliseconds. */
  readonly timestamp: number
  readonly page_url: string
  readonly referrer?: string
  /** What the visitor's program called itself. */
  readonly user_agent?: string
}

/**
 * What pages are called: nothing, or by what makes them. Whatever else has an ending is a file, also one of a kind that is yet to be
 * invented; a number behind a dot is a version and no ending.
 */
const PAGE_NAME = /^(?:[^.]*|.*\.(?:s?html?|xhtml|php\d?|phtml|aspx?|jspx?|jsf|xhtm|cfm|cgi|action|do|\d+))$/i

const HTML = /text\/html|application\/xhtml\+xml/i

/**
 * Margin before the age limit: an event's age is checked again when it arrives, after waiting for retries, by a clock
 * that may differ a little.
 */
const AGE_MARGIN_MS = MINUTE_MS

/** The number of page views that one generation of {@link Occurrences} remembers. */
const GENERATION = 500_000

/** Whether a request that succeeded was for a page: by what it was answered with, where the log tells, else by its name. */
const isPage = ({ target, contentType, status }: AccessLine): boolean => {
  const [path = ""] = target.split(/[?#]/, 1)
  const below = (prefix: string | RegExp) =>
    typeof prefix === "string" && (path === prefix || path.startsWith(`${prefix}/`))
  if (DEFAULT_SKIPPED.some(below)) return false
  // A copy that the browser has is answered without a type.
  if (contentType !== null && status !== 304) return HTML.test(contentType)
  return PAGE_NAME.test(path.slice(path.lastIndexOf("/") + 1))
}

const skipReasonOf = (line: AccessLine, sendsBots: boolean): SkipReason | null => {
  if (line.method === "") return "noise"
  if (line.method !== "GET") return "method"
  if (line.status !== 304 && (line.status < 200 || line.status > 299)) return "status"
  if (!isPage(line)) return "file"
  if (line.agent === null) return null
  if (isProgram(line.agent)) return "program"
  return sendsBots || botOf(line.agent) === null ? null : "bot"
}

/** A version 8 UUID (RFC 9562) from the first 128 bits of a hexadecimal SHA-256. */
const uuidOf = (hex: string): string => {
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) & 3]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/**
 * Counts identical lines. They have the same second, so they are close together, and memory is bounded by forgetting
 * lines that are {@link GENERATION} or more page views back.
 */
class Occurrences {
  #recent = new Map<string, number>()
  #earlier: ReadonlyMap<string, number> = new Map()

  /** The number of identical lines up to and including this one. */
  next(line: string): number {
    const key = sha256(line).slice(0, 32)
    const count = (this.#recent.get(key) ?? this.#earlier.get(key) ?? 0) + 1
    if (this.#recent.size >= GENERATION) {
      this.#earlier = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(key, count)
    return count
  }
}

export interface PageViewsOptions {
  /** Milliseconds added to every line's time. */
  readonly shift: number
  /** The latest time that is believed, before the shift. */
  readonly latest: number
  /** Secret under which address and agent are hashed; without it, trying all addresses undoes the hash. */
  readonly visitorKey: Buffer
  /** Unix milliseconds; read for every page view, because lines age during a slow replay. */
  readonly clock: () => number
  readonly proxies: Proxies
  /** The site's, such as `https://example.org`; without it a page is its path. */
  readonly origin?: string
  /** Whether the server tells bots by their user agents, which it believes whoever holds a write key. */
  readonly sendsBots?: boolean
}

/** Turns lines into events, in the order of the file. */
export class PageViews {
  readonly #options: PageViewsOptions
  readonly #occurrences = new Occurrences()
  /** The addresses that connected, as long as there is only one, and whether it spoke for others. */
  readonly #peers = new Set<string>()
  #forwarded = 0

  constructor(options: PageViewsOptions) {
    this.#options = options
  }

  /**
   * The event of a line, or why there is none. The id is derived from the line and its number among identical lines, so
   * that a log replayed twice counts once, and two identical lines count as two.
   */
  read(line: string): PageViewEvent | SkipReason {
    const { shift, latest, visitorKey, clock, proxies, origin = "", sendsBots = false } = this.#options
    const parsed = parseAccessLine(line)
    if (parsed === null) return "malformed"
    const reason = skipReasonOf(parsed, sendsBots)
    if (reason !== null) return reason
    if (parsed.time > latest) return "ahead"
    const timestamp = parsed.time + shift
    if (timestamp < clock() - MAX_AGE_MS + AGE_MARGIN_MS) return "too_old"
    const address = proxies.clientOf(parsed.addresses)
    this.#note(parsed.addresses, address)
    return {
      event_type: "page_view",
      id: uuidOf(sha256(`${line}\n${this.#occurrences.next(line)}`)),
      visitor_id: deriveVisitorId(visitorKey, address, parsed.agent ?? ""),
      timestamp,
      // Two slashes at the beginning would make a host of what follows.
      page_url: cut(`${origin}${parsed.target.replace(/^\/+/, "/")}`, MAX_URL_LENGTH),
      ...(parsed.referrer === null ? {} : { referrer: cut(parsed.referrer, MAX_URL_LENGTH) }),
      ...(parsed.agent === null ? {} : { user_agent: parsed.agent.toWellFormed() }),
    }
  }

  #note(addresses: ReadonlyArray<string>, client: string): void {
    const peer = addresses.at(-1) ?? ""
    if (this.#peers.size < 2) this.#peers.add(peer)
    if (addresses.length > 1 && client === peer) this.#forwarded++
  }

  /** An address that all page views came through and that spoke for others, but is not known as a proxy. */
  get suspectedProxy(): string | null {
    const [only = null] = this.#peers
    return this.#peers.size === 1 && this.#forwarded > 1 ? only : null
  }
}

/**
 * The latest time of the lines of a log. Servers log requests as they end, so it need not be the last line's; and one line that is
 * dated wrongly must not decide for all, so a time a week or more after those before it counts only if the next line is there, too.
 */
export class LatestTime {
  #latest: number | null = null
  #doubtful: number | null = null

  get value(): number | null {
    return this.#latest ?? this.#doubtful
  }

  add(line: string): void {
    const time = parseAccessLine(line)?.time
    if (time === undefined) return
    const doubtful = this.#doubtful
    this.#doubtful = null
    if (doubtful !== null && time >= doubtful - MAX_AGE_MS)
      this.#latest = Math.max(this.#latest ?? doubtful, doubtful)
    if (this.#latest === null || time > this.#latest + MAX_AGE_MS) this.#doubtful = time
    else this.#latest = Math.max(this.#latest, time)
  }
}

/** Finds the page views in an access log and turns each into an event. Pure: clock and key are passed in. */
import { createHash } from "node:crypto"
import { MAX_AGE_MS, MAX_AGE_TEXT, MAX_URL_LENGTH } from "../../domain/limits.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import { deriveVisitorId } from "../../domain/visitor.ts"
import { type AccessLine, parseAccessLine } from "./accessLog.ts"

/** Why a line is not an event, in the words of the summary. */
export const SKIP_REASONS = {
  malformed: "not in the combined log format",
  method: "not a GET",
  status: "not answered with 2xx or 3xx",
  asset: "not a page (by its extension)",
  too_old: `older than ${MAX_AGE_TEXT} after the shift`,
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

/** What a browser loads along with a page, and what machines fetch. */
const ASSET_EXTENSIONS = new Set("js css png jpg jpeg gif svg ico woff woff2 ttf map xml txt json".split(" "))

/**
 * Margin before the age limit: an event's age is checked again when it arrives, after waiting for retries, by a clock
 * that may differ a little.
 */
const AGE_MARGIN_MS = MINUTE_MS

/** The number of page views that one generation of {@link Occurrences} remembers. */
const GENERATION = 500_000

/** The extension of a target's path in lower case, without the dot; empty if there is none. */
const extensionOf = (target: string): string => {
  const end = target.search(/[?#]/)
  const path = end < 0 ? target : target.slice(0, end)
  const name = path.slice(path.lastIndexOf("/") + 1)
  const dot = name.lastIndexOf(".")
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase()
}

const skipReasonOf = (line: AccessLine): SkipReason | null => {
  if (line.method !== "GET") return "method"
  if (line.status < 200 || line.status > 399) return "status"
  return ASSET_EXTENSIONS.has(extensionOf(line.target)) ? "asset" : null
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

const cut = (url: string): string => url.slice(0, MAX_URL_LENGTH).toWellFormed()

/** Turns lines into events, in the order of the file. */
export class PageViews {
  readonly #shift: number
  readonly #visitorKey: Buffer
  readonly #clock: () => number
  readonly #origin: string
  readonly #occurrences = new Occurrences()

  /**
   * @param shift milliseconds added to every line's time.
   * @param visitorKey secret under which address and agent are hashed; without it, trying all addresses undoes the hash.
   * @param clock unix milliseconds; read for every page view, because lines age during a slow replay.
   * @param origin of the site, such as `https://example.org`; empty if it is not known, and a page is its path.
   */
  constructor(shift: number, visitorKey: Buffer, clock: () => number, origin = "") {
    this.#shift = shift
    this.#visitorKey = visitorKey
    this.#clock = clock
    this.#origin = origin
  }

  /**
   * The event of a line, or why there is none. The id is derived from the line and its number among identical lines, so
   * that a log replayed twice counts once, and two identical lines count as two.
   */
  read(line: string): PageViewEvent | SkipReason {
    const parsed = parseAccessLine(line)
    if (parsed === null) return "malformed"
    const reason = skipReasonOf(parsed)
    if (reason !== null) return reason
    const timestamp = parsed.time + this.#shift
    if (timestamp < this.#clock() - MAX_AGE_MS + AGE_MARGIN_MS) return "too_old"
    return {
      event_type: "page_view",
      id: uuidOf(sha256(`${line}\n${this.#occurrences.next(line)}`)),
      visitor_id: deriveVisitorId(this.#visitorKey, parsed.address, parsed.agent),
      timestamp,
      page_url: cut(`${this.#origin}${parsed.target}`),
      ...(parsed.referrer === null ? {} : { referrer: cut(parsed.referrer) }),
      ...(parsed.agent === "" || parsed.agent === "-" ? {} : { user_agent: parsed.agent.toWellFormed() }),
    }
  }
}

/** The latest time of any well-formed line. Servers log requests as they end, so it need not be the last line's. */
export const latestTime = async (chunks: AsyncIterable<ReadonlyArray<string>>): Promise<number | null> => {
  let latest: number | null = null
  for await (const lines of chunks) {
    for (const line of lines) {
      const time = parseAccessLine(line)?.time
      if (time !== undefined && (latest === null || time > latest)) latest = time
    }
  }
  return latest
}

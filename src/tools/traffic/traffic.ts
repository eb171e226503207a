/** The words that generator, sender, journal and checker share. */

export type Body = { readonly [key: string]: unknown }

/** What a request says of its visitor and page beside the bodies. */
export interface Sender {
  readonly userAgent: string
  /** `Referer`, which stands in for a missing `referrer`. */
  readonly referer: string | null
  /** `X-Visitor-Id`. */
  readonly visitorHeader: string | null
  /** The `maicivy_session` cookie. */
  readonly cookie: string | null
}

/** One event to be sent. */
export interface PlannedEvent {
  /** What is serialised; not always an object, since senders send anything. */
  readonly body: unknown
  /** Sent instead of `body`, when it is no JSON at all. */
  readonly raw?: string
  /** Why it must be refused, or `null` when it must be accepted. */
  readonly flaw: string | null
}

/** One request. */
export interface Shipment {
  readonly form: "single" | "array" | "ndjson"
  readonly contentType: string
  /** The query's `site`, for events that name none. */
  readonly site: string | null
  readonly sender: Sender
  readonly events: ReadonlyArray<PlannedEvent>
  /** Statuses of a request that must be refused as a whole; its events are of no account. */
  readonly refusedWith?: ReadonlyArray<number>
}

/** What became of one sent event. */
export interface JournalEntry {
  /** `unknown`: no answer came, and without an id it could not be sent again. */
  readonly outcome: "accepted" | "rejected" | "unknown"
  /** The rejection's code. */
  readonly code: string | null
  readonly event: PlannedEvent
  readonly site: string | null
  readonly sender: Sender
  /** Unix milliseconds of the first attempt and of the answer. */
  readonly sentAt: number
  readonly answeredAt: number
}

/** Whether a JSON value is an object. */
export const isBody = (value: unknown): value is Body =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The types that generator, sender, journal and checker share. */

export type Body = { readonly [key: string]: unknown }

/** What a request says about its visitor and page outside of its body. */
export interface Sender {
  readonly userAgent: string
  /** `Referer`, which is used in place of a missing `referrer` where there is no `page_url` either. */
  readonly referer: string | null
  /** `X-Visitor-Id`. */
  readonly visitorHeader: string | null
  /** The `maicivy_session` cookie. */
  readonly cookie: string | null
}

/** One event to send. */
export interface PlannedEvent {
  /** What is serialised. Not always an object, because senders send anything. */
  readonly body: unknown
  /** Sent instead of `body` if it is not JSON at all. */
  readonly raw?: string
  /** Why it must be refused; `null` if it must be accepted. */
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
  /** The allowed statuses of a request that must be refused as a whole; its events do not count. */
  readonly refusedWith?: ReadonlyArray<number>
}

/** What became of one sent event. */
export interface JournalEntry {
  /** `unknown`: there was no answer, and without an id the event could not be retried. */
  readonly outcome: "accepted" | "rejected" | "unknown"
  /** The code of the rejection. */
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

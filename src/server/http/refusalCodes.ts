/** With which codes events and WebSockets may be refused: for the metrics, which have them from the start, and the OpenAPI document. */
import { type DropReason, type ProblemCode, SILENT_DROPS } from "./problemCodes.ts"

/** What refuses a request before its events are looked at. */
export const REQUEST_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_JSON",
  "INVALID_UTF8",
  "INVALID_BODY",
  "INVALID_PARAMETER",
  "UNKNOWN_SITE",
  "SITE_ARCHIVED",
  "INVALID_WRITE_KEY",
  "BODY_TIMEOUT",
  "BODY_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "RATE_LIMITED",
  "BODIES_FULL",
  "BACKLOG_FULL",
  "STREAM_UNAVAILABLE",
]

/** What refuses one event. */
export const EVENT_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_BODY",
  "INVALID_EVENT_TYPE",
  "INVALID_EVENT_DATA",
  "EVENT_DATA_TOO_LARGE",
  "INVALID_PAGE_URL",
  "INVALID_REFERRER",
  "INVALID_ID",
  "INVALID_TIMESTAMP",
  "TIMESTAMP_OUT_OF_RANGE",
  "INVALID_VISITOR_ID",
  "MISSING_VISITOR",
  "INVALID_SITE",
  "UNKNOWN_SITE",
  "SITE_ARCHIVED",
  "HOST_NOT_ALLOWED",
]

/** Everything for which an event may be dropped: the values of the metric's label. */
export const DROP_REASONS: ReadonlySet<DropReason> = new Set([
  ...REQUEST_CODES,
  ...EVENT_CODES,
  "TOO_MANY_EVENTS",
  "SHUTTING_DOWN",
  ...SILENT_DROPS,
])

/** Codes with which a request is refused whose access does not suffice. */
export const ACCESS_CODES: ReadonlyArray<ProblemCode> = ["UNAUTHORIZED", "FORBIDDEN", "TOO_MANY_GUESSES"]

/** Codes with which an upgrade may be refused. */
export const UPGRADE_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_PARAMETER",
  "UNKNOWN_SITE",
  "ORIGIN_NOT_ALLOWED",
  ...ACCESS_CODES,
  "UPGRADE_REQUIRED",
  "CONNECTION_LIMIT",
  "TOO_MANY_CONNECTIONS",
]

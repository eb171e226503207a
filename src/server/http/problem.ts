/** How a request can fail: one union of codes, and the one place that maps them to statuses. */
import type { RejectionCode } from "../../domain/event.ts"
import { StoreError } from "../../stores/errors.ts"
import type { AppendFailure } from "../../stream/producer.ts"

/** The `code` of an error answer. Those that refuse an event are also the `reason` of the metric. */
export type ProblemCode =
  | RejectionCode
  | AppendFailure
  | "INVALID_PARAMETER"
  | "INVALID_REQUEST"
  | "INVALID_WRITE_KEY"
  | "UNAUTHORIZED"
  | "ORIGIN_NOT_ALLOWED"
  | "NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "BODIES_FULL"
  | "BODY_TIMEOUT"
  | "BODY_TOO_LARGE"
  | "TOO_MANY_EVENTS"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "UPGRADE_REQUIRED"
  | "RATE_LIMITED"
  | "TOO_MANY_CONNECTIONS"
  | "TOO_MANY_EXPORTS"
  | "CONNECTION_LIMIT"
  | "STORE_UNAVAILABLE"
  | "NOT_READY"
  | "SHUTTING_DOWN"
  | "INTERNAL_ERROR"

/** Status lines by code. The compiler asks for every code. */
export const STATUS: { readonly [code in ProblemCode]: string } = {
  INVALID_JSON: "400 Bad Request",
  INVALID_UTF8: "400 Bad Request",
  INVALID_BODY: "400 Bad Request",
  INVALID_EVENT_TYPE: "400 Bad Request",
  INVALID_EVENT_DATA: "400 Bad Request",
  EVENT_DATA_TOO_LARGE: "400 Bad Request",
  INVALID_PAGE_URL: "400 Bad Request",
  INVALID_REFERRER: "400 Bad Request",
  INVALID_ID: "400 Bad Request",
  INVALID_TIMESTAMP: "400 Bad Request",
  TIMESTAMP_OUT_OF_RANGE: "400 Bad Request",
  INVALID_VISITOR_ID: "400 Bad Request",
  MISSING_VISITOR: "400 Bad Request",
  INVALID_SITE: "400 Bad Request",
  UNKNOWN_SITE: "400 Bad Request",
  INVALID_PARAMETER: "400 Bad Request",
  INVALID_REQUEST: "400 Bad Request",
  INVALID_WRITE_KEY: "401 Unauthorized",
  UNAUTHORIZED: "401 Unauthorized",
  ORIGIN_NOT_ALLOWED: "403 Forbidden",
  NOT_FOUND: "404 Not Found",
  METHOD_NOT_ALLOWED: "405 Method Not Allowed",
  BODY_TIMEOUT: "408 Request Timeout",
  BODY_TOO_LARGE: "413 Content Too Large",
  TOO_MANY_EVENTS: "413 Content Too Large",
  UNSUPPORTED_MEDIA_TYPE: "415 Unsupported Media Type",
  UPGRADE_REQUIRED: "426 Upgrade Required",
  RATE_LIMITED: "429 Too Many Requests",
  CONNECTION_LIMIT: "429 Too Many Requests",
  TOO_MANY_CONNECTIONS: "503 Service Unavailable",
  BODIES_FULL: "503 Service Unavailable",
  TOO_MANY_EXPORTS: "503 Service Unavailable",
  BACKLOG_FULL: "503 Service Unavailable",
  STREAM_UNAVAILABLE: "503 Service Unavailable",
  STORE_UNAVAILABLE: "503 Service Unavailable",
  NOT_READY: "503 Service Unavailable",
  SHUTTING_DOWN: "503 Service Unavailable",
  INTERNAL_ERROR: "500 Internal Server Error",
}

/** Seconds after which a client may try again what was refused for want of a store. */
export const RETRY_AFTER_S = 2

/** A refused request: the code, one sentence for a person, and header lines that belong to the refusal. */
export class Problem {
  readonly code: ProblemCode
  readonly error: string
  /** Complete header lines, each with its CRLF. */
  readonly headers: string

  constructor(code: ProblemCode, error: string, headers = "") {
    this.code = code
    this.error = error
    this.headers =
      headers === "" && STATUS[code].startsWith("503") ? `Retry-After: ${RETRY_AFTER_S}\r\n` : headers
  }

  /** The answer's body. */
  get body(): string {
    return JSON.stringify({ success: false, error: this.error, code: this.code })
  }
}

const APPEND_PROBLEMS: { readonly [failure in AppendFailure]: Problem } = {
  BACKLOG_FULL: new Problem(
    "BACKLOG_FULL",
    "Too many events are waiting to be processed; try again shortly.",
  ),
  STREAM_UNAVAILABLE: new Problem(
    "STREAM_UNAVAILABLE",
    "The event could not be made durable; try again shortly.",
  ),
}

/** The answer to an event that could not be made durable. */
export const appendProblem = (failure: AppendFailure): Problem => APPEND_PROBLEMS[failure]

const STORE_UNAVAILABLE = new Problem("STORE_UNAVAILABLE", "A store does not answer now; try again shortly.")
const INTERNAL_ERROR = new Problem("INTERNAL_ERROR", "The request failed for a reason of the server's own.")

/** The answer to any failure of a read: a store that is away may be asked again, anything else is a fault of ours. */
export const failureProblem = (failure: unknown): Problem =>
  failure instanceof Problem
    ? failure
    : failure instanceof StoreError && failure.unavailable
      ? STORE_UNAVAILABLE
      : INTERNAL_ERROR

export const SHUTTING_DOWN = new Problem("SHUTTING_DOWN", "The server is stopping; try again shortly.")

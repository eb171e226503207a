/**
 * Every code with which a request can fail, in one table: its status, its meaning in the documentation, and the sentence
 * of its answers. `docs/api.md` and the OpenAPI document are made from it.
 */
import type { RejectionCode } from "../../domain/event.ts"
import {
  BODY_SILENCE_MS,
  BODY_TOTAL_MS,
  MAX_AGE_TEXT,
  MAX_AHEAD_TEXT,
  MAX_BATCH_BODY_BYTES,
  MAX_BATCH_EVENTS,
  MAX_EVENT_BODY_BYTES,
  MAX_EVENT_DATA_BYTES,
  MAX_GUESSES_PER_MINUTE,
} from "../../domain/limits.ts"
import { WEBSOCKET_PATH } from "../../domain/paths.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import type { AppendFailure } from "../../stream/producer.ts"

/** Codes whose sentence depends on the request: whoever refuses it says what is wrong. */
type SpecificCode =
  | RejectionCode
  | "INVALID_PARAMETER"
  | "INVALID_REQUEST"
  | "METHOD_NOT_ALLOWED"
  | "BODY_TIMEOUT"
  | "BODY_TOO_LARGE"
  | "RATE_LIMITED"
  | "TOO_MANY_EXPORTS"
  | "TOO_MANY_QUERIES"
  | "QUERY_TIMEOUT"
  | "INVALID_QUERY"
  | "INVALID_FIELD"
  | "CONFLICT"

/** Codes with a sentence of their own, which is used unless whoever refuses knows more. */
export type GeneralCode =
  | AppendFailure
  | "INVALID_JSON"
  | "INVALID_UTF8"
  | "INVALID_WRITE_KEY"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "WRONG_CREDENTIALS"
  | "TOO_MANY_ATTEMPTS"
  | "ORIGIN_NOT_ALLOWED"
  | "NOT_FOUND"
  | "BODIES_FULL"
  | "TOO_MANY_EVENTS"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "UPGRADE_REQUIRED"
  | "TOO_MANY_CONNECTIONS"
  | "TOO_MANY_GUESSES"
  | "CONNECTION_LIMIT"
  | "STORE_UNAVAILABLE"
  | "QUERY_ENGINE_UNAVAILABLE"
  | "NOT_READY"
  | "SHUTTING_DOWN"
  | "INTERNAL_ERROR"

/** The `code` of an error answer. */
export type ProblemCode = SpecificCode | GeneralCode

/** Reasons for which an event is dropped without its sender being told: answered as if it had been tracked. */
export const SILENT_DROPS = ["DO_NOT_TRACK", "BOT", "EXCLUDED"] as const
export type SilentDrop = (typeof SILENT_DROPS)[number]

/** Why an event was dropped: the `reason` of the metric of refused events. */
export type DropReason = ProblemCode | SilentDrop

interface Specific {
  /** The status line. */
  readonly status: string
  /** For the documentation, in Markdown. */
  readonly meaning: string
}

interface General extends Specific {
  /** The sentence of its answers. */
  readonly error: string
}

const KIB = 1024

/** The compiler requires a row for every code. */
export const PROBLEMS: { readonly [code in SpecificCode]: Specific } & {
  readonly [code in GeneralCode]: General
} = {
  INVALID_JSON: {
    status: "400 Bad Request",
    meaning: "The body, or a line of NDJSON, is empty or not JSON.",
    error: "The body is not JSON.",
  },
  INVALID_UTF8: {
    status: "400 Bad Request",
    meaning: "The body is not UTF-8.",
    error: "The body must be UTF-8.",
  },
  INVALID_BODY: {
    status: "400 Bad Request",
    meaning: "An event is not an object, or a batch is not an array.",
  },
  INVALID_EVENT_TYPE: {
    status: "400 Bad Request",
    meaning: "`event_type` is missing or contains other characters.",
  },
  INVALID_EVENT_DATA: {
    status: "400 Bad Request",
    meaning: "`event_data` is not an object, is too deep, or contains something that cannot be stored.",
  },
  EVENT_DATA_TOO_LARGE: {
    status: "400 Bad Request",
    meaning: `\`event_data\` is larger than ${MAX_EVENT_DATA_BYTES / KIB} KiB.`,
  },
  INVALID_PAGE_URL: {
    status: "400 Bad Request",
    meaning: "`page_url` is not a string that can be stored.",
  },
  INVALID_REFERRER: {
    status: "400 Bad Request",
    meaning: "`referrer` is not a string that can be stored.",
  },
  INVALID_ID: {
    status: "400 Bad Request",
    meaning: "`id` is not a UUID.",
  },
  INVALID_TIMESTAMP: {
    status: "400 Bad Request",
    meaning: "`timestamp` is neither ISO 8601 with an offset nor unix milliseconds.",
  },
  TIMESTAMP_OUT_OF_RANGE: {
    status: "400 Bad Request",
    meaning: `\`timestamp\` is more than ${MAX_AGE_TEXT} in the past or ${MAX_AHEAD_TEXT} in the future.`,
  },
  INVALID_VISITOR_ID: {
    status: "400 Bad Request",
    meaning: "A visitor id is not a UUID.",
  },
  MISSING_VISITOR: {
    status: "400 Bad Request",
    meaning: "`REQUIRE_VISITOR` is on and nothing identifies the visitor.",
  },
  INVALID_SITE: {
    status: "400 Bad Request",
    meaning: "`site` is not a string.",
  },
  UNKNOWN_SITE: {
    status: "400 Bad Request",
    meaning: "The site is not declared.",
  },
  SITE_ARCHIVED: {
    status: "400 Bad Request",
    meaning: "The site is archived: it takes no events any more.",
  },
  HOST_NOT_ALLOWED: {
    status: "400 Bad Request",
    meaning: "The site takes events of its hosts only, and this one is of another, or does not say.",
  },
  INVALID_PARAMETER: {
    status: "400 Bad Request",
    meaning: "A query parameter has an invalid value; the message says which one, and what it should be.",
  },
  INVALID_QUERY: {
    status: "400 Bad Request",
    meaning: "A field of a question has an invalid value; the message says which one, and what it should be.",
  },
  INVALID_FIELD: {
    status: "400 Bad Request",
    meaning: "A field of the body has an invalid value; the message says which one, and what it should be.",
  },
  INVALID_REQUEST: {
    status: "400 Bad Request",
    meaning: "The request's framing is ambiguous: contradictory `Content-Length` or `Transfer-Encoding`.",
  },
  INVALID_WRITE_KEY: {
    status: "401 Unauthorized",
    meaning: "The write key is not one of those configured.",
    error: "The write key is not one of WRITE_KEYS.",
  },
  UNAUTHORIZED: {
    status: "401 Unauthorized",
    meaning: "It needs access, and the request brings none that is valid.",
    error: "This needs access: log in, or send Authorization: Bearer with a key or ADMIN_TOKEN.",
  },
  WRONG_CREDENTIALS: {
    status: "401 Unauthorized",
    meaning: "The name, the password or the link is wrong; which of them is not told.",
    error: "The name, the password or the link is wrong.",
  },
  FORBIDDEN: {
    status: "403 Forbidden",
    meaning: "The access that the request brings does not reach this far.",
    error: "The access that was given does not reach this far.",
  },
  ORIGIN_NOT_ALLOWED: {
    status: "403 Forbidden",
    meaning: "A page of this origin may not open a WebSocket.",
    error: "Pages of this origin may not connect.",
  },
  NOT_FOUND: {
    status: "404 Not Found",
    meaning: "There is nothing at this path.",
    error: "There is nothing at this path.",
  },
  METHOD_NOT_ALLOWED: {
    status: "405 Method Not Allowed",
    meaning: "The path has other methods; `Allow` lists them.",
  },
  CONFLICT: {
    status: "409 Conflict",
    meaning:
      "It contradicts what there is: the name is taken, it is the last owner, or there are as many as may be.",
  },
  BODY_TIMEOUT: {
    status: "408 Request Timeout",
    meaning: `Nothing of the body arrived for ${BODY_SILENCE_MS / 1000} seconds, or not all of it within ${BODY_TOTAL_MS / MINUTE_MS} minutes.`,
  },
  QUERY_TIMEOUT: {
    status: "408 Request Timeout",
    meaning: "The question could not be answered within 10 seconds.",
  },
  BODY_TOO_LARGE: {
    status: "413 Content Too Large",
    meaning: `The body is larger than ${MAX_EVENT_BODY_BYTES / KIB} KiB (\`/event\`) or ${MAX_BATCH_BODY_BYTES / KIB / KIB} MiB (\`/events\`).`,
  },
  TOO_MANY_EVENTS: {
    status: "413 Content Too Large",
    meaning: `A batch has more than ${MAX_BATCH_EVENTS.toLocaleString("en")} events.`,
    error: `A batch holds at most ${MAX_BATCH_EVENTS} events.`,
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: "415 Unsupported Media Type",
    meaning: "The body's type, charset or encoding is not supported.",
    error:
      "Content-Type must be application/json or text/plain, in UTF-8; POST /events also takes application/x-ndjson.",
  },
  UPGRADE_REQUIRED: {
    status: "426 Upgrade Required",
    meaning: `\`${WEBSOCKET_PATH}\` speaks WebSocket only.`,
    error: "This path speaks WebSocket only.",
  },
  RATE_LIMITED: {
    status: "429 Too Many Requests",
    meaning: "The address has used up its events for this minute; see `Retry-After`.",
  },
  TOO_MANY_QUERIES: {
    status: "429 Too Many Requests",
    meaning: "As many questions are being answered, or wait, as the node takes; see `Retry-After`.",
  },
  TOO_MANY_ATTEMPTS: {
    status: "429 Too Many Requests",
    meaning: "Too many passwords have been tried, from the address or of the account; see `Retry-After`.",
    error: "Too many passwords have been tried: wait for a while.",
  },
  TOO_MANY_GUESSES: {
    status: "429 Too Many Requests",
    meaning: `The address has sent ${MAX_GUESSES_PER_MINUTE} wrong tokens within a minute; see \`Retry-After\`.`,
    error: "Too many wrong tokens have come from this address: wait for a while.",
  },
  CONNECTION_LIMIT: {
    status: "429 Too Many Requests",
    meaning: "The address has reached its limit of WebSocket connections.",
    error: "Your address has as many connections as it may.",
  },
  TOO_MANY_CONNECTIONS: {
    status: "503 Service Unavailable",
    meaning: "The node has reached its limit of WebSocket connections.",
    error: "This server has as many connections as it may; try again later.",
  },
  BODIES_FULL: {
    status: "503 Service Unavailable",
    meaning: "The node is reading as many bodies as it has memory for.",
    error: "Too many bodies are arriving at once; try again shortly.",
  },
  TOO_MANY_EXPORTS: {
    status: "503 Service Unavailable",
    meaning: "The node has reached its limit of concurrent downloads.",
  },
  BACKLOG_FULL: {
    status: "503 Service Unavailable",
    meaning: "The partition of the event has used up its share of `MAX_BACKLOG`.",
    error: "Too many events are waiting to be processed; try again shortly.",
  },
  STREAM_UNAVAILABLE: {
    status: "503 Service Unavailable",
    meaning: "Redis did not confirm the event in time, or cannot be reached.",
    error: "The event could not be made durable; try again shortly.",
  },
  STORE_UNAVAILABLE: {
    status: "503 Service Unavailable",
    meaning: "The store needed for a read cannot be reached, or an erasure has to wait.",
    error: "A store does not answer now; try again shortly.",
  },
  QUERY_ENGINE_UNAVAILABLE: {
    status: "503 Service Unavailable",
    meaning: "The query engine ended, or cannot be started; the log says why.",
    error: "The question could not be answered: the query engine failed; try again shortly.",
  },
  NOT_READY: {
    status: "503 Service Unavailable",
    meaning: "Something is missing; the `data` of `/ready` says what.",
    error: "Not ready: see data for the part that is missing.",
  },
  SHUTTING_DOWN: {
    status: "503 Service Unavailable",
    meaning: "The node is stopping.",
    error: "The server is stopping; try again shortly.",
  },
  INTERNAL_ERROR: {
    status: "500 Internal Server Error",
    meaning: "A bug in the server. Its log has the details.",
    error: "The request failed for a reason of the server's own.",
  },
}

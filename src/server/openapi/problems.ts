/** Answers that refuse: what each code means, which of them an operation may give, and their shape. */

import {
  MAX_AGE_TEXT,
  MAX_AHEAD_TEXT,
  MAX_BATCH_BODY_BYTES,
  MAX_BATCH_EVENTS,
  MAX_EVENT_BODY_BYTES,
  MAX_EVENT_DATA_BYTES,
} from "../../domain/limits.ts"
import { WEBSOCKET_PATH } from "../../domain/paths.ts"
import { type ProblemCode, STATUS } from "../http/problem.ts"
import { count, type Schema, text } from "./schema.ts"

/** What a code says, for people. The compiler asks for every code. */
export const MEANING: { readonly [code in ProblemCode]: string } = {
  INVALID_JSON: "The body, or a line of NDJSON, is empty or no JSON.",
  INVALID_UTF8: "The body is not UTF-8.",
  INVALID_BODY: "An event is not an object, or a batch not an array.",
  INVALID_EVENT_TYPE: "`event_type` is missing or has other characters.",
  INVALID_EVENT_DATA: "`event_data` is not an object, is too deep, or contains what cannot be stored.",
  EVENT_DATA_TOO_LARGE: `\`event_data\` is larger than ${MAX_EVENT_DATA_BYTES / 1024} KiB.`,
  INVALID_PAGE_URL: "`page_url` is not a string that can be stored.",
  INVALID_REFERRER: "`referrer` is not a string that can be stored.",
  INVALID_ID: "`id` is not a UUID.",
  INVALID_TIMESTAMP: "`timestamp` is neither ISO 8601 with an offset nor unix milliseconds.",
  TIMESTAMP_OUT_OF_RANGE: `\`timestamp\` is more than ${MAX_AGE_TEXT} back or ${MAX_AHEAD_TEXT} ahead.`,
  INVALID_VISITOR_ID: "A visitor's id is not a UUID.",
  MISSING_VISITOR: "`REQUIRE_VISITOR` is on and nothing names the visitor.",
  INVALID_SITE: "`site` is not a string.",
  UNKNOWN_SITE: "The site is not declared.",
  INVALID_PARAMETER: "A query parameter has a bad value; the message says which and what it should be.",
  INVALID_REQUEST:
    "The request's framing is ambiguous: contradicting `Content-Length` or `Transfer-Encoding`.",
  INVALID_WRITE_KEY: "The write key is none of those configured.",
  UNAUTHORIZED: "Administration without the right token.",
  ORIGIN_NOT_ALLOWED: "A page of this origin may not open a WebSocket.",
  NOT_FOUND: "There is nothing at this path.",
  METHOD_NOT_ALLOWED: "The path answers other methods; `Allow` lists them.",
  BODY_TIMEOUT: "The body did not arrive within 15 seconds.",
  BODY_TOO_LARGE: `The body is larger than ${MAX_EVENT_BODY_BYTES / 1024} KiB (\`/event\`) or ${MAX_BATCH_BODY_BYTES / 1024 ** 2} MiB (\`/events\`).`,
  TOO_MANY_EVENTS: `A batch has more than ${MAX_BATCH_EVENTS.toLocaleString("en")} events.`,
  UNSUPPORTED_MEDIA_TYPE: "The body's type, charset or encoding is not supported.",
  UPGRADE_REQUIRED: `\`${WEBSOCKET_PATH}\` speaks WebSocket only.`,
  RATE_LIMITED: "The address has sent its events of this minute; see `Retry-After`.",
  CONNECTION_LIMIT: "The address holds as many WebSocket connections as it may.",
  INTERNAL_ERROR: "A fault of the server. It is in its log.",
  TOO_MANY_CONNECTIONS: "The node holds as many WebSocket connections as it may.",
  BODIES_FULL: "The node is reading as many bodies as it has memory for.",
  TOO_MANY_EXPORTS: "The node is sending as many downloads as it may.",
  BACKLOG_FULL: "The stream of the event's partition holds as many events as it may.",
  STREAM_UNAVAILABLE: "Redis did not confirm the event in time, or cannot be reached.",
  STORE_UNAVAILABLE: "The store of a read cannot be reached, or an erasure has to wait.",
  NOT_READY: "`/ready` says that a part is missing.",
  SHUTTING_DOWN: "The node is stopping.",
}

/** Codes that any request may be refused with. */
const ANYWHERE: ReadonlyArray<ProblemCode> = [
  "INVALID_REQUEST",
  "METHOD_NOT_ALLOWED",
  "SHUTTING_DOWN",
  "INTERNAL_ERROR",
]

export const READ_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_PARAMETER",
  "UNKNOWN_SITE",
  "STORE_UNAVAILABLE",
]

export const EXPORT_CODES: ReadonlyArray<ProblemCode> = [...READ_CODES, "TOO_MANY_EXPORTS"]

export const ADMIN_CODES: ReadonlyArray<ProblemCode> = [
  "UNAUTHORIZED",
  "INVALID_VISITOR_ID",
  "TOO_MANY_EXPORTS",
  "STORE_UNAVAILABLE",
]

/** What refuses a request before its events are looked at. */
export const REQUEST_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_JSON",
  "INVALID_UTF8",
  "INVALID_BODY",
  "INVALID_PARAMETER",
  "UNKNOWN_SITE",
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
]

/** What a single event of a batch may be listed with. */
export const LISTED_CODES: ReadonlyArray<ProblemCode> = [
  ...EVENT_CODES,
  "INVALID_JSON",
  "RATE_LIMITED",
  "BACKLOG_FULL",
  "STREAM_UNAVAILABLE",
]

/** The upgrades that are refused. */
export const UPGRADE_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_PARAMETER",
  "UNKNOWN_SITE",
  "ORIGIN_NOT_ALLOWED",
  "UPGRADE_REQUIRED",
  "CONNECTION_LIMIT",
  "TOO_MANY_CONNECTIONS",
]

/** The body of a refusal with one of these codes; `data` when it also reports something. */
export const problemOf = (codes: ReadonlyArray<string>, data?: Schema): Schema => ({
  type: "object",
  properties: {
    success: { const: false },
    error: { type: "string", minLength: 1, description: "One sentence." },
    code: { type: "string", enum: codes },
    ...(data && { data }),
  },
  required: ["success", "error", "code", ...(data ? ["data"] : [])],
  additionalProperties: false,
})

const described = (codes: ReadonlyArray<ProblemCode>): string =>
  codes.map((code) => `${code}: ${MEANING[code]}`).join("\n\n")

/** 503 and 429 say when to try again, 405 what the path answers. */
const headersOf = (status: string) =>
  status === "503" || status === "429"
    ? { "Retry-After": { description: "Seconds.", required: true, schema: count } }
    : status === "405"
      ? { Allow: { required: true, schema: text } }
      : undefined

/** A refusal with a status, whose body one of these schemas has. */
export const refusal = (
  status: string,
  codes: ReadonlyArray<ProblemCode>,
  schema: Schema = problemOf(codes),
) => {
  const headers = headersOf(status)
  return {
    description: described(codes),
    ...(headers && { headers }),
    content: { "application/json": { schema } },
  }
}

/** The refusals of an operation, by status: these codes and those of any request. */
export const refusals = (codes: ReadonlyArray<ProblemCode>) => {
  const byStatus = new Map<string, Array<ProblemCode>>()
  for (const code of new Set([...codes, ...ANYWHERE])) {
    const status = STATUS[code].slice(0, 3)
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a.localeCompare(b)).map(([status, of]) => [status, refusal(status, of)]),
  )
}

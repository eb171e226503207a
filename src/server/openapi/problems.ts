/** Refusals: which codes an operation may answer with, and their shape. */
import { RETRYABLE_CODES } from "../../domain/retryable.ts"
import { PROBLEMS, type ProblemCode } from "../http/problemCodes.ts"
import { ACCESS_CODES, EVENT_CODES } from "../http/refusalCodes.ts"
import { count, type Schema, text } from "./schema.ts"

/** Codes with which any request may be refused. */
const ANYWHERE: ReadonlyArray<ProblemCode> = [
  "INVALID_REQUEST",
  "METHOD_NOT_ALLOWED",
  "SHUTTING_DOWN",
  "INTERNAL_ERROR",
]

export const READ_CODES: ReadonlyArray<ProblemCode> = [
  ...ACCESS_CODES,
  "INVALID_PARAMETER",
  "UNKNOWN_SITE",
  "STORE_UNAVAILABLE",
]

export const QUERY_CODES: ReadonlyArray<ProblemCode> = [
  ...ACCESS_CODES,
  "INVALID_QUERY",
  "QUERY_TIMEOUT",
  "TOO_MANY_QUERIES",
  "QUERY_ENGINE_UNAVAILABLE",
  "STORE_UNAVAILABLE",
]

/** Codes with which a body of JSON may be refused. */
export const BODY_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_JSON",
  "INVALID_UTF8",
  "UNSUPPORTED_MEDIA_TYPE",
  "BODY_TOO_LARGE",
  "BODY_TIMEOUT",
  "BODIES_FULL",
]

export const EXPORT_CODES: ReadonlyArray<ProblemCode> = [...READ_CODES, "TOO_MANY_EXPORTS"]

export const ADMIN_CODES: ReadonlyArray<ProblemCode> = [
  ...ACCESS_CODES,
  "INVALID_VISITOR_ID",
  "TOO_MANY_EXPORTS",
  "STORE_UNAVAILABLE",
]

/** Codes with which an event of a batch may be listed. */
export const LISTED_CODES: ReadonlyArray<ProblemCode> = [...EVENT_CODES, "INVALID_JSON", ...RETRYABLE_CODES]

/** The body of a refusal with one of these codes, and with `data` if it also reports something. */
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
  codes.map((code) => `${code}: ${PROBLEMS[code].meaning}`).join("\n\n")

/** 503 and 429 say when to try again, 405 what the path answers. */
const headersOf = (status: string) =>
  status === "503" || status === "429"
    ? { "Retry-After": { description: "Seconds.", required: true, schema: count } }
    : status === "405"
      ? { Allow: { required: true, schema: text } }
      : undefined

/** A refusal with a status, whose body has the schema. */
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
    const status = PROBLEMS[code].status.slice(0, 3)
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a.localeCompare(b)).map(([status, of]) => [status, refusal(status, of)]),
  )
}

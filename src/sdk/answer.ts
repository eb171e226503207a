/** What the server's answer to a batch means for its events. */

/** Codes of refused events that may be sent again; those of the server, as a test sees to. */
const RETRYABLE: ReadonlySet<string> = new Set(["RATE_LIMITED", "STREAM_UNAVAILABLE", "BACKLOG_FULL"])

/** An event of a batch that was not taken. */
export interface RejectedEvent {
  readonly index: number
  readonly code: string
  readonly message: string
  readonly retryable: boolean
}

export type Answer =
  /** Every event was judged by itself. `afterMs` says when retryable ones may come again, when the server said so. */
  | {
      readonly kind: "judged"
      readonly rejected: ReadonlyArray<RejectedEvent>
      readonly afterMs: number | null
    }
  /** Nothing was taken, and the same may be sent again. */
  | { readonly kind: "again"; readonly reason: string; readonly afterMs: number | null }
  /** Nothing was taken, and nothing will be. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string }

export const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const text = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise)

const parse = (body: string): { readonly [key: string]: unknown } => {
  try {
    const value: unknown = JSON.parse(body)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

/** Milliseconds of a header that gives seconds or, as `Retry-After` may (RFC 9110 §10.2.3), a date. */
const delayMs = (header: string | null): number | null => {
  if (header === null || header.trim() === "") return null
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000
  return Number.isFinite(ms) ? Math.max(ms, 0) : null
}

/**
 * Reads an answer of `POST /events`. Anything between client and server may answer in its place, so nothing of the body
 * is taken for granted: a 5xx, 408 or 429 of whatever form means again, another refusal is final.
 */
export const readAnswer = (status: number, headers: Headers, body: string): Answer => {
  const parsed = parse(body)
  if (status >= 500 || status === 429 || status === 408)
    return {
      kind: "again",
      reason: text(parsed.code, `status ${status}`),
      afterMs: delayMs(headers.get("Retry-After")),
    }
  if (status !== 201)
    return {
      kind: "refused",
      code: text(parsed.code, `HTTP_${status}`),
      message: text(parsed.error, `The server answered ${status}.`),
    }
  const data = isRecord(parsed.data) ? parsed.data : {}
  // A page of some portal with a fitting status is no acknowledgement.
  if (!Array.isArray(data.rejected))
    return { kind: "again", reason: "an answer that is not the server's", afterMs: null }
  const listed: ReadonlyArray<unknown> = data.rejected
  const rejected = listed.flatMap((each): ReadonlyArray<RejectedEvent> => {
    if (!isRecord(each) || typeof each.index !== "number") return []
    const code = text(each.code, "UNKNOWN")
    return [{ index: each.index, code, message: text(each.error, code), retryable: RETRYABLE.has(code) }]
  })
  const limited = rejected.some(({ code }) => code === "RATE_LIMITED")
  return {
    kind: "judged",
    rejected,
    afterMs:
      delayMs(headers.get("Retry-After")) ?? (limited ? delayMs(headers.get("RateLimit-Reset")) : null),
  }
}

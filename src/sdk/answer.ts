/** What the server's response to a batch means for its events. */

/** Codes of refused events that can be sent again. A test keeps them equal to the server's. */
const RETRYABLE: ReadonlySet<string> = new Set(["RATE_LIMITED", "STREAM_UNAVAILABLE", "BACKLOG_FULL"])

/** What no time mends: a method, or a version of HTTP, that something on the way does not speak. */
const NEVER: ReadonlySet<number> = new Set([501, 505])

/** An event of a batch that was refused. */
export interface RejectedEvent {
  readonly index: number
  readonly code: string
  readonly message: string
  readonly retryable: boolean
}

export type Answer =
  /** Every event was judged on its own. `afterMs` is when retryable ones may be sent again, if the server said so. */
  | {
      readonly kind: "judged"
      readonly rejected: ReadonlyArray<RejectedEvent>
      readonly afterMs: number | null
    }
  /** Nothing was accepted, and the same batch may be sent again. */
  | { readonly kind: "again"; readonly reason: string; readonly afterMs: number | null }
  /** Nothing was accepted, but a smaller part of the batch may be. */
  | { readonly kind: "tooLarge"; readonly code: string; readonly message: string }
  /** Nothing was accepted, and sending it again is pointless. */
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

/** Milliseconds from a header in seconds or, as `Retry-After` may be (RFC 9110 §10.2.3), a date. */
const delayMs = (header: string | null): number | null => {
  if (header === null || header.trim() === "") return null
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000
  return Number.isFinite(ms) ? Math.max(ms, 0) : null
}

/**
 * Interprets a response to `POST /events`. Anything between client and server may respond in its place, so nothing is
 * assumed about the body: a 5xx but for {@link NEVER}, 408 or 429 of any form means retry, any other refusal is final.
 */
export const readAnswer = (status: number, headers: Headers, body: string): Answer => {
  const parsed = parse(body)
  if ((status >= 500 && !NEVER.has(status)) || status === 429 || status === 408)
    return {
      kind: "again",
      reason: text(parsed.code, `status ${status}`),
      afterMs: delayMs(headers.get("Retry-After")),
    }
  if (status !== 201)
    return {
      kind: status === 413 ? "tooLarge" : "refused",
      code: text(parsed.code, `HTTP_${status}`),
      message: text(
        parsed.error,
        status === 505
          ? "The server answered 505: a proxy in front of it speaks HTTP/1.0, or puts a whole URL into the request line."
          : `The server answered ${status}.`,
      ),
    }
  const data = isRecord(parsed.data) ? parsed.data : {}
  // A captive portal's page with a 201 is not an acknowledgement.
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

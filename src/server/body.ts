/** Request bodies: read whole, within a cap and a time. */

import type { Exchange } from "./exchange.ts"
import type { RequestHeaders } from "./headers.ts"
import { Problem, SHUTTING_DOWN } from "./problem.ts"

/** Longest declared body that is read and thrown away after its refusal, so that the client sees the answer; beyond it the connection closes. */
const DISCARD_BYTES = 16 * 1024 * 1024

const JSON_TYPES: ReadonlySet<string> = new Set(["application/json", "text/plain"])
const NDJSON_TYPES: ReadonlySet<string> = new Set(["application/x-ndjson", "application/ndjson"])

const UNSUPPORTED = new Problem(
  "UNSUPPORTED_MEDIA_TYPE",
  "Content-Type must be application/json or text/plain, in UTF-8; POST /events also takes application/x-ndjson.",
)
const ENCODED = new Problem(
  "UNSUPPORTED_MEDIA_TYPE",
  "Content-Encoding is not supported: send the body as it is.",
)

export type BodyFormat = "json" | "ndjson"

/** How a body is to be read, by its headers, or why it cannot be. A missing content type is read as JSON. */
export const bodyFormat = (headers: RequestHeaders, ndjson: boolean): BodyFormat | Problem => {
  const encoding = headers.contentEncoding
  if (encoding !== "" && encoding.toLowerCase() !== "identity") return ENCODED
  const header = headers.contentType
  if (header === "application/json" || header === "") return "json"
  const [type = "", ...parameters] = header
    .toLowerCase()
    .split(";")
    .map((part) => part.trim())
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length)
  if (charset !== undefined && !/^"?(utf-?8|us-ascii)"?$/.test(charset)) return UNSUPPORTED
  if (JSON_TYPES.has(type)) return "json"
  return ndjson && NDJSON_TYPES.has(type) ? "ndjson" : UNSUPPORTED
}

interface Pending {
  readonly exchange: Exchange
  readonly deadline: number
  readonly refuse: (problem: Problem) => void
}

/** Reads bodies, and refuses those that do not come to an end in time. */
export class Bodies {
  readonly #timeoutMs: number
  /** In the order of their deadlines, since all have the same time. */
  readonly #pending = new Set<Pending>()
  readonly #sweeper: NodeJS.Timeout

  /** @param timeoutMs from the first part of a body to its last */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(timeoutMs / 10, 10))
    this.#sweeper.unref()
  }

  #sweep() {
    const now = performance.now()
    for (const pending of this.#pending) {
      if (pending.deadline > now) return
      this.#pending.delete(pending)
      pending.refuse(
        new Problem("BODY_TIMEOUT", `The body did not arrive within ${this.#timeoutMs / 1000} seconds.`),
      )
    }
  }

  /** Refuses every body that is still arriving, and watches no more. */
  stop() {
    clearInterval(this.#sweeper)
    for (const pending of this.#pending) pending.refuse(SHUTTING_DOWN)
    this.#pending.clear()
  }

  /**
   * Reads a body of at most `cap` bytes. Either `done` is called, with bytes that are valid only during the call, or
   * `refused`, which answers; neither when the client leaves.
   */
  read(
    exchange: Exchange,
    declaredLength: string,
    cap: number,
    done: (body: ArrayBuffer | Buffer) => void,
    refused: (problem: Problem, close: boolean) => void,
  ) {
    const declared = declaredLength === "" ? null : Number(declaredLength)
    const tooLarge = () => {
      refused(
        new Problem("BODY_TOO_LARGE", `The body must be at most ${cap} bytes.`),
        declared === null || declared > DISCARD_BYTES,
      )
    }
    if (declared !== null && declared > cap) return tooLarge()
    let parts: Array<Buffer> | null = null
    let size = 0
    let pending: Pending | null = null
    exchange.res.onData((chunk, isLast) => {
      if (!exchange.open) return
      size += chunk.byteLength
      if (size > cap) {
        if (pending !== null) this.#pending.delete(pending)
        return tooLarge()
      }
      if (isLast) {
        if (pending !== null) this.#pending.delete(pending)
        try {
          done(parts === null ? chunk : Buffer.concat([...parts, Buffer.from(chunk)]))
        } catch (cause) {
          exchange.fail(cause)
        }
        return
      }
      if (pending === null) {
        pending = {
          exchange,
          deadline: performance.now() + this.#timeoutMs,
          refuse: (problem) => refused(problem, true),
        }
        const added = pending
        this.#pending.add(added)
        exchange.onAbort(() => this.#pending.delete(added))
      }
      parts ??= []
      // The library takes the bytes back when this function returns.
      if (chunk.byteLength > 0) parts.push(Buffer.from(new Uint8Array(chunk)))
    })
  }
}

const NOT_UTF8 = new Problem("INVALID_UTF8", "The body must be UTF-8.")
const EMPTY = new Problem("INVALID_JSON", "The body is empty: it must be JSON.")

/** Refuses what is not UTF-8, and leaves a byte order mark out. */
const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The text of a body, without a byte order mark. */
export const bodyText = (body: ArrayBuffer | Buffer): string | Problem => {
  try {
    return utf8.decode(body)
  } catch {
    return NOT_UTF8
  }
}

/** A parsed text, in a box that tells it from a {@link Problem}. */
export interface Parsed {
  readonly value: unknown
}

/** Parses JSON; the problem tells where it stopped being JSON, when the parser says so, and repeats nothing of it. */
export const parseJson = (text: string): Parsed | Problem => {
  try {
    return { value: JSON.parse(text) }
  } catch (cause) {
    if (text.trim() === "") return EMPTY
    const message = cause instanceof Error ? cause.message : ""
    const position = /at position (\d+)/.exec(message)?.[1]
    if (position !== undefined)
      return new Problem("INVALID_JSON", `The body is not JSON from position ${position} on.`)
    const early = message.startsWith("Unexpected end")
    return new Problem(
      "INVALID_JSON",
      early ? "The body is not JSON: it ends too early." : "The body is not JSON.",
    )
  }
}

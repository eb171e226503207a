/** Request bodies: read whole, within limits of size, time, and the memory that all of them may take together. */

import type { Exchange } from "./exchange.ts"
import type { RequestHeaders } from "./headers.ts"
import { Problem, SHUTTING_DOWN } from "./problem.ts"

/** Longest declared body that is read and discarded after its refusal, so that the client sees the answer, bytes. */
const DISCARD_BYTES = 16 * 1024 * 1024

/**
 * Bytes that unfinished bodies may take together. Bodies that arrive in one part, as nearly all do, take none of it: they
 * are read in place.
 */
const MAX_WAITING_BYTES = 32 * 1024 * 1024

const JSON_TYPES: ReadonlySet<string> = new Set(["application/json", "text/plain"])
const NDJSON_TYPES: ReadonlySet<string> = new Set(["application/x-ndjson", "application/ndjson"])

const UNSUPPORTED = Problem.of("UNSUPPORTED_MEDIA_TYPE")
const ENCODED = new Problem(
  "UNSUPPORTED_MEDIA_TYPE",
  "Content-Encoding is not supported: send the body as it is.",
)

const BUSY = Problem.of("BODIES_FULL")

export type BodyFormat = "json" | "ndjson"

/** How a body is to be read, according to its headers, or why it cannot be. Without a content type it is read as JSON. */
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

/** An unfinished body. */
interface Pending {
  readonly deadline: number
  readonly refuse: (problem: Problem) => void
  /** What has arrived, copied because the library reuses the bytes. */
  parts: Array<Buffer>
  bytes: number
}

/** Reads bodies, and refuses those that are not finished in time or for which there is no room. */
export class Bodies {
  readonly #timeoutMs: number
  readonly #maxWaitingBytes: number
  #waitingBytes = 0
  /** In the order of their deadlines, because all have the same time. */
  readonly #pending = new Set<Pending>()
  readonly #sweeper: NodeJS.Timeout

  /**
   * @param timeoutMs from the first part of a body to its last
   * @param maxWaitingBytes see {@link MAX_WAITING_BYTES}
   */
  constructor(timeoutMs: number, maxWaitingBytes = MAX_WAITING_BYTES) {
    this.#timeoutMs = timeoutMs
    this.#maxWaitingBytes = maxWaitingBytes
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(timeoutMs / 10, 10))
    this.#sweeper.unref()
  }

  #sweep() {
    const now = performance.now()
    for (const pending of this.#pending) {
      if (pending.deadline > now) return
      this.#forget(pending)
      pending.refuse(
        new Problem("BODY_TIMEOUT", `The body did not arrive within ${this.#timeoutMs / 1000} seconds.`),
      )
    }
  }

  /** Refuses every body that is still arriving, and stops watching deadlines. */
  stop() {
    clearInterval(this.#sweeper)
    for (const pending of this.#pending) {
      this.#forget(pending)
      pending.refuse(SHUTTING_DOWN)
    }
  }

  #forget(pending: Pending) {
    if (!this.#pending.delete(pending)) return
    this.#waitingBytes -= pending.bytes
    pending.parts = []
  }

  /**
   * Reads a body of at most `cap` bytes. Calls either `done`, with bytes that are valid only during the call, or `refused`,
   * which answers; neither if the client leaves.
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
    let pending: Pending | null = null
    exchange.res.onData((chunk, isLast) => {
      if (!exchange.open) return
      const before = pending?.bytes ?? 0
      if (before + chunk.byteLength > cap) {
        if (pending !== null) this.#forget(pending)
        return tooLarge()
      }
      if (isLast) {
        const body = pending === null ? chunk : Buffer.concat([...pending.parts, Buffer.from(chunk)])
        if (pending !== null) this.#forget(pending)
        try {
          done(body)
        } catch (cause) {
          exchange.fail(cause)
        }
        return
      }
      if (this.#waitingBytes + chunk.byteLength > this.#maxWaitingBytes) {
        if (pending !== null) this.#forget(pending)
        return refused(BUSY, true)
      }
      pending ??= this.#begun(exchange, refused)
      if (chunk.byteLength === 0) return
      pending.parts.push(Buffer.from(new Uint8Array(chunk)))
      pending.bytes += chunk.byteLength
      this.#waitingBytes += chunk.byteLength
    })
  }

  #begun(exchange: Exchange, refused: (problem: Problem, close: boolean) => void): Pending {
    const pending: Pending = {
      deadline: performance.now() + this.#timeoutMs,
      refuse: (problem) => refused(problem, true),
      parts: [],
      bytes: 0,
    }
    this.#pending.add(pending)
    exchange.onAbort(() => this.#forget(pending))
    return pending
  }
}

const NOT_UTF8 = Problem.of("INVALID_UTF8")
const NOT_JSON = Problem.of("INVALID_JSON")
const EMPTY = new Problem("INVALID_JSON", "The body is empty: it must be JSON.")
const CUT_OFF = new Problem("INVALID_JSON", "The body is not JSON: it ends too early.")

/** Throws for what is not UTF-8, and skips a byte order mark. */
const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The text of a body, without a byte order mark. */
export const bodyText = (body: ArrayBuffer | Buffer): string | Problem => {
  try {
    return utf8.decode(body)
  } catch {
    return NOT_UTF8
  }
}

/** A parsed text, wrapped so that it differs from a {@link Problem}. */
export interface Parsed {
  readonly value: unknown
}

/** Parses JSON. A problem says where the text stops being JSON, if the parser says so, and quotes none of it. */
export const parseJson = (text: string): Parsed | Problem => {
  try {
    return { value: JSON.parse(text) }
  } catch (cause) {
    if (text.trim() === "") return EMPTY
    const message = cause instanceof Error ? cause.message : ""
    const position = /at position (\d+)/.exec(message)?.[1]
    if (position !== undefined)
      return new Problem("INVALID_JSON", `The body is not JSON from position ${position} on.`)
    return message.startsWith("Unexpected end") ? CUT_OFF : NOT_JSON
  }
}

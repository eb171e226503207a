/** Request bodies: read whole, within a cap, a time, and what all of them together may take. */

import type { Exchange } from "./exchange.ts"
import type { RequestHeaders } from "./headers.ts"
import { Problem, SHUTTING_DOWN } from "./problem.ts"

/** Longest declared body that is read and thrown away after its refusal, so that the client sees the answer; beyond it the connection closes. */
const DISCARD_BYTES = 16 * 1024 * 1024

/**
 * Bytes that bodies which have begun and not ended may take together. Those that arrive at once, as nearly all do, take
 * nothing of it: they are read where they lie.
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

/** A body that has begun and not ended. */
interface Pending {
  readonly deadline: number
  readonly refuse: (problem: Problem) => void
  /** What has arrived, copied: the library takes the bytes back. */
  parts: Array<Buffer>
  bytes: number
}

/** Reads bodies, and refuses those that do not come to an end in time, or for which there is no room. */
export class Bodies {
  readonly #timeoutMs: number
  readonly #maxWaitingBytes: number
  #waitingBytes = 0
  /** In the order of their deadlines, since all have the same time. */
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

  /** Refuses every body that is still arriving, and watches no more. */
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
    return message.startsWith("Unexpected end") ? CUT_OFF : NOT_JSON
  }
}

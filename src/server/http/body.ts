/** Request bodies: read whole, within limits of size, and the memory that all of them may take together. */

import { parseExactly } from "../../domain/exactJson.ts"
import type { Exchange } from "./exchange.ts"
import type { RequestHeaders } from "./headers.ts"
import { encodingProblem, unpacked } from "./packed.ts"
import { Problem } from "./problem.ts"

/**
 * Bytes that unfinished bodies may take together. Bodies that arrive in one part, as nearly all do, take none of it: they
 * are read in place.
 */
const MAX_WAITING_BYTES = 32 * 1024 * 1024

const JSON_TYPES: ReadonlySet<string> = new Set(["application/json", "text/plain"])
const NDJSON_TYPES: ReadonlySet<string> = new Set(["application/x-ndjson", "application/ndjson"])

const UNSUPPORTED = Problem.of("UNSUPPORTED_MEDIA_TYPE")

const BUSY = Problem.of("BODIES_FULL")

export type BodyFormat = "json" | "ndjson"

/** How a body is to be read, according to its headers, or why it cannot be. Without a content type it is read as JSON. */
export const bodyFormat = (headers: RequestHeaders, ndjson: boolean): BodyFormat | Problem => {
  const problem = encodingProblem(headers.contentEncoding)
  if (problem !== null) return problem
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

/** What has arrived of an unfinished body, copied because the library reuses the bytes. */
interface Begun {
  parts: Array<Buffer>
  bytes: number
}

/** Reads bodies, and refuses those for which there is no room. */
export class Bodies {
  readonly #maxWaitingBytes: number
  #waitingBytes = 0

  /** @param maxWaitingBytes see {@link MAX_WAITING_BYTES} */
  constructor(maxWaitingBytes = MAX_WAITING_BYTES) {
    this.#maxWaitingBytes = maxWaitingBytes
  }

  #forget(begun: Begun | null) {
    if (begun === null) return
    this.#waitingBytes -= begun.bytes
    begun.bytes = 0
    begun.parts = []
  }

  /**
   * Reads a body of at most `cap` bytes, and as many when it was packed. Calls either `done`, with bytes that are valid only during the call, or `refused`,
   * which answers; neither if the client leaves.
   */
  read(
    exchange: Exchange,
    cap: number,
    done: (body: ArrayBuffer | Buffer) => void,
    refused: (problem: Problem, close: boolean) => void,
  ) {
    const tooLarge = () =>
      refused(new Problem("BODY_TOO_LARGE", `The body must be at most ${cap} bytes.`), false)
    if (Number(exchange.headers.contentLength) > cap) return tooLarge()
    const encoding = exchange.headers.contentEncoding
    let begun: Begun | null = null
    const part = (chunk: ArrayBuffer, isLast: boolean) => {
      if ((begun?.bytes ?? 0) + chunk.byteLength > cap) {
        this.#forget(begun)
        return tooLarge()
      }
      if (isLast) {
        const whole = begun === null ? chunk : Buffer.concat([...begun.parts, Buffer.from(chunk)])
        this.#forget(begun)
        try {
          const body = encoding === "" ? whole : unpacked(whole, encoding, cap)
          if (body instanceof Problem) refused(body, false)
          else done(body)
        } catch (cause) {
          exchange.fail(cause)
        }
        return
      }
      if (this.#waitingBytes + chunk.byteLength > this.#maxWaitingBytes) {
        this.#forget(begun)
        return refused(BUSY, true)
      }
      if (begun === null) {
        begun = { parts: [], bytes: 0 }
        exchange.onAbort(() => this.#forget(begun))
      }
      if (chunk.byteLength === 0) return
      begun.parts.push(Buffer.from(new Uint8Array(chunk)))
      begun.bytes += chunk.byteLength
      this.#waitingBytes += chunk.byteLength
    }
    exchange.body.receive(part, (problem) => {
      this.#forget(begun)
      refused(problem, true)
    })
  }
}

/** What a JSON body of at most `cap` bytes holds, given to `done`; a body that is none is refused. */
export const readJson = (
  bodies: Bodies,
  exchange: Exchange,
  cap: number,
  done: (value: unknown) => void,
): void => {
  const format = bodyFormat(exchange.headers, false)
  if (format instanceof Problem) {
    exchange.refuse(format)
    return
  }
  const take = (body: ArrayBuffer | Buffer) => {
    const text = bodyText(body)
    const parsed = text instanceof Problem ? text : parseJson(text)
    if (parsed instanceof Problem) exchange.refuse(parsed)
    else done(parsed.value)
  }
  bodies.read(exchange, cap, take, (problem, close) => exchange.refuse(problem, { close }))
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

/** Parses JSON, with a text for a number that a double cannot hold. A problem says where the text stops being JSON, if the parser says so, and quotes none of it. */
export const parseJson = (text: string): Parsed | Problem => {
  try {
    return { value: parseExactly(text) }
  } catch (cause) {
    if (text.trim() === "") return EMPTY
    const message = cause instanceof Error ? cause.message : ""
    const position = /at position (\d+)/.exec(message)?.[1]
    if (position !== undefined)
      return new Problem("INVALID_JSON", `The body is not JSON from position ${position} on.`)
    return message.startsWith("Unexpected end") ? CUT_OFF : NOT_JSON
  }
}

/** One request and its answer: safe to use after the client has gone, and counted exactly once. */
import * as Cause from "effect/Cause"
import { KEEP_ALIVE_S } from "../../domain/limits.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import { type Access, NO_ACCESS } from "./access.ts"
import type { Arrivals } from "./arrivals.ts"
import type { RequestHeaders } from "./headers.ts"
import { Incoming } from "./incoming.ts"
import { failureProblem, type Problem, SHUTTING_DOWN } from "./problem.ts"
import { PROBLEMS } from "./problemCodes.ts"
import type { OutgoingResponse } from "./wire.ts"

const EVERYWHERE = `Keep-Alive: timeout=${KEEP_ALIVE_S}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n`
const COMMON = `${EVERYWHERE}X-Frame-Options: DENY\r\nContent-Security-Policy: `

/**
 * Header lines of every answer. They go out as one "value": uWebSockets.js copies it as it is, and a call into it costs
 * more than the bytes do. The last line must not end with a CRLF, because the library adds it.
 */
const API_SECURITY = `${COMMON}default-src 'none'; frame-ancestors 'none'`
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
const PAGE_SECURITY = `${COMMON}${PAGE_POLICY}'none'`
/** Of a page that pages of other origins may show in a frame; the older field knows no origins. */
const embedded = (origins: ReadonlyArray<string>): string =>
  `${EVERYWHERE}Content-Security-Policy: ${PAGE_POLICY}${origins.join(" ")}`

let last = { type: "", vary: "", shared: "", own: "", security: "", bytes: Buffer.alloc(0) }

/** The bytes of an answer's header lines. Successive answers mostly have the same ones, and bytes are passed faster than text. */
const headBytes = (type: string, vary: string, shared: string, own: string, security: string): Buffer => {
  if (
    last.type !== type ||
    last.vary !== vary ||
    last.shared !== shared ||
    last.own !== own ||
    last.security !== security
  ) {
    const bytes = Buffer.from(`${type}\r\n${vary}${shared}${own}${security}`)
    last = { type, vary, shared, own, security, bytes }
  }
  return last.bytes
}

const VARY_ORIGIN = "Vary: Origin\r\n"

export const JSON_TYPE = "application/json; charset=utf-8"

/** The status that metrics show if the client left before the answer (nginx's convention). */
const CLIENT_LEFT = "499"

const METHODS = new Set(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"])

/** What all requests of a server share. */
export class Traffic {
  readonly metrics: Metrics
  /** Set when the server will stop soon: everything is answered, and answers close their connections. */
  draining = false
  /** Set when the server stops: what still comes is refused. */
  closing = false
  readonly onFault: (cause: unknown) => void
  readonly arrivals: Arrivals
  #inFlight = 0
  #idle: (() => void) | null = null

  /** @param onFault called with errors that should not happen, for the log */
  constructor(metrics: Metrics, onFault: (cause: unknown) => void, arrivals: Arrivals) {
    this.metrics = metrics
    this.onFault = onFault
    this.arrivals = arrivals
  }

  /** Counts a request that this thread has taken, whoever answers it. */
  taken(): void {
    this.metrics.requestsTaken++
  }

  begin(): void {
    this.#inFlight++
  }

  end(): void {
    this.#inFlight--
    if (this.#inFlight === 0) this.#idle?.()
  }

  /** Resolves when every request has been answered. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#inFlight === 0) resolve()
      else this.#idle = resolve
    })
  }
}

/** A request in progress. Once it has been answered or its client has left, no method does anything. */
export class Exchange {
  readonly res: OutgoingResponse
  /** Name of the route; a label of the request metric. */
  readonly endpoint: string
  /** In capitals. */
  readonly method: string
  readonly headers: RequestHeaders
  readonly body: Incoming
  /** What its sender may see; nothing where the route is open to all. */
  access: Access = NO_ACCESS
  /** Header lines to send with any answer, each with its CRLF. */
  lines: string
  /** The line `Vary`, or nothing. */
  #vary: string
  #open = true
  #onWritable: (() => void) | null = null
  #onAbort: (() => void) | null = null
  readonly #traffic: Traffic
  readonly #startedAt = performance.now()

  constructor(
    traffic: Traffic,
    res: OutgoingResponse,
    endpoint: string,
    method: string,
    headers: RequestHeaders,
    lines: string,
    /** Whether the answer depends on `Origin`. */
    byOrigin: boolean,
  ) {
    this.#traffic = traffic
    this.res = res
    this.endpoint = endpoint
    this.method = method
    this.headers = headers
    this.lines = lines
    this.#vary = byOrigin ? VARY_ORIGIN : ""
    this.body = new Incoming(res, headers, traffic.arrivals)
    traffic.begin()
    res.onAborted(() => {
      if (!this.#open) return
      this.#finish(CLIENT_LEFT)
      this.#onWritable?.()
      this.#onAbort?.()
    })
  }

  /** Whether it can still be answered. */
  get open(): boolean {
    return this.#open && !this.body.answered
  }

  /**
   * Says that the answer also depends on this field of the request. All such fields go out in one line: some caches heed a
   * single one, and would hand one origin's answer to another.
   */
  varies(field: string): void {
    this.#vary = this.#vary === "" ? `Vary: ${field}\r\n` : `${this.#vary.slice(0, -2)}, ${field}\r\n`
  }

  /** Registers what runs if the client leaves before the answer has ended. */
  onAbort(action: () => void): void {
    this.#onAbort = action
  }

  #finish(status: string): void {
    this.#open = false
    this.body.end()
    this.#traffic.end()
    this.#traffic.metrics.requestDuration.record(
      {
        endpoint: this.endpoint,
        method: METHODS.has(this.method) ? this.method : "other",
        status: status.slice(0, 3),
      },
      (performance.now() - this.#startedAt) / 1000,
    )
  }

  #writeStatus(status: string, name: string, value: string | Buffer): void {
    // After an interim answer the library takes no other status.
    if (this.body.continued) this.res.writeHeader(`HTTP/1.1 ${status}\r\n${name}`, value)
    else {
      this.res.writeStatus(status)
      this.res.writeHeader(name, value)
    }
  }

  #writeHead(status: string, type: string, lines: string, security: string): void {
    this.#writeStatus(status, "Content-Type", headBytes(type, this.#vary, this.lines, lines, security))
  }

  /**
   * Answers with a whole body. `lines` are further header lines, each with its CRLF. `close` answers at once and closes the
   * connection, for a request whose rest is not worth reading.
   */
  answer(status: string, type: string, body: string | Buffer, options: AnswerOptions = NO_OPTIONS): void {
    if (!this.open) return
    if (this.body.arriving && options.close !== true)
      this.body.afterwards((close) => this.#answer(status, type, body, { ...options, close }))
    else this.#answer(status, type, body, options)
  }

  #answer(status: string, type: string, body: string | Buffer, options: AnswerOptions): void {
    this.#finish(status)
    const close = this.#traffic.draining || options.close === true
    this.res.cork(() => {
      this.#writeHead(status, type, options.lines ?? "", securityOf(options))
      if (this.method === "HEAD") this.res.endWithoutBody(Buffer.byteLength(body), close)
      else this.res.end(body, close)
    })
  }

  /** Answers without a body: 204 and 304. */
  empty(status: string, lines: string): void {
    if (!this.open) return
    if (this.body.arriving) this.body.afterwards((close) => this.#empty(status, lines, close))
    else this.#empty(status, lines, false)
  }

  #empty(status: string, lines: string, close: boolean): void {
    this.#finish(status)
    const closing = close || this.#traffic.draining ? "Connection: close\r\n" : ""
    this.res.cork(() => {
      this.#writeStatus(
        status,
        "X-Content-Type-Options",
        `nosniff\r\n${closing}${this.#vary}${this.lines}${lines.slice(0, -2)}`,
      )
      // Asked to close the connection by itself, the library would write a length, which these have not.
      this.res.endWithoutBody()
    })
  }

  json(value: unknown): void {
    this.answer("200 OK", JSON_TYPE, JSON.stringify(value), NO_STORE)
  }

  refuse(problem: Problem, options: { readonly close?: boolean } = NO_OPTIONS): void {
    this.answer(PROBLEMS[problem.code].status, JSON_TYPE, problem.body, {
      lines: `${problem.headers}Cache-Control: no-store\r\n`,
      ...options,
    })
  }

  /** Refuses a request that failed because of `cause`: a store's error, or a fault of this server, which is reported. */
  fail(cause: unknown): void {
    const problem = failureProblem(cause)
    if (problem.code === "INTERNAL_ERROR") this.#traffic.onFault(cause)
    this.refuse(problem)
  }

  /** As {@link fail}, for an effect that has ended without a value; one that a stop has interrupted may be asked for again. */
  failCause(cause: Cause.Cause<unknown>): void {
    if (Cause.hasInterruptsOnly(cause)) this.refuse(SHUTTING_DOWN)
    else this.fail(Cause.squash(cause))
  }

  /** Begins a body of unknown length; {@link write} and {@link end} follow. A HEAD is answered completely. */
  begin(type: string, lines: string): void {
    if (!this.#open) return
    if (this.method === "HEAD") this.#finish("200")
    else
      this.res.onWritable(() => {
        this.#onWritable?.()
        return true
      })
    this.res.cork(() => {
      // By hand: the library would write it only at the end, and then into the body.
      if (this.#traffic.draining) lines += "Connection: close\r\n"
      this.#writeHead("200 OK", type, `${lines}Cache-Control: no-store\r\n`, API_SECURITY)
      if (this.method === "HEAD") this.res.endWithoutBody()
    })
  }

  /** Writes a part; `false` if the client is behind: wait for {@link writable} before the next. */
  write(part: string): boolean {
    let flowing = true
    if (this.#open)
      this.res.cork(() => {
        flowing = this.res.write(part)
      })
    return flowing
  }

  /** Resolves when the client has caught up or left; one that accepts nothing for `patience` ms is disconnected. */
  writable(patience: number): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#open) return resolve()
      const timer = setTimeout(() => this.abandon(), patience)
      this.#onWritable = () => {
        clearTimeout(timer)
        this.#onWritable = null
        resolve()
      }
    })
  }

  end(): void {
    if (!this.#open) return
    this.#finish("200")
    this.res.cork(() => {
      this.res.end()
    })
  }

  /** Breaks the connection, so that the client sees that the body is incomplete. */
  abandon(): void {
    if (this.#open) this.res.close()
  }
}

interface AnswerOptions {
  readonly lines?: string
  readonly page?: boolean
  /** Of a page: the origins whose pages may show it in a frame. */
  readonly embedOn?: ReadonlyArray<string>
  readonly close?: boolean
}

const securityOf = ({ page, embedOn = [] }: AnswerOptions): string =>
  page !== true ? API_SECURITY : embedOn.length === 0 ? PAGE_SECURITY : embedded(embedOn)

const NO_OPTIONS = {}
const NO_STORE = { lines: "Cache-Control: no-store\r\n" }

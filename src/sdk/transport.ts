/** Requests to the server: how a batch is written, sent, and its answer awaited. */
import { type Answer, isRecord, readAnswer } from "./answer.ts"
import type { AnalyticsOptions } from "./options.ts"
import type { Waiting } from "./queue.ts"
import { backgroundTimeout } from "./timeout.ts"

/** Where the API lies at the server; a test compares it with the server's own. */
const API_PATH = "/api/v1/analytics"
/** In a browser, an event younger than this is sent without a timestamp: the time of receipt is close, and correct. */
const YOUNG_MS = 2000

declare const document: unknown
const IN_BROWSER = typeof document !== "undefined"

/** What was thrown, in words. */
export const messageOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  // Node's fetch only says "fetch failed"; the reason is in the cause.
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message
}

/** An `url` that names no server, from a client without types or a variable that is not set. */
const explained = (url: unknown): string =>
  `The option url must be the server's address with its scheme, such as "https://analytics.example"; it is ${JSON.stringify(url)}.`

/** A page may also name its own server: `/` or a path below it. */
const namesServer = (url: unknown): boolean => {
  if (typeof url !== "string") return false
  if (IN_BROWSER && /^(\/|$)/.test(url)) return true
  try {
    return /^https?:$/.test(new URL(url).protocol)
  } catch {
    return false
  }
}

export class Transport {
  /** Why nothing can ever be sent; `null` when it can. */
  readonly invalid: string | null
  readonly #options: AnalyticsOptions
  readonly #api: string
  /** Aborts the request in flight. */
  #abort: AbortController | null = null

  constructor(options: AnalyticsOptions) {
    this.#options = options
    const url: unknown = options.url
    this.invalid = namesServer(url) ? null : explained(url)
    this.#api = String(url).replace(/\/+$/, "") + API_PATH
  }

  /**
   * A batch as JSON. Servers' clocks are right, visitors' often are not: in a browser, the time of an event that had to
   * wait is `serverNow` minus its age, or the time of receipt if `serverNow` is unknown.
   */
  #body(batch: ReadonlyArray<Waiting>, serverNow: number | null): string {
    const now = performance.now()
    const events = batch.map(({ json, at, trackedAt }) => {
      const age = now - trackedAt
      const time = at ?? (serverNow === null ? null : serverNow - age)
      return time === null || (IN_BROWSER && at === null && age < YOUNG_MS)
        ? `${json}}`
        : `${json},"timestamp":${Math.round(time)}}`
    })
    return `[${events.join()}]`
  }

  /** Sends a batch and waits for the answer, for at most the timeout. Never rejects. */
  async post(batch: ReadonlyArray<Waiting>): Promise<Answer> {
    const abort = new AbortController()
    this.#abort = abort
    const timer = backgroundTimeout(
      () => abort.abort(new Error("The server did not answer in time.")),
      this.#options.timeoutMs ?? 10_000,
    )
    try {
      const now = IN_BROWSER ? await this.#serverNow(batch, abort.signal) : Date.now()
      const response = await this.#fetch(`${this.#api}/events`, {
        method: "POST",
        headers: this.#headers(),
        body: this.#body(batch, now),
        signal: abort.signal,
        ...(IN_BROWSER && { credentials: "include" }),
      })
      return readAnswer(response.status, response.headers, await response.text())
    } catch (cause) {
      return {
        kind: "again",
        reason: messageOf(abort.signal.aborted ? abort.signal.reason : cause),
        afterMs: null,
      }
    } finally {
      clearTimeout(timer)
      this.#abort = null
    }
  }

  /** text/plain saves pages a CORS preflight. */
  #headers(): Record<string, string> {
    const { writeKey } = this.#options
    return {
      "Content-Type": IN_BROWSER ? "text/plain" : "application/json",
      ...(writeKey !== undefined && { "X-Write-Key": writeKey }),
    }
  }

  get #fetch(): typeof fetch {
    return this.#options.fetch ?? globalThis.fetch.bind(globalThis)
  }

  /** The server's time, unix milliseconds; requested only if an event of the batch needs it. */
  async #serverNow(batch: ReadonlyArray<Waiting>, signal: AbortSignal): Promise<number | null> {
    const now = performance.now()
    if (batch.every(({ at, trackedAt }) => at !== null || now - trackedAt < YOUNG_MS)) return null
    const body: unknown = await (await this.#fetch(`${this.#api}/realtime`, { signal })).json()
    const data = isRecord(body) && isRecord(body.data) ? body.data : {}
    if (typeof data.timestamp !== "number") throw new Error("The server did not tell its time.")
    return data.timestamp * 1000
  }

  /** Sends a batch in a request that outlives the page. Its answer is not awaited. */
  postAndLeave(batch: ReadonlyArray<Waiting>): void {
    this.#fetch(`${this.#api}/events`, {
      method: "POST",
      keepalive: true,
      credentials: "include",
      headers: this.#headers(),
      body: this.#body(batch, null),
    }).catch(() => {})
  }

  /** Aborts the request in flight, if there is one. */
  abort(): void {
    this.#abort?.abort()
  }
}

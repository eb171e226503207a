/** Requests to the server: how a batch is written, sent, and its answer awaited. */
import { type Answer, isRecord, readAnswer } from "./answer.ts"
import type { AnalyticsOptions } from "./options.ts"
import { CLOCK_IS_RIGHT, IN_BROWSER } from "./platform.ts"
import type { Waiting } from "./queue.ts"
import { backgroundTimeout } from "./timeout.ts"

/** Where the API lies at the server; a test compares it with the server's own. */
export const API_PATH = "/api/v1/analytics"
/** Where the clock may be wrong, a younger event is sent without a timestamp: the time of receipt is close, and correct. */
const YOUNG_MS = 2000

/** Any value in words, also one that cannot be made a text. */
export const inWords = (value: unknown): string => {
  try {
    return String(value)
  } catch {
    return typeof value
  }
}

/** What was thrown, in words. */
export const messageOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return inWords(cause)
  // Node's fetch only says "fetch failed"; the reason is in the cause.
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message
}

/** An `url` that names no server, from a client without types or a variable that is not set. */
export const explained = (url: unknown): string =>
  `The option url must be the server's address with its scheme, such as "https://analytics.example"; it is ${JSON.stringify(url)}.`

/** A page may also name its own server: `/` or a path below it. */
export const namesServer = (url: unknown): boolean => {
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
  /** The API's address, which a redirect may change. */
  #api: string
  /** Aborts the request in flight. */
  #abort: AbortController | null = null

  constructor(options: AnalyticsOptions) {
    this.#options = options
    const url: unknown = options.url
    this.invalid = namesServer(url) ? null : explained(url)
    this.#api = String(url).replace(/\/+$/, "") + API_PATH
  }

  /**
   * A batch as JSON. Where the clock may be wrong, the time of an event that had to wait is `serverNow` minus its age, or the
   * time of receipt if `serverNow` is unknown.
   */
  #body(batch: ReadonlyArray<Waiting>, serverNow: number | null): string {
    const now = performance.now()
    const events = batch.map(({ json, at, trackedAt }) => {
      const age = now - trackedAt
      const time = at ?? (serverNow === null ? null : serverNow - age)
      return time === null || (!CLOCK_IS_RIGHT && at === null && age < YOUNG_MS)
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
      const now = CLOCK_IS_RIGHT ? Date.now() : await this.#serverNow(batch, abort.signal)
      const response = await this.#fetch(`${this.#api}/events`, {
        method: "POST",
        headers: this.#headers(),
        body: this.#body(batch, now),
        signal: abort.signal,
        ...(IN_BROWSER && { credentials: "include" }),
      })
      const text = await response.text()
      if (response.redirected && response.status !== 201) return this.#follow(response.url)
      return readAnswer(response.status, response.headers, text)
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

  /**
   * Where a redirect has led. Most make a GET of a POST, which sends nothing, so the same batch is sent again, there, if it is the
   * same host: from `http://` to `https://`, say. Events and a write key go to no other host than the one that was named.
   */
  #follow(reached: string): Answer {
    const end = `${API_PATH}/events`
    const api = reached.endsWith(end) ? reached.slice(0, -"/events".length) : null
    const moved = api !== null && api !== this.#api
    if (moved && new URL(api).hostname === new URL(this.#api, reached).hostname) {
      this.#api = api
      return { kind: "again", reason: `redirected: the url is ${api.slice(0, -API_PATH.length)}`, afterMs: 0 }
    }
    const message = `The server redirects to ${reached}. The option url should be the address behind it.`
    return { kind: "refused", code: "REDIRECTED", message }
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
    const response = await this.#fetch(`${this.#api}/realtime`, { signal })
    // Whose figures are private tells no time either: the time of receipt is better than none.
    if (response.status === 401 || response.status === 403) return null
    const body: unknown = await response.json()
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

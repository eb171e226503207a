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
/** Redirects that are followed one after the other: two addresses may lead to each other. */
const MAX_REDIRECTS = 5

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

/** Whether what goes to the one address may go to the other. */
const isSafe = (from: URL, to: URL): boolean =>
  to.hostname === from.hostname && (to.protocol === "https:" || to.protocol === from.protocol)

/** Where an answer leads; `null` if it is one. A page's requests have been led there already: browsers keep it from scripts. */
const leadsTo = (response: Response, asked: string): string | null => {
  if (response.redirected && response.status !== 201) return response.url
  const location = /^30[12378]$/.test(String(response.status)) ? response.headers.get("Location") : null
  try {
    return location === null ? null : new URL(location, asked).href
  } catch {
    return location
  }
}

export class Transport {
  /** Why nothing can ever be sent; `null` when it can. */
  readonly invalid: string | null
  readonly #options: AnalyticsOptions
  /** The API's address, which a redirect may change. */
  #api: string
  /** Redirects since the last answer. */
  #redirects = 0
  /** Aborts the request in flight. */
  #abort: AbortController | null = null

  constructor(options: AnalyticsOptions) {
    this.#options = options
    const url: unknown = options.url
    this.invalid = namesServer(url) ? null : explained(url)
    this.#api = String(url).replace(/\/+$/, "") + API_PATH
  }

  /**
   * A batch as JSON. Where the clock may be wrong, the time of an event that had to wait is what the server told minus its age, or
   * the time of receipt if it has told none.
   */
  #body(batch: ReadonlyArray<Waiting>, told: number | null): string {
    // In this order, no event is earlier than it was, however long the process stands between the two.
    const now = performance.now()
    const serverNow = CLOCK_IS_RIGHT ? Date.now() : told
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
      const told = CLOCK_IS_RIGHT ? null : await this.#serverNow(batch, abort.signal)
      const asked = `${this.#api}/events`
      const response = await this.#fetch(asked, {
        method: "POST",
        headers: this.#headers(),
        body: this.#body(batch, told),
        signal: abort.signal,
        // Events and the key would go wherever a 307 leads. In a page, CORS is in its way.
        ...(IN_BROWSER ? { credentials: "include" } : { redirect: "manual" }),
      })
      const text = await response.text()
      const led = leadsTo(response, asked)
      if (led !== null) return this.#follow(led)
      this.#redirects = 0
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
   * Where a redirect leads. Most make a GET of a POST, which sends nothing, so the same batch is sent again, there, if it is the
   * same host: from `http://` to `https://`, say. Events and a write key go to no other host than the one that was named, and not
   * back from `https://` to where all can read them.
   */
  #follow(reached: string): Answer {
    const end = `${API_PATH}/events`
    const api = reached.endsWith(end) ? reached.slice(0, -"/events".length) : null
    const moved = api !== null && api !== this.#api
    if (moved && isSafe(new URL(this.#api, reached), new URL(api)) && ++this.#redirects <= MAX_REDIRECTS) {
      this.#api = api
      return { kind: "again", reason: `redirected: the url is ${api.slice(0, -API_PATH.length)}`, afterMs: 0 }
    }
    this.#redirects = 0
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

/**
 * The client: events go into a queue, and one loop sends the queue to the server in batches.
 *
 *   idle ──track()──► gathering ──full, due or flush()──► sending ──taken or refused──► idle, or sending what is left
 *                         ▲                                  │
 *                         └──── waiting ◄── 429, 5xx, no answer
 *
 * - **gathering**: a timer is running, so that events that happen together are sent together.
 * - **sending**: one request is in flight; its events stay at the head of the queue until they are answered.
 * - **waiting**: nothing is sent for as long as `Retry-After` asks, or for a doubling backoff. Then the same events are
 *   sent again with the same ids, so that those that did arrive count once.
 *
 * No method throws, and no promise rejects: analytics must not break what it observes. Lost events go to `onError`.
 */
import { type Answer, isRecord, readAnswer } from "./answer.ts"
import { onShutdown } from "./shutdown.ts"

/** An event that was lost, and why. */
export interface Loss {
  /** One of the server's codes, or `QUEUE_FULL`, `INVALID_EVENT` or `CLOSED`. */
  readonly code: string
  /** One sentence. */
  readonly message: string
  /** The event's id. */
  readonly id: string
  readonly eventType: string
}

/** Optional fields of an event. */
export interface EventFields {
  /** A UUID. Servers send events for many visitors: without it, all of them count as one, the server itself. */
  readonly visitorId?: string | undefined
  readonly pageUrl?: string | undefined
  readonly referrer?: string | undefined
  /** A declared site. Default: the client's. */
  readonly site?: string | undefined
  /** When it happened. Default: now. */
  readonly at?: Date | undefined
  /** Your own UUID, for an event that may be tracked twice and should count once. */
  readonly id?: string | undefined
}

export interface AnalyticsOptions {
  /** The server's URL, such as `https://analytics.example`. */
  readonly url: string
  /** A declared site. Default: the server's default site. */
  readonly site?: string | undefined
  /** One of the server's `WRITE_KEYS`: lifts the rate limit. Never use it in a page, where everybody can read it. */
  readonly writeKey?: string | undefined
  /** Milliseconds for which events are collected before they are sent. Default 1000. */
  readonly flushIntervalMs?: number | undefined
  /** The most events per request, up to 1000, the default; a full batch is sent immediately. */
  readonly batchSize?: number | undefined
  /** The most events that may wait; further ones are lost with `QUEUE_FULL`. Default 10 000. */
  readonly maxQueue?: number | undefined
  /** The timeout of a request, milliseconds. Default 10 000. */
  readonly timeoutMs?: number | undefined
  /**
   * Sends waiting events when the process ends (`SIGTERM`, `SIGINT`, or out of work) or the page is left. Default true.
   * A signal that nobody else handles then ends the process, as it would have anyway.
   */
  readonly flushOnShutdown?: boolean | undefined
  /** Called once for every lost event. */
  readonly onError?: ((loss: Loss) => void) | undefined
  /** Called for every pause after a failure, for logging. */
  readonly onRetry?: ((pause: Pause) => void) | undefined
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
}

/** A pause before a retry. */
export interface Pause {
  readonly reason: string
  readonly delayMs: number
  /** The number of waiting events. */
  readonly waiting: number
}

interface Waiting {
  readonly id: string
  readonly eventType: string
  /** JSON without a timestamp and without the closing brace. */
  readonly json: string
  /** UTF-8 bytes. */
  readonly bytes: number
  /** The caller's timestamp, unix milliseconds; `null` to go by the event's age. */
  readonly at: number | null
  /** `performance.now()`. */
  readonly trackedAt: number
}

/** The server accepts 1 MiB; this leaves room for commas, brackets and timestamps, which are not counted. */
const MAX_BATCH_BYTES = 900_000
/** A page that is being left may have 64 KiB in flight (https://fetch.spec.whatwg.org/#http-network-or-cache-fetch). */
const MAX_KEEPALIVE_BYTES = 55_000
/** The most bytes of one event: more than any valid event has. */
const MAX_EVENT_BYTES = 64_000
const MAX_QUEUE_BYTES = 32 * 1024 * 1024
/** Room for `,"timestamp":1765195200000}` and a comma. */
const TIMESTAMP_BYTES = 30
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000
/** The longest pause, even if a server asks for more. */
const LONGEST_RETRY_AFTER_MS = 15 * 60_000
/** In a browser, an event younger than this is sent without a timestamp: the time of receipt is close, and correct. */
const YOUNG_MS = 2000
/** The shortest pause, for a `Retry-After` of zero. */
const SHORTEST_PAUSE_MS = 100
const HOLD_MS = 60_000
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

declare const document: unknown
const IN_BROWSER = typeof document !== "undefined"
const encoder = new TextEncoder()

/** `crypto.randomUUID` is missing on pages without TLS. */
const randomUuid = (): string => {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  // Version 4, variant 1 (RFC 9562 §5.4).
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}

/** Lets a process end while the timer is running; in browsers timers are plain numbers. */
const unref = (timer: ReturnType<typeof setTimeout>): void => {
  if (typeof timer === "object") timer.unref()
}

export class Analytics {
  readonly #options: AnalyticsOptions
  readonly #eventsUrl: string
  readonly #realtimeUrl: string
  readonly #batchSize: number
  readonly #maxQueue: number
  readonly #queue: Array<Waiting> = []
  #queueBytes = 0
  #timer: ReturnType<typeof setTimeout> | null = null
  /** Ends the pause after a failure early. */
  #wake: (() => void) | null = null
  #running: Promise<void> | null = null
  /** Aborts the request in flight. */
  #abort: AbortController | null = null
  #failures = 0
  #closed = false
  readonly #detach: () => void

  constructor(options: AnalyticsOptions) {
    this.#options = options
    const base = options.url.replace(/\/+$/, "")
    this.#eventsUrl = `${base}/api/v1/analytics/events`
    this.#realtimeUrl = `${base}/api/v1/analytics/realtime`
    this.#batchSize = Math.min(Math.max(options.batchSize ?? 1000, 1), 1000)
    this.#maxQueue = options.maxQueue ?? 10_000
    this.#detach =
      options.flushOnShutdown === false
        ? () => {}
        : onShutdown({ process: () => this.close(), page: () => this.#leavePage() })
  }

  /** The number of events that have not been answered yet. */
  get waiting(): number {
    return this.#queue.length
  }

  /**
   * Queues an event to be sent soon, with `data` as it is now: changing it later has no effect. Returns the event's id.
   */
  track(type: string, data?: Readonly<Record<string, unknown>>, fields: EventFields = {}): string {
    const id = fields.id ?? randomUuid()
    try {
      this.#take(id, type, data, fields)
    } catch (cause) {
      this.#lose({ id, eventType: String(type) }, "INVALID_EVENT", messageOf(cause))
    }
    return id
  }

  #take(id: string, type: string, data: Readonly<Record<string, unknown>> | undefined, fields: EventFields) {
    const event = { id, eventType: type }
    if (this.#closed) return this.#lose(event, "CLOSED", "The client was closed before.")
    if (!UUID.test(id)) return this.#lose(event, "INVALID_EVENT", "The id must be a UUID.")
    const sent = {
      event_type: type,
      id,
      event_data: data,
      page_url: fields.pageUrl,
      referrer: fields.referrer,
      visitor_id: fields.visitorId,
      site: fields.site ?? this.#options.site,
    }
    const json = JSON.stringify(sent).slice(0, -1)
    const bytes = encoder.encode(json).length + TIMESTAMP_BYTES
    if (bytes > MAX_EVENT_BYTES)
      return this.#lose(event, "INVALID_EVENT", `An event must be at most ${MAX_EVENT_BYTES} bytes of JSON.`)
    if (this.#queue.length >= this.#maxQueue || this.#queueBytes + bytes > MAX_QUEUE_BYTES)
      return this.#lose(event, "QUEUE_FULL", `${this.#queue.length} events wait already.`)
    this.#queue.push({
      ...event,
      json,
      bytes,
      at: fields.at?.getTime() ?? null,
      trackedAt: performance.now(),
    })
    this.#queueBytes += bytes
    if (this.#queue.length >= this.#batchSize) void this.#run()
    else this.#schedule()
  }

  #schedule() {
    if (this.#timer !== null || this.#running !== null) return
    this.#timer = setTimeout(() => void this.#run(), this.#options.flushIntervalMs ?? 1000)
    unref(this.#timer)
  }

  /**
   * Sends waiting events now rather than soon, but respects a pause that the server asked for. Resolves when every event
   * waiting now has been answered, however long that takes.
   */
  async flush(): Promise<void> {
    const last = this.#queue.at(-1)
    // The other timers let a process end, which whoever awaits this does not want.
    const hold = setInterval(() => {}, HOLD_MS)
    while (last !== undefined && this.#queue.includes(last) && !this.#closed) await this.#run()
    clearInterval(hold)
  }

  /**
   * Sends waiting events and accepts no more. Resolves with the number of events that could not be delivered in time;
   * `onError` is called for each of them.
   *
   * @param timeoutMs the most milliseconds this may take, default 5000
   */
  async close(timeoutMs = 5000): Promise<number> {
    this.#detach()
    this.#wake?.()
    let timer: ReturnType<typeof setTimeout> | undefined
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([this.#drain(), deadline])
    clearTimeout(timer)
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#abort?.abort()
    this.#wake?.()
    const left = this.#remove(this.#queue.length)
    for (const event of left) this.#lose(event, "CLOSED", "The client was closed before it could be sent.")
    return left.length
  }

  /** Flushes until nothing is waiting: requests in flight while a server stops may still track. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0 && !this.#closed) await this.flush()
  }

  /** The loop described at the top of this file; there is one at a time. */
  #run(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#running ??= this.#sendAll().finally(() => {
      this.#running = null
      if (this.#queue.length > 0 && !this.#closed) this.#schedule()
    })
    return this.#running
  }

  async #sendAll(): Promise<void> {
    // Events that arrived in the meantime are gathered again, unless they fill a batch.
    let left = this.#queue.length
    while (!this.#closed && this.#queue.length > 0 && (left > 0 || this.#queue.length >= this.#batchSize)) {
      const batch = this.#head(MAX_BATCH_BYTES)
      const answer = await this.#post(batch)
      if (this.#closed) return
      const pauseMs = this.#settle(batch, answer)
      left = pauseMs === null ? left - batch.length : this.#queue.length
      if (pauseMs !== null) await this.#pause(pauseMs)
    }
  }

  /** Events from the head of the queue that fit into one request. */
  #head(maxBytes: number): ReadonlyArray<Waiting> {
    let bytes = 0
    let count = 0
    for (const event of this.#queue) {
      bytes += event.bytes
      if (count === this.#batchSize || (count > 0 && bytes > maxBytes)) break
      count++
    }
    return this.#queue.slice(0, count)
  }

  #remove(count: number): ReadonlyArray<Waiting> {
    const removed = this.#queue.splice(0, count)
    for (const event of removed) this.#queueBytes -= event.bytes
    return removed
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

  async #post(batch: ReadonlyArray<Waiting>): Promise<Answer> {
    const abort = new AbortController()
    this.#abort = abort
    const timer = setTimeout(
      () => abort.abort(new Error("The server did not answer in time.")),
      this.#options.timeoutMs ?? 10_000,
    )
    unref(timer)
    try {
      const now = IN_BROWSER ? await this.#serverNow(batch, abort.signal) : Date.now()
      const response = await this.#fetch(this.#eventsUrl, {
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
    const body: unknown = await (await this.#fetch(this.#realtimeUrl, { signal })).json()
    const data = isRecord(body) && isRecord(body.data) ? body.data : {}
    if (typeof data.timestamp !== "number") throw new Error("The server did not tell its time.")
    return data.timestamp * 1000
  }

  /** Removes answered events from the queue. Returns the pause before the next request in milliseconds, or `null`. */
  #settle(batch: ReadonlyArray<Waiting>, answer: Answer): number | null {
    if (answer.kind === "again") return this.#nextPause(answer.reason, answer.afterMs)
    this.#remove(batch.length)
    if (answer.kind === "refused") {
      for (const event of batch) this.#lose(event, answer.code, answer.message)
      return null
    }
    const again: Array<Waiting> = []
    for (const { index, code, message, retryable } of answer.rejected) {
      const event = batch[index]
      if (event === undefined) continue
      if (retryable) again.push(event)
      else this.#lose(event, code, message)
    }
    if (again.length < batch.length) this.#failures = 0
    if (again.length === 0) return null
    this.#queue.unshift(...again)
    for (const event of again) this.#queueBytes += event.bytes
    const reason = answer.rejected.find(({ retryable }) => retryable)?.code ?? ""
    return this.#nextPause(reason, answer.afterMs)
  }

  #nextPause(reason: string, afterMs: number | null): number {
    const doubling = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS)
    // Up to a quarter more, so that not all senders return to a restarted server at once.
    const asked = Math.min(Math.max(afterMs ?? doubling, SHORTEST_PAUSE_MS), LONGEST_RETRY_AFTER_MS)
    const delayMs = Math.round(asked * (1 + Math.random() / 4))
    guarded(this.#options.onRetry, { reason, delayMs, waiting: this.#queue.length })
    return delayMs
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = null
        resolve()
      }
      const timer = setTimeout(done, delayMs)
      unref(timer)
      this.#wake = done
    })
  }

  /**
   * Sends waiting events with a request that outlives the page. They stay in the queue: the page may come back, and ids
   * make sending twice harmless.
   */
  #leavePage() {
    const batch = this.#head(MAX_KEEPALIVE_BYTES)
    if (batch.length === 0) return
    this.#fetch(this.#eventsUrl, {
      method: "POST",
      keepalive: true,
      credentials: "include",
      headers: this.#headers(),
      body: this.#body(batch, null),
    }).catch(() => {})
  }

  #lose(event: Pick<Waiting, "id" | "eventType">, code: string, message: string) {
    guarded(this.#options.onError, { code, message, id: event.id, eventType: event.eventType })
  }
}

const messageOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  // Node's fetch only says "fetch failed"; the reason is in the cause.
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message
}

/** If a callback of the host throws, that is the host's problem, but it must not surface in calls to this client. */
const guarded = <A>(callback: ((value: A) => void) | undefined, value: A): void => {
  try {
    callback?.(value)
  } catch (cause) {
    console.error(cause)
  }
}

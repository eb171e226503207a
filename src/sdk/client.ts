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
 * No method throws, and no promise rejects: analytics must not break what it observes. Lost events go to `onError`, pauses
 * to `onRetry`; of what nobody listens to, the first is a warning on the console.
 */
import type { Answer } from "./answer.ts"
import type { AnalyticsOptions, EventFields } from "./options.ts"
import { Queue, type Waiting } from "./queue.ts"
import { onShutdown } from "./shutdown.ts"
import { backgroundTimeout } from "./timeout.ts"
import { inWords, messageOf, Transport } from "./transport.ts"
import { randomUuid, UUID } from "./uuid.ts"

/** The server accepts 1 MiB; this leaves room for commas, brackets and timestamps, which are not counted. */
const MAX_BATCH_BYTES = 900_000
/** A page that is being left may have 64 KiB in flight (https://fetch.spec.whatwg.org/#http-network-or-cache-fetch). */
const MAX_KEEPALIVE_BYTES = 55_000
/** The most bytes of one event: more than any valid event has. */
const MAX_EVENT_BYTES = 64_000
/** Room for `,"timestamp":1765195200000}` and a comma. */
const TIMESTAMP_BYTES = 30
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000
/** The longest pause, even if a server asks for more. */
const LONGEST_RETRY_AFTER_MS = 15 * 60_000
/** The shortest pause, for a `Retry-After` of zero. */
const SHORTEST_PAUSE_MS = 100
const HOLD_MS = 60_000
/** What a timer can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
/** How long the end of a process waits for events to be sent. */
const SHUTDOWN_MS = 5000

const encoder = new TextEncoder()

export class Analytics {
  readonly #options: AnalyticsOptions
  readonly #transport: Transport
  readonly #batchSize: number
  readonly #queue: Queue
  /** The most bytes of a request: fewer once something on the way has taken one for too large. */
  #batchBytes = MAX_BATCH_BYTES
  #timer: ReturnType<typeof setTimeout> | null = null
  /** Ends the pause after a failure early. */
  #wake: (() => void) | null = null
  #running: Promise<void> | null = null
  #failures = 0
  #closed = false
  #warned = false
  readonly #detach: () => void

  constructor(given: AnalyticsOptions) {
    // Of a client without types it may be anything; the transport says what is wrong with it.
    const options: AnalyticsOptions = Object(given)
    this.#options = options
    this.#transport = new Transport(options)
    this.#batchSize = Math.min(Math.max(options.batchSize ?? 1000, 1), 1000)
    this.#queue = new Queue(options.maxQueue ?? 10_000)
    if (this.#transport.invalid !== null) this.#warn(`${this.#transport.invalid} No event will be sent.`)
    this.#detach =
      options.flushOnShutdown === false
        ? () => {}
        : onShutdown({
            close: () => this.close(),
            flush: () => this.flush(SHUTDOWN_MS),
            page: () => this.#leavePage(),
          })
  }

  /** The number of events that have not been answered yet. */
  get waiting(): number {
    return this.#queue.length
  }

  /**
   * Queues an event to be sent soon, with `data` as it is now: changing it later has no effect. Returns the event's id.
   */
  track(type: string, data?: Readonly<Record<string, unknown>>, fields?: EventFields | null): string {
    let id = randomUuid()
    try {
      id = fields?.id ?? id
      this.#take(id, type, data, fields ?? {})
    } catch (cause) {
      this.#lose({ id, eventType: inWords(type) }, "INVALID_EVENT", messageOf(cause))
    }
    return id
  }

  #take(id: string, type: string, data: Readonly<Record<string, unknown>> | undefined, fields: EventFields) {
    const event = { id, eventType: type }
    if (this.#closed) return this.#lose(event, "CLOSED", "The client was closed before.")
    if (this.#transport.invalid !== null) return this.#lose(event, "INVALID_URL", this.#transport.invalid)
    if (!UUID.test(id)) return this.#lose(event, "INVALID_EVENT", "The id must be a UUID.")
    const at = fields.at?.getTime() ?? null
    if (Number.isNaN(at)) return this.#lose(event, "INVALID_EVENT", "The time, at, is an invalid Date.")
    const sent = {
      event_type: type,
      id,
      event_data: data,
      page_url: fields.pageUrl,
      referrer: fields.referrer,
      visitor_id: fields.visitorId,
      user_agent: fields.userAgent,
      site: fields.site ?? this.#options.site,
    }
    const json = JSON.stringify(sent).slice(0, -1)
    const bytes = encoder.encode(json).length + TIMESTAMP_BYTES
    if (bytes > MAX_EVENT_BYTES)
      return this.#lose(event, "INVALID_EVENT", `An event must be at most ${MAX_EVENT_BYTES} bytes of JSON.`)
    if (!this.#queue.push({ ...event, json, bytes, at, trackedAt: performance.now() }))
      return this.#lose(event, "QUEUE_FULL", `${this.#queue.length} events wait already.`)
    if (this.#queue.length >= this.#batchSize) void this.#run()
    else this.#schedule()
  }

  #schedule() {
    if (this.#timer !== null || this.#running !== null) return
    this.#timer = backgroundTimeout(() => void this.#run(), this.#options.flushIntervalMs ?? 1000)
  }

  /**
   * Sends waiting events now rather than soon, but respects a pause that the server asked for. Resolves when every event
   * waiting now has been answered, or the time is over, with the number of events that still wait: they are sent later, if the
   * process goes on.
   *
   * @param timeoutMs the most milliseconds this may take; however long it takes if omitted
   */
  async flush(timeoutMs = Number.POSITIVE_INFINITY): Promise<number> {
    const last = this.#queue.last
    let over = false
    // The other timers let a process end, which whoever awaits this does not want.
    let timer = setInterval(() => {}, HOLD_MS)
    const deadline = new Promise<void>((resolve) => {
      if (timeoutMs > LONGEST_TIMER_MS) return
      clearInterval(timer)
      timer = setTimeout(() => {
        over = true
        resolve()
      }, timeoutMs)
    })
    while (last !== undefined && this.#queue.has(last) && !this.#closed && !over)
      await Promise.race([this.#run(), deadline])
    clearTimeout(timer)
    return this.#queue.length
  }

  /**
   * Sends waiting events and accepts no more. Resolves with the number of events that could not be delivered in time;
   * `onError` is called for each of them.
   *
   * @param timeoutMs the most milliseconds this may take, default 5000
   */
  async close(timeoutMs = SHUTDOWN_MS): Promise<number> {
    this.#wake?.()
    let timer: ReturnType<typeof setTimeout> | undefined
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([this.#drain(), deadline])
    clearTimeout(timer)
    // Not before: a library that ends the process once it listens alone must not find itself alone.
    this.#detach()
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#transport.abort()
    this.#wake?.()
    const left = this.#queue.remove(this.#queue.length)
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
      const batch = this.#queue.head(this.#batchSize, this.#batchBytes)
      const answer = await this.#transport.post(batch)
      if (this.#closed) return
      const pauseMs = this.#settle(batch, answer)
      left = pauseMs === null && answer.kind !== "tooLarge" ? left - batch.length : this.#queue.length
      if (pauseMs !== null) await this.#pause(pauseMs)
    }
  }

  /** Removes answered events from the queue. Returns the pause before the next request in milliseconds, or `null`. */
  #settle(batch: ReadonlyArray<Waiting>, answer: Answer): number | null {
    if (answer.kind === "again") return this.#nextPause(answer.reason, answer.afterMs)
    if (answer.kind === "tooLarge" && batch.length > 1) {
      this.#batchBytes = Math.floor(batch.reduce((sum, { bytes }) => sum + bytes, 0) / 2)
      return null
    }
    this.#queue.remove(batch.length)
    if (answer.kind === "refused" || answer.kind === "tooLarge") {
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
    this.#queue.putBack(again)
    const reason = answer.rejected.find(({ retryable }) => retryable)?.code ?? ""
    return this.#nextPause(reason, answer.afterMs)
  }

  #nextPause(reason: string, afterMs: number | null): number {
    const doubling = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS)
    // Up to a quarter more, so that not all senders return to a restarted server at once.
    const asked = Math.min(Math.max(afterMs ?? doubling, SHORTEST_PAUSE_MS), LONGEST_RETRY_AFTER_MS)
    const delayMs = Math.round(asked * (1 + Math.random() / 4))
    const pause = { reason, delayMs, waiting: this.#queue.length }
    guarded(this.#options.onRetry, pause)
    if (this.#options.onRetry === undefined)
      this.#warn(`Events for ${this.#options.url} wait (${reason}). onRetry tells of every such pause.`)
    return delayMs
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = null
        resolve()
      }
      const timer = backgroundTimeout(done, delayMs)
      this.#wake = done
    })
  }

  /** Sends waiting events as the page is left. They stay queued: the page may come back, and ids make that harmless. */
  #leavePage() {
    const batch = this.#queue.head(this.#batchSize, Math.min(MAX_KEEPALIVE_BYTES, this.#batchBytes))
    if (batch.length > 0) this.#transport.postAndLeave(batch)
  }

  #lose(event: Pick<Waiting, "id" | "eventType">, code: string, message: string) {
    guarded(this.#options.onError, { code, message, id: event.id, eventType: event.eventType })
    if (this.#options.onError === undefined)
      this.#warn(`An event is lost (${code}): ${message} onError tells of every lost event.`)
  }

  /** Warns once of what would else stay unseen. */
  #warn(sentence: string) {
    if (this.#warned) return
    this.#warned = true
    guarded(console.warn, `maicivy-analytics: ${sentence}`)
  }
}

/** If a callback of the host throws, that is the host's problem, but it must not surface in calls to this client. */
const guarded = <A>(callback: ((value: A) => void) | undefined, value: A): void => {
  try {
    callback?.(value)
  } catch (cause) {
    console.error(cause)
  }
}

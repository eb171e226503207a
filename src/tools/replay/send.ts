/** Sends events through the public API in batches, a few at a time, and keeps trying through overload and outages. */

import { setTimeout as sleep } from "node:timers/promises"
import { MAX_BATCH_BODY_BYTES, MAX_BATCH_EVENTS } from "../../domain/limits.ts"
import { API_PATH } from "../../domain/paths.ts"
import { isRetryable } from "../../domain/retryable.ts"
import type { Answer, Poster } from "./http.ts"
import type { PageViewEvent } from "./pageViews.ts"

/** Posts in flight: enough to hide the latency of a disk flush, but too few to crowd out visitors. */
export const IN_FLIGHT = 4
/** Up to this rate every event is posted on its own, at its own time; above it, batches go about ten times a second. */
const SINGLE_EVENTS_RATE = 20
/** The first wait between attempts, milliseconds; it doubles up to the longest one. */
const FIRST_WAIT = 250
const LONGEST_WAIT = 10_000

export interface SendOptions {
  readonly poster: Poster
  /** `null`: the server's default site. */
  readonly site: string | null
  /** Events per second, or `null` for as fast as the server accepts them. */
  readonly rate: number | null
  /** How long a post is retried before the replay gives up, milliseconds. */
  readonly patience: number
  /** Called once for each kind of trouble, with a sentence. */
  readonly note: (sentence: string) => void
  /** Stops the replay between posts. */
  readonly signal: AbortSignal
}

/** What became of the events, updated as responses arrive. */
export interface Tally {
  /** Events with a final response, whatever it was. */
  sent: number
  accepted: number
  /** Posts that were repeated. */
  retries: number
  readonly rejected: Map<string, number>
  /** Why the replay stopped early, or `null`. */
  stopped: string | null
}

export const emptyTally = (): Tally => ({
  sent: 0,
  accepted: 0,
  retries: 0,
  rejected: new Map(),
  stopped: null,
})

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined

const parse = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

const codeOf = (value: unknown): string => {
  const code = field(value, "code")
  return typeof code === "string" ? code : "UNKNOWN"
}

const describe = (answer: Answer): string => {
  const error = field(parse(answer.body), "error")
  return `${answer.status}${typeof error === "string" ? `: ${error}` : ""}`
}

/** Statuses that may be different when the same post is repeated. */
const isTransient = (status: number): boolean => status === 429 || (status >= 502 && status <= 504)

const KEY_HINT =
  "The server limits events per address (429); waiting as it asks. A write key lifts the limit (--write-key, or " +
  "WRITE_KEY), RATE_LIMIT_PER_MINUTE=0 on the server turns it off."

/** Splits events into groups whose bodies stay within the API's size limit. */
const groupsOf = (events: ReadonlyArray<PageViewEvent>): ReadonlyArray<ReadonlyArray<PageViewEvent>> => {
  const groups: Array<Array<PageViewEvent>> = []
  let group: Array<PageViewEvent> = []
  let bytes = 2
  for (const event of events) {
    const size = Buffer.byteLength(JSON.stringify(event)) + 1
    if (group.length === 0 || bytes + size > MAX_BATCH_BODY_BYTES) {
      group = []
      bytes = 2
      groups.push(group)
    }
    group.push(event)
    bytes += size
  }
  return groups
}

/** What is left to do after one attempt. */
interface Attempt {
  readonly left: ReadonlyArray<PageViewEvent>
  /** The reason, in words. */
  readonly problem: string
  /** Seconds, if the server said so. */
  readonly retryAfter: number | null
}

const DONE: Attempt = { left: [], problem: "", retryAfter: null }

class Sender {
  readonly #options: SendOptions
  readonly #tally: Tally
  readonly #query: string
  readonly #noted = new Set<string>()

  constructor(options: SendOptions, tally: Tally) {
    this.#options = options
    this.#tally = tally
    this.#query = options.site === null ? "" : `?site=${encodeURIComponent(options.site)}`
  }

  get stopped(): boolean {
    if (this.#options.signal.aborted) this.#tally.stopped ??= "interrupted"
    return this.#tally.stopped !== null
  }

  /** Posts events until each has a final response. Never rejects: whatever went wrong is in the tally. */
  async deliver(events: ReadonlyArray<PageViewEvent>): Promise<void> {
    const { rate } = this.#options
    const single = rate !== null && rate <= SINGLE_EVENTS_RATE
    for (const group of single ? events.map((event) => [event]) : groupsOf(events))
      await this.#keepPosting(group, single)
  }

  async #keepPosting(events: ReadonlyArray<PageViewEvent>, single: boolean): Promise<void> {
    const { patience, signal } = this.#options
    let left = events
    let giveUpAt = Date.now() + patience
    for (let failures = 0; !this.stopped; failures++) {
      const attempt = await this.#post(left, single)
      if (attempt.left.length === 0) return
      if (attempt.left.length < left.length) {
        failures = 0
        giveUpAt = Date.now() + patience
      }
      left = attempt.left
      const backOff = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(failures, 10))
      const wait = Math.max(backOff, (attempt.retryAfter ?? 0) * 1000)
      if (Date.now() + wait > giveUpAt) {
        this.#tally.stopped ??= `gave up after ${Math.round(patience / 1000)} s without progress: ${attempt.problem}`
        return
      }
      this.#tally.retries++
      await sleep(wait, undefined, { signal }).catch(() => {})
    }
  }

  async #post(events: ReadonlyArray<PageViewEvent>, single: boolean): Promise<Attempt> {
    const path = `${API_PATH}/${single ? "event" : "events"}${this.#query}`
    let answer: Answer
    try {
      answer = await this.#options.poster.post(
        path,
        "application/json",
        JSON.stringify(single ? events[0] : events),
      )
    } catch (error) {
      const problem = error instanceof Error ? error.message || error.name : String(error)
      this.#noteOnce("connection", `The connection failed (${problem}). Trying again.`)
      return { left: events, problem, retryAfter: null }
    }
    if (!isTransient(answer.status)) return this.#settle(answer, events)
    const problem = `the server answered ${describe(answer)}`
    this.#noteOnce(String(answer.status), answer.status === 429 ? KEY_HINT : `Trying again, for ${problem}`)
    return { left: events, problem, retryAfter: answer.retryAfter }
  }

  #noteOnce(kind: string, sentence: string): void {
    if (this.#noted.has(kind)) return
    this.#noted.add(kind)
    this.#options.note(sentence)
  }

  #settle(answer: Answer, events: ReadonlyArray<PageViewEvent>): Attempt {
    const body = parse(answer.body)
    const data = field(body, "data")
    const rejected = field(data, "rejected")
    if (answer.status === 201 && data === undefined && events.length === 1) {
      this.#tally.sent++
      this.#tally.accepted++
      return DONE
    }
    if (answer.status === 201 && Array.isArray(rejected)) return this.#settleBatch(answer, events, rejected)
    if (answer.status === 400) {
      this.#tally.sent += events.length
      this.#reject(codeOf(body), events.length)
      return DONE
    }
    // No other post will fare better: the key is wrong, or something other than this API is at that address.
    this.#tally.stopped ??= `the server answered ${describe(answer)}`
    return DONE
  }

  /** A batch may be accepted in part: some events are refused for good, some only for now. */
  #settleBatch(
    answer: Answer,
    events: ReadonlyArray<PageViewEvent>,
    rejected: ReadonlyArray<unknown>,
  ): Attempt {
    const left: Array<PageViewEvent> = []
    let problem = ""
    for (const each of rejected) {
      const code = codeOf(each)
      const index = field(each, "index")
      const event = typeof index === "number" ? events[index] : undefined
      if (event === undefined || !isRetryable(code)) {
        this.#reject(code, 1)
        continue
      }
      left.push(event)
      problem = `the server answered ${code} for some events`
      if (code === "RATE_LIMITED") this.#noteOnce("429", KEY_HINT)
    }
    this.#tally.sent += events.length - left.length
    this.#tally.accepted += events.length - rejected.length
    return { left, problem, retryAfter: answer.retryAfter }
  }

  #reject(code: string, count: number): void {
    this.#tally.rejected.set(code, (this.#tally.rejected.get(code) ?? 0) + count)
  }
}

/** Events per post at a rate of events per second. */
export const batchSize = (rate: number | null): number => {
  if (rate === null) return MAX_BATCH_EVENTS
  return rate <= SINGLE_EVENTS_RATE ? 1 : Math.min(MAX_BATCH_EVENTS, Math.ceil(rate / 10))
}

/**
 * Sends all events and updates the tally. Ends early, with `tally.stopped` set, if a post is refused for good or for
 * longer than `patience`. An empty group says that no more come for now, so that none waits for a batch to be full.
 */
export const sendEvents = async (
  events: AsyncIterable<ReadonlyArray<PageViewEvent>>,
  options: SendOptions,
  tally: Tally,
): Promise<void> => {
  const sender = new Sender(options, tally)
  const size = batchSize(options.rate)
  const inFlight = new Set<Promise<void>>()
  let dueAt = performance.now()
  let waiting: Array<PageViewEvent> = []

  const send = async (batch: ReadonlyArray<PageViewEvent>) => {
    if (options.rate !== null) {
      const early = dueAt - performance.now()
      if (early > 1) await sleep(early, undefined, { signal: options.signal }).catch(() => {})
      // After a stall the schedule starts over from now: catching up would exceed the rate.
      dueAt = Math.max(dueAt, performance.now() - 1000) + (batch.length / options.rate) * 1000
    }
    while (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight)
    if (sender.stopped) return
    const delivery: Promise<void> = sender.deliver(batch).finally(() => inFlight.delete(delivery))
    inFlight.add(delivery)
  }

  for await (const some of events) {
    if (some.length === 0 && waiting.length > 0 && !sender.stopped) {
      await send(waiting)
      waiting = []
    }
    waiting = waiting.concat(some)
    let from = 0
    for (; waiting.length - from >= size && !sender.stopped; from += size)
      await send(waiting.slice(from, from + size))
    waiting = waiting.slice(from)
    if (sender.stopped) break
  }
  if (waiting.length > 0 && !sender.stopped) await send(waiting)
  await Promise.all(inFlight)
}

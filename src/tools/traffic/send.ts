/** Sends traffic at full speed and keeps retrying, with the same ids, until every event has an answer. */

import { setTimeout as sleep } from "node:timers/promises"
import { API_PATH } from "../../domain/paths.ts"
import { isRetryable } from "../../domain/retryable.ts"
import { type Answer, openPoster, type Poster } from "../replay/http.ts"
import type { Journal } from "./journal.ts"
import { isBody, type PlannedEvent, type Shipment } from "./traffic.ts"

export interface SendOptions {
  readonly url: URL
  readonly concurrency: number
  readonly writeKey: string | null
  /** How long a request is retried, milliseconds: long enough for a killed server to be back. */
  readonly patience: number
  /** Unix milliseconds. */
  readonly now: () => number
}

export interface SendReport {
  requests: number
  /** Requests that were repeated after a 503 or a failed connection. */
  retries: number
  /** The first hundred answers that break the contract, one sentence each. */
  readonly problems: Array<string>
}

const MAX_PROBLEMS = 100
const WAIT = 200
const TIMEOUT = 15_000

class RateLimited extends Error {
  override message =
    "The server limits events per address: give --write-key, or start it with RATE_LIMIT_PER_MINUTE=0."
}

const serialise = (form: Shipment["form"], events: ReadonlyArray<PlannedEvent>): string => {
  const texts = events.map(({ raw, body }) => raw ?? JSON.stringify(body))
  if (form === "ndjson") return `${texts.join("\n")}\n`
  if (form === "single" || (texts.length === 1 && events[0]?.raw !== undefined)) return texts.join("")
  return `[${texts.join(",")}]`
}

const headersOf = ({ sender }: Shipment): Record<string, string> => ({
  "user-agent": sender.userAgent,
  ...(sender.referer === null ? {} : { referer: sender.referer }),
  ...(sender.visitorHeader === null ? {} : { "x-visitor-id": sender.visitorHeader }),
  ...(sender.cookie === null ? {} : { cookie: `theme=dark; maicivy_session=${sender.cookie}; lang=fr` }),
})

/** Whether an event can be retried when its outcome is unknown: it then counts once, or never. */
const isRepeatable = ({ body, flaw }: PlannedEvent): boolean =>
  flaw !== null || (isBody(body) && typeof body.id === "string")

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const codeOf = (value: unknown): string =>
  isBody(value) && typeof value.code === "string" ? value.code : "(no code)"

class Courier {
  readonly #poster: Poster
  readonly #patience: number
  readonly #journal: Journal
  readonly #report: SendReport
  readonly #now: () => number

  constructor(
    poster: Poster,
    { patience, now }: Pick<SendOptions, "patience" | "now">,
    journal: Journal,
    report: SendReport,
  ) {
    this.#now = now
    this.#poster = poster
    this.#patience = patience
    this.#journal = journal
    this.#report = report
  }

  async deliver(shipment: Shipment): Promise<void> {
    const sentAt = this.#now()
    let events = shipment.events
    let giveUpAt: number | null = null
    while (events.length > 0) {
      const answer = await this.#post(shipment, events)
      const left = typeof answer === "string" ? events : this.#settle(shipment, events, answer, sentAt)
      if (left.length === 0) return
      if (left.length < events.length) giveUpAt = null
      giveUpAt ??= performance.now() + this.#patience
      if (performance.now() > giveUpAt) {
        const why = typeof answer === "string" ? answer : `${answer.status} ${answer.body.slice(0, 200)}`
        throw new Error(`Gave up after ${this.#patience / 1000} s: ${why}`)
      }
      // An append that was confirmed too late is also answered with 503, so the event may be durable all the same.
      for (const event of left)
        if (!isRepeatable(event)) this.#record(shipment, event, "unknown", null, sentAt)
      events = left.filter(isRepeatable)
      this.#report.retries++
      await sleep(WAIT)
    }
  }

  async #post(shipment: Shipment, events: ReadonlyArray<PlannedEvent>): Promise<Answer | string> {
    const path = `${API_PATH}/${shipment.form === "single" ? "event" : "events"}`
    const query = shipment.site === null ? "" : `?site=${shipment.site}`
    this.#report.requests++
    try {
      const text = serialise(shipment.form, events)
      return await this.#poster.post(`${path}${query}`, shipment.contentType, text, headersOf(shipment))
    } catch (error) {
      return error instanceof Error ? error.message || error.name : String(error)
    }
  }

  /** Records the answers. Returns the events that have to be sent again. */
  #settle(
    shipment: Shipment,
    events: ReadonlyArray<PlannedEvent>,
    answer: Answer,
    sentAt: number,
  ): ReadonlyArray<PlannedEvent> {
    if (answer.status === 429) throw new RateLimited()
    if (answer.status === 503) {
      if (answer.retryAfter === null) this.#problem("503 without Retry-After")
      return events
    }
    const body = parse(answer.body)
    if (shipment.refusedWith !== undefined) {
      if (!shipment.refusedWith.includes(answer.status))
        this.#problem(`a request to be refused with ${shipment.refusedWith.join(" or ")}`, answer)
      return []
    }
    if (shipment.form !== "single") return this.#settleBatch(shipment, events, answer, sentAt)
    const [event] = events
    if (event === undefined) return []
    if (answer.status === 201) this.#record(shipment, event, "accepted", null, sentAt)
    else if (answer.status === 400 || answer.status === 413)
      this.#record(shipment, event, "rejected", codeOf(body), sentAt)
    else this.#problem("a single event", answer)
    return []
  }

  #settleBatch(
    shipment: Shipment,
    events: ReadonlyArray<PlannedEvent>,
    answer: Answer,
    sentAt: number,
  ): ReadonlyArray<PlannedEvent> {
    const body = parse(answer.body)
    const data = isBody(body) && isBody(body.data) ? body.data : null
    if (answer.status !== 201 || data === null || !Array.isArray(data.rejected)) {
      this.#problem(`a batch of ${events.length} events`, answer)
      return []
    }
    const codes = new Map<number, string>()
    for (const each of data.rejected)
      if (isBody(each) && typeof each.index === "number") codes.set(each.index, codeOf(each))
    if (data.accepted !== events.length - codes.size)
      this.#problem(`a batch of ${events.length} events`, answer)
    const left: Array<PlannedEvent> = []
    for (const [index, event] of events.entries()) {
      const code = codes.get(index) ?? null
      if (code === "RATE_LIMITED") throw new RateLimited()
      if (code !== null && isRetryable(code)) left.push(event)
      else this.#record(shipment, event, code === null ? "accepted" : "rejected", code, sentAt)
    }
    return left
  }

  #record(
    shipment: Shipment,
    event: PlannedEvent,
    outcome: "accepted" | "rejected" | "unknown",
    code: string | null,
    sentAt: number,
  ): void {
    const { site, sender } = shipment
    this.#journal.add({ outcome, code, event, site, sender, sentAt, answeredAt: this.#now() })
    if (outcome === "accepted" && event.flaw !== null) this.#problem(`${event.flaw} was accepted`)
    if (outcome === "rejected" && event.flaw === null)
      this.#problem(`${code}: a good event was rejected: ${JSON.stringify(event.body).slice(0, 300)}`)
  }

  #problem(what: string, answer?: Answer): void {
    if (this.#report.problems.length >= MAX_PROBLEMS) return
    const got = answer === undefined ? "" : ` was answered ${answer.status} ${answer.body.slice(0, 200)}`
    this.#report.problems.push(`${what}${got}`)
  }
}

/**
 * Sends all shipments over keep-alive connections, one request at a time on each, and records every event in the
 * journal. Fails if the server does not answer for longer than `patience`.
 */
export const sendTraffic = async (
  shipments: Iterable<Shipment>,
  options: SendOptions,
  journal: Journal,
): Promise<SendReport> => {
  const { url, concurrency, writeKey } = options
  const report: SendReport = { requests: 0, retries: 0, problems: [] }
  const poster = openPoster({ url, connections: concurrency, writeKey, timeout: TIMEOUT })
  const courier = new Courier(poster, options, journal, report)
  const queue = shipments[Symbol.iterator]()
  const work = async () => {
    for (let next = queue.next(); next.done !== true; next = queue.next()) await courier.deliver(next.value)
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, work))
  } finally {
    poster.close()
    journal.flush()
  }
  return report
}

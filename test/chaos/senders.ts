/** Senders with retries: single events and batches, with and without ids, current and days old, to any node. */
import { setTimeout as sleep } from "node:timers/promises"
import { DAY_MS } from "../../src/domain/time.ts"
import type { Random } from "../../src/tools/traffic/random.ts"
import { isBody } from "../../src/tools/traffic/traffic.ts"
import { acknowledge, type Journal, type JournalLine, type SentEvent } from "./journal.ts"

export const SITES = ["main", "blog"] as const

export interface SendersOptions {
  readonly urls: ReadonlyArray<string>
  readonly senders: number
  /** Milliseconds between two requests of a sender; 0 for as fast as it gets answers. */
  readonly pause: number
  readonly batch: number
  /** How long events with an id are still retried after the senders were told to stop, milliseconds. */
  readonly patience: number
  /** The greatest age of an event, days. */
  readonly daysAgo: number
  /** The least age of every event, milliseconds. */
  readonly atLeastAgo: number
  /** Events older than this many days always have an id, so that they are retried until they are acknowledged. */
  readonly idsBeyondDays?: number
  /** The longest pause before a retry, milliseconds; pauses grow up to this with each failure. */
  readonly mostPatient?: number
}

const TYPES = [
  ["page_view", 60],
  ["letter_generate", 12],
  ["cv_theme_change", 15],
  ["button_click", 8],
  ["custom:thing", 5],
] as const
const THEMES = ["dark", "light", "solarized", "été"] as const
const LETTERS = ["motivation", "anti_motivation", "other"] as const
const TIMEOUT = 6000

/** The JSON value of an answer; `null` if it is not JSON. */
const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The page that an event is of. */
export const pageOf = ({ mark }: SentEvent): string => `/page/${mark % 20}`

const bodyOf = (event: SentEvent): object => ({
  event_type: event.type,
  ...(event.id !== null && { id: event.id }),
  site: event.site,
  visitor_id: event.visitor,
  timestamp: event.at,
  page_url: `https://example.org${pageOf(event)}`,
  event_data: {
    k: event.mark,
    ...(event.theme !== null && { theme: event.theme }),
    ...(event.letter !== null && { letter_type: event.letter }),
    ...(event.type === "button_click" && { x: event.mark % 7, y: 3 }),
  },
})

export class Senders {
  readonly #options: SendersOptions
  readonly #journal: Journal
  readonly #random: Random
  readonly #visitors: ReadonlyArray<string>
  readonly #running: Array<Promise<void>>
  #stoppedAt: number | null = null

  constructor(options: SendersOptions, journal: Journal, random: Random) {
    this.#options = options
    this.#journal = journal
    this.#random = random
    this.#visitors = Array.from({ length: 400 }, () => random.uuid())
    this.#running = Array.from({ length: options.senders }, () => this.#sender())
  }

  /** Sends no new events. Resolves when every event with an id is acknowledged, or patience has run out. */
  async stop(): Promise<void> {
    this.#stoppedAt = performance.now()
    await Promise.all(this.#running)
  }

  /** Stops them immediately, for a failed experiment. */
  abandon(): void {
    this.#stoppedAt = Number.NEGATIVE_INFINITY
  }

  #make(): JournalLine {
    const random = this.#random
    const type = random.weighted(TYPES)
    const visitor = this.#visitors[random.integer(0, this.#visitors.length - 1)] ?? random.uuid()
    const ago =
      random.chance(0.7) || this.#options.daysAgo === 0 ? 0 : random.next() * this.#options.daysAgo * DAY_MS
    return this.#journal.add({
      id:
        random.chance(0.85) || ago > (this.#options.idsBeyondDays ?? Infinity) * DAY_MS
          ? random.uuid()
          : null,
      site: random.pick(SITES),
      visitor,
      type,
      theme: type === "cv_theme_change" ? random.pick(THEMES) : null,
      letter: type === "letter_generate" ? random.pick(LETTERS) : null,
      at: Math.floor(Date.now() - ago - this.#options.atLeastAgo),
    })
  }

  async #sender(): Promise<void> {
    const { batch, pause, patience, mostPatient = 1000 } = this.#options
    while (this.#stoppedAt === null) {
      const size = this.#random.chance(0.5) ? 1 : this.#random.integer(1, batch)
      const lines = Array.from({ length: size }, () => this.#make())
      let open = lines
      for (let attempt = 1; open.length > 0; attempt++) {
        await this.#send(open)
        open = open.filter((line) => line.event.id !== null && !line.acknowledged)
        const given = this.#stoppedAt
        if (given !== null && performance.now() - given > patience) break
        if (open.length > 0)
          await sleep(Math.min(50 * 2 ** attempt, mostPatient) * (0.5 + this.#random.next()))
      }
      // Simulates a sender that forgot the answer.
      const again = lines.filter((line) => line.event.id !== null)
      if (again.length > 0 && this.#random.chance(0.06)) await this.#send(again)
      if (pause > 0) await sleep(pause * (0.5 + this.#random.next()))
    }
  }

  async #send(lines: ReadonlyArray<JournalLine>): Promise<void> {
    const random = this.#random
    const { urls } = this.#options
    const url = urls[random.integer(0, urls.length - 1)] ?? ""
    const single = lines.length === 1 && random.chance(0.7)
    const bodies = lines.map((line) => JSON.stringify(bodyOf(line.event)))
    const ndjson = random.chance(0.5)
    for (const line of lines) line.sends++
    const began = performance.now()
    try {
      const response = await fetch(`${url}/api/v1/analytics/${single ? "event" : "events"}`, {
        method: "POST",
        headers: { "content-type": single || !ndjson ? "application/json" : "application/x-ndjson" },
        body: single ? (bodies[0] ?? "") : ndjson ? bodies.join("\n") : `[${bodies.join(",")}]`,
        signal: AbortSignal.timeout(TIMEOUT),
      })
      const text = await response.text()
      this.#journal.answered(String(response.status))
      if (response.status === 201) {
        this.#journal.latencies.push(performance.now() - began)
        this.#acknowledge(lines, single ? null : parse(text), began)
      } else if (response.status !== 503) this.#journal.wrong(`${response.status} ${text.slice(0, 200)}`)
      else if (response.headers.get("retry-after") === null) this.#journal.wrong("503 without Retry-After")
    } catch (error) {
      this.#journal.answered(error instanceof Error ? error.name : "failed")
    }
  }

  /** Acknowledges all lines except those that the answer to a batch lists. */
  #acknowledge(lines: ReadonlyArray<JournalLine>, answer: unknown, sentAt: number): void {
    const refused = new Set<unknown>()
    if (answer !== null) {
      const data = isBody(answer) && isBody(answer.data) ? answer.data : null
      if (data === null || !Array.isArray(data.rejected)) {
        this.#journal.wrong(`a batch was answered ${JSON.stringify(answer).slice(0, 200)}`)
        return
      }
      for (const each of data.rejected as ReadonlyArray<unknown>) {
        if (!isBody(each)) continue
        refused.add(each.index)
        if (each.code !== "STREAM_UNAVAILABLE" && each.code !== "BACKLOG_FULL")
          this.#journal.wrong(`a valid event was refused: ${JSON.stringify(each)}`)
      }
    }
    lines.forEach((line, index) => {
      if (!refused.has(index)) acknowledge(line, sentAt)
    })
  }
}

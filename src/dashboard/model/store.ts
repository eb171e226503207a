/**
 * The state of one site, and what keeps it up to date: the connection, reads and timers. `changes.ts` decides how the state
 * changes, `rereads.ts` when a part is read again. After a lost connection everything is read again, because frames are not
 * replayed.
 */
import type { Topic } from "../../domain/frames.ts"
import type { Period } from "../../domain/period.ts"
import { ask } from "./ask.ts"
import { Asking } from "./asking.ts"
import {
  isTimelineEmpty,
  overdue,
  readsAfter,
  withAnswer,
  withConnection,
  withFailure,
  withFrame,
  withOlder,
  withPage,
  withPeriod,
  withReading,
  withTime,
} from "./changes.ts"
import { type Connection, connect } from "./connection.ts"
import { type Answer, type Frame, isAnswer } from "./decode.ts"
import { MINUTES } from "./lastHour.ts"
import { read } from "./read.ts"
import { failureCode } from "./readFailure.ts"
import { Rereads } from "./rereads.ts"
import { ServerClock } from "./serverClock.ts"
import { type ConnectionState, initialState, PARTS, type Part, type State } from "./state.ts"

/** Events of a page of the timeline. */
const TIMELINE_PAGE = 25
/** Window of the heatmap. */
export const HEATMAP_HOURS = 24
/** Debounce before a redraw, in milliseconds: changes within it are drawn together. */
const DRAW_MS = 80
/** Milliseconds between two moves of the window of the last hour. */
const TICK_MS = 5000

const topicsOf = (period: Period): ReadonlyArray<Topic> => ["stats", "events", "themes", period]

export interface StoreOptions {
  readonly site: string | null
  readonly period: Period
  readonly page: string
  /** Called soon after every change. */
  readonly draw: () => void
  /** What the reader may see is something else now. */
  readonly onRevoked: () => void
}

/** The store of one site; {@link Store.close} ends it. */
export class Store {
  #state: State
  readonly #site: string | null
  readonly #draw: () => void
  readonly #connection: Connection
  readonly #ticks: number
  /** The read in progress of each part, so that a later one can replace it. */
  readonly #reading = new Map<Part, AbortController>()
  readonly #rereads = new Rereads<Part>({
    isWanted: (part) => part !== "timeline" || isTimelineEmpty(this.#state),
    isLoading: (part) => this.#state[part].loading,
    load: (part) => void this.load(part),
  })
  readonly #clock = new ServerClock()
  /** Questions of the board. */
  readonly asking = new Asking({
    ask,
    follow: (begun, ended) => this.#connection.ask(begun, ended),
  })
  /** When the last read of each part began. */
  readonly #began = new Map<Part, number>()
  #drawing = 0
  #lost = false

  /** Connects at once. */
  constructor({ site, period, page, draw, onRevoked }: StoreOptions) {
    this.#site = site
    this.#draw = draw
    this.#state = initialState(period, page)
    this.#connection = connect({
      site,
      topics: topicsOf(period),
      onState: (connection) => this.#connectionIs(connection),
      onFrame: (frame) => this.#take(frame),
      onRevoked,
    })
    this.#ticks = window.setInterval(() => this.#tick(), TICK_MS)
    for (const part of PARTS) void this.load(part)
  }

  get state(): State {
    return this.#state
  }

  /** The server's time, unix milliseconds. */
  now(): number {
    return this.#clock.now(Date.now())
  }

  close(): void {
    this.asking.close()
    this.#connection.close()
    clearInterval(this.#ticks)
    clearTimeout(this.#drawing)
    this.#rereads.stop()
    for (const reading of this.#reading.values()) reading.abort()
  }

  choosePeriod(period: Period): void {
    if (period === this.#state.period) return
    this.#become(withPeriod(this.#state, period))
    this.#connection.follow(topicsOf(period))
    void this.load("stats")
    void this.load("letters")
  }

  choosePage(page: string): void {
    if (page === this.#state.page) return
    this.#become(withPage(this.#state, page))
    void this.load("clicks")
  }

  /** Reads a part from the beginning. */
  async load(part: Part): Promise<void> {
    this.#rereads.began(part)
    this.#began.set(part, performance.now())
    await this.#read(part, (signal) => this.#ask(part, signal), withAnswer)
  }

  /** Appends the timeline's next page. */
  async loadOlder(): Promise<void> {
    const { data, loading } = this.#state.timeline
    if (data === null || data.next === null || loading) return
    const asked = { site: this.#site, limit: TIMELINE_PAGE, cursor: data.next }
    await this.#read("timeline", (signal) => read("timeline", asked, isAnswer.timeline, signal), withOlder)
  }

  /** Reads something for a part, in place of a read in progress. */
  async #read<A>(
    part: Part,
    ask: (signal: AbortSignal) => Promise<A>,
    changed: (state: State, answer: A) => State,
  ): Promise<void> {
    this.#reading.get(part)?.abort()
    const reading = new AbortController()
    this.#reading.set(part, reading)
    this.#become(withReading(this.#state, part))
    try {
      const answer = await ask(reading.signal)
      if (!reading.signal.aborted) this.#become(changed(this.#state, answer))
    } catch (failure) {
      if (reading.signal.aborted) return
      const code = failureCode(failure)
      this.#become(withFailure(this.#state, part, code))
    }
  }

  async #ask(part: Part, signal: AbortSignal): Promise<Answer> {
    const site = this.#site
    const { period, page } = this.#state
    switch (part) {
      case "hour":
        return { part, ...(await read("history", { site, minutes: MINUTES }, isAnswer[part], signal)) }
      case "yesterday":
        return { part, ...(await read("yesterday", { site }, isAnswer[part], signal)) }
      case "stats":
        return { part, ...(await read("stats", { site, period }, isAnswer[part], signal)) }
      case "letters":
        return { part, ...(await read("letters", { site, period }, isAnswer[part], signal)) }
      case "themes":
        return { part, ...(await read("themes", { site }, isAnswer[part], signal)) }
      case "clicks": {
        const asked = { site, page_url: page === "" ? null : page, hours: HEATMAP_HOURS }
        return { part, ...(await read("heatmap", asked, isAnswer[part], signal)) }
      }
      case "timeline":
        return { part, ...(await read("timeline", { site, limit: TIMELINE_PAGE }, isAnswer[part], signal)) }
    }
  }

  /** Windows move on while nothing happens, that of the clicks by being read again, and what failed is tried again. */
  #tick(): void {
    this.#become(withTime(this.#state, this.#clock.now(Date.now())))
    const now = performance.now()
    for (const part of overdue(this.#state, (each) => now - (this.#began.get(each) ?? now)))
      void this.load(part)
  }

  #connectionIs(connection: ConnectionState): void {
    this.#become(withConnection(this.#state, connection))
    if (connection.is === "waiting") this.#lost = true
    if (connection.is === "open") this.asking.connected(this.#lost)
    if (connection.is !== "open" || !this.#lost) return
    this.#lost = false
    // A reader who has gone back in the timeline stays there, and is offered what is new.
    const isRead = (this.#state.timeline.data?.rows.length ?? 0) > TIMELINE_PAGE
    for (const part of PARTS) if (part !== "timeline" || !isRead) void this.load(part)
  }

  #take(frame: Frame): void {
    if (frame.kind === "answer") this.asking.answered(frame.id, frame.data)
    if (frame.kind === "failure" && frame.id !== null) this.asking.failed(frame.id, frame.code)
    const { now, changed, brought, replaced } = readsAfter(this.#state, frame)
    for (const part of replaced) this.#reading.get(part)?.abort()
    if (frame.kind === "realtime") this.#clock.heard(frame.data.timestamp, Date.now())
    this.#become(withFrame(this.#state, frame, this.#clock.now(Date.now())))
    for (const part of changed) this.#rereads.changed(part)
    for (const part of brought) this.#rereads.brought(part)
    for (const part of now) void this.load(part)
  }

  #become(state: State): void {
    if (state === this.#state) return
    this.#state = state
    if (this.#drawing !== 0) return
    this.#drawing = window.setTimeout(() => {
      this.#drawing = 0
      this.#draw()
    }, DRAW_MS)
  }
}

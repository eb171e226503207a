/**
 * What the page knows of one site. Reads bring what was before; from then on frames carry it forward:
 *
 * - today's figures, themes of all time, the chosen period's figures and letters: whole in their frames
 * - the last hour, the clicks, the feed: event by event
 * - clicks beyond the server's budget for single events, and a timeline that was empty: read again when a frame tells of them, never by the clock
 *
 * After a lost connection everything is read anew, because nothing is replayed.
 */
import type {
  DayCourse,
  HeatmapPoint,
  Letters,
  Realtime,
  Stats,
  ThemeViews,
  TimelineEvent,
} from "../domain/answers.ts"
import type { Period } from "../domain/period.ts"
import { type Connection, type ConnectionState, connect } from "./connection.ts"
import {
  type Frame,
  type History,
  type LiveEvent,
  type Omitted,
  ReadFailure,
  read,
  type TimelinePage,
} from "./figures.ts"
import {
  fromHistory,
  type LastHour,
  MINUTES,
  upTo,
  withEvent,
  withOmitted,
  withVisitors,
} from "./lastHour.ts"
import { Rereads } from "./rereads.ts"

/** Events kept for the feed. */
const MAX_FEED = 80
/** Pages offered for the heatmap. */
const MAX_PAGES = 200
const TIMELINE_PAGE = 25
export const HEATMAP_HOURS = 24
/** Milliseconds from a change to the picture; changes within are drawn together. */
const DRAW_MS = 80

/** Something read: what was last known stays while it is read again, and beside a failure. */
export interface Loaded<A> {
  readonly data: A | null
  readonly loading: boolean
  /** The `code` of the last read's failure. */
  readonly failure: string | null
}

export interface FeedEvent extends LiveEvent {
  /** Counts up with every event. */
  readonly number: number
}

export interface Timeline {
  readonly rows: ReadonlyArray<TimelineEvent>
  readonly next: string | null
}

export interface State {
  readonly connection: ConnectionState
  /** The server said that its store cannot be read. */
  readonly storeAway: boolean
  readonly realtime: Realtime | null
  readonly feed: ReadonlyArray<FeedEvent>
  /** What the feed left out lately. */
  readonly omitted: Omitted | null
  /** Pages that events named, for the choice of a heatmap. */
  readonly pages: ReadonlyArray<string>
  /** Events since the timeline was read. */
  readonly newEvents: number
  readonly hour: Loaded<LastHour>
  readonly yesterday: Loaded<DayCourse>
  readonly stats: Loaded<Stats>
  readonly letters: Loaded<Letters>
  readonly themes: Loaded<ReadonlyArray<ThemeViews>>
  readonly clicks: Loaded<ReadonlyArray<HeatmapPoint>>
  readonly timeline: Loaded<Timeline>
}

const NOTHING = { data: null, loading: true, failure: null }

const EMPTY: State = {
  connection: { is: "connecting" },
  storeAway: false,
  realtime: null,
  feed: [],
  omitted: null,
  pages: [],
  newEvents: 0,
  hour: NOTHING,
  yesterday: NOTHING,
  stats: NOTHING,
  letters: NOTHING,
  themes: NOTHING,
  clicks: NOTHING,
  timeline: NOTHING,
}

const PARTS = ["hour", "yesterday", "stats", "letters", "themes", "clicks", "timeline"] as const
export type Part = (typeof PARTS)[number]

const isClick = (type: string): boolean => type === "button_click" || type === "link_click"

/** The same figures with one more click at a position. */
const withClick = (
  clicks: ReadonlyArray<HeatmapPoint>,
  x: number,
  y: number,
): ReadonlyArray<HeatmapPoint> => {
  const index = clicks.findIndex((each) => each.x === x && each.y === y)
  const known = clicks[index]
  return known === undefined
    ? [...clicks, { x, y, count: 1 }]
    : clicks.with(index, { ...known, count: known.count + 1 })
}

export class Store {
  state: State = EMPTY
  readonly #site: string | null
  readonly #draw: () => void
  readonly #connection: Connection
  readonly #minutes: number
  /** The read under way for each part, so that a later one replaces it. */
  readonly #reading = new Map<Part, AbortController>()
  readonly #rereads = new Rereads<Part>({
    isWanted: (part) => part !== "timeline" || this.#timelineIsEmpty(),
    isLoading: (part) => this.state[part].loading,
    load: (part) => void this.load(part),
  })
  #period: Period
  #page: string
  #drawing = 0
  #events = 0
  #lost = false

  /** Connects at once. `draw` is called soon after every change. */
  constructor(site: string | null, period: Period, page: string, draw: () => void) {
    this.#site = site
    this.#period = period
    this.#page = page
    this.#draw = draw
    this.#connection = connect({
      site,
      period,
      onState: (connection) => this.#connectionIs(connection),
      onFrame: (frame) => this.#take(frame),
    })
    // The window of the last hour moves on when nothing happens, too.
    this.#minutes = window.setInterval(() => this.#hour((hour) => upTo(hour, Date.now())), 5000)
    for (const part of PARTS) void this.load(part)
  }

  close(): void {
    this.#connection.close()
    clearInterval(this.#minutes)
    clearTimeout(this.#drawing)
    this.#rereads.stop()
    for (const reading of this.#reading.values()) reading.abort()
  }

  choosePeriod(period: Period): void {
    if (period === this.#period) return
    this.#period = period
    this.#set({ stats: NOTHING, letters: NOTHING })
    this.#connection.follow(period)
    void this.load("stats")
    void this.load("letters")
  }

  choosePage(page: string): void {
    if (page === this.#page) return
    this.#page = page
    this.#set({ clicks: NOTHING })
    void this.load("clicks")
  }

  /** Reads a part from the beginning. */
  async load(part: Part): Promise<void> {
    this.#rereads.began(part)
    this.#reading.get(part)?.abort()
    const reading = new AbortController()
    this.#reading.set(part, reading)
    this.#set({ [part]: { ...this.state[part], loading: true } })
    try {
      const data = await this.#read(part, reading.signal)
      if (reading.signal.aborted) return
      this.#set({ [part]: { data, loading: false, failure: null } })
    } catch (failure) {
      if (reading.signal.aborted) return
      const code = failure instanceof ReadFailure ? failure.code : "UNKNOWN"
      this.#set({ [part]: { ...this.state[part], loading: false, failure: code } })
    }
  }

  /** Appends the timeline's next page. */
  async loadOlder(): Promise<void> {
    const before = this.state.timeline
    if (before.data === null || before.data.next === null || before.loading) return
    const reading = new AbortController()
    this.#reading.set("timeline", reading)
    this.#set({ timeline: { ...before, loading: true } })
    try {
      const page = await read<TimelinePage>(
        "timeline",
        { site: this.#site, limit: TIMELINE_PAGE, cursor: before.data.next },
        reading.signal,
      )
      this.#notePages(page.data.map((row) => row.page_url))
      const rows = [...before.data.rows, ...page.data]
      this.#set({
        timeline: { data: { rows, next: page.meta.next_cursor }, loading: false, failure: null },
      })
    } catch (failure) {
      if (reading.signal.aborted) return
      const code = failure instanceof ReadFailure ? failure.code : "UNKNOWN"
      this.#set({ timeline: { ...before, loading: false, failure: code } })
    }
  }

  async #read(part: Part, signal: AbortSignal): Promise<State[Part]["data"]> {
    const site = this.#site
    switch (part) {
      case "hour":
        return fromHistory(await read<History>("history", { site, minutes: MINUTES }, signal))
      case "yesterday":
        return (await read<{ data: DayCourse }>("yesterday", { site }, signal)).data
      case "stats":
        return (await read<{ data: Stats }>("stats", { site, period: this.#period }, signal)).data
      case "letters":
        return (await read<{ data: Letters }>("letters", { site, period: this.#period }, signal)).data
      case "themes":
        return (await read<{ data: ReadonlyArray<ThemeViews> }>("themes", { site }, signal)).data
      case "clicks": {
        const asked = { site, page_url: this.#page === "" ? null : this.#page, hours: HEATMAP_HOURS }
        return (await read<{ data: ReadonlyArray<HeatmapPoint> }>("heatmap", asked, signal)).data
      }
      case "timeline": {
        const { data, meta } = await read<TimelinePage>("timeline", { site, limit: TIMELINE_PAGE }, signal)
        this.#notePages(data.map((row) => row.page_url))
        this.#set({ newEvents: 0 })
        return { rows: data, next: meta.next_cursor }
      }
    }
  }

  /** Also while its first answer is on its way, which may be older than an event that comes meanwhile. */
  #timelineIsEmpty(): boolean {
    const { data, loading } = this.state.timeline
    return data === null ? loading : data.rows.length === 0
  }

  /** Events have come: a timeline that was empty is no longer. */
  #fillTimeline(): void {
    if (this.#timelineIsEmpty()) this.#rereads.changed("timeline")
  }

  #connectionIs(connection: ConnectionState): void {
    this.#set({ connection, storeAway: false })
    if (connection.is === "waiting") this.#lost = true
    if (connection.is !== "open" || !this.#lost) return
    this.#lost = false
    for (const part of PARTS) void this.load(part)
  }

  #retryFailed(): void {
    for (const part of PARTS) if (this.state[part].failure !== null) void this.load(part)
  }

  #take(frame: Frame): void {
    if (frame.kind === "realtime") this.#takeRealtime(frame.data, frame.omitted)
    else if (frame.kind === "event") this.#takeEvent(frame.data)
    else if (frame.kind === "themes") this.#replace("themes", frame.data)
    else if (frame.kind === "failure") this.#set({ storeAway: frame.code === "STORE_UNAVAILABLE" })
    // One of the period before may still be on its way.
    else if (frame.data.stats.period === this.#period) {
      this.#replace("stats", frame.data.stats)
      this.#replace("letters", frame.data.letters)
    }
  }

  /** A frame that is whole: newer than what a read under way will say. */
  #replace<P extends "themes" | "letters" | "stats">(part: P, data: State[P]["data"]): void {
    this.#reading.get(part)?.abort()
    this.#set({ [part]: { data, loading: false, failure: null } })
  }

  #takeRealtime(realtime: Realtime, omitted: Omitted | null): void {
    const before = this.state.realtime
    const wasAway = this.state.storeAway
    this.#set({ realtime, storeAway: false })
    const now = Date.now()
    this.#hour((hour) =>
      withVisitors(omitted === null ? hour : withOmitted(hour, omitted, now), realtime.current_visitors, now),
    )
    if (omitted !== null) {
      this.#set({ omitted, newEvents: this.state.newEvents + omitted.events })
      if (Object.keys(omitted.by_type).some(isClick)) this.#rereads.changed("clicks")
      this.#fillTimeline()
    }
    if (wasAway) this.#retryFailed()
    if (before === null) return
    if (realtime.total_events >= before.total_events) return
    // A new day has begun.
    void this.load("yesterday")
    void this.load("letters")
    void this.load("stats")
  }

  #takeEvent(event: LiveEvent): void {
    this.#events++
    const { feed, clicks, newEvents } = this.state
    this.#set({
      feed: [{ ...event, number: this.#events }, ...feed].slice(0, MAX_FEED),
      newEvents: newEvents + 1,
      omitted: null,
    })
    this.#notePages([event.page_url])
    this.#fillTimeline()
    this.#hour((hour) => withEvent(hour, event, Date.now()))
    const { x, y } = event.data ?? {}
    if (!isClick(event.type) || typeof x !== "number" || typeof y !== "number") return
    if (clicks.data !== null && (this.#page === "" || this.#page === event.page_url))
      this.#set({ clicks: { ...clicks, data: withClick(clicks.data, x, y) } })
    this.#rereads.brought("clicks")
  }

  #hour(change: (hour: LastHour) => LastHour): void {
    const { hour } = this.state
    if (hour.data === null) return
    const data = change(hour.data)
    if (data !== hour.data) this.#set({ hour: { ...hour, data } })
  }

  #notePages(urls: ReadonlyArray<string | null>): void {
    const { pages } = this.state
    const fresh = new Set(urls.filter((url) => url !== null && url !== "" && !pages.includes(url)))
    if (fresh.size > 0)
      this.#set({
        pages: [...pages, ...fresh]
          .filter((url) => url !== null)
          .sort()
          .slice(0, MAX_PAGES),
      })
  }

  #set(change: Partial<State>): void {
    this.state = { ...this.state, ...change }
    if (this.#drawing !== 0) return
    this.#drawing = window.setTimeout(() => {
      this.#drawing = 0
      this.#draw()
    }, DRAW_MS)
  }
}

/**
 * How the state changes: pure functions from the state and what has happened to the next state, and {@link readsAfter}, which
 * says what the page reads after a frame. The store applies both.
 */
import { CLICK_TYPES } from "../../domain/aggregation.ts"
import type { HeatmapPoint, Realtime, TimelineEvent } from "../../domain/answers.ts"
import type { JsonObject } from "../../domain/event.ts"
import { type LiveEvent, QUERY_CODES } from "../../domain/frames.ts"
import { isSamePage } from "../../domain/pageUrl.ts"
import type { Period } from "../../domain/period.ts"
import { HOUR_MS, MINUTE_MS } from "../../domain/time.ts"
import type { Answer, Frame, TimelineAnswer } from "./decode.ts"
import { fromHistory, type LastHour, upTo, withEvent, withOmitted, withVisitors } from "./lastHour.ts"
import { type ConnectionState, type LiveStatus, NOTHING, PARTS, type Part, type State } from "./state.ts"

/** Events that the feed keeps. */
export const MAX_FEED = 80
/** Pages offered for the heatmap. */
export const MAX_PAGES = 200

/** Returns the position of a click; `null` for other events, and for clicks without one. */
const positionOf = ({ type, data }: LiveEvent): { readonly x: number; readonly y: number } | null => {
  const { x, y } = data ?? {}
  return CLICK_TYPES.has(type) && typeof x === "number" && typeof y === "number" ? { x, y } : null
}

/** Whether the timeline has no row. Also while it is first read: that answer may be older than an event that has just come. */
export const isTimelineEmpty = ({ timeline: { data, loading } }: State): boolean =>
  data === null ? loading : data.rows.length === 0

const withPart = <P extends Part>(state: State, part: P, loaded: State[P]): State => ({
  ...state,
  [part]: loaded,
})

/** A part whose data has just come. */
const known = <A>(data: A) => ({ data, loading: false, failure: null })

/** The reader has chosen another period. */
export const withPeriod = (state: State, period: Period): State => ({
  ...state,
  period,
  stats: NOTHING,
  letters: NOTHING,
})

/** The reader has chosen another page for the heatmap. */
export const withPage = (state: State, page: string): State => ({ ...state, page, clicks: NOTHING })

/** The connection has changed; whether the store can be read is unknown until the next frame. */
export const withConnection = (state: State, connection: ConnectionState): State => ({
  ...state,
  connection,
  storeUnavailable: false,
  missed: state.missed || connection.is === "waiting",
})

/** A read of the part has begun. */
export const withReading = (state: State, part: Part): State =>
  withPart(state, part, { ...state[part], loading: true })

/** The read of a part has failed; `code` is the answer's. */
export const withFailure = (state: State, part: Part, code: string): State =>
  withPart(state, part, { ...state[part], loading: false, failure: code })

/** A part was read from the beginning. */
export const withAnswer = (state: State, answer: Answer): State => {
  switch (answer.part) {
    case "hour":
      return { ...state, hour: known(fromHistory(answer)) }
    case "yesterday":
      return { ...state, yesterday: known(answer.data) }
    case "stats":
      return { ...state, stats: known(answer.data) }
    case "letters":
      return { ...state, letters: known(answer.data) }
    case "themes":
      return { ...state, themes: known(answer.data) }
    case "clicks":
      return { ...state, clicks: known(answer.data) }
    case "timeline":
      return { ...withRows(withStored(state, answer.data), [], answer), newEvents: 0 }
  }
}

/** Whether a row and a frame may be of one event. Not by the visitor, who has a pseudonym in frames. */
const isSame = (a: LiveEvent, b: LiveEvent): boolean =>
  a.timestamp === b.timestamp && a.type === b.type && a.page_url === b.page_url

/** A row as a frame would have brought it. */
const eventOf = (row: TimelineEvent): LiveEvent => {
  const { site = "", event_type: type, event_data: data, created_at: timestamp, visitor_id, page_url } = row
  return { ...{ site, type, timestamp, visitor_id, page_url }, data: isJsonObject(data) ? data : null }
}

/** The feed goes on with events that were stored before the page was opened. */
const withStored = (state: State, rows: ReadonlyArray<TimelineEvent>): State => {
  const { feed } = state
  // One reading is enough: from then on, events come in frames.
  if (feed.some(({ number }) => number <= 0)) return state
  // Each frame is of one row: others may look the same.
  const brought = [...feed]
  const stored = rows
    .map(eventOf)
    .filter((event) => {
      const at = brought.findIndex((each) => isSame(each, event))
      if (at >= 0) brought.splice(at, 1)
      return at < 0
    })
    .map((event, i) => ({ ...event, number: 0 - i }))
  return { ...state, feed: [...feed, ...stored].slice(0, MAX_FEED) }
}

const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The timeline's next page was read. */
export const withOlder = (state: State, page: TimelineAnswer): State =>
  withRows(state, state.timeline.data?.rows ?? [], page)

const withRows = (
  state: State,
  before: ReadonlyArray<TimelineEvent>,
  { data, meta }: TimelineAnswer,
): State => {
  const urls = data.map((row) => row.page_url)
  const timeline = known({ rows: [...before, ...data], next: meta.next_cursor })
  return { ...withPages(state, urls), timeline }
}

/** Milliseconds after which clicks are read again, because the oldest ones have left their window. */
const CLICKS_MS = 5 * MINUTE_MS
/** Milliseconds after which what could not be read is tried again by itself: nobody stands before a second screen to do so. */
const RETRY_MS = MINUTE_MS

/** What is read again for no other reason than the time since its last read began, in milliseconds. */
export const overdue = (state: State, since: (part: Part) => number): ReadonlyArray<Part> =>
  PARTS.filter((part) => {
    const { failure, loading } = state[part]
    // What cannot be asked at all is not asked again.
    if (loading || failure === "INVALID_QUERY") return false
    return since(part) > (failure !== null ? RETRY_MS : part === "clicks" ? CLICKS_MS : Infinity)
  })

/** Time has passed, which moves the window of the last hour on. `now` is in unix milliseconds, here and below. */
export const withTime = (state: State, now: number): State => withHour(state, (hour) => upTo(hour, now))

/** Why there are no figures now; those that cannot be told at all are their panel's. */
const UNREAD: ReadonlySet<string> = new Set(QUERY_CODES.filter((code) => code !== "INVALID_QUERY"))

/** The status after a frame. */
export const withStatus = <Status extends LiveStatus>(status: Status, frame: Frame): Status => {
  if (frame.kind === "realtime") return { ...status, realtime: frame.data, storeUnavailable: false }
  // What a question met is its panel's, and a message of the page's that was refused says nothing of the store.
  return frame.kind === "failure" && frame.id === null && UNREAD.has(frame.code)
    ? { ...status, storeUnavailable: true }
    : status
}

/** A frame has come. One of a period that is no longer chosen changes nothing. */
export const withFrame = (state: State, frame: Frame, now: number): State => {
  switch (frame.kind) {
    case "realtime": {
      const { data: realtime, omitted } = frame
      const { current_visitors: visitors } = realtime
      // What was counted meanwhile was in no frame.
      const missed =
        state.missed && state.realtime !== null
          ? Math.max(0, realtime.total_events - state.realtime.total_events)
          : 0
      const newEvents = state.newEvents + missed
      const heard = { ...withStatus(state, frame), missed: false, newEvents }
      if (omitted === null) return withHour(heard, (hour) => withVisitors(hour, visitors, now))
      return withHour({ ...heard, omitted, newEvents: newEvents + omitted.events }, (hour) =>
        withVisitors(withOmitted(hour, omitted, now), visitors, now),
      )
    }
    case "event":
      return withLiveEvent(state, frame.data, now)
    case "themes":
      return { ...state, themes: known(frame.data) }
    case "period":
      return frame.data.stats.period === state.period
        ? { ...state, stats: known(frame.data.stats), letters: known(frame.data.letters) }
        : state
    case "refusals":
    case "answer":
      return state
    case "failure":
      return withStatus(state, frame)
  }
}

const isOnPage = ({ page_url }: LiveEvent, page: string): boolean =>
  page === "" || (page_url !== null && isSamePage(page_url, page))

const withLiveEvent = (state: State, event: LiveEvent, now: number): State => {
  const { clicks, page, timeline } = state
  const position = positionOf(event)
  // An event is stored before its frame is sent, and may have been read meanwhile.
  const stored = state.feed.findIndex((each) => each.number <= 0 && isSame(each, event))
  const feed = stored < 0 ? state.feed : state.feed.toSpliced(stored, 1)
  const isRead = timeline.data?.rows.some((row) => isSame(eventOf(row), event)) === true
  const isShown = position !== null && clicks.data !== null && isOnPage(event, page)
  return withHour(
    {
      ...withPages(state, [event.page_url]),
      feed: [{ ...event, number: (state.feed[0]?.number ?? 0) + 1 }, ...feed].slice(0, MAX_FEED),
      newEvents: state.newEvents + (isRead ? 0 : 1),
      omitted: null,
      ...(isShown && { clicks: { ...clicks, data: withClick(clicks.data, position) } }),
    },
    (hour) => withEvent(hour, event, now),
  )
}

/** The same figures with one more click at a position. */
const withClick = (
  clicks: ReadonlyArray<HeatmapPoint>,
  { x, y }: { readonly x: number; readonly y: number },
): ReadonlyArray<HeatmapPoint> => {
  const index = clicks.findIndex((each) => each.x === x && each.y === y)
  const found = clicks[index]
  return found === undefined
    ? [...clicks, { x, y, count: 1 }]
    : clicks.with(index, { ...found, count: found.count + 1 })
}

const withHour = (state: State, change: (hour: LastHour) => LastHour): State => {
  const { hour } = state
  if (hour.data === null) return state
  const data = change(hour.data)
  return data === hour.data ? state : { ...state, hour: { ...hour, data } }
}

const withPages = (state: State, urls: ReadonlyArray<string | null>): State => {
  const { pages } = state
  const named = urls.flatMap((url) => (url === null || url === "" ? [] : [url]))
  if (named.every((url) => url === pages[0])) return state
  return { ...state, pages: [...new Set([...named.toReversed(), ...pages])].slice(0, MAX_PAGES) }
}

/** What the page reads after a frame, as parts. */
export interface Reads {
  /** To be read at once. */
  readonly now: ReadonlyArray<Part>
  /** The frame told of a change that it did not bring; see {@link Rereads.changed}. */
  readonly changed: ReadonlyArray<Part>
  /** The frame brought a change; see {@link Rereads.brought}. */
  readonly brought: ReadonlyArray<Part>
  /** Whole in the frame, which is newer than the answer to a read in progress. */
  readonly replaced: ReadonlyArray<Part>
}

const NO_READS: Reads = { now: [], changed: [], brought: [], replaced: [] }

/** Hours after the beginning of a day at which the next one may begin: clocks are changed by one hour at most, or half of one. */
const DAY_LENGTHS_H = [23, 23.5, 24, 24.5, 25]

/** Whether a day may have begun between two frames. A day's total only grows; a day without events ends by the clock. */
const beginsDay = ({ yesterday }: State, before: Realtime, after: Realtime): boolean => {
  if (after.total_events < before.total_events) return true
  if (yesterday.data === null) return false
  const today = Date.parse(yesterday.data.until) / 1000
  return DAY_LENGTHS_H.some((hours) => {
    const end = today + (hours * HOUR_MS) / 1000
    return before.timestamp < end && after.timestamp >= end
  })
}

/** Parts that a new day changes. */
const OF_THE_DAY: ReadonlyArray<Part> = ["yesterday", "letters", "stats"]

/** Returns what to read after a frame; `before` is the state without it. */
export const readsAfter = (before: State, frame: Frame): Reads => {
  switch (frame.kind) {
    case "realtime": {
      const { data, omitted } = frame
      const isNewDay = before.realtime !== null && beginsDay(before, before.realtime, data)
      const changed: Array<Part> = []
      if (omitted !== null && Object.keys(omitted.by_type).some((type) => CLICK_TYPES.has(type)))
        changed.push("clicks")
      if (omitted !== null && isTimelineEmpty(before)) changed.push("timeline")
      return {
        ...NO_READS,
        now: PARTS.filter(
          (part) =>
            (isNewDay && OF_THE_DAY.includes(part)) ||
            // The store can be read again.
            (before.storeUnavailable && before[part].failure !== null),
        ),
        changed,
      }
    }
    case "event":
      return {
        ...NO_READS,
        changed: isTimelineEmpty(before) ? ["timeline"] : [],
        brought: positionOf(frame.data) === null ? [] : ["clicks"],
      }
    case "themes":
      return { ...NO_READS, replaced: ["themes"] }
    case "period":
      return frame.data.stats.period === before.period
        ? { ...NO_READS, replaced: ["stats", "letters"] }
        : NO_READS
    case "refusals":
    case "answer":
    case "failure":
      return NO_READS
  }
}

import { describe, expect, test } from "vitest"
import {
  MAX_FEED,
  MAX_PAGES,
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
} from "../../../src/dashboard/model/changes.ts"
import { initialState, type State } from "../../../src/dashboard/model/state.ts"
import { MINUTE_MS } from "../../../src/domain/time.ts"
import {
  ago,
  click,
  decoded,
  heartbeat,
  liveEvent,
  loaded,
  NOW,
  periodFigures,
  REALTIME,
  readsOf,
  stateAfter,
  statsUpdate,
} from "./frames.ts"

const sum = (list: ReadonlyArray<number> | undefined): number => (list ?? []).reduce((a, b) => a + b, 0)
const STORE_ERROR = { type: "error", code: "STORE_UNAVAILABLE", error: "The figures cannot be read now." }

describe("today's figures", () => {
  test.each(["initial_stats", "heartbeat", "stats_update"])("come whole with %s", (type) => {
    const state = stateAfter(loaded(), { ...heartbeat(), type })
    expect(state.realtime).toEqual(REALTIME)
    expect(state.hour.data?.visitors.at(-1)).toBe(7)
    expect(state.omitted).toBeNull()
  })

  test("are those of the last frame", () => {
    const state = stateAfter(loaded(), heartbeat({ total_events: 101 }), heartbeat({ total_events: 102 }))
    expect(state.realtime?.total_events).toBe(102)
  })

  test("say that the store is back, and read what had failed meanwhile", () => {
    const failed = withFailure(stateAfter(loaded(), STORE_ERROR), "clicks", "STORE_UNAVAILABLE")
    expect(failed.storeUnavailable).toBe(true)
    const ofSeveral = (code: string) => stateAfter(loaded(), { ...STORE_ERROR, code }).storeUnavailable
    expect(["QUERY_TIMEOUT", "INVALID_QUERY", "UNKNOWN_TYPE"].map(ofSeveral)).toEqual([true, false, false])
    expect(readsOf(failed, heartbeat())).toEqual({ now: ["clicks"] })
    expect(stateAfter(failed, heartbeat()).storeUnavailable).toBe(false)
    expect(withConnection(failed, { is: "connecting" }).storeUnavailable).toBe(false)
    // What failed for another reason waits for the reader.
    expect(readsOf(withFailure(loaded(), "clicks", "OFFLINE"), heartbeat())).toEqual({})
  })

  test("that fall begin a new day, whose parts are read", () => {
    const evening = stateAfter(loaded(), heartbeat({ total_events: 100 }))
    const newDay = { now: ["yesterday", "stats", "letters"] }
    expect(readsOf(evening, heartbeat({ total_events: 0 }))).toEqual(newDay)
    expect(readsOf(evening, heartbeat({ total_events: 99 }))).toEqual(newDay)
    expect(readsOf(evening, heartbeat({ total_events: 100 }))).toEqual({})
    expect(readsOf(evening, heartbeat({ total_events: 101 }))).toEqual({})
    expect(readsOf(loaded(), heartbeat({ total_events: 0 }))).toEqual({})
  })

  test("begin a new day by the clock, where nothing happens", () => {
    const yesterday = {
      ...{ date: "2025-12-07", from: "2025-12-07T00:00:00Z", until: "2025-12-08T00:00:00Z" },
      ...{ total_events: [], page_views: [], letters: [], unique_visitors: [] },
    }
    const midnight = Date.parse("2025-12-09T00:00:00Z") / 1000
    const known = withAnswer(loaded(), { part: "yesterday", data: yesterday })
    const quiet = (timestamp: number) => heartbeat({ total_events: 0, timestamp })
    const evening = stateAfter(known, quiet(midnight - 5))
    expect(readsOf(evening, quiet(midnight - 1))).toEqual({})
    expect(readsOf(evening, quiet(midnight))).toEqual({ now: ["yesterday", "stats", "letters"] })
  })

  test("read a part once, though it failed and the day is new", () => {
    const evening = withFailure(stateAfter(loaded(), heartbeat(), STORE_ERROR), "stats", "STORE_UNAVAILABLE")
    expect(readsOf(evening, heartbeat({ total_events: 1 }))).toEqual({
      now: ["yesterday", "stats", "letters"],
    })
  })

  test("are not touched by other errors than the store's", () => {
    const refused = { type: "error", code: "RATE_LIMITED", error: "Too many." }
    const state = stateAfter(loaded(), heartbeat(), refused, { ...STORE_ERROR, id: "q1" })
    expect(state.storeUnavailable).toBe(false)
    expect(stateAfter(state, STORE_ERROR, refused).storeUnavailable).toBe(true)
    expect(state.realtime).toEqual(REALTIME)
  })
})

describe("events that were omitted", () => {
  test("count in the running minute and as new, and are told until an event is shown", () => {
    const state = stateAfter(loaded(), statsUpdate({ page_view: 30, form_submit: 4 }))
    expect(state.omitted?.events).toBe(34)
    expect(state.newEvents).toBe(34)
    expect(state.hour.data?.events.at(-1)).toBe(35)
    expect(stateAfter(state, heartbeat()).omitted?.events).toBe(34)
    expect(stateAfter(state, liveEvent()).omitted).toBeNull()
  })

  test("make the clicks be read when some of them are clicks", () => {
    expect(readsOf(loaded(), statsUpdate({ page_view: 3, link_click: 1 }))).toEqual({ changed: ["clicks"] })
    expect(readsOf(loaded(), statsUpdate({ page_view: 3 }))).toEqual({})
  })

  test("fill a timeline that was empty", () => {
    expect(readsOf(initialState("week", ""), statsUpdate({ page_view: 3 }))).toEqual({
      changed: ["timeline"],
    })
  })
})

describe("the feed", () => {
  test("shows the newest first, numbered, and no more than it has room for", () => {
    const events = Array.from({ length: MAX_FEED + 5 }, (_, i) => liveEvent({ page_url: `/${i}` }))
    const { feed, newEvents } = stateAfter(loaded(), ...events)
    expect(feed).toHaveLength(MAX_FEED)
    expect(feed[0]).toEqual({ ...liveEvent({ page_url: `/${MAX_FEED + 4}` }), number: MAX_FEED + 5 })
    expect(feed.at(-1)?.number).toBe(6)
    expect(newEvents).toBe(MAX_FEED + 5)
  })

  test("shows events in the order in which they were counted, late ones too", () => {
    const { feed } = stateAfter(
      loaded(),
      liveEvent({ timestamp: ago(1000) }),
      liveEvent({ timestamp: ago(3_600_000) }),
    )
    expect(feed.slice(0, 2).map(({ timestamp }) => timestamp)).toEqual([ago(3_600_000), ago(1000)])
  })

  test("begins with what was stored before the page was opened, once", () => {
    const row = {
      ...{ id: "x", visitor_id: "v", event_type: "page_view", event_data: null },
      ...{ page_url: "/stored", referrer: null, created_at: ago(5000) },
    }
    const meta = { limit: 25, offset: 0, count: 1, next_cursor: null }
    const opened = stateAfter(
      initialState("week", ""),
      liveEvent({ timestamp: ago(1000), page_url: "/live" }),
    )
    const filled = withAnswer(opened, { part: "timeline", data: [row], meta })
    expect(filled.feed.map(({ page_url }) => page_url)).toEqual(["/live", "/stored"])
    expect(filled.feed.map(({ number }) => number)).toEqual([1, 0])
    const again = withAnswer(filled, { part: "timeline", data: [{ ...row, id: "y", page_url: "/y" }], meta })
    expect(again.feed).toHaveLength(2)
  })

  test("shows once what was stored while its frame was on the way, beside what looks the same", () => {
    const row = (id: string, page_url: string) => ({
      ...{ id, visitor_id: "v", event_type: "page_view", event_data: null },
      ...{ page_url, referrer: null, created_at: ago(1000) },
    })
    const meta = { limit: 25, offset: 0, count: 4, next_cursor: null }
    const rows = ["/b", "/a", "/a", "/old"].map((page, i) => row(`${i}`, page))
    const a = liveEvent({ page_url: "/a" })
    const b = liveEvent({ page_url: "/b" })
    const pages = ({ feed }: State) => feed.map(({ page_url, number }) => [page_url, number > 0])

    // One of two that look the same has come before the rows, the other one comes after them.
    const read = withAnswer(stateAfter(initialState("week", ""), a), { part: "timeline", data: rows, meta })
    expect(pages(read)).toEqual([
      ["/a", true],
      ["/b", false],
      ["/a", false],
      ["/old", false],
    ])
    const told = stateAfter(read, b, a)
    expect(pages(told)).toEqual([
      ["/a", true],
      ["/b", true],
      ["/a", true],
      ["/old", false],
    ])
    // The timeline has them already.
    expect(told.newEvents).toBe(0)
    expect(stateAfter(told, liveEvent({ page_url: "/c" }))).toMatchObject({ newEvents: 1 })

    const first = withAnswer(initialState("week", ""), { part: "timeline", data: rows.slice(0, 2), meta })
    expect(pages(stateAfter(first, b, liveEvent({ page_url: "/c" })))).toEqual([
      ["/c", true],
      ["/b", true],
      ["/a", false],
    ])
  })

  test("makes a timeline be read that is empty, or whose first answer may be older", () => {
    const empty = withAnswer(loaded(), {
      part: "timeline",
      data: [],
      meta: { limit: 25, offset: 0, count: 0, next_cursor: null },
    })
    expect(readsOf(empty, liveEvent())).toEqual({ changed: ["timeline"] })
    expect(readsOf(initialState("week", ""), liveEvent())).toEqual({ changed: ["timeline"] })
    const failed = withFailure(initialState("week", ""), "timeline", "OFFLINE")
    expect(readsOf(failed, liveEvent())).toEqual({})
    expect(readsOf(loaded(), liveEvent())).toEqual({})
  })
})

describe("pages", () => {
  test("are those that rows and events name, each once, the latest first", () => {
    const state = stateAfter(
      loaded(),
      ...["/b", null, "", "/a", "/b"].map((page_url) => liveEvent({ page_url })),
    )
    expect(state.pages).toEqual(["/b", "/a", "/first"])
  })

  test("are bounded", () => {
    const events = Array.from({ length: MAX_PAGES + 5 }, (_, i) => liveEvent({ page_url: `/${i}` }))
    expect(stateAfter(loaded(), ...events).pages).toHaveLength(MAX_PAGES)
    expect(stateAfter(loaded(), ...events).pages[0]).toBe(`/${MAX_PAGES + 4}`)
  })
})

describe("clicks", () => {
  const of = (state: State) => state.clicks.data

  test("count one by one at their positions", () => {
    expect(of(stateAfter(loaded(), click(10, 20), click(11, 20), click(11, 20)))).toEqual([
      { x: 10, y: 20, count: 4 },
      { x: 11, y: 20, count: 2 },
    ])
  })

  test("count on the chosen page only", () => {
    const chosen = withAnswer(withPage(loaded(), "/cv"), { part: "clicks", data: [] })
    const state = stateAfter(
      chosen,
      click(1, 2, { page_url: "/cv?ref=mail" }),
      click(3, 4, { page_url: "/letters" }),
    )
    expect(of(state)).toEqual([{ x: 1, y: 2, count: 1 }])
  })

  test("are not made of other events, nor of positions that are no numbers", () => {
    const state = stateAfter(
      loaded(),
      liveEvent({ data: { x: 1, y: 2 } }),
      liveEvent({ type: "link_click", data: { x: "1", y: 2 } }),
      liveEvent({ type: "link_click", data: null }),
    )
    expect(of(state)).toEqual(of(loaded()))
    expect(readsOf(loaded(), liveEvent({ type: "link_click", data: null }))).toEqual({})
  })

  test("wait for the first answer, and put a last read off", () => {
    expect(of(stateAfter(withPage(loaded(), "/cv"), click(1, 2)))).toBeNull()
    expect(readsOf(loaded(), click(1, 2))).toEqual({ brought: ["clicks"] })
  })
})

describe("figures of a period", () => {
  const frame = (period: "day" | "week") => ({ type: "period", site: "main", data: periodFigures(period) })

  test("replace what is known and what a read under way will say", () => {
    const waiting = withReading(initialState("day", ""), "stats")
    const state = stateAfter(waiting, frame("day"))
    expect(state.stats).toEqual({ data: periodFigures("day").stats, loading: false, failure: null })
    expect(state.letters.data).toEqual(periodFigures("day").letters)
    expect(readsOf(waiting, frame("day"))).toEqual({ replaced: ["stats", "letters"] })
  })

  test("of the period chosen before come too late", () => {
    const chosen = withPeriod(loaded(), "day")
    expect(chosen.stats).toEqual({ data: null, loading: true, failure: null })
    expect(chosen.letters).toEqual({ data: null, loading: true, failure: null })
    expect(withFrame(chosen, decoded(frame("week")), NOW)).toBe(chosen)
    expect(readsAfter(chosen, decoded(frame("week")))).toEqual({
      now: [],
      changed: [],
      brought: [],
      replaced: [],
    })
  })
})

test("themes replace what is known and what a read under way will say", () => {
  const data = [{ theme: "cyberpunk", views: 3, percentage: 100 }]
  const failed = withFailure(loaded(), "themes", "OFFLINE")
  expect(stateAfter(failed, { type: "themes", site: "main", data }).themes).toEqual({
    data,
    loading: false,
    failure: null,
  })
  expect(readsOf(failed, { type: "themes", site: "main", data })).toEqual({ replaced: ["themes"] })
})

describe("a part", () => {
  test("shows what was last known while it is read again, and beside a failure", () => {
    const reading = withReading(loaded(), "stats")
    expect(reading.stats).toEqual({ data: periodFigures("week").stats, loading: true, failure: null })
    const failed = withFailure(reading, "stats", "OFFLINE")
    expect(failed.stats).toEqual({ data: periodFigures("week").stats, loading: false, failure: "OFFLINE" })
    expect(withAnswer(failed, { part: "stats", data: periodFigures("week").stats }).stats.failure).toBeNull()
  })

  test("of the timeline grows by older pages, and counts new events from when it was read", () => {
    const state = stateAfter(loaded(), liveEvent(), liveEvent())
    const [row] = state.timeline.data?.rows ?? []
    if (row === undefined) throw new Error("no row")
    const older = { ...row, id: "018f0000-0000-7000-8000-000000000000", page_url: "/older" }
    const meta = { limit: 25, offset: 0, count: 1, next_cursor: null }
    const grown = withOlder(state, { data: [older], meta })
    expect(grown.timeline.data).toEqual({ rows: [row, older], next: null })
    expect(grown.newEvents).toBe(2)
    expect(grown.pages).toEqual(["/older", "/cv", "/first"])
    expect(withAnswer(grown, { part: "timeline", data: [row], meta }).newEvents).toBe(0)
  })
})

test("only clicks are read again by time, as they leave their window, and what has failed", () => {
  const after = (state: State, minutes: number) => overdue(state, () => minutes * MINUTE_MS + 1)
  expect(after(loaded(), 4.9)).toEqual([])
  expect(after(loaded(), 5)).toEqual(["clicks"])
  const failed = withFailure(loaded(), "themes", "OFFLINE")
  expect(after(failed, 0.9)).toEqual([])
  expect(after(failed, 1)).toEqual(["themes"])
  expect(after(withReading(failed, "themes"), 1)).toEqual([])
  expect(after(withFailure(loaded(), "themes", "INVALID_QUERY"), 1)).toEqual([])
})

test("events that were counted while the connection was lost are new", () => {
  const before = stateAfter(loaded(), heartbeat({ total_events: 100 }))
  const lost = withConnection(before, { is: "waiting", until: NOW })
  const back = withConnection(lost, { is: "open" })
  const state = stateAfter(back, heartbeat({ total_events: 140 }))
  expect(state.newEvents).toBe(40)
  expect(stateAfter(state, heartbeat({ total_events: 150 })).newEvents).toBe(40)
})

test("the last hour moves on when nothing happens, once it was read", () => {
  const first = loaded().hour.data?.first ?? 0
  expect(withTime(loaded(), NOW + 3 * MINUTE_MS).hour.data?.first).toBe(first + 3)
  const unread = initialState("week", "")
  expect(withTime(unread, NOW)).toBe(unread)
})

test("the last hour counts nothing before it was read", () => {
  const state = stateAfter(initialState("week", ""), heartbeat(), statsUpdate({ page_view: 3 }), liveEvent())
  expect(state.hour.data).toBeNull()
  expect(sum(stateAfter(loaded(), liveEvent()).hour.data?.events)).toBe(61)
})

describe("names that every object has", () => {
  const NAMES = ["__proto__", "constructor", "toString", "hasOwnProperty"]

  test.each(NAMES)("%s is an event's type like any other", (name) => {
    const state = stateAfter(loaded(), liveEvent({ type: name, page_url: name, data: { theme: name } }))
    expect(state.feed[0]?.type).toBe(name)
    expect(state.pages).toContain(name)
    // As the wire has it, where the name is a member of the object.
    const omitted = JSON.parse(`{"${name}":3}`)
    const summed = stateAfter(state, statsUpdate(omitted))
    expect(summed.omitted?.events).toBe(3)
    expect(readsOf(state, statsUpdate(omitted))).toEqual({})
  })

  test.each(NAMES)("%s is a theme like any other", (theme) => {
    const state = stateAfter(loaded(), {
      type: "themes",
      site: "main",
      data: [{ theme, views: 1, percentage: 100 }],
    })
    expect(state.themes.data?.[0]?.theme).toBe(theme)
  })
})

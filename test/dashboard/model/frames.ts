/** What a server sends, as texts of the wire, and a page's state after it. */
import { type Reads, readsAfter, withAnswer, withFrame } from "../../../src/dashboard/model/changes.ts"
import { decodeFrame, type Frame } from "../../../src/dashboard/model/decode.ts"
import { initialState, type State } from "../../../src/dashboard/model/state.ts"
import type { Letters, Realtime, Stats } from "../../../src/domain/answers.ts"
import type { LiveEvent, PeriodFigures } from "../../../src/domain/frames.ts"
import type { Period } from "../../../src/domain/period.ts"
import { MINUTE_MS } from "../../../src/domain/time.ts"

/** The page's clock: half a minute into a minute. */
export const NOW = Date.parse("2025-12-08T14:32:30Z")

/** An instant before {@link NOW}, ISO 8601. */
export const ago = (ms: number): string => new Date(NOW - ms).toISOString()

export const REALTIME: Realtime = {
  current_visitors: 7,
  unique_today: 40,
  total_events: 100,
  letters_today: 5,
  timestamp: NOW / 1000,
}

const stats = (period: Period): Stats => ({
  period,
  period_key: "2025-W50",
  total_events: 900,
  page_views: 700,
  letters_generated: 20,
  unique_visitors: 80,
  conversion_rate: 0.25,
})

const letters = (period: Period): Letters => ({
  period,
  total: 20,
  motivation: 15,
  anti_motivation: 5,
  unique_visitors: 80,
  conversion_rate: 0.25,
  history: [{ date: "2025-12-08", count: 20 }],
})

export const periodFigures = (period: Period): PeriodFigures => ({
  stats: stats(period),
  letters: letters(period),
})

export const liveEvent = (more: Partial<LiveEvent> = {}): LiveEvent => ({
  site: "main",
  type: "page_view",
  visitor_id: "3f0d9a52-7a3c-4c58-9b1e-0a4e6d1f2b3c",
  timestamp: ago(1000),
  page_url: "/cv",
  data: null,
  dimensions: {},
  ...more,
})

export const click = (x: number, y: number, more: Partial<LiveEvent> = {}): LiveEvent =>
  liveEvent({ type: "button_click", data: { x, y }, ...more })

export const heartbeat = (more: Partial<Realtime> = {}) => ({
  type: "heartbeat",
  site: "main",
  data: { ...REALTIME, ...more },
})

export const statsUpdate = (byType: { readonly [type: string]: number }, more: Partial<Realtime> = {}) => ({
  type: "stats_update",
  site: "main",
  data: { ...REALTIME, ...more },
  omitted: { events: Object.values(byType).reduce((sum, count) => sum + count, 0), by_type: byType },
})

/** The frame that the page makes of what is sent. */
export const decoded = (sent: object): Frame => {
  const frame = decodeFrame(JSON.stringify(sent))
  if (frame === null) throw new Error(`no use for ${JSON.stringify(sent)}`)
  return frame
}

/** The state after frames, one after the other, at {@link NOW}. */
export const stateAfter = (state: State, ...sent: ReadonlyArray<object>): State =>
  sent.reduce((before: State, each) => withFrame(before, decoded(each), NOW), state)

/** What a frame makes the page read; parts that nothing is said of are left out. */
export const readsOf = (before: State, sent: object): Partial<Reads> =>
  Object.fromEntries(
    Object.entries(readsAfter(before, decoded(sent))).filter(([, parts]) => parts.length > 0),
  )

/** A page that has read everything: an hour with one event a minute and no visitor, one click, one row, of the week. */
export const loaded = (): State => {
  const first = Math.floor(NOW / MINUTE_MS) - 59
  const minutes = Array.from({ length: 60 }, (_, i) => ({
    time: new Date((first + i) * MINUTE_MS).toISOString(),
    events: 1,
    visitors: 0,
  }))
  const { stats, letters } = periodFigures("week")
  return (
    [
      { part: "hour", data: minutes, meta: { minutes: 60, until: ago(20_000) } },
      { part: "stats", data: stats },
      { part: "letters", data: letters },
      { part: "themes", data: [] },
      { part: "clicks", data: [{ x: 10, y: 20, count: 3 }] },
      {
        part: "yesterday",
        data: {
          date: "2025-12-07",
          from: "2025-12-07T00:00:00.000Z",
          until: "2025-12-08T00:00:00.000Z",
          total_events: [],
          page_views: [],
          letters: [],
          unique_visitors: [],
        },
      },
      {
        part: "timeline",
        data: [
          {
            id: "018f0000-0000-7000-8000-000000000001",
            visitor_id: "3f0d9a52-7a3c-4c58-9b1e-0a4e6d1f2b3c",
            event_type: "page_view",
            event_data: null,
            page_url: "/first",
            referrer: null,
            created_at: ago(60_000),
          },
        ],
        meta: { limit: 25, offset: 0, count: 1, next_cursor: "older" },
      },
    ] as const
  ).reduce((state: State, answer) => withAnswer(state, answer), initialState("week", ""))
}

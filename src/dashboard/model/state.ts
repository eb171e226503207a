/**
 * What the page knows about one site. Reads bring the past; from then on frames update it:
 *
 * - today's figures, themes of all time, the chosen period's figures and letters: whole, in their frames
 * - the last hour, the clicks, the feed: event by event
 * - clicks beyond the server's budget for single events, and a timeline that was empty: read again when a frame tells of
 *   them, never by polling
 */
import type {
  DayCourse,
  HeatmapPoint,
  Letters,
  Realtime,
  Stats,
  ThemeViews,
  TimelineEvent,
} from "../../domain/answers.ts"
import type { LiveEvent, Omitted } from "../../domain/frames.ts"
import type { Period } from "../../domain/period.ts"
import type { LastHour } from "./lastHour.ts"

/** Something that is read: the last data stays while it is read again, and after a failure. */
export interface Loaded<A> {
  readonly data: A | null
  readonly loading: boolean
  /** The `code` of the last read's failure. */
  readonly failure: string | null
}

export interface FeedEvent extends LiveEvent {
  /** One more than the event before. */
  readonly number: number
}

export interface Timeline {
  readonly rows: ReadonlyArray<TimelineEvent>
  /** Cursor of the next page; `null` after the last one. */
  readonly next: string | null
}

export type ConnectionState =
  | { readonly is: "connecting" }
  | { readonly is: "open" }
  /** `until`: unix milliseconds of the next try. */
  | { readonly is: "waiting"; readonly until: number }

/** How the page is connected, and the latest figures that it has heard. */
export interface LiveStatus {
  readonly connection: ConnectionState
  /** The server said that its store cannot be read. */
  readonly storeUnavailable: boolean
  readonly realtime: Realtime | null
}

export interface State extends LiveStatus {
  /** What the reader has chosen: the period of `stats` and `letters`, the page of `clicks` (empty for all). */
  readonly period: Period
  readonly page: string
  /** The latest events, newest first. */
  readonly feed: ReadonlyArray<FeedEvent>
  /** Events that the feed left out, until the next one is shown. */
  readonly omitted: Omitted | null
  /** Events may have been counted since the last frame: the connection was lost. */
  readonly missed: boolean
  /** Pages that events named, the latest first, offered for the heatmap. */
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

/** What is read over REST, part by part. */
export const PARTS = ["hour", "yesterday", "stats", "letters", "themes", "clicks", "timeline"] as const
export type Part = (typeof PARTS)[number]

/** A part that is read for the first time. */
export const NOTHING = { data: null, loading: true, failure: null } as const

/** The state before the first answer and frame. */
export const initialState = (period: Period, page: string): State => ({
  period,
  page,
  connection: { is: "connecting" },
  storeUnavailable: false,
  realtime: null,
  feed: [],
  omitted: null,
  missed: false,
  pages: [],
  newEvents: 0,
  hour: NOTHING,
  yesterday: NOTHING,
  stats: NOTHING,
  letters: NOTHING,
  themes: NOTHING,
  clicks: NOTHING,
  timeline: NOTHING,
})

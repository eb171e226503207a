/** Answers from raw events: the timeline, the heatmap, and what is held of visitors. */
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DayCourse, KeptOnSite, SiteEvent, VisitorSummary } from "../../domain/answers.ts"
import { type Calendar, type Period, periodBounds } from "../../domain/period.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { ClickCache, type ClickLimits } from "./clickCache.ts"
import { type Heatmap, type HeatmapQuery, heatmap } from "./heatmap.ts"
import { type History, history, yesterday } from "./history.ts"
import { decodePageToken, type TimelinePage, timeline } from "./timeline.ts"
import { exportVisitor, exportVisitors, keptOfVisitor } from "./visitors.ts"

export interface EventQueriesOptions {
  readonly postgres: Postgres
  /** In the deployment's time zone: periods are cut by it. */
  readonly calendar: Calendar
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Every question of the API to the raw events. A site is a slug, or several as one; one without events has empty answers. */
export interface EventQueries {
  /** Newest first. A page token (of the page before) takes precedence over the offset; see {@link timeline}. */
  timeline(query: {
    readonly site: string
    readonly limit: number
    readonly offset: number
    readonly pageToken: string | null
  }): Effect.Effect<TimelinePage, StoreError>
  /** Whether a text is a page token that `timeline` takes; any other is read as none. */
  isPageToken(text: string): boolean
  /** See {@link heatmap}; the window ends now. */
  heatmap(query: Omit<HeatmapQuery, "now">): Effect.Effect<Heatmap, StoreError>
  /** See {@link history}; the window ends now. */
  history(query: { readonly site: string; readonly minutes: number }): Effect.Effect<History, StoreError>
  /** See {@link yesterday}. */
  yesterday(site: string): Effect.Effect<DayCourse, StoreError>
  /** The visitors of the current period. Rejects with a {@link StoreError}; ending it early frees the connection. */
  exportVisitors(site: string, period: Period): AsyncIterable<VisitorSummary>
  /** Every raw event of a visitor, of all sites; rejects and ends as `exportVisitors` does. */
  exportVisitor(visitorId: string): AsyncIterable<SiteEvent>
  /** What each site has of a visitor. */
  keptOfVisitor(visitorId: string): Effect.Effect<ReadonlyArray<KeptOnSite>, StoreError>
}

/** Twice the clicks, and four times the bytes, that a week's heatmap has at 10 million events in 90 days. */
const CLICK_LIMITS: ClickLimits = { maxBytes: 16 * 1024 * 1024, maxClicks: 300_000 }

export const makeEventQueries = ({ postgres, calendar, now }: EventQueriesOptions): EventQueries => {
  const clicks = new ClickCache(CLICK_LIMITS)
  return {
    timeline: ({ site, limit, offset, pageToken }) => {
      const after = pageToken === null ? null : decodePageToken(pageToken)
      return timeline(postgres, { site, limit, offset, after, now: now() })
    },
    isPageToken: (text) => decodePageToken(text) !== null,
    heatmap: (query) => heatmap(postgres, clicks, { ...query, now: now() }),
    history: (query) => history(postgres, { ...query, now: now() }),
    yesterday: (site) => yesterday(postgres, { site, calendar, now: now() }),
    exportVisitors: (site, period) => {
      const { from, until } = periodBounds(period, calendar.dayOf(now()))
      return rowsOf(
        exportVisitors(postgres, { site, from: calendar.startOf(from), until: calendar.startOf(until) }),
      )
    },
    exportVisitor: (visitorId) => rowsOf(exportVisitor(postgres, visitorId)),
    keptOfVisitor: (visitorId) =>
      postgres.transaction("kept_of_visitor", (sql) => keptOfVisitor(sql, visitorId)),
  }
}

const rowsOf = <Row>(batches: Stream.Stream<ReadonlyArray<Row>, StoreError>): AsyncIterable<Row> =>
  Stream.toAsyncIterable(Stream.flattenIterable(batches))

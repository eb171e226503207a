/** What the server needs of the rest of the system: interfaces only, so that its tests need no store. */
import type * as Effect from "effect/Effect"
import type { Period } from "../domain/period.ts"
import type { StoreError } from "../stores/errors.ts"

/** Why an event could not be made durable: the stream has its fill, or Redis did not confirm. */
export type AppendFailure = "BACKLOG_FULL" | "STREAM_UNAVAILABLE"

/** Makes events durable. Hot: synchronous, one call an event. */
export interface Appender {
  /**
   * Takes an event for a partition. `done(null)` is called once after the event is durable, else `done(why)`; never
   * synchronously within `append`.
   */
  append(partition: number, payload: string, done: (failure: AppendFailure | null) => void): void
  /** Resolves when nothing is in flight. */
  drain(): Promise<void>
}

/** Keys of the cookieless visitor ids. */
export interface VisitorKeys {
  /** The HMAC key of the day of an instant (unix milliseconds), or `null` when it cannot be had now. */
  current(now: number): Buffer | null
}

export interface Realtime {
  readonly current_visitors: number
  readonly unique_today: number
  readonly total_events: number
  readonly letters_today: number
  /** Unix seconds. */
  readonly timestamp: number
}

export interface PeriodStats {
  readonly period: Period
  readonly period_key: string
  readonly total_events: number
  readonly page_views: number
  readonly letters_generated: number
  readonly unique_visitors: number
  readonly conversion_rate: number
}

export interface ThemeViews {
  readonly theme: string
  readonly views: number
  readonly percentage: number
}

export interface LetterStats {
  readonly period: Period
  readonly total: number
  readonly motivation: number
  readonly anti_motivation: number
  readonly unique_visitors: number
  readonly conversion_rate: number
  /** One row for every calendar day of the period, zeros included. */
  readonly history: ReadonlyArray<{ readonly date: string; readonly count: number }>
}

/** One day's letters by type. */
export interface LetterDay {
  readonly date: string
  readonly motivation: number
  readonly anti_motivation: number
  readonly other: number
  readonly total: number
}

/** The aggregated figures of a site. */
export interface Figures {
  realtime(site: string): Effect.Effect<Realtime, StoreError>
  stats(site: string, period: Period): Effect.Effect<PeriodStats, StoreError>
  /** Most viewed first; all time when `period` is `null`. */
  themes(
    site: string,
    limit: number,
    period: Period | null,
  ): Effect.Effect<ReadonlyArray<ThemeViews>, StoreError>
  letters(site: string, period: Period): Effect.Effect<LetterStats, StoreError>
  /** Every calendar day of the period, for the export. */
  lettersByType(site: string, period: Period): Effect.Effect<ReadonlyArray<LetterDay>, StoreError>
}

/** One raw event, as `timeline` shows it. */
export interface TimelineRow {
  readonly id: string
  readonly visitor_id: string
  readonly event_type: string
  readonly event_data: unknown
  readonly page_url: string | null
  readonly referrer: string | null
  /** ISO 8601. */
  readonly created_at: string
}

/** A row of an export: columns in the order of its keys. */
export type ExportRow = object

/** Questions to the raw events. */
export interface EventQueries {
  /** Newest first. `cursor` (opaque, from `next_cursor`) takes precedence over `offset`; check it with `isCursor`. */
  timeline(query: {
    readonly site: string
    readonly limit: number
    readonly offset: number
    readonly cursor: string | null
  }): Effect.Effect<
    { readonly rows: ReadonlyArray<TimelineRow>; readonly nextCursor: string | null },
    StoreError
  >
  /** Whether a text is a cursor that `timeline` gave out. */
  isCursor(text: string): boolean
  heatmap(query: {
    readonly site: string
    readonly pageUrl: string | null
    readonly hours: number
  }): Effect.Effect<
    ReadonlyArray<{ readonly x: number; readonly y: number; readonly count: number }>,
    StoreError
  >
  /** Streams a period's visitors; iteration rejects with a {@link StoreError}, and ending it early frees the connection. */
  exportVisitors(site: string, period: Period): AsyncIterable<ExportRow>
  /** Streams every event of a visitor, of all sites. */
  exportVisitor(visitorId: string): AsyncIterable<ExportRow>
  /** Erases every event of a visitor, of all sites. */
  eraseVisitor(visitorId: string): Effect.Effect<{ readonly deleted: number }, StoreError>
}

/** What `/ready` answers; `ready` decides between 200 and 503. */
export interface ReadinessReport {
  readonly ready: boolean
  readonly [part: string]: unknown
}

export interface Readiness {
  readonly check: Effect.Effect<ReadinessReport>
}

export interface MetricsText {
  readonly scrape: Effect.Effect<{ readonly contentType: string; readonly body: string }>
}

/** Everything the server is given. */
export interface Services {
  readonly appender: Appender
  readonly visitorKeys: VisitorKeys
  readonly figures: Figures
  readonly queries: EventQueries
  readonly readiness: Readiness
  readonly metricsText: MetricsText
}

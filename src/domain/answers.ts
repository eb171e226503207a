/**
 * What the API answers with: each type is the `data` (or `meta`) of an answer, as JSON. Code that builds, documents or reads
 * answers takes its types from here.
 */
import type { KnownDimensions } from "./dimensions.ts"
import type { Day, Period } from "./period.ts"

/** What becomes of events of hosts that are none of a site's: counted, refused, or stored and left out of every figure. */
export const OTHER_HOSTS = ["count", "refuse", "mark"] as const
export type OtherHosts = (typeof OTHER_HOSTS)[number]

/** A site. */
export interface Site {
  readonly slug: string
  /** For people; the slug where it was given none. */
  readonly name: string
  /** Where its pages are. */
  readonly hosts: ReadonlyArray<string>
  /** What becomes of events of other hosts, unless they come with a write key. */
  readonly other_hosts: OtherHosts
  /** Whether they are refused: for clients that know no more. */
  readonly only_hosts: boolean
  /** The zone in which its page and its questions speak by default, IANA's name; `null` where none is chosen: the deployment's. */
  readonly time_zone: string | null
  /** Days for which its raw events are kept; `null` for as long as the deployment's. */
  readonly retention_days: number | null
  /** It takes no events any more, and goes on answering questions. */
  readonly archived: boolean
  /** Patterns of paths, in which `*` stands for any characters, whose events are left out; told to whom may do everything. */
  readonly excluded_paths?: ReadonlyArray<string>
  /** Addresses and CIDRs of visitors whose events are left out; told to whom may do everything. */
  readonly excluded_addresses?: ReadonlyArray<string>
}

/** `/sites`. */
export interface DeclaredSites {
  readonly sites: ReadonlyArray<string>
  readonly default: string
  /** What is known of each of them, in the same order. */
  readonly details: ReadonlyArray<Site>
  /** The deployment's zone, `TIME_ZONE`. */
  readonly time_zone: string
  /** Days for which raw events are kept, `RETENTION_DAYS`. */
  readonly retention_days: number
  /** The path of the script that pages load, below the address of the node. */
  readonly script: string
}

/** `/access`: what who asks may do. */
export interface AccessReport {
  /** Whether everybody may see the figures. */
  readonly access: "public" | "private"
  /** Whether that has been chosen, rather than left as it comes. */
  readonly chosen: boolean
  /** Whether others than this machine's users see the figures, and nobody has chosen that. */
  readonly exposed: boolean
  /** Who asks, as far as that is known. */
  readonly name: string | null
  /** How they have logged in: here, or at a proxy that says who they are; `null` for whoever has not. */
  readonly login: "session" | "proxy" | null
  readonly may: ReadonlyArray<"figures" | "read" | "write" | "admin" | "metrics">
  /** The sites that it may see, and the one that is meant where none is named. */
  readonly sites: ReadonlyArray<string>
  /** Those of them for which it may more than everybody. */
  readonly own: ReadonlyArray<string>
  readonly default: string | null
}

/** `/realtime`: today's figures, and the current visitors. */
export interface Realtime {
  readonly current_visitors: number
  readonly unique_today: number
  /** Today's events. */
  readonly total_events: number
  readonly letters_today: number
  /** Unix seconds. */
  readonly timestamp: number
}

/** `/stats`. */
export interface Stats {
  readonly period: Period
  readonly period_key: string
  readonly total_events: number
  readonly page_views: number
  readonly letters_generated: number
  readonly unique_visitors: number
  /** Letters by unique visitors; 0 without visitors. */
  readonly conversion_rate: number
}

/** The same figures of any time; `null` for what can no longer be told. */
export type RangedStats = { readonly [figure in keyof Omit<Stats, "period" | "period_key">]: number | null }

/** `/letters` of any time; `null` for what can no longer be told. */
export interface RangedLetters
  extends Omit<Letters, "period" | "unique_visitors" | "conversion_rate" | "history"> {
  readonly unique_visitors: number | null
  readonly conversion_rate: number | null
  readonly history: ReadonlyArray<{ readonly date: Day; readonly count: number | null }>
}

/** The time that figures are of. */
export interface RangeMeta {
  /** From an instant until another, which is excluded; ISO 8601. */
  readonly date_range: readonly [from: string, until: string]
  readonly time_zone: string
  /** As in the answer to a question: figures that are estimates, whether totals of expired events are in it, and what is not. */
  readonly approximate: ReadonlyArray<string>
  readonly imported?: true
  readonly notices?: ReadonlyArray<string>
}

/** A row of `/themes`. */
export interface ThemeViews {
  readonly theme: string
  readonly views: number
  /** Of all theme views, 0–100, to two decimals. */
  readonly percentage: number
}

/** `/letters`. */
export interface Letters {
  readonly period: Period
  readonly total: number
  readonly motivation: number
  readonly anti_motivation: number
  readonly unique_visitors: number
  /** Letters by unique visitors; 0 without visitors. */
  readonly conversion_rate: number
  /** Every day of the period, zeros included. */
  readonly history: ReadonlyArray<{ readonly date: Day; readonly count: number }>
}

/** A row of `/export/letters`. */
export interface LettersOfDay {
  readonly date: Day
  readonly motivation: number
  readonly anti_motivation: number
  readonly other: number
  readonly total: number
}

/** A row of `/timeline`: a raw event. */
export interface TimelineEvent {
  /** Of several sites, which one. */
  readonly site?: string
  readonly id: string
  readonly visitor_id: string
  readonly event_type: string
  readonly event_data: unknown
  readonly page_url: string | null
  readonly referrer: string | null
  /** ISO 8601 in UTC, with milliseconds. */
  readonly created_at: string
}

export interface TimelineMeta {
  readonly limit: number
  readonly offset: number
  readonly count: number
  /** Opaque; `null` when there is nothing after this page. */
  readonly next_cursor: string | null
}

/** A raw event of any site with all that is known of it, as the administration exports it and archives keep it. */
export type SiteEvent = { readonly site: string } & Omit<TimelineEvent, "site"> & {
    /** Marked as a bot's, and in no figure. */
    readonly is_bot: boolean
    /** Those that are known. */
    readonly dimensions: KnownDimensions
  }

/** A row of `/heatmap`: a position, as the sender gave it, or the corner of a cell. */
export interface HeatmapPoint {
  readonly x: number
  readonly y: number
  readonly count: number
}

export interface HeatmapMeta {
  /** `null` for all pages. */
  readonly page_url: string | null
  readonly hours: number
  /** Edge of the cells; `null` for exact positions. */
  readonly grid: number | null
  readonly count: number
  /** Places that there are, whatever the limit. */
  readonly total: number
}

/** Of a heatmap of any time. */
export type RangedHeatmapMeta = Omit<HeatmapMeta, "hours"> & RangeMeta

/** A row of `/history`. */
export interface MinuteOfHistory {
  /** Beginning of the minute, ISO 8601. */
  readonly time: string
  readonly events: number
  /** Visitors seen in this minute or the four before: those present, as `current_visitors` counts them. */
  readonly visitors: number
}

/** A row of `/history` of any time; `null` for what can no longer be told. */
export type RangedMinute = Pick<MinuteOfHistory, "time"> & {
  readonly [figure in keyof Omit<MinuteOfHistory, "time">]: number | null
}

export interface HistoryMeta {
  readonly minutes: number
  /** Events up to this instant are in the answer, ISO 8601. */
  readonly until: string
}

/** `/yesterday`: how a day's figures grew. Each list has one entry a minute of the day, the total at that minute's end. */
export interface DayCourse {
  readonly date: Day
  /** The day's beginning and end in the deployment's time zone, ISO 8601. */
  readonly from: string
  readonly until: string
  readonly total_events: ReadonlyArray<number>
  readonly page_views: ReadonlyArray<number>
  readonly letters: ReadonlyArray<number>
  readonly unique_visitors: ReadonlyArray<number>
}

/** A row of `/export/visitors`: a visitor of a period. */
export interface VisitorSummary {
  readonly visitor_id: string
  /** ISO 8601 in UTC, with milliseconds; of the period's events. */
  readonly first_seen: string
  readonly last_seen: string
  readonly events: number
  readonly page_views: number
  readonly letters: number
}

/** `/ready`; `ready` decides between 200 and 503. */
export interface ReadinessReport {
  readonly ready: boolean
  /** `refusing`: it answers, but would not take an event. */
  readonly redis: "up" | "refusing" | "down"
  /** `migrated`: by a newer version than this one, which only takes events then. */
  readonly postgres: "up" | "refusing" | "down" | "migrated"
  /** Events that wait; `null` where Redis does not tell. */
  readonly backlog: number | null
  /** Seconds; 0 when none waits, `null` where Redis does not tell. */
  readonly oldest_event_age_seconds: number | null
  /** What is wrong and what to do, a sentence or two each; none when the node is ready. */
  readonly problems: ReadonlyArray<string>
}

/** What a site has of a visitor: the number of raw events, and the times of the first and the last of them. */
export interface KeptOnSite {
  readonly site: string
  readonly events: number
  readonly first_at: string
  readonly last_at: string
}

/** What is kept of a visitor, `GET /visitors/{id}?summary=true`. */
export interface KeptOfVisitor {
  readonly visitor_id: string
  readonly events: number
  readonly sites: ReadonlyArray<KeptOnSite>
}

/** Copies that no erasure reaches: files of retention and of exports, and backups. */
export const BEYOND_ERASURE = ["archives", "exports", "backups"] as const

/** What every receipt of an erasure says: by its id it is found in the audit log. */
export interface Receipt {
  readonly id: string
  readonly erased_at: string
  /** Who did it, as the audit log names them. */
  readonly by: string
  /** Raw events. */
  readonly events: number
  /** Events that had been set aside. */
  readonly dead_letters: number
  /** What may have copies, and was not reached. */
  readonly not_reached: ReadonlyArray<(typeof BEYOND_ERASURE)[number]>
}

/** What was erased of a visitor. */
export interface VisitorReceipt extends Receipt {
  readonly visitor_id: string
  readonly sites: ReadonlyArray<KeptOnSite>
}

/** What was erased of a site. */
export interface SiteReceipt extends Receipt {
  readonly site: string
  /** Times of the first and the last of the raw events. */
  readonly first_at: string | null
  readonly last_at: string | null
  /** Days of which there were totals, and the first of them: they outlive raw events. */
  readonly days: number
  readonly first_day: string | null
  readonly goals: number
  readonly share_links: number
  /** API keys that were of this site alone. */
  readonly keys: number
  /** Whether there is no such site any more; one of `SITES` stands empty. */
  readonly removed: boolean
  /** Whether all of it is gone. If not, a store does not answer, and the nodes go on with it by themselves. */
  readonly complete: boolean
}

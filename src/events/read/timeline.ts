/** The events of a site, or of several as one, newest first, page by page. */
import * as Effect from "effect/Effect"
import type { SiteEvent, TimelineEvent } from "../../domain/answers.ts"
import { type EventFacts, type FactName, knownDimensions } from "../../domain/dimensions.ts"
import { slugsOf } from "../../domain/siteChoice.ts"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { eventsOf } from "../chunks/index.ts"
import { among } from "./among.ts"

/** The last event of a page: the next one begins after it. */
export interface PageEnd {
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly id: string
}

export interface TimelinePage {
  readonly rows: ReadonlyArray<TimelineEvent>
  /** For {@link decodePageToken}; `null` when there is nothing after this page. */
  readonly nextPageToken: string | null
}

/** A page token in bytes: unix milliseconds as a big-endian double, and the UUID. */
const TOKEN_BYTES = 8 + 16

/** What a page token looks like; the API calls it a cursor. */
export const PAGE_TOKEN = /^[A-Za-z0-9_-]{32}$/

/** A page's end as an opaque text, 32 characters of base64url. */
export const encodePageToken = (end: PageEnd): string => {
  const bytes = Buffer.alloc(TOKEN_BYTES)
  bytes.writeDoubleBE(end.createdAt, 0)
  bytes.write(end.id.replaceAll("-", ""), 8, "hex")
  return bytes.toString("base64url")
}

/** Reads a page token back; `null` for a text that {@link encodePageToken} did not make. */
export const decodePageToken = (text: string): PageEnd | null => {
  if (!PAGE_TOKEN.test(text)) return null
  const bytes = Buffer.from(text, "base64url")
  const createdAt = bytes.readDoubleBE(0)
  if (!Number.isSafeInteger(createdAt) || createdAt < 0 || createdAt > 8.64e15) return null
  const hex = bytes.toString("hex", 8)
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  return { createdAt, id }
}

export interface TimelineQuery {
  /** A choice of sites that has been read. */
  readonly site: string
  readonly limit: number
  /** Events to skip; none are skipped where `after` is given. */
  readonly offset: number
  /** The end of the page before. */
  readonly after: PageEnd | null
  /** Unix milliseconds. */
  readonly now: number
}

export interface EventRow {
  /** Of several sites, which one. */
  readonly site?: string
  readonly id: string
  readonly visitor_id: string
  readonly event_type: string
  readonly event_data: unknown
  readonly page_url: string | null
  readonly referrer: string | null
  readonly created_at: Date
}

/** Chunks that a page is taken from beyond those that hold enough events: this many may overlap where several partitions write. */
const CHUNKS = 8

/**
 * A page of the events before ($3, $4), from the chunks that end last: as many as hold $7 events, and {@link CHUNKS} more.
 * `bound` is when the next chunk ends; from there on the page may lack events. $2 is a UTC midnight, before which nothing is
 * looked for.
 *
 * To take apart no more than needed: chunks that begin before $3 and end after `enough` hold the page, as their number of
 * events says, and of these no event before `cut` is on the page, as their times say, nor one after `start`, where that is
 * not the first page; $6 is 0 after a page's end.
 */
const selectPage = (sites: ReadonlyArray<string>) => `
  WITH newest AS MATERIALIZED (
    SELECT *, coalesce(sum(events) OVER earlier, 0) < $7::bigint AS taken
    FROM (
      SELECT * FROM event_chunks
      WHERE site_id ${among(sites)} AND NOT bots AND first_at >= $2 AND first_at <= $3
      ORDER BY last_at DESC
      LIMIT ${CHUNKS} + 1 + $7
    ) AS chunk
    WINDOW earlier AS (ORDER BY last_at DESC ROWS BETWEEN UNBOUNDED PRECEDING AND ${CHUNKS + 1} PRECEDING)
  ), enough AS (
    SELECT max(first_at) AS since
    FROM (
      SELECT first_at, sum(events) OVER (ORDER BY first_at DESC) AS held FROM newest WHERE taken AND last_at < $3
    ) AS whole
    WHERE held >= $5::bigint + $6::bigint
  ), times AS MATERIALIZED (
    SELECT first_at + later * interval '1 millisecond' AS at
    FROM newest CROSS JOIN unnest(offsets) AS later
    WHERE taken AND last_at >= coalesce((SELECT since FROM enough), '-infinity')
      AND first_at + later * interval '1 millisecond' < $3
  ), cut AS (
    SELECT at FROM times ORDER BY at DESC LIMIT 1 OFFSET $5::bigint + $6::bigint - 1
  ), start AS (
    SELECT at FROM times WHERE $6::bigint > 0 ORDER BY at DESC LIMIT 1 OFFSET $6::bigint
  ), later_ones AS (
    SELECT count(*) AS events FROM times WHERE at > (SELECT at FROM start)
  )
  SELECT page.*, bound
  FROM (SELECT max(last_at) AS bound FROM newest WHERE NOT taken) AS rest
  LEFT JOIN (
    SELECT id, visitor_id, event_type, event_data::jsonb, page_url, referred_by AS referrer, created_at
      ${sites.length === 1 ? "" : ", (SELECT slug FROM sites WHERE sites.id = site_id) AS site"}
    FROM newest CROSS JOIN LATERAL ${eventsOf("newest")}
    WHERE taken AND last_at >= coalesce((SELECT at FROM cut), '-infinity')
      AND created_at >= coalesce((SELECT at FROM cut), '-infinity')
      AND first_at <= coalesce((SELECT at FROM start), $3) AND created_at <= coalesce((SELECT at FROM start), $3)
      AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC
    LIMIT $5 OFFSET $6::bigint - (SELECT events FROM later_ones)
  ) AS page ON true
  ORDER BY created_at DESC, id DESC`

/** How many times as many chunks the next try takes. */
const GROWTH = 8

const LAST_UUID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

/** Of an event that is exported with all that is known of it. */
export interface SiteEventRow extends EventRow, Pick<EventFacts, FactName> {
  readonly site: string
  readonly bots: boolean
}

/** Columns of {@link SiteEventRow}, of the view chunk_events and the table sites. */
export const SITE_EVENT_COLUMNS = `
  slug AS site, chunk_events.id, visitor_id, event_type, event_data::jsonb, page_url, referrer, created_at,
  origin, client, label, bots`

export const toSiteEvent = (row: SiteEventRow): SiteEvent => ({
  site: row.site,
  ...toTimelineEvent(row),
  is_bot: row.bots,
  dimensions: knownDimensions(row),
})

export const toTimelineEvent = (row: EventRow): TimelineEvent => ({
  ...(row.site !== undefined && { site: row.site }),
  id: row.id,
  visitor_id: row.visitor_id,
  event_type: row.event_type,
  event_data: row.event_data,
  page_url: row.page_url,
  referrer: row.referrer,
  created_at: row.created_at.toISOString(),
})

/**
 * A page of events, newest first; events of the same millisecond in the order of their ids. Following
 * `nextPageToken` shows every event that was there at the beginning exactly once, whatever arrives meanwhile.
 */
export const timeline = Effect.fnUntraced(function* (
  postgres: Postgres,
  { site, limit, offset: asked, after, now }: TimelineQuery,
): Effect.fn.Return<TimelinePage, StoreError> {
  const sites = slugsOf(site)
  const offset = after === null ? asked : 0
  // Nothing is newer than tomorrow: senders' clocks may be ahead by minutes only.
  const until = after ?? { createdAt: now + DAY_MS, id: LAST_UUID }
  // One more than asked for tells whether there is a next page.
  const wanted = limit + 1
  const select = Effect.fnUntraced(function* (from: number, events: number) {
    const rows = yield* postgres.query<EventRow & { readonly bound: Date | null }>(
      "timeline",
      selectPage(sites),
      [...[sites, new Date(from), new Date(until.createdAt), until.id], ...[wanted, offset, events]],
    )
    const bound = rows[0]?.bound ?? null
    // Where there is no event, the row is that of the bound alone.
    const found = rows.filter((row) => row.id !== null)
    const last = found[wanted - 1]
    const isWhole =
      bound === null ? last !== undefined || from === 0 : last !== undefined && last.created_at > bound
    return { found, isWhole }
  })

  // Most pages lie within a day, and planning a query over a day's tables takes a tenth of planning it over all.
  const recent = Math.floor((Math.min(until.createdAt, now) - DAY_MS) / DAY_MS) * DAY_MS
  let { found, isWhole } = yield* select(Math.max(0, recent), offset + wanted)
  for (let events = offset + wanted; !isWhole; events *= GROWTH)
    ({ found, isWhole } = yield* select(0, events))

  const page = found.slice(0, limit)
  const last = page.at(-1)
  return {
    rows: page.map(toTimelineEvent),
    nextPageToken:
      last !== undefined && found.length > limit
        ? encodePageToken({ createdAt: last.created_at.getTime(), id: last.id })
        : null,
  }
})

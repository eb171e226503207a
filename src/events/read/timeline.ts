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

/** Chunks that a page is looked for in at first: these, as many may overlap where several partitions write, … */
const CHUNKS = 8
/** … and one for so many events up to the page's end; most chunks hold several times as many. */
const EVENTS_A_CHUNK = 128

/** SQL: unix milliseconds of a timestamptz. */
const milliseconds = (at: string): string => `(extract(epoch FROM ${at}) * 1000)::bigint`

/** SQL: a bigint as an array's subscript. */
const subscript = (place: string): string => `least(${place}, ${2 ** 31 - 1})::integer`

/**
 * A page of the events before ($3, $4), from the $7 chunks that end last. `bound` is when the next chunk ends: only what is later
 * is certain to be in none of the others, and there is no page where that is not enough. $2 is a UTC midnight, before which
 * nothing is looked for.
 *
 * To take apart no more than needed: chunks that begin before $3 and end after `enough` hold the page, as their number of events
 * says; no event after `latest` is on it, nor any of the `skipped`, which begin after that, since there are no more than $6 such
 * events. Of the chunks in between, the events' times say that the page is from `start`, where it is not the first one, until
 * `cut`. $6 is 0 after a page's end.
 */
const selectPage = (sites: ReadonlyArray<string>) => `
  WITH newest AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY last_at DESC) <= $7::bigint AS taken
    FROM (
      SELECT * FROM event_chunks
      WHERE site_id ${among(sites)} AND NOT bots AND first_at >= $2 AND first_at <= $3
      ORDER BY last_at DESC
      LIMIT $7::bigint + 1
    ) AS chunk
  ), rest AS (
    SELECT max(last_at) AS bound FROM newest WHERE NOT taken
  ), enough AS (
    SELECT max(first_at) AS since
    FROM (
      SELECT first_at, sum(events) OVER (ORDER BY first_at DESC) AS held FROM newest WHERE taken AND last_at < $3
    ) AS whole
    WHERE held >= $5::bigint + $6::bigint
  ), latest AS (
    SELECT max(last_at) AS at
    FROM (SELECT last_at, sum(events) OVER (ORDER BY last_at DESC) AS held FROM newest WHERE taken) AS ending
    WHERE held > $6::bigint
  ), skipped AS (
    SELECT coalesce(sum(events), 0)::bigint AS events
    FROM newest WHERE taken AND last_at < $3 AND first_at > (SELECT at FROM latest)
  ), times AS (
    SELECT array_agg(at ORDER BY at DESC) AS at, (SELECT events FROM skipped) AS skipped
    FROM (
      SELECT at
      FROM (
        SELECT ${milliseconds("first_at")} AS began, offsets
        FROM newest
        WHERE taken AND last_at >= coalesce((SELECT since FROM enough), '-infinity')
          AND (first_at <= (SELECT at FROM latest) OR last_at >= $3)
        OFFSET 0
      ) AS chunk CROSS JOIN LATERAL (SELECT began + later AS at FROM unnest(offsets) AS later) AS event
      WHERE at < ${milliseconds("$3::timestamptz")} AND at > coalesce((SELECT ${milliseconds("bound")} FROM rest), 0)
      ORDER BY at DESC
      LIMIT $5::bigint + $6::bigint - (SELECT events FROM skipped)
    ) AS newest_of_them
  ), ends AS MATERIALIZED (
    SELECT timestamptz 'epoch' + start * interval '1 millisecond' AS start,
      timestamptz 'epoch' + cut * interval '1 millisecond' AS cut,
      CASE WHEN $6::bigint > 0 THEN skipped + coalesce(array_position(at, start) - 1, 0) ELSE 0 END AS later
    FROM (
      SELECT at, skipped, at[${subscript("$5::bigint + $6::bigint - skipped")}] AS cut,
        CASE WHEN $6::bigint > 0 THEN at[${subscript("$6::bigint + 1 - skipped")}] END AS start
      FROM times
    ) AS found
  )
  SELECT page.*, bound
  FROM rest
  LEFT JOIN (
    SELECT id, visitor_id, event_type, event_data::jsonb, page_url, referred_by AS referrer, created_at
      ${sites.length === 1 ? "" : ", (SELECT slug FROM sites WHERE sites.id = site_id) AS site"}
    FROM newest CROSS JOIN LATERAL ${eventsOf("newest")}
    WHERE taken AND ((SELECT cut FROM ends) IS NOT NULL OR (SELECT bound FROM rest) IS NULL)
      AND last_at >= coalesce((SELECT cut FROM ends), '-infinity')
      AND created_at >= coalesce((SELECT cut FROM ends), '-infinity')
      AND first_at <= least((SELECT at FROM latest), coalesce((SELECT start FROM ends), $3))
      AND created_at <= coalesce((SELECT start FROM ends), $3)
      AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC
    LIMIT $5 OFFSET $6::bigint - (SELECT later FROM ends)
  ) AS page ON true
  ORDER BY created_at DESC, id DESC`

/** How many times as many chunks the next try takes. */
const GROWTH = 4

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
  const select = Effect.fnUntraced(function* (from: number, chunks: number) {
    const rows = yield* postgres.query<EventRow & { readonly bound: Date | null }>(
      "timeline",
      selectPage(sites),
      [...[sites, new Date(from), new Date(until.createdAt), until.id], ...[wanted, offset, chunks]],
    )
    // Where there is no event, the row is that of the bound alone.
    return { bound: rows[0]?.bound ?? null, found: rows.filter((row) => row.id !== null) }
  })

  // Most pages lie within a day, and planning a query over a day's tables takes a tenth of planning it over all.
  const recent = Math.floor((Math.min(until.createdAt, now) - DAY_MS) / DAY_MS) * DAY_MS
  let from = Math.max(0, recent)
  let chunks = CHUNKS + Math.ceil((offset + wanted) / EVENTS_A_CHUNK)
  let { found, bound } = yield* select(from, chunks)
  while (found.length < wanted && (bound !== null || from > 0)) {
    if (bound === null) from = 0
    else chunks *= GROWTH
    ;({ found, bound } = yield* select(from, chunks))
  }

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

/** The days of a deployment that can be exported: which there are, what each one's content is known by, and its events. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import { addDays, type Calendar, type Day } from "../domain/period.ts"
import { DAY_MS } from "../domain/time.ts"
import { eventsOf, within } from "../events/chunks/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"

/** A site's day of the deployment's zone. */
export interface SiteDay {
  readonly site: string
  readonly siteId: number
  readonly day: Day
}

const SELECT_DAYS = `
  SELECT slug AS site, site_id, to_char(first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day
  FROM event_chunks JOIN sites ON sites.id = site_id
  GROUP BY slug, site_id, day`

const utc = (day: Day): number => Date.parse(`${day}T00:00:00Z`)

/** Days that may have events, by site: those that the UTC days of its chunks touch. */
export const storedDays = (
  postgres: Postgres,
  calendar: Calendar,
): Effect.Effect<ReadonlyMap<string, ReadonlySet<Day>>, StoreError> =>
  Effect.map(postgres.query<{ site: string; day: Day }>("export", SELECT_DAYS), (rows) => {
    const days = new Map<string, Set<Day>>()
    for (const { site, day } of rows) {
      const of = days.get(site) ?? new Set()
      days.set(site, of)
      of.add(calendar.dayOf(utc(day))).add(calendar.dayOf(utc(day) + DAY_MS - 1))
    }
    return days
  })

const RAW_SINCE = `
  SELECT (extract(epoch FROM greatest(sites.raw_since, deployment.raw_since)) * 1000)::float8 AS at
  FROM sites CROSS JOIN deployment WHERE sites.id = $1`

/**
 * The first day of a site all of whose events are kept; `null` where nothing has expired. It is noted before anything is deleted, so whoever has
 * read events and asks then knows whether retention may have taken some of them.
 */
export const keptSince = (
  postgres: Postgres,
  calendar: Calendar,
  siteId: number,
): Effect.Effect<Day | null, StoreError> =>
  Effect.map(postgres.query<{ at: number | null }>("export", RAW_SINCE, [siteId]), ([row]) => {
    const at = row?.at ?? null
    if (at === null) return null
    const day = calendar.dayOf(at)
    return calendar.startOf(day) === at ? day : addDays(day, 1)
  })

/** Values of the statements below. */
const valuesOf = ({ siteId, day }: SiteDay, calendar: Calendar): ReadonlyArray<unknown> => [
  siteId,
  new Date(calendar.startOf(day)).toISOString(),
  new Date(calendar.startOf(addDays(day, 1))).toISOString(),
]

/** Events never change, so which ones there are is what the day's content is; where they lie, as compaction decides, is not. */
const SELECT_CONTENT = `
  SELECT count(*)::float8 AS events,
    coalesce(bit_xor(uuid_hash_extended(id, (extract(epoch FROM created_at) * 1000)::bigint)), 0)::text AS hash
  FROM event_chunks CROSS JOIN LATERAL unnest(ids, offsets) AS event (id, later)
    CROSS JOIN LATERAL (SELECT first_at + later * interval '1 millisecond' AS created_at) AS time
  WHERE site_id = $1 AND ${within("$2", "$3")}`

/** What is in a day. */
export interface Content {
  readonly events: number
  readonly version: string
}

/** Grows with what is exported of an event, so that every day is written again. */
const COLUMNS_VERSION = 1

/** The content of a day, as a session sees it. */
export const contentOf = (sql: Sql, of: SiteDay, calendar: Calendar): Effect.Effect<Content, StoreError> =>
  Effect.map(
    sql.query<{ events: number; hash: string }>(SELECT_CONTENT, valuesOf(of, calendar)),
    ({ rows: [row] }) => {
      const events = row?.events ?? 0
      const parts = [COLUMNS_VERSION, calendar.timeZone, events, row?.hash]
      return { events, version: createHash("sha256").update(parts.join(" ")).digest("hex").slice(0, 24) }
    },
  )

/** SQL: the events of a day as `ExportedRow`s, by their time. */
const SELECT_EVENTS = `
  SELECT id::text, visitor_id::text, (extract(epoch FROM created_at) * 1000)::float8 AS at, event_type, event_data, page_url,
    referred_by AS referrer, bots, origin_fact AS origin, client_fact AS client, label_fact AS label
  FROM event_chunks AS chunk CROSS JOIN LATERAL ${eventsOf("chunk")}
  WHERE site_id = $1 AND ${within("$2", "$3")}
  ORDER BY created_at, id`

/** The statement that reads a day's events, and its values. */
export const eventsOfDay = (of: SiteDay, calendar: Calendar) => ({
  text: SELECT_EVENTS,
  values: valuesOf(of, calendar),
})

/** What Postgres holds of visitors: one list for a period's export, and everything of one visitor. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { KeptOnSite, SiteEvent, VisitorSummary } from "../../domain/answers.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres, Sql } from "../../stores/postgres.ts"
import { SITE_EVENT_COLUMNS, type SiteEventRow, toSiteEvent } from "./timeline.ts"

interface SummaryRow {
  readonly visitor_id: string
  readonly first_seen: Date
  readonly last_seen: Date
  readonly events: number
  readonly page_views: number
  readonly letters: number
}

const SELECT_SUMMARIES = `
  SELECT visitor_id, min(created_at) AS first_seen, max(created_at) AS last_seen,
    count(*)::integer AS events,
    count(*) FILTER (WHERE event_type = 'page_view')::integer AS page_views,
    count(*) FILTER (WHERE event_type = 'letter_generate')::integer AS letters
  FROM events_between($1, $2, $3)
  GROUP BY visitor_id
  ORDER BY first_seen, visitor_id`

/** The visitors of a site between two instants (unix milliseconds, the second excluded), by their first event there. */
export const exportVisitors = (
  postgres: Postgres,
  { site, from, until }: { readonly site: string; readonly from: number; readonly until: number },
): Stream.Stream<ReadonlyArray<VisitorSummary>, StoreError> =>
  postgres
    .stream<SummaryRow>("export_visitors", SELECT_SUMMARIES, [site, new Date(from), new Date(until)])
    .pipe(
      Stream.map((rows) =>
        rows.map((row) => ({
          ...row,
          first_seen: row.first_seen.toISOString(),
          last_seen: row.last_seen.toISOString(),
        })),
      ),
    )

const SELECT_OF_VISITOR = `
  SELECT ${SITE_EVENT_COLUMNS}
  FROM chunk_events JOIN sites ON sites.id = site_id
  WHERE $1 = ANY (chunk_visitors) AND visitor_id = $1
  ORDER BY created_at, chunk_events.id`

/** Every raw event of a visitor, over all sites, oldest first. Looks into every chunk's visitors: no index is kept for it. */
export const exportVisitor = (
  postgres: Postgres,
  visitorId: string,
): Stream.Stream<ReadonlyArray<SiteEvent>, StoreError> =>
  postgres
    .stream<SiteEventRow & Record<string, unknown>>("export_visitor", SELECT_OF_VISITOR, [visitorId])
    .pipe(Stream.map((rows) => rows.map(toSiteEvent)))

const SELECT_KEPT = `
  SELECT slug AS site, count(*)::integer AS events, min(created_at) AS first_at, max(created_at) AS last_at
  FROM chunk_events JOIN sites ON sites.id = site_id
  WHERE $1 = ANY (chunk_visitors) AND visitor_id = $1
  GROUP BY slug ORDER BY slug`

/** What each site has of a visitor; those that have nothing are not among them. */
export const keptOfVisitor = (
  sql: Sql,
  visitorId: string,
): Effect.Effect<ReadonlyArray<KeptOnSite>, StoreError> =>
  Effect.map(
    sql.query<{ site: string; events: number; first_at: Date; last_at: Date }>(SELECT_KEPT, [visitorId]),
    ({ rows }) =>
      rows.map((row) => ({
        ...row,
        first_at: row.first_at.toISOString(),
        last_at: row.last_at.toISOString(),
      })),
  )

/** Sites that keep their events for fewer days than the deployment: which these are, and what of theirs has expired. */
import * as Effect from "effect/Effect"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

/** The limit of a site. */
export interface SiteLimit {
  readonly site: string
  readonly siteId: number
  /** Unix milliseconds: earlier events of the site go. */
  readonly cutoff: number
}

const SELECT_LIMITS = `
  SELECT slug AS site, id AS "siteId", retention_days AS days
  FROM sites JOIN declared_sites USING (slug) WHERE retention_days IS NOT NULL ORDER BY slug`

interface LimitRow extends Omit<SiteLimit, "cutoff"> {
  readonly days: number
  readonly [column: string]: unknown
}

/** The limits of sites that are later than the deployment's. */
export const siteLimits = (
  postgres: Postgres,
  now: number,
  cutoff: number,
): Effect.Effect<ReadonlyArray<SiteLimit>, StoreError> =>
  Effect.map(postgres.query<LimitRow>("retention", SELECT_LIMITS), (rows) =>
    rows
      .map(({ site, siteId, days }) => ({ site, siteId, cutoff: now - days * DAY_MS }))
      .filter((limit) => limit.cutoff > cutoff),
  )

/** SQL: how many events of a chunk are before an instant; only a chunk that it divides is looked into. */
export const eventsBefore = (instant: string): string => `
  CASE WHEN last_at < ${instant} THEN events WHEN first_at >= ${instant} THEN 0 ELSE (
    SELECT count(*) FROM unnest(offsets) AS later WHERE first_at + later * interval '1 millisecond' < ${instant}
  ) END`

/** Events of a site's UTC day. */
interface DayCount {
  /** `2025-12-08`. */
  readonly day: string
  readonly rows: number
}

const SELECT_DAYS = `
  SELECT day, rows::float8 FROM (
    SELECT to_char(first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
      sum(${eventsBefore("$3")} - ${eventsBefore("$2")}) AS rows
    FROM event_chunks WHERE site_id = $1 AND first_at < $3 GROUP BY day
  ) AS counted WHERE rows > 0 ORDER BY day`

/** The days of a site that have events from one instant until another, unix milliseconds, oldest first. */
export const daysBetween = (
  postgres: Postgres,
  siteId: number,
  from: number,
  until: number,
): Effect.Effect<ReadonlyArray<DayCount>, StoreError> =>
  Effect.map(
    postgres.query<{ day: string; rows: number }>("retention", SELECT_DAYS, [
      ...[siteId, new Date(from), new Date(until)],
    ]),
    (rows) => rows,
  )

/** Before anything of a site goes: what is complete must never be overstated. */
export const NOTE_SITE_CUTOFF = "UPDATE sites SET raw_since = greatest(raw_since, $2) WHERE id = $1"

/** What of a site's events would go, if it kept them for so many days of 24 hours, and does not go as it is. */
export interface Shortening {
  readonly events: number
  /** Of which UTC days, oldest first. */
  readonly days: ReadonlyArray<string>
}

const SELECT_SITE = `
  SELECT id, retention_days AS days FROM sites LEFT JOIN declared_sites USING (slug) WHERE slug = $1`

/** @param kept days for which the deployment keeps events */
export const shortening = (
  postgres: Postgres,
  slug: string,
  { days, kept, now }: { readonly days: number; readonly kept: number; readonly now: number },
): Effect.Effect<Shortening, StoreError> =>
  Effect.gen(function* () {
    const [site] = yield* postgres.query<{ id: number; days: number | null }>("retention", SELECT_SITE, [
      slug,
    ])
    const present = Math.min(site?.days ?? kept, kept)
    if (site === undefined || days >= present) return { events: 0, days: [] }
    const [from, until] = [now - present * DAY_MS, now - days * DAY_MS]
    const going = yield* daysBetween(postgres, site.id, from, until)
    return {
      events: going.reduce((sum, { rows }) => sum + rows, 0),
      days: going.map(({ day }) => day),
    }
  })

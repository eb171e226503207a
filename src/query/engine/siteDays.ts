/** The days that may have events, and which version of each there is. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import packageJson from "../../../package.json" with { type: "json" }
import { addDays, type Calendar, type Day } from "../../domain/period.ts"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres, Sql } from "../../stores/postgres.ts"
import { CHUNKS_OF_UTC_DAYS, rangeOf, type SiteDay, utcDaysValues } from "./siteDay.ts"

/**
 * The parts of the version of a site's UTC day: which deployment it is of, and places and transactions of its chunks. Nothing changes a
 * chunk but a transaction. Where a server was put back to what it was before, or a copy of it goes on in its stead, other chunks may
 * come to have these; hardly with as many events between the same two milliseconds.
 */
const versionsOf = (chunks: string) => `
  SELECT (SELECT id FROM deployment) AS deployment, slug AS site, site_id, to_char(utc_day, 'YYYY-MM-DD') AS day, chunks, events, version
  FROM (
    SELECT site_id, (first_at AT TIME ZONE 'UTC')::date AS utc_day, count(*)::integer AS chunks, sum(events)::integer AS events,
      bit_xor(hash_record_extended((tableoid, ctid, xmin, events, first_at, last_at), 0))::text AS version
    FROM event_chunks ${chunks} GROUP BY site_id, utc_day
  ) AS days JOIN sites ON sites.id = site_id`

const VERSIONS = versionsOf("")
const VERSIONS_OF_DAY = versionsOf(`WHERE ${CHUNKS_OF_UTC_DAYS}`)

interface VersionRow {
  readonly deployment: string
  readonly site: string
  readonly site_id: number
  readonly day: Day
  readonly chunks: number
  readonly events: number
  readonly version: string
}

/** Changes with what is written to files, or how it is told from chunks: files of another release are made anew. */
export const FORMAT = `${packageJson.version} 8`

const utc = (day: Day): number => Date.parse(`${day}T00:00:00Z`)

/** Days of the deployment's zone, with their versions: of the two or three UTC days that they touch. */
const daysOf = (rows: ReadonlyArray<VersionRow>, calendar: Calendar): ReadonlyArray<SiteDay> => {
  const found = new Map<
    string,
    { of: Omit<SiteDay, "version" | "events">; events: number; parts: Array<string> }
  >()
  for (const row of [...rows].sort((a, b) => (a.day < b.day ? -1 : 1))) {
    const first = calendar.dayOf(utc(row.day))
    const last = calendar.dayOf(utc(row.day) + DAY_MS - 1)
    for (let day = first; day <= last; day = addDays(day, 1)) {
      const key = `${row.site_id} ${day}`
      const known = found.get(key) ?? {
        ...{ of: { site: row.site, siteId: row.site_id, day }, events: 0 },
        parts: [FORMAT, row.deployment, calendar.timeZone],
      }
      known.events += row.events
      known.parts.push(row.day, String(row.chunks), row.version)
      found.set(key, known)
    }
  }
  return [...found.values()].map(({ of, events, parts }) => ({
    ...of,
    events,
    version: createHash("sha256").update(parts.join()).digest("hex").slice(0, 24),
  }))
}

/** Days that may have events, with their versions. */
export const siteDays = (
  postgres: Postgres,
  calendar: Calendar,
): Effect.Effect<ReadonlyArray<SiteDay>, StoreError> =>
  Effect.map(postgres.query<VersionRow>("day_versions", VERSIONS), (rows) => daysOf(rows, calendar))

/** The version of a day in the snapshot of a transaction; none, `""`, where it has no events any more. */
export const versionIn = (sql: Sql, calendar: Calendar, of: SiteDay): Effect.Effect<string, StoreError> =>
  Effect.map(
    sql.query<VersionRow & { readonly [column: string]: unknown }>(
      VERSIONS_OF_DAY,
      utcDaysValues(of, rangeOf(calendar, of.day)),
    ),
    ({ rows }) => daysOf(rows, calendar).find(({ day }) => day === of.day)?.version ?? "",
  )

/** Keeps the unique visitors of days, weeks and months whose raw events are about to go. */
import * as Effect from "effect/Effect"
import { type Calendar, PERIODS, periodKey } from "../../domain/period.ts"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

/** The unique visitors of a site's period (`2025-12-08`, `2025-W50`, `2025-12`) in a partition; 0 when it is unknown. */
export type UniquesOf = (
  site: string,
  partition: number,
  periodKey: string,
) => Effect.Effect<number, StoreError>

export interface UniquesSnapshot {
  /** UTC days whose events go. */
  readonly days: ReadonlyArray<string>
  /** Unix milliseconds. */
  readonly cutoff: number
  /** Of which site alone events go, by its number. */
  readonly siteId?: number
  readonly calendar: Calendar
  readonly partitions: number
  readonly uniquesOf: UniquesOf
}

/** Also the days that expire next: their figures in Redis may be gone by then, if they live as long as the events do. */
const DAYS_AHEAD = 2
/** Questions to Redis at a time. */
const CONCURRENCY = 16

const SELECT_SITES = "SELECT id, slug FROM sites WHERE $1::smallint IS NULL OR id = $1 ORDER BY id"

/** Never less than was kept before: a period that is still running only grows, and one that Redis forgot says 0. */
const KEEP = `
  INSERT INTO period_uniques AS kept (partition, site_id, period_key, uniques)
  SELECT * FROM unnest($1::smallint[], $2::smallint[], $3::text[], $4::bigint[])
  ON CONFLICT (partition, site_id, period_key) DO UPDATE SET uniques = excluded.uniques
  WHERE kept.uniques < excluded.uniques`

const periodKeysOf = ({ days, cutoff, calendar }: UniquesSnapshot): ReadonlySet<string> => {
  const starts = days.map((day) => Date.parse(`${day}T00:00:00Z`))
  for (let i = 1; i <= DAYS_AHEAD; i++) starts.push(cutoff + i * DAY_MS)
  const keys = new Set<string>()
  // A UTC day touches two of the zone's.
  for (const start of starts)
    for (const instant of [start, start + DAY_MS - 1])
      for (const period of PERIODS) keys.add(periodKey(period, calendar.dayOf(instant)))
  return keys
}

/** Asks for the unique visitors of every period the days belong to, and keeps those that are known. */
export const snapshotUniques = Effect.fnUntraced(function* (
  postgres: Postgres,
  snapshot: UniquesSnapshot,
): Effect.fn.Return<void, StoreError> {
  if (snapshot.days.length === 0) return
  const sites = yield* postgres.query<{ id: number; slug: string }>("retention_uniques", SELECT_SITES, [
    snapshot.siteId ?? null,
  ])
  const wanted = sites.flatMap((site) =>
    Array.from({ length: snapshot.partitions }, (_, partition) =>
      [...periodKeysOf(snapshot)].map((key) => ({ site, partition, key })),
    ).flat(),
  )
  const asked = yield* Effect.forEach(
    wanted,
    ({ site, partition, key }) =>
      Effect.map(snapshot.uniquesOf(site.slug, partition, key), (uniques) => ({
        site,
        partition,
        key,
        uniques,
      })),
    { concurrency: CONCURRENCY },
  )
  const known = asked.filter(({ uniques }) => uniques > 0)
  yield* postgres.query("retention_uniques", KEEP, [
    known.map(({ partition }) => partition),
    known.map(({ site }) => site.id),
    known.map(({ key }) => key),
    known.map(({ uniques }) => uniques),
  ])
})

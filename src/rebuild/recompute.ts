/** Gives a deployment another time zone or number of partitions: counts its days again from raw events. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { aggregate } from "../domain/aggregation.ts"
import { NO_FACTS } from "../domain/dimensions.ts"
import type { JsonObject, StreamEvent } from "../domain/event.ts"
import { Calendar, type Day } from "../domain/period.ts"
import { partitionOf } from "../domain/visitor.ts"
import { within } from "../events/chunks/index.ts"
import { FENCE_ALL, INSERT_STREAM_PARTITIONS } from "../events/schema/index.ts"
import { addTotals, toTotalRows } from "../events/totals/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Session } from "../stores/postgres.ts"
import { BATCH_ROWS, boundsOf, KEEP_TABLES, rawCompleteSince, rawDays } from "./source.ts"

const UPDATE_DEPLOYMENT = `
  UPDATE deployment AS now SET partitions = $1, time_zone = $2
  FROM deployment AS before
  RETURNING before.partitions <> $1 AS other_partitions`

/** The first day of each site that is counted again: `$1`, the sites, and `$2`, their days. */
const COUNTED = "unnest($1::smallint[], $2::date[]) AS counted (site, since) WHERE site = site_id"

/** Days before stay; the visitors they counted are gone, so it cannot be said which partition they would be in. */
const MERGE_DAYS = `
  WITH gone AS (DELETE FROM daily_totals USING ${COUNTED} AND day < since RETURNING daily_totals.*)
  INSERT INTO daily_totals (partition, site_id, day, metric, name, count)
  SELECT 0, site_id, day, metric, name, sum(count) FROM gone GROUP BY site_id, day, metric, name`

const MERGE_UNIQUES = `
  WITH gone AS (DELETE FROM period_uniques RETURNING *)
  INSERT INTO period_uniques (partition, site_id, period_key, uniques)
  SELECT 0, site_id, period_key, sum(uniques) FROM gone GROUP BY site_id, period_key`

const DELETE_DAYS = `DELETE FROM daily_totals USING ${COUNTED} AND day >= since`

const ADD_TOTALS = addTotals("$1", "$2")

const SELECT_SITES = "SELECT id, slug FROM sites"

const SELECT_EVENTS = `
  SELECT slug AS site, visitor_id, event_type, created_at,
    CASE WHEN event_type IN ('cv_theme_change', 'letter_generate') THEN event_data::jsonb END AS event_data
  FROM chunk_events JOIN sites ON sites.id = site_id
  WHERE NOT bots AND ${within("$1", "$2")}`

interface CountedRow extends Record<string, unknown> {
  readonly site: string
  readonly visitor_id: string
  readonly event_type: string
  readonly created_at: Date
  readonly event_data: JsonObject | null
}

const toEvent = (row: CountedRow): StreamEvent => ({
  site: row.site,
  id: null,
  visitorId: row.visitor_id,
  type: row.event_type,
  createdAt: row.created_at.getTime(),
  pageUrl: null,
  referrer: null,
  data: row.event_data,
  facts: NO_FACTS,
})

/** Before every day that has a name. */
const FIRST_DAY: Day = "0001-01-01"

/**
 * Makes the deployment one of this time zone and number of partitions, in one transaction. Days whose raw events are all
 * there are counted again. Older ones keep their totals, cut by the zone of their time; with another number of partitions
 * these, and the unique visitors kept of past periods, go to partition 0. Events erased with their visitor are not counted
 * any more. Every actor is fenced; events that wait in streams must have been applied before, because their partition is
 * that of the old number. Returns the number of events counted.
 */
export const recomputeDailyTotals = (
  postgres: Postgres,
  { timeZone, partitions }: { readonly timeZone: string; readonly partitions: number },
): Effect.Effect<{ readonly events: number }, StoreError> =>
  Effect.gen(function* () {
    const calendar = new Calendar(timeZone)
    const writer = yield* postgres.session("recompute")
    const transaction = yield* writer.begin()
    yield* writer.query("SET LOCAL statement_timeout = 0")
    yield* writer.query("SET LOCAL idle_in_transaction_session_timeout = 0")
    yield* writer.query(FENCE_ALL)
    const changed = yield* writer.query<{ other_partitions: boolean }>(UPDATE_DEPLOYMENT, [
      partitions,
      timeZone,
    ])
    yield* writer.query(INSERT_STREAM_PARTITIONS, [partitions])
    // Nothing waits, and the figures are made anew.
    yield* writer.query("DELETE FROM erased_entries")

    // After the fence, so that the snapshot has everything that was written before it.
    const reader = yield* postgres.session("recompute")
    yield* reader.begin("snapshot")
    yield* reader.query("SET LOCAL statement_timeout = 0")
    yield* reader.query(KEEP_TABLES)
    const complete = yield* rawCompleteSince(reader, calendar)
    const since = (site: string): Day => complete.get(site) ?? FIRST_DAY
    const sites = yield* reader.query<{ id: number; slug: string }>(SELECT_SITES)
    const siteIds = new Map(sites.rows.map((site) => [site.slug, site.id]))
    const counted = [[...siteIds.values()], [...siteIds.keys()].map(since)]
    yield* writer.query(DELETE_DAYS, counted)
    if (changed.rows[0]?.other_partitions === true) {
      yield* writer.query(MERGE_DAYS, counted)
      yield* writer.query(MERGE_UNIQUES)
    }

    let events = 0
    for (const day of yield* rawDays(reader, calendar)) {
      if ([...siteIds.keys()].every((site) => day < since(site))) continue
      yield* Stream.runForEach(
        reader.stream<CountedRow>(SELECT_EVENTS, boundsOf(calendar, day), BATCH_ROWS),
        (rows) => {
          const whole = rows.filter(({ site }) => day >= since(site))
          events += whole.length
          return add(writer, whole.map(toEvent), { calendar, partitions, siteIds })
        },
      )
    }
    yield* transaction.commit
    return { events }
  }).pipe(Effect.scoped)

const add = (
  writer: Session,
  events: ReadonlyArray<StreamEvent>,
  {
    calendar,
    partitions,
    siteIds,
  }: {
    readonly calendar: Calendar
    readonly partitions: number
    readonly siteIds: ReadonlyMap<string, number>
  },
): Effect.Effect<void, StoreError> => {
  const byPartition = Map.groupBy(events, (event) => partitionOf(event.visitorId, partitions))
  return Effect.forEach(
    byPartition,
    ([partition, ours]) => {
      const rows = [...aggregate(ours, calendar).days.values()].flatMap((totals) => {
        const siteId = siteIds.get(totals.site)
        return siteId === undefined ? [] : toTotalRows(siteId, totals)
      })
      return writer.query(ADD_TOTALS, [partition, JSON.stringify(rows)])
    },
    { discard: true },
  )
}

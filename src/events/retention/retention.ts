/**
 * Deletes what is older than the retention: raw events, and the ids that no sender may retry any more. One node of a
 * cluster at a time. It may be interrupted at any moment; the next run continues where it was.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Calendar } from "../../domain/period.ts"
import { DAY_MS, MINUTE_MS } from "../../domain/time.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import type { StoreError } from "../../stores/errors.ts"
import { LOCKS } from "../../stores/locks.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { shrinkDays } from "../chunks/index.ts"
import { ensureEventDays, type SchemaTooNew, SELECT_NEWEST, tooNew, upcomingDays } from "../schema/index.ts"
import { snapshotUniques, type UniquesOf } from "../totals/index.ts"
import { Archive, type ArchiveFailed, closeArchives } from "./archive.ts"
import { NOTE_SUCCESS } from "./due.ts"
import {
  deleteFromDay,
  dropDay,
  type ExpiredDay,
  expiredDays,
  METHOD_NAMES,
  type Method,
  type Removal,
  tableOfDay,
} from "./expiredDays.ts"
import { deleteExpiredKeys } from "./expiredKeys.ts"
import { DEFAULT_PACE, type Pace } from "./expiredRows.ts"
import { daysBetween, eventsBefore, NOTE_SITE_CUTOFF, type SiteLimit, siteLimits } from "./siteLimits.ts"

export type { Pace } from "./expiredRows.ts"

export interface RetentionOptions {
  /** Events older than this many days of 24 hours go. */
  readonly retentionDays: number
  /** Where events are archived before they go; `null` for nowhere. */
  readonly archiveDir: string | null
  /** Only says what would go. */
  readonly dryRun: boolean
  /** `false` deletes chunk by chunk even where a whole table has expired; the default is to drop it. */
  readonly dropTables?: boolean
  /** This machine's time, unix milliseconds; should Postgres' be earlier, that decides. */
  readonly now: number
  readonly metrics: Metrics
  /** In the deployment's time zone. */
  readonly calendar: Calendar
  readonly partitions: number
  /** The unique visitors of a site's period in a partition, asked before their events go. */
  readonly uniquesOf: UniquesOf
  /** Default: {@link DEFAULT_PACE}. */
  readonly pace?: Pace
  /** It keeps more than the deployment's settings do, and is not the run that is due. */
  readonly partial?: boolean
  /** Runs after each committed step, with what it removed of which day. */
  readonly onProgress?: (progress: RetainedDay) => Effect.Effect<void>
}

/** Events of a UTC day that went, or would go. */
export interface RetainedDay {
  /** Whose, where a site keeps its events for fewer days than the deployment. */
  readonly site?: string
  /** `2025-12-08`. */
  readonly day: string
  readonly method: Method
  readonly rows: number
}

export type RetentionReport =
  /** It is already running on another node. */
  | { readonly skipped: true }
  | {
      readonly skipped: false
      readonly dryRun: boolean
      /** ISO 8601: events before this went, of sites that keep theirs for fewer days later ones, too. */
      readonly cutoff: string
      readonly days: ReadonlyArray<RetainedDay>
      /** Sum over the days. */
      readonly rows: number
      /** Idempotency keys deleted; a dry run does not count them. */
      readonly keys: number
      readonly milliseconds: number
      /** Of them, those in which events went; the others keep the figures of what goes, and tidy up. */
      readonly deletingMilliseconds: number
    }

/** Before anything goes: what is complete must never be overstated. */
const NOTE_CUTOFF = "UPDATE deployment SET raw_since = greatest(raw_since, $1)"

const SELECT_CLOCK = "SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now"

/** Clocks that differ by more are told, milliseconds. */
const CLOCK_TOLERANCE_MS = MINUTE_MS

/** The earlier of this machine's time and Postgres': a clock that is ahead must not delete what has not expired. */
const earlierClock = Effect.fnUntraced(function* (
  postgres: Postgres,
  now: number,
): Effect.fn.Return<number, StoreError> {
  const [row] = yield* postgres.query<{ now: string }>("retention", SELECT_CLOCK)
  const theirs = Math.floor(Number(row?.now))
  if (now - theirs > CLOCK_TOLERANCE_MS)
    yield* Effect.logWarning("clock ahead: retention goes by Postgres' clock").pipe(
      Effect.annotateLogs({ seconds: Math.round((now - theirs) / 1000) }),
    )
  return Math.min(now, theirs)
})

const TRY_LOCK = `SELECT pg_try_advisory_xact_lock(${LOCKS.retention}) AS locked`

/**
 * Runs retention once. Before events go, the unique visitors of their days, weeks and months are kept in period_uniques
 * (daily_totals holds the rest), so that every figure outlives its events. Fails with the first error; what was done until
 * then stays done.
 */
export const runRetention = (
  postgres: Postgres,
  options: RetentionOptions,
): Effect.Effect<RetentionReport, StoreError | SchemaTooNew | ArchiveFailed> =>
  Effect.gen(function* () {
    // The lock lives in a transaction that does nothing else: it ends with its connection, however that ends, and being
    // idle it keeps vacuum from nothing.
    const session = yield* postgres.session("retention")
    yield* session.begin()
    yield* session.query("SET LOCAL idle_in_transaction_session_timeout = 0")
    const { rows } = yield* session.query<{ locked: boolean }>(TRY_LOCK)
    if (rows[0]?.locked !== true) {
      yield* Effect.logInfo("retention skipped: already running on another node")
      return { skipped: true } as const
    }
    const mayGoOn = session.query<{ version: number; name: string }>(SELECT_NEWEST).pipe(
      Effect.flatMap(({ rows: [newest] }) => {
        const refusal = tooNew(newest)
        return refusal === null ? Effect.void : Effect.fail(refusal)
      }),
    )
    yield* mayGoOn
    return yield* runLocked(postgres, options, mayGoOn)
  }).pipe(Effect.scoped)

/** A run by the holder of the lock. */
const runLocked = Effect.fnUntraced(function* (
  postgres: Postgres,
  options: RetentionOptions,
  mayGoOn: Effect.Effect<void, StoreError | SchemaTooNew>,
): Effect.fn.Return<RetentionReport, StoreError | SchemaTooNew | ArchiveFailed> {
  const { dryRun, metrics } = options
  const now = yield* earlierClock(postgres, options.now)
  const startedAt = yield* Clock.currentTimeMillis
  const cutoff = now - options.retentionDays * DAY_MS
  const days = yield* expiredDays(postgres, cutoff)

  const removed: Array<RetainedDay> = []
  let keys = 0
  let deletingMilliseconds = 0
  if (dryRun) {
    for (const day of days) removed.push(yield* wouldGo(postgres, day, cutoff, options))
    for (const { site, siteId, cutoff: until } of yield* siteLimits(postgres, now, cutoff))
      for (const each of yield* daysBetween(postgres, siteId, cutoff, until))
        removed.push({ ...each, site, method: "batches" })
  } else {
    if (options.archiveDir !== null) yield* closeArchives(options.archiveDir)
    yield* ensureEventDays(postgres, upcomingDays(now))
    yield* snapshotUniques(postgres, { ...options, cutoff, days: days.map(({ day }) => day) })
    if (days.length > 0) yield* postgres.query("retention", NOTE_CUTOFF, [new Date(cutoff)])
    const deletingSince = yield* Clock.currentTimeMillis
    for (const day of days) {
      // A connection lost meanwhile has freed the lock: another node may be running, or a newer version.
      yield* mayGoOn
      removed.push(yield* remove(postgres, day, cutoff, options))
    }
    for (const limit of yield* siteLimits(postgres, now, cutoff))
      removed.push(...(yield* retainSite(postgres, limit, cutoff, options, mayGoOn)))
    deletingMilliseconds = (yield* Clock.currentTimeMillis) - deletingSince
    keys = yield* deleteExpiredKeys(postgres, now, options.pace ?? DEFAULT_PACE)
    yield* shrinkDays(postgres, now)
  }

  const milliseconds = (yield* Clock.currentTimeMillis) - startedAt
  const report = {
    skipped: false,
    dryRun,
    cutoff: new Date(cutoff).toISOString(),
    days: removed,
    rows: removed.reduce((sum, each) => sum + each.rows, 0),
    keys,
    milliseconds,
    deletingMilliseconds,
  } as const
  if (!dryRun) {
    metrics.retentionDuration.set(milliseconds / 1000)
    if (options.partial !== true) yield* postgres.query("retention", NOTE_SUCCESS, [new Date(now)])
  }
  yield* Effect.logInfo(dryRun ? "retention would delete" : "retention finished").pipe(
    Effect.annotateLogs({ cutoff: report.cutoff, rows: report.rows, days: days.length, keys, milliseconds }),
  )
  return report
})

const methodFor = (day: ExpiredDay, options: RetentionOptions): Method =>
  day.whole && options.dropTables !== false ? "drop" : "batches"

const countExpired = (table: string): string =>
  `SELECT coalesce(sum(${eventsBefore("$1")}), 0) AS rows FROM ${table} WHERE first_at < $1`

const wouldGo = (
  postgres: Postgres,
  day: ExpiredDay,
  cutoff: number,
  options: RetentionOptions,
): Effect.Effect<RetainedDay, StoreError> =>
  postgres
    .query<{ rows: string }>("retention", countExpired(day.table), [new Date(cutoff)])
    .pipe(Effect.map(([row]) => ({ day: day.day, method: methodFor(day, options), rows: Number(row?.rows) })))

/** Deletes what has expired of a site that keeps its events for fewer days than the deployment; the deployment's limit has been kept. */
const retainSite = Effect.fnUntraced(function* (
  postgres: Postgres,
  limit: SiteLimit,
  since: number,
  options: RetentionOptions,
  mayGoOn: Effect.Effect<void, StoreError | SchemaTooNew>,
): Effect.fn.Return<ReadonlyArray<RetainedDay>, StoreError | SchemaTooNew | ArchiveFailed> {
  const { siteId, cutoff } = limit
  const days = (yield* daysBetween(postgres, siteId, since, cutoff)).map(({ day }) => day)
  if (days.length === 0) return []
  yield* snapshotUniques(postgres, { ...options, cutoff, days, siteId })
  yield* postgres.query("retention", NOTE_SITE_CUTOFF, [siteId, new Date(cutoff)])
  const removed: Array<RetainedDay> = []
  for (const day of days) {
    yield* mayGoOn
    removed.push(yield* remove(postgres, tableOfDay(day), cutoff, options, limit))
  }
  return removed
})

const remove = Effect.fnUntraced(function* (
  postgres: Postgres,
  day: ExpiredDay,
  cutoff: number,
  options: RetentionOptions,
  of?: SiteLimit,
): Effect.fn.Return<RetainedDay, StoreError | ArchiveFailed> {
  const { archiveDir, metrics, onProgress } = options
  const whose = of === undefined ? {} : { site: of.site }
  const removal: Removal = {
    cutoff,
    ...(of !== undefined && { siteId: of.siteId }),
    archive: archiveDir === null ? null : new Archive(archiveDir),
    pace: options.pace ?? DEFAULT_PACE,
    removed: (method, rows) => {
      metrics.retentionRows.inc({ path: METHOD_NAMES[method] }, rows)
      return onProgress?.({ ...whose, day: day.day, method, rows }) ?? Effect.void
    },
  }
  const startedAt = yield* Clock.currentTimeMillis
  const gone: Omit<RetainedDay, "day"> =
    methodFor(day, options) === "drop"
      ? yield* dropDay(postgres, day, removal)
      : { method: "batches", rows: yield* deleteFromDay(postgres, day, removal) }
  const milliseconds = (yield* Clock.currentTimeMillis) - startedAt
  if (gone.rows > 0 || gone.method === "drop")
    yield* Effect.logInfo("expired events deleted").pipe(
      Effect.annotateLogs({
        ...{ ...whose, day: day.day, path: METHOD_NAMES[gone.method] },
        ...{ rows: gone.rows, milliseconds },
      }),
    )
  return { ...whose, day: day.day, ...gone }
})

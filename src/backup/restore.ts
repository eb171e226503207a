/**
 * Puts a backup into empty stores. The rows come back in one transaction, and with them a mark by which no node starts before the rest
 * is done: newer migrations, other partitions or another zone, erasures that came after the backup, figures, and what waited.
 */
import * as Effect from "effect/Effect"
import { Calendar } from "../domain/period.ts"
import {
  MARK_FINISHED,
  migrate,
  requireFinishedRestore,
  storedDeployment,
  tooNew,
} from "../events/schema/index.ts"
import { erasedEntries } from "../events/write/index.ts"
import { eraseRows } from "../privacy/eraseRows.ts"
import {
  type Erasure,
  erasures,
  type Journal,
  keepErasures,
  siteErasures,
  visitorHash,
  visitorsOf,
} from "../privacy/journal.ts"
import { rebuildPartition } from "../rebuild/partition.ts"
import { recomputeDailyTotals } from "../rebuild/recompute.ts"
import { eraseSiteIn } from "../sites/index.ts"
import type { Postgres } from "../stores/postgres.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { keysLike } from "../stores/scan.ts"
import { makePartitionLog } from "../stream/partitionLog.ts"
import { BackupError } from "./error.ts"
import type { Manifest } from "./manifest.ts"
import { refillLetters, refillVisitors, refillWaiting, type SitePeriod } from "./refill.ts"
import type { RedisSide } from "./streams.ts"
import { loadTables } from "./tables.ts"

export interface RestoreOptions<E> extends Omit<RedisSide, "partitions"> {
  readonly postgres: Postgres
  /** For the reads of rebuilds. */
  readonly reader: RedisConnection
  readonly folder: string
  /** What {@link verifyBackup} has found there. */
  readonly manifest: Manifest
  /** Partitions that the deployment has from now on. */
  readonly partitions: number
  /** IANA name of the zone that the deployment has from now on. */
  readonly timeZone: string
  /** Erasures that the deployment was asked for, whenever. */
  readonly erasures: Journal
  /** Those of `SITES`: they stay sites when they were erased. */
  readonly sites: ReadonlyArray<string>
  /** Notes in Redis whose it is. */
  readonly claim: Effect.Effect<unknown, E>
  /** Unix milliseconds. */
  readonly now: () => number
}

/** What came back, and what did not because it has been erased since. */
export interface Restored {
  readonly events: number
  readonly waiting: number
  readonly letters: number
  readonly erasedEvents: number
}

/** Fails unless neither store has anything of a deployment. */
export const requireEmptyStores = ({
  redis,
  postgres,
  prefix,
  metrics,
}: Pick<RestoreOptions<never>, "redis" | "postgres" | "prefix" | "metrics">) =>
  Effect.gen(function* () {
    yield* requireFinishedRestore(postgres)
    const [row] = yield* postgres.query<{ found: boolean; database: string }>(
      "restore",
      "SELECT to_regclass('schema_migrations') IS NOT NULL AS found, current_database() AS database",
    )
    if (row?.found === true)
      return yield* new BackupError({
        message: `The database ${row.database} has a deployment already, and a restore does not mix two: name an empty database (DATABASE_URL) or a DATA_DIR that is not there yet.`,
      })
    const keys = yield* redisCall(metrics, "restore", () => keysLike(redis, `${prefix}:*`))
    if (keys.length > 0)
      return yield* new BackupError({
        message: `Redis has ${keys.length} keys under the prefix ${prefix} already, and a restore does not mix two deployments: name an empty Redis (REDIS_URL) or another REDIS_KEY_PREFIX.`,
      })
  })

const SELECT_POSITIONS = "SELECT partition, last_stream_id FROM stream_partitions"

/** Erases again whom the journal has and the backup has not; returns the visitors that were found, and their events' number. */
const eraseAgain = (postgres: Postgres, deploymentId: string, told: ReadonlyArray<Erasure>) =>
  Effect.gen(function* () {
    const known = new Set(
      (yield* erasures(postgres)).map(({ visitor, erasedAt }) => `${visitor} ${erasedAt}`),
    )
    const later = told.filter(({ visitor, erasedAt }) => !known.has(`${visitor} ${erasedAt}`))
    const hashes = new Set(later.map(({ visitor }) => visitor))
    const visitors = yield* visitorsOf(postgres, deploymentId, [...hashes])
    let events = 0
    for (const visitor of visitors) events += yield* eraseRows(postgres, visitor)
    yield* keepErasures(postgres, later)
    return { hashes, visitors, events }
  })

const NOTE_SITE = `
  INSERT INTO site_erasures (id, site, erased_at, finished_at) VALUES ($1, $2, $3, now()) ON CONFLICT DO NOTHING`

/** Erases again the sites that the journal has and the backup has not; returns them, and their events' number. */
const eraseSitesAgain = <E>({
  postgres,
  erasures: { sites: told },
  sites: declared,
  now,
}: RestoreOptions<E>) =>
  Effect.gen(function* () {
    const known = new Set((yield* siteErasures(postgres)).map(({ id }) => id))
    const later = told.filter(({ id }) => !known.has(id))
    const sites = new Set(later.map(({ site }) => site))
    let events = 0
    for (const site of sites)
      events += yield* postgres.transaction("restore", (sql) =>
        Effect.map(
          eraseSiteIn(sql, site, { removed: !declared.includes(site), now: now() }),
          (erased) => erased.events,
        ),
      )
    for (const { id, site, erasedAt } of later)
      yield* postgres.query("restore", NOTE_SITE, [id, site, erasedAt])
    return { sites, events }
  })

/** With other partitions, the visitors of all stand in the first one, where they would count beside those that each partition knows. */
const FORGET_UNIQUES = `
  DELETE FROM period_uniques USING unnest($1::text[], $2::text[]) AS known (site, key)
  WHERE period_key = key AND site_id = (SELECT id FROM sites WHERE slug = site)`

const periodsOf = (known: ReadonlyArray<SitePeriod>): ReadonlyArray<ReadonlyArray<string>> => [
  known.map(({ site }) => site),
  known.map(({ period_key }) => period_key),
]

const rebuildFigures = <E>(options: RestoreOptions<E>) =>
  Effect.forEach(
    Array.from({ length: options.partitions }, (_, partition) => partition),
    (partition) =>
      rebuildPartition({
        ...options,
        partition,
        calendar: new Calendar(options.timeZone),
        // Nothing is acknowledged here that replicas would have to have.
        log: makePartitionLog({ ...options, partition, replicas: 0 }),
      }),
    { discard: true },
  )

/** Restores into stores that {@link requireEmptyStores} has found empty. */
export const restoreBackup = <E>(options: RestoreOptions<E>) =>
  Effect.gen(function* () {
    const { postgres, manifest, folder, partitions, timeZone } = options
    if (tooNew(manifest.schema) !== null)
      return yield* new BackupError({
        message: `The backup is of a newer schema (${manifest.schema.name}) than this program knows: restore it with version ${manifest.program}, which made it, or a newer one.`,
      })
    yield* loadTables(postgres, folder, manifest)
    const positions = yield* postgres.query<{ partition: number; last_stream_id: string }>(
      "restore",
      SELECT_POSITIONS,
    )
    yield* migrate(postgres)
    // Before the partitions may be others.
    const isErasedEntry = yield* erasedEntries(postgres, options.sites)
    const before = yield* storedDeployment(postgres)
    const samePartitions = before?.partitions === partitions
    if (!samePartitions || before.timeZone !== timeZone)
      yield* recomputeDailyTotals(postgres, { partitions, timeZone })
    const [row] = yield* postgres.query<{ id: string }>("restore", "SELECT id FROM deployment")
    const deploymentId = row?.id ?? ""
    const erased = yield* eraseAgain(postgres, deploymentId, options.erasures.visitors)
    const erasedSites = yield* eraseSitesAgain(options)

    yield* options.claim
    const refill = {
      ...options,
      positions: new Map(positions.map((each) => [each.partition, each.last_stream_id])),
      isErased: (visitorId: string, site: string, partition: number, entry: string) =>
        erasedSites.sites.has(site) ||
        isErasedEntry(site, partition, entry) ||
        (erased.hashes.size > 0 && erased.hashes.has(visitorHash(deploymentId, visitorId))),
    }
    const known = yield* refillVisitors(refill, erased.visitors)
    if (!samePartitions) yield* postgres.query("restore", FORGET_UNIQUES, periodsOf(known))
    const letters = yield* refillLetters(refill)
    yield* rebuildFigures(options)
    const waiting = yield* refillWaiting(refill, letters)
    yield* postgres.query("restore", MARK_FINISHED)
    const restored: Restored = {
      waiting,
      letters: letters.letters,
      events: manifest.events - erased.events - erasedSites.events,
      erasedEvents: erased.events + erasedSites.events,
    }
    return restored
  })

/**
 * Rebuilds a partition's figures from Postgres while events keep arriving.
 *
 * The rebuild becomes the partition's owner, so that nothing else changes it: events wait in the stream meanwhile, and
 * dashboards go on showing the old figures. It builds new figures beside the live ones, then one script swaps them and
 * sets the partition to where Postgres is. The actors then go on with what waits.
 *
 * Unique visitors of a period whose raw events are partly gone cannot be counted again: those whom Redis knows are joined by
 * those whose events are left, and their number is at least what was kept when events went.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { applyTotals, isClosed } from "../aggregates/apply.ts"
import { type DayTotals, emptyDay } from "../domain/aggregation.ts"
import { decodePayload } from "../domain/payload.ts"
import { type Calendar, type Day, PERIODS, periodBounds, periodKey } from "../domain/period.ts"
import type { UnstorableEvent } from "../events/chunks/index.ts"
import type { SchemaTooNew } from "../events/schema/index.ts"
import {
  type BatchEntry,
  type BatchWriter,
  makeBatchWriter,
  type Position,
  type UnknownPartition,
} from "../events/write/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { dropErasedFigures } from "../privacy/erasedFigures.ts"
import type { Fenced, StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { figureKeys, rebuiltPrefix, streamKeys, VISITOR_BUCKETS } from "../stores/redisKeys.ts"
import { keysLike } from "../stores/scan.ts"
import { Script } from "../stores/script.ts"
import { compareIds, nextId } from "../stream/id.ts"
import { REBUILD_TOKEN, seizeLease } from "../stream/lease.ts"
import { fencedCall, type PartitionLog } from "../stream/partitionLog.ts"
import { openRebuildSource, type RebuildSource } from "./source.ts"

const mergeScript = Script.load(new URL("./lua/merge.lua", import.meta.url))
const swapScript = Script.load(new URL("./lua/swap.lua", import.meta.url))

/** Visitors of one script call; Lua's stack takes about 7,000. */
const CALL_VISITORS = 5000
/** Days of one script call. */
const CALL_DAYS = 30
/** Default of {@link RebuildOptions.leaseMs}: a rebuild's calls may take longer than an actor's. */
const LEASE_MS = 30_000

export interface RebuildOptions {
  readonly redis: RedisConnection
  readonly postgres: Postgres
  readonly prefix: string
  readonly partition: number
  readonly partitions: number
  /** Those of `SITES`. */
  readonly sites: ReadonlyArray<string>
  readonly calendar: Calendar
  readonly metrics: Metrics
  readonly log: PartitionLog
  /** What the lease is held for at a time, milliseconds. A rebuild that dies leaves the partition waiting no longer. */
  readonly leaseMs?: number
  /** Unix milliseconds. */
  readonly now: () => number
}

/** The live figures' keys of a partition: all of its keys but the stream's. */
const figureKeysOf = async (redis: RedisConnection, prefix: string, partition: number) => {
  const stream: ReadonlyArray<string> = Object.values(streamKeys(prefix, partition))
  return (await keysLike(redis, `${prefix}:{${partition}}:*`)).filter((key) => !stream.includes(key))
}

/** Deletes every figure of a partition. */
export const dropFigures = (
  { redis, metrics, prefix }: Pick<RebuildOptions, "redis" | "metrics" | "prefix">,
  partition: number,
): Effect.Effect<void, StoreError> =>
  redisCall(metrics, "rebuild", async () => {
    for (const key of await figureKeysOf(redis, prefix, partition)) await redis.unlink(key)
  })

const chunks = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))

/** Builds the figures below `rebuildPrefix`. */
const build = (options: RebuildOptions, source: RebuildSource, epoch: number, rebuildPrefix: string) =>
  Effect.gen(function* () {
    const { redis, prefix, partition, calendar, metrics, now } = options
    const add = (
      days: ReadonlyArray<DayTotals>,
      lastSeen: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map(),
    ) =>
      fencedCall(metrics, partition, "rebuild", () =>
        applyTotals(redis, {
          prefix,
          partition,
          epoch,
          move: null,
          totals: { days: new Map(days.map((day, index) => [String(index), day])), lastSeen },
          calendar,
          now: now(),
          rebuildPrefix,
        }),
      )
    for (const days of chunks(source.totals, CALL_DAYS)) yield* add(days)
    yield* Stream.runForEach(source.visitors, (rows) =>
      Effect.forEach(
        chunks(rows, CALL_VISITORS),
        (part) => {
          const days = new Map<string, DayTotals>()
          for (const { site, day, visitorId } of part) {
            const key = `${site} ${day}`
            const totals = days.get(key) ?? emptyDay(site, day)
            totals.visitors.add(visitorId)
            days.set(key, totals)
          }
          return add([...days.values()])
        },
        { discard: true },
      ),
    )
    for (const part of chunks(source.lastSeen, CALL_VISITORS / 2)) {
      const lastSeen = new Map<string, Map<string, number>>()
      for (const { site, visitorId, lastSeen: at } of part) {
        const seen = lastSeen.get(site) ?? new Map<string, number>()
        seen.set(visitorId, at)
        lastSeen.set(site, seen)
      }
      yield* add([], lastSeen)
    }
  })

/** The periods of a site that are older than the raw events, wholly or in part. */
const incompletePeriods = (source: RebuildSource, calendar: Calendar, now: number) => {
  const found = new Map<string, { readonly site: string; readonly key: string; readonly closed: boolean }>()
  const note = (site: string, day: Day) => {
    const since = source.completeSince(site)
    if (since === null) return
    for (const period of PERIODS) {
      if (periodBounds(period, day).from >= since) continue
      const key = periodKey(period, day)
      found.set(`${site} ${key}`, { site, key, closed: isClosed(calendar, period, day, now) })
    }
  }
  for (const { site, day } of source.totals) note(site, day)
  return [...found.values()]
}

const BUCKETS = Array.from({ length: VISITOR_BUCKETS }, (_, bucket) => bucket)

/** Adds to the rebuilt figures those visitors of incomplete periods of whom only the live figures, or a number, are left. */
const carryUniques = (options: RebuildOptions, source: RebuildSource, rebuildPrefix: string) => {
  const { redis, prefix, partition, metrics, calendar, now } = options
  const kept = new Map(source.periodUniques.map((each) => [`${each.site} ${each.periodKey}`, each.uniques]))
  return Effect.forEach(
    incompletePeriods(source, calendar, now()),
    ({ site, key, closed }) => {
      const live = figureKeys(prefix, partition, site).period(key)
      const rebuilt = figureKeys(rebuildPrefix, partition, site).period(key)
      return redisCall(metrics, "rebuild", () =>
        mergeScript.run(
          redis,
          [
            ...[live.totals, rebuilt.totals, live.hll, rebuilt.hll],
            ...BUCKETS.flatMap((bucket) => [`${live.visitors}${bucket}`, `${rebuilt.visitors}${bucket}`]),
          ],
          [kept.get(`${site} ${key}`) ?? 0, closed ? 1 : 0],
        ),
      )
    },
    { discard: true },
  )
}

/** Entries of one read. */
const READ_ENTRIES = 1000

/**
 * Finishes what an owner left that died between Postgres and the figures. The swap below passes these entries by, and not
 * all of their figures can be had from Postgres: visitors of a period that is incomplete there are in Redis only.
 */
const catchUp = (
  options: RebuildOptions,
  writer: BatchWriter,
  { epoch, lastStreamId }: Position,
  applied: string,
) =>
  Effect.gen(function* () {
    const { redis, prefix, partition, calendar, metrics, log, now } = options
    let position = applied
    while (compareIds(position, lastStreamId) < 0) {
      const entries = (yield* log.read(position, READ_ENTRIES)).flatMap(
        ({ id, payload }): Array<BatchEntry> => {
          const event = decodePayload(payload)
          return typeof event === "string" || compareIds(id, lastStreamId) > 0
            ? []
            : [{ streamId: id, event }]
        },
      )
      const last = entries.at(-1)
      // Redis has lost them.
      if (last === undefined) return
      const { totals } = yield* writer.write({ partition, epoch, entries, calendar })
      const move = { from: position, to: last.streamId }
      yield* fencedCall(metrics, partition, "rebuild", () =>
        applyTotals(redis, { prefix, partition, epoch, move, totals, calendar, now: now() }),
      )
      position = last.streamId
    }
  })

/**
 * Rebuilds one partition. Returns the number of days counted. Fails with `Fenced` when another actor or rebuild takes the
 * partition over meanwhile; nothing has changed then.
 */
export const rebuildPartition = (
  options: RebuildOptions,
): Effect.Effect<number, StoreError | Fenced | UnknownPartition | SchemaTooNew | UnstorableEvent> =>
  Effect.gen(function* () {
    const { redis, postgres, prefix, partition, partitions, calendar, metrics, log, now } = options
    const token = `${REBUILD_TOKEN}${randomUUID()}`
    yield* seizeLease({ redis, prefix, partition, token, leaseMs: options.leaseMs ?? LEASE_MS, metrics })
    const writer = makeBatchWriter(postgres, options.sites)
    const position = yield* writer.acquireEpoch(partition)
    const { epoch } = position
    const { applied } = yield* log.takeOver(token, position)
    yield* dropErasedFigures(options, partition, epoch)
    yield* catchUp(options, writer, position, applied)
    const source = yield* openRebuildSource(postgres, { partition, partitions, calendar, now: now() })
    const rebuildPrefix = rebuiltPrefix(prefix)
    yield* dropFigures({ redis, metrics, prefix: rebuildPrefix }, partition)
    yield* build(options, source, epoch, rebuildPrefix)
    yield* carryUniques(options, source, rebuildPrefix)
    yield* fencedCall(metrics, partition, "rebuild", async () => {
      const stream = streamKeys(prefix, partition)
      const live = await figureKeysOf(redis, prefix, partition)
      const rebuilt = await figureKeysOf(redis, rebuildPrefix, partition)
      const renames = rebuilt.flatMap((key) => [key, `${prefix}${key.slice(rebuildPrefix.length)}`])
      await swapScript.run(
        redis,
        [stream.state, stream.events, ...live, ...renames],
        [epoch, source.lastStreamId, nextId(source.lastStreamId), live.length],
      )
    })
    yield* dropFigures({ redis, metrics, prefix: rebuildPrefix }, partition)
    return source.totals.length
  }).pipe(Effect.scoped)

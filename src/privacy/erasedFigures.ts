/**
 * The part of a site's erasure that Redis has: its figures. They are deleted by each partition's first owner after the erasure, before
 * it does anything else: earlier owners are fenced then, and it has added nothing of the site yet, which may still be one.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type { SchemaTooNew } from "../events/schema/index.ts"
import { makeBatchWriter, type UnknownPartition } from "../events/write/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { Fenced, StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { rebuiltPrefix, siteKeys, streamKeys } from "../stores/redisKeys.ts"
import { keysLike } from "../stores/scan.ts"
import { Script } from "../stores/script.ts"
import { REBUILD_TOKEN, seizeLease } from "../stream/lease.ts"
import { fencedCall, makePartitionLog } from "../stream/partitionLog.ts"

const dropScript = Script.load(new URL("./lua/dropFigures.lua", import.meta.url))

/** Keys of one script call. */
const CALL_KEYS = 1000
/** The lease of an erasure: what a partition waits for at most when the erasing process dies, milliseconds. */
const LEASE_MS = 15_000

/** Where the figures are, and what waits. */
export interface FigureStores {
  readonly redis: RedisConnection
  readonly postgres: Postgres
  readonly prefix: string
  readonly metrics: Metrics
}

export interface ErasedFiguresOptions extends FigureStores {
  /** Those of `SITES`. */
  readonly settings: ReadonlyArray<string>
}

const SELECT = "SELECT site, erasure FROM erased_entries WHERE partition = $1 AND figures"
// Another erasure may have come since. What has been added again has other entries by now, and the same erasure: its figures are
// deleted once, or those that it has since would go.
const DONE = "UPDATE erased_entries SET figures = false WHERE site = $1 AND partition = $2 AND erasure = $3"

/** Deletes the figures of erased sites that a partition may still have, as its owner of an epoch. */
export const dropErasedFigures = (
  { redis, postgres, prefix, metrics }: FigureStores,
  partition: number,
  epoch: number,
): Effect.Effect<void, Fenced | StoreError> =>
  Effect.gen(function* () {
    const erased = yield* postgres.query<{ site: string; erasure: string }>("erased_figures", SELECT, [
      partition,
    ])
    for (const { site, erasure } of erased) {
      yield* fencedCall(metrics, partition, "drop_figures", async () => {
        // A rebuild that was killed has left some, too.
        const keys = [
          ...(await keysLike(redis, siteKeys(prefix, partition, site))),
          ...(await keysLike(redis, siteKeys(rebuiltPrefix(prefix), partition, site))),
        ]
        for (let i = 0; i < keys.length; i += CALL_KEYS)
          await dropScript.run(
            redis,
            [streamKeys(prefix, partition).state, ...keys.slice(i, i + CALL_KEYS)],
            [epoch],
          )
      })
      yield* postgres.query("erased_figures", DONE, [site, partition, erasure])
    }
  })

/** Partitions that may still have figures of erased sites. */
export const partitionsWithErased = (postgres: Postgres): Effect.Effect<ReadonlyArray<number>, StoreError> =>
  Effect.map(
    postgres.query<{ partition: number }>(
      "erased_figures",
      `SELECT DISTINCT partition FROM erased_entries
      WHERE figures AND partition < (SELECT partitions FROM deployment) ORDER BY partition`,
    ),
    (rows) => rows.map(({ partition }) => partition),
  )

/** Takes a partition over for as long as its erased figures take, where no owner has deleted them. */
export const takeErasedFigures = (
  options: ErasedFiguresOptions,
  partition: number,
): Effect.Effect<void, Fenced | StoreError | UnknownPartition | SchemaTooNew> =>
  Effect.gen(function* () {
    const { redis, postgres, prefix, metrics } = options
    const token = `${REBUILD_TOKEN}${randomUUID()}`
    yield* seizeLease({ redis, prefix, partition, token, leaseMs: LEASE_MS, metrics })
    const owner = yield* makeBatchWriter(postgres, options.settings).acquireEpoch(partition)
    // Nothing is read of it.
    const log = makePartitionLog({ prefix, partition, redis, reader: redis, replicas: 0, metrics })
    yield* log.takeOver(token, owner)
    yield* dropErasedFigures(options, partition, owner.epoch)
  }).pipe(Effect.scoped)

/** The last entry of each partition's stream, or the last that was applied: what is appended from now on comes after it. */
export const lastEntries = (
  { redis, prefix, metrics }: Pick<FigureStores, "redis" | "prefix" | "metrics">,
  partitions: number,
): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  redisCall(metrics, "erase", async () => {
    const found: Array<string> = []
    for (let partition = 0; partition < partitions; partition++) {
      const keys = streamKeys(prefix, partition)
      const [last] = await redis.xrevrange(keys.events, "+", "-", "COUNT", 1)
      found.push(last?.[0] ?? (await redis.hget(keys.state, "applied")) ?? "0-0")
    }
    return found
  })

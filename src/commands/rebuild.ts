/** `rebuild`: recomputes every figure in Redis from Postgres, partition by partition. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { liveNodes } from "../actors/membership.ts"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import { ensureDeployment, migrate, storedDeployment } from "../events/schema/index.ts"
import { adoptRedis, ensureOwnRedis } from "../node/belonging.ts"
import { dropFigures, rebuildPartition } from "../rebuild/partition.ts"
import { recomputeDailyTotals } from "../rebuild/recompute.ts"
import { awaitReady, connectRedis } from "../stores/redis.ts"
import { readBacklog } from "../stream/backlog.ts"
import { makePartitionLog } from "../stream/partitionLog.ts"
import { CommandError } from "./error.ts"
import type { CommandStores } from "./stores.ts"

export interface RebuildCommand {
  /** The new number of partitions; `null` keeps the present one. */
  readonly partitions: number | null
  /** The new time zone, by the name that `TIME_ZONE` is normalised to; `null` keeps the present one. */
  readonly timeZone: string | null
  /** Whether what Redis has of another database becomes this one's; not, by default. */
  readonly adoptRedis?: boolean
}

/** Fails while a node runs. */
export const requireNoNode = (config: AppConfig, { redis, metrics }: CommandStores) =>
  Effect.gen(function* () {
    const nodes = yield* liveNodes(redis, config.redisKeyPrefix, metrics)
    if (nodes.length > 0) {
      return yield* new CommandError({
        message: `${nodes.length} node(s) run: stop every node first, then run this again.`,
      })
    }
  })

/** Changes the number of partitions or the time zone, which requires that no node runs and no event waits. */
const change = (config: AppConfig, stores: CommandStores, command: RebuildCommand, now: () => number) =>
  Effect.gen(function* () {
    const { postgres, redis, metrics } = stores
    const prefix = config.redisKeyPrefix
    const before = (yield* storedDeployment(postgres)) ?? config
    const after = {
      partitions: command.partitions ?? before.partitions,
      timeZone: command.timeZone ?? before.timeZone,
    }
    if (after.partitions === before.partitions && after.timeZone === before.timeZone) return after
    yield* requireNoNode(config, stores)
    const backlog = yield* readBacklog(redis, prefix, before.partitions, metrics, now)
    const waiting = backlog.reduce((sum, each) => sum + each.waiting, 0)
    const letters = backlog.reduce((sum, each) => sum + each.deadLetters, 0)
    if (letters > 0) {
      return yield* new CommandError({
        message: `${letters} dead letters belong to the partitions as they are: replay or drop them (dead-letters --help), then run this again.`,
      })
    }
    if (waiting > 0) {
      return yield* new CommandError({
        message: `${waiting} events wait in the streams: start a node with PARTITIONS=${before.partitions} and TIME_ZONE=${before.timeZone} until none does, stop it, then run this again.`,
      })
    }
    const { events } = yield* recomputeDailyTotals(postgres, after)
    yield* Console.log(
      `${events} events counted again for ${after.partitions} partitions and ${after.timeZone}.`,
    )
    for (let partition = 0; partition < Math.max(before.partitions, after.partitions); partition++) {
      yield* dropFigures({ redis, metrics, prefix }, partition)
    }
    return after
  })

/** Rebuilds all partitions, one after another, and prints each to stdout. */
export const rebuild = (
  config: AppConfig,
  stores: CommandStores,
  command: RebuildCommand,
  now: () => number,
) =>
  Effect.gen(function* () {
    const { postgres, redis, metrics, opened } = stores
    yield* migrate(postgres)
    yield* ensureDeployment(postgres, {
      ...((yield* storedDeployment(postgres)) ?? config),
      sites: config.sites,
    })
    const both = { ...stores, prefix: config.redisKeyPrefix }
    if (command.adoptRedis === true) {
      yield* requireNoNode(config, stores)
      yield* adoptRedis(both)
    } else yield* ensureOwnRedis(both)
    const deployment = yield* change(config, stores, command, now)
    const calendar = new Calendar(deployment.timeZone)
    const reader = yield* connectRedis(opened.stores.redis, "read", "rebuild")
    yield* awaitReady(reader)
    for (let partition = 0; partition < deployment.partitions; partition++) {
      const started = performance.now()
      const days = yield* rebuildPartition({
        redis,
        postgres,
        prefix: config.redisKeyPrefix,
        partition,
        partitions: deployment.partitions,
        sites: config.sites,
        calendar,
        metrics,
        log: makePartitionLog({
          ...{ prefix: config.redisKeyPrefix, partition, redis, reader, metrics },
          replicas: config.ackReplicas,
        }),
        now,
      })
      yield* Console.log(
        `Partition ${partition}: ${days} days of sites rebuilt in ${Math.round(performance.now() - started)} ms.`,
      )
    }
    if (deployment.partitions !== config.partitions || deployment.timeZone !== config.timeZone) {
      yield* Console.log(
        `Start the nodes with PARTITIONS=${deployment.partitions} and TIME_ZONE=${deployment.timeZone} from now on.`,
      )
    }
  })

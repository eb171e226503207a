/** The Redis that an experiment strikes at: a single server, a cluster, or a master with replicas and their Sentinels. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Cluster, Redis } from "ioredis"
import { embeddedRedis } from "../../src/embedded/index.ts"
import type { RedisConnection } from "../../src/stores/redis.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { RedisSentinel } from "../support/redisSentinel.ts"
import type { RedisServer, RedisServerOptions } from "../support/redisServer.ts"
import { type ChaosStore, signals } from "./store.ts"

export const TOPOLOGIES = ["single", "cluster", "sentinel"] as const
export type Topology = (typeof TOPOLOGIES)[number]

/** How many replicas a master has; with Sentinels, it may be told to have fewer. */
export const REPLICAS: { readonly [T in Topology]: number } = { single: 0, cluster: 1, sentinel: 2 }

/** What every topology has. `kill` and the others reach all of its servers at once. */
interface AnyRedis extends ChaosStore {
  /** `REDIS_URL` of nodes and commands. */
  readonly url: string
  /** A connection to the master, or to the cluster, for one use; waits for servers that are just starting. */
  readonly use: <A>(use: (redis: RedisConnection) => Promise<A>) => Promise<A>
}

export interface SingleRedis extends AnyRedis {
  readonly topology: "single"
  readonly port: number
  /** Its append-only files. */
  readonly logFolder: string
}

/** Servers that replicate one another. */
export interface Replicated {
  readonly servers: ReadonlyArray<RedisServer>
  /** How many masters there are when none is missing. */
  readonly shards: number
  readonly masters: () => Promise<ReadonlyArray<RedisServer>>
  readonly replicasOf: (master: RedisServer) => Promise<ReadonlyArray<RedisServer>>
  /** Makes the replica, or another one of the same master, the master by hand. */
  readonly failOver: (replica: RedisServer) => Promise<void>
  /** Waits until each shard has a master whose replicas that run follow it. */
  readonly whole: () => Promise<void>
}

export interface ClusterRedis extends AnyRedis {
  readonly topology: "cluster"
  readonly set: RedisCluster
}

export interface SentinelRedis extends AnyRedis {
  readonly topology: "sentinel"
  readonly set: RedisSentinel
}

export type ChaosRedis = SingleRedis | ClusterRedis | SentinelRedis

export interface ChaosRedisOptions {
  readonly topology: Topology
  /** How many replicas a master has. */
  readonly replicas: number
  readonly folder: string
  readonly fsync: "always" | "everysec"
  /** Whether a master is soon replaced. Otherwise one that a busy machine lets be silent goes on: its successor may lack something. */
  readonly replacesMaster?: boolean
  /** Where the first master and the first Sentinel run, and where all others do; on the loopback by default. */
  readonly places: { readonly first: Place; readonly others: Place } | null
}
type Place = Pick<RedisServerOptions, "host" | "command">

/** After which a master is replaced that shall not be, milliseconds. */
const PATIENCE_MS = 10_000

const CLIENT = { maxRetriesPerRequest: null, connectTimeout: 2000 } as const

const using = async <R extends RedisConnection, A>(redis: R, use: (redis: R) => Promise<A>): Promise<A> => {
  redis.on("error", () => {})
  try {
    // Before it is ready, a cluster's client knows no masters.
    if (redis.status !== "ready") await new Promise((resolve) => redis.once("ready", resolve))
    return await use(redis)
  } finally {
    redis.disconnect()
  }
}

/** A connection to a single Redis for one use; waits for a server that is just starting. */
export const onRedis = <A>(url: string, use: (redis: Redis) => Promise<A>): Promise<A> =>
  using(new Redis(url, CLIENT), use)

/** Starts a Redis, which stops with the scope. */
export const startRedis = (options: ChaosRedisOptions): Effect.Effect<ChaosRedis, unknown, Scope.Scope> =>
  options.topology === "single"
    ? single(options)
    : options.topology === "cluster"
      ? cluster(options)
      : sentinel(options)

const single = ({ folder, fsync }: ChaosRedisOptions) =>
  Effect.map(
    embeddedRedis({ dataDir: folder, fsync, maxMemoryBytes: 1024 ** 3 }),
    (running): SingleRedis => ({
      ...signals(running),
      topology: "single",
      url: running.url,
      port: running.port,
      logFolder: join(folder, "redis", "appendonlydir"),
      use: (use) => onRedis(running.url, use),
    }),
  )

/** All processes of a set at once. */
const allOf = (processes: ReadonlyArray<RedisServer>): ChaosStore => ({
  kill: async () => {
    await Promise.all(processes.map((each) => each.kill()))
    await Promise.all(processes.map((each) => each.start()))
  },
  pause: () => {
    for (const each of processes) each.signal("SIGSTOP")
  },
  resume: () => {
    for (const each of processes) each.signal("SIGCONT")
  },
})

const ending = <S extends { readonly stop: () => Promise<void> }>(start: () => Promise<S>) =>
  Effect.acquireRelease(Effect.tryPromise(start), (set) => Effect.promise(() => set.stop()))

const cluster = ({ folder, fsync, places, replacesMaster = false }: ChaosRedisOptions) =>
  Effect.map(
    ending(() => {
      mkdirSync(folder, { recursive: true })
      const settings = ["--appendfsync", fsync]
      const place = (server: number) => (server === 0 ? places?.first : places?.others) ?? {}
      return RedisCluster.start({
        ...{ folder, settings, place },
        ...(!replacesMaster && { nodeTimeoutMs: PATIENCE_MS }),
      })
    }),
    (set): ClusterRedis => ({
      ...allOf(set.servers),
      topology: "cluster",
      set,
      // Half of them: an experiment may kill one that is named, or one that is not.
      url: `redis://${set.servers.slice(0, 3).map(({ host, port }) => `${host}:${port}`)}`,
      use: (use) =>
        using(
          new Cluster(
            set.servers.map(({ host, port }) => ({ host, port })),
            {
              redisOptions: CLIENT,
              maxRedirections: 100,
              retryDelayOnFailover: 200,
              retryDelayOnClusterDown: 200,
            },
          ),
          use,
        ),
    }),
  )

const sentinel = ({ folder, replicas, fsync, places, replacesMaster = false }: ChaosRedisOptions) =>
  Effect.map(
    ending(() => {
      mkdirSync(folder, { recursive: true })
      const settings = ["--appendfsync", fsync]
      const place = (_kind: string, number: number) => (number === 0 ? places?.first : places?.others) ?? {}
      return RedisSentinel.start({
        ...{ folder, replicas, settings, place },
        ...(!replacesMaster && { downAfterMs: PATIENCE_MS }),
      })
    }),
    (set): SentinelRedis => ({
      ...allOf([...set.servers, ...set.sentinels]),
      topology: "sentinel",
      set,
      url: set.url,
      use: (use) =>
        using(
          new Redis({
            ...CLIENT,
            sentinels: set.sentinels.map(({ host, port }) => ({ host, port })),
            name: set.name,
          }),
          use,
        ),
    }),
  )

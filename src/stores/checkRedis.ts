/** Looks at Redis before anything runs: a version that cannot work stops the start, settings that endanger data warn. */
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import { type StoreWarning, UnusableStore, unusable } from "./checks.ts"

/** What was found out about a Redis. */
export interface RedisFacts {
  readonly cluster: boolean
  /** `redis 8.0.2`, `valkey 8.1.1`. */
  readonly server: string
  readonly warnings: ReadonlyArray<StoreWarning>
}

const infoField = (info: string, name: string): string | null =>
  new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim() ?? null

const atLeast = (version: string, major: number): boolean => Number(version.split(".")[0]) >= major

/** Judges a server by its INFO. */
export const judgeRedis = (info: string, clusterInfo: string): RedisFacts | UnusableStore => {
  const valkey = infoField(info, "valkey_version")
  const redis = infoField(info, "redis_version") ?? "0"
  const server = valkey === null ? `redis ${redis}` : `valkey ${valkey}`
  if (valkey === null ? !atLeast(redis, 7) : !atLeast(valkey, 8)) {
    return new UnusableStore({
      message: `REDIS_URL is a ${server}: Redis 7.0 or Valkey 8 is needed, or newer.`,
    })
  }
  const warnings: Array<StoreWarning> = []
  const policy = infoField(info, "maxmemory_policy")
  if (policy !== null && policy !== "noeviction") {
    warnings.push({
      text: `Redis may evict keys (maxmemory-policy is ${policy}) and with them events that were acknowledged: set maxmemory-policy noeviction.`,
      grave: true,
    })
  }
  if (infoField(info, "aof_enabled") !== "1") {
    warnings.push({
      text: "Redis keeps no append-only file, so a restart loses events that were acknowledged: set appendonly yes.",
      grave: true,
    })
  }
  return { cluster: infoField(clusterInfo, "cluster_enabled") === "1", server, warnings }
}

/**
 * Connects once and judges the server. Fails when it cannot be reached, since a server's URL that is wrong is told best
 * at the start.
 */
export const checkRedis = (url: string): Effect.Effect<RedisFacts, UnusableStore> => {
  // Calls only hear that the connection is closed; why is told to this listener.
  let refusal: Error | null = null
  return Effect.acquireUseRelease(
    Effect.sync(() => {
      const redis = new Redis(url, {
        protocol: 2,
        lazyConnect: true,
        connectTimeout: 5000,
        retryStrategy: () => null,
        maxRetriesPerRequest: 0,
      })
      redis.on("error", (error: Error) => {
        refusal ??= error
      })
      return redis
    }),
    (redis) =>
      Effect.tryPromise({
        try: async () => {
          await redis.connect()
          const fsync = await redis.config("GET", "appendfsync").catch(() => [])
          return {
            info: await redis.info(),
            cluster: await redis.info("cluster"),
            fsync: Array.isArray(fsync) ? String(fsync[1] ?? "") : "",
          }
        },
        catch: (cause) => {
          const { message } = refusal ?? (cause instanceof Error ? cause : new Error(String(cause)))
          return unusable("REDIS_URL", url, message)
        },
      }).pipe(
        Effect.flatMap(({ info, cluster, fsync }) => {
          const facts = judgeRedis(info, cluster)
          if (facts instanceof UnusableStore) return Effect.fail(facts)
          return Effect.succeed(
            fsync === "always" || fsync === ""
              ? facts
              : { ...facts, warnings: [...facts.warnings, { text: fsyncWarning(fsync), grave: false }] },
          )
        }),
      ),
    (redis) => Effect.sync(() => redis.disconnect()),
  )
}

const fsyncWarning = (fsync: string): string =>
  fsync === "everysec"
    ? "Redis flushes its append-only file once a second (appendfsync everysec): a Redis that is killed, or a power failure, may take up to two seconds of acknowledged events; appendfsync always takes none."
    : `Redis leaves flushing its append-only file to the system (appendfsync ${fsync}): a power failure may take half a minute of acknowledged events; appendfsync always takes none.`

/** Looks at the stores before anything runs: versions that cannot work stop the start, settings that endanger data warn. */

import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import type { Postgres } from "./postgres.ts"

/** A store that cannot be used, in one sentence that says what to do. */
export class UnusableStore extends TaggedError("UnusableStore")<{ readonly message: string }> {}

/** A setting of a store that endangers events which were acknowledged. */
export interface StoreWarning {
  /** A sentence for the operator: what is so, and what to set. */
  readonly text: string
  /** Whether an ordinary restart may already lose them, rather than a power failure that was reckoned with. */
  readonly grave: boolean
}

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

/** Says which server it is that cannot be used and why, without user and password. */
const unusable = (setting: string, url: string, reason: string): UnusableStore => {
  const { protocol, host, pathname } = new URL(url)
  return new UnusableStore({
    message: `${setting} ${protocol}//${host}${pathname} cannot be used: ${reason.replace(/\.$/, "")}.`,
  })
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

/** Checks the version of Postgres and the settings that decide whether a commit is durable; returns what endangers data. */
export const checkPostgres = (
  postgres: Postgres,
  url: string,
): Effect.Effect<
  { readonly server: string; readonly warnings: ReadonlyArray<StoreWarning> },
  UnusableStore
> =>
  Effect.gen(function* () {
    const [row] = yield* postgres
      .query<{
        version: string
        version_num: number
        fsync: string
        synchronous_commit: string
      }>(
        "check",
        `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS version_num,
              current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit`,
      )
      .pipe(
        Effect.mapError((error) => unusable("DATABASE_URL", url, error.message.replace(/^Postgres: /, ""))),
      )
    if (row === undefined || row.version_num < 150000) {
      return yield* new UnusableStore({
        message: `DATABASE_URL is a PostgreSQL ${row?.version ?? "of unknown version"}: PostgreSQL 15 or newer is needed.`,
      })
    }
    const warnings: Array<StoreWarning> = []
    for (const setting of ["fsync", "synchronous_commit"] as const) {
      if (row[setting] === "off") {
        warnings.push({
          text: `PostgreSQL's ${setting} is off, so a crash may lose events that were applied: set ${setting} on.`,
          grave: true,
        })
      }
    }
    return { server: `postgres ${row.version}`, warnings }
  })

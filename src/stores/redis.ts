/** Redis connections (a single server or a cluster), errors and timing. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Cluster, Redis } from "ioredis"
import { APPEND_TIMEOUT_MS } from "../config/stopBudget.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "./errors.ts"
import { noAnswer, redisError } from "./redisError.ts"

/** A connection to one server, or to a cluster. Both take every command the project sends. */
export type RedisConnection = Redis | Cluster

/** Whether a connection is to a cluster. */
export const isCluster = (redis: RedisConnection): redis is Cluster => redis.isCluster

/** The servers that have the data. */
export const mastersOf = (redis: RedisConnection): ReadonlyArray<Redis> =>
  isCluster(redis) ? redis.nodes("master") : [redis]

export interface RedisSettings {
  readonly url: string
  /** Whether the server at `url` is a cluster's node. */
  readonly cluster: boolean
}

/** What a connection is for decides how it behaves when Redis is slow or unavailable. */
export type Purpose =
  /** Appends: never queued while disconnected, never sent twice. */
  | "append"
  /** Blocking reads: a reply may take long. */
  | "read"
  /** Everything else. */
  | "command"
  | "subscribe"

const COMMAND_TIMEOUT_MS = 5000

const optionsFor = (purpose: Purpose, name: string) => ({
  protocol: 2 as const,
  connectionName: name,
  enableReadyCheck: true,
  enableOfflineQueue: purpose === "subscribe",
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: purpose === "subscribe" ? null : 0,
  connectTimeout: 3000,
  keepAlive: 10_000,
  noDelay: true,
  // A master that has become a replica keeps its connections; only a new one finds the new master.
  reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
  ...(purpose === "append" && { commandTimeout: APPEND_TIMEOUT_MS }),
  ...(purpose === "command" && { commandTimeout: COMMAND_TIMEOUT_MS }),
})

const open = (settings: RedisSettings, purpose: Purpose, name: string): RedisConnection => {
  const options = optionsFor(purpose, name)
  if (!settings.cluster) return new Redis(settings.url, options)
  const url = new URL(settings.url)
  return new Cluster([{ host: url.hostname, port: Number(url.port || 6379) }], {
    enableOfflineQueue: purpose === "subscribe",
    // Or the client would send a call again whose reply was lost, and an append twice is an event twice.
    retryDelayOnFailover: 0,
    redisOptions: {
      ...options,
      ...(url.username && { username: decodeURIComponent(url.username) }),
      ...(url.password && { password: decodeURIComponent(url.password) }),
      ...(url.protocol === "rediss:" && { tls: {} }),
    },
    clusterRetryStrategy: (times) => Math.min(100 * times, 1000),
  })
}

/** A connection that closes with its scope. It connects, and reconnects, in the background: calls fail while there is none. */
export const connectRedis = (
  settings: RedisSettings,
  purpose: Purpose,
  name: string,
): Effect.Effect<RedisConnection, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const connection = open(settings, purpose, `maicivy-${name}`)
      // Without a listener a lost connection would end the process; every call reports its own failure.
      connection.on("error", () => {})
      return connection
    }),
    (connection) => Effect.sync(() => connection.disconnect()),
  )

/** What a start waits for a store, milliseconds. */
export const CONNECT_MS = 10_000

/** Waits until a connection is ready for commands; fails when it is not within the time. */
export const awaitReady = (
  connection: RedisConnection,
  milliseconds: number = CONNECT_MS,
): Effect.Effect<void, StoreError> =>
  Effect.callback<void>((resume) => {
    if (connection.status === "ready") return resume(Effect.void)
    const onReady = () => resume(Effect.void)
    connection.once("ready", onReady)
    return Effect.sync(() => connection.off("ready", onReady))
  }).pipe(
    Effect.timeoutOrElse({
      duration: milliseconds,
      orElse: () => Effect.fail(noAnswer("connect", `no connection within ${milliseconds} ms`)),
    }),
  )

/** Runs a Redis call, timed under its operation's name. */
export const redisCall = <A>(
  metrics: Metrics,
  operation: string,
  call: () => Promise<A>,
): Effect.Effect<A, StoreError> =>
  Effect.tryPromise({
    try: async () => {
      const end = metrics.redisDuration.startTimer({ operation })
      try {
        return await call()
      } finally {
        end()
      }
    },
    catch: (cause) => redisError(operation, cause),
  })

/**
 * Has Redis write its append-only file again, so that what was deleted or has expired is no longer in it. A server that does not
 * allow it, or is already doing so, is asked in vain: the file is then the operator's concern.
 */
export const rewriteAppendOnlyFile = (redis: RedisConnection, metrics: Metrics): Effect.Effect<void> =>
  redisCall(metrics, "rewrite_aof", async () => {
    for (const node of mastersOf(redis)) await node.bgrewriteaof()
  }).pipe(
    Effect.catch((error) =>
      Effect.logInfo("append-only file not rewritten").pipe(Effect.annotateLogs({ reason: error.message })),
    ),
    Effect.asVoid,
  )

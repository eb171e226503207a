/** Redis connections (a single server, a cluster, or the master that Sentinels name), their errors and timing. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Cluster, Redis } from "ioredis"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "./errors.ts"
import {
  failureOf,
  openRedis,
  type Purpose,
  type RedisConnection,
  type RedisSettings,
} from "./redisClient.ts"
import { noAnswer, redisError } from "./redisError.ts"

export type { Purpose, RedisConnection, RedisSettings } from "./redisClient.ts"

/** Whether a connection is to a cluster. */
export const isCluster = (redis: RedisConnection): redis is Cluster => redis.isCluster

/** The servers that have the data. */
export const mastersOf = (redis: RedisConnection): ReadonlyArray<Redis> =>
  isCluster(redis) ? redis.nodes("master") : [redis]

/** A connection that closes with its scope. It connects, and reconnects, in the background: calls fail while there is none. */
export const connectRedis = (
  settings: RedisSettings,
  purpose: Purpose,
  name: string,
): Effect.Effect<RedisConnection, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => openRedis(settings, purpose, `maicivy-${name}`)),
    (connection) => Effect.sync(() => connection.disconnect()),
  )

/** What a start waits for a store, milliseconds. */
export const CONNECT_MS = 10_000

/** Between two looks at whether a connection is ready, milliseconds. */
const POLL_MS = 10

/** Whether the connection takes commands, on a cluster for every master. */
const isReady = (connection: RedisConnection): boolean =>
  connection.status === "ready" && mastersOf(connection).every(({ status }) => status === "ready")

/** Waits until a connection is ready for commands; fails, with the reason, when it is not within the time. */
export const awaitReady = (
  connection: RedisConnection,
  milliseconds: number = CONNECT_MS,
): Effect.Effect<void, StoreError> =>
  Effect.sync(() => isReady(connection)).pipe(
    Effect.repeat({ until: (ready) => ready, schedule: Schedule.spaced(POLL_MS) }),
    Effect.asVoid,
    Effect.timeoutOrElse({
      duration: milliseconds,
      orElse: () => {
        const reason = failureOf(connection)
        const text = `no connection within ${milliseconds} ms`
        return Effect.fail(noAnswer("connect", reason === null ? text : `${text} (${reason})`))
      },
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

/** Redis' words for a command that this user may not run, or that has another name here. */
const NOT_ALLOWED = /NOPERM|unknown command/

/**
 * Has Redis write its append-only file again, so that what was deleted or has expired is no longer in it. A server that does not
 * allow it, which the start has told, or is already doing so, is asked in vain: the file is then the operator's concern.
 */
export const rewriteAppendOnlyFile = (redis: RedisConnection, metrics: Metrics): Effect.Effect<void> =>
  redisCall(metrics, "rewrite_aof", async () => {
    for (const node of mastersOf(redis)) await node.bgrewriteaof()
  }).pipe(
    Effect.catch((error) =>
      NOT_ALLOWED.test(error.message)
        ? Effect.void
        : Effect.logInfo("append-only file not rewritten").pipe(
            Effect.annotateLogs({ reason: error.message }),
          ),
    ),
    Effect.asVoid,
  )

/**
 * How nodes keep in memory what a request must not ask a store for, such as who has access: each has all of it, and whoever changes
 * it tells the others, by a message on the channel that they listen to anyway. They look for themselves as well.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { liveChannel } from "../stores/redisKeys.ts"

/** How often a node looks whether it has missed a message. */
const EVERY = "5 seconds"

/** What nodes know all of. */
const KINDS = ["access", "sites"] as const
export type Kind = (typeof KINDS)[number]

const messageOf = (deployment: string, kind: Kind): string => JSON.stringify({ deployment, changed: kind })

/** What has changed of a deployment by a message of the channel; `null` where the message says something else. */
export const changedBy = (deployment: string, message: string): Kind | null =>
  KINDS.find((kind) => message === messageOf(deployment, kind)) ?? null

/** Tells all nodes. A message that is lost is only late. */
export const announceChange = (
  redis: RedisConnection,
  metrics: Metrics,
  prefix: string,
  deployment: string,
  kind: Kind,
): Effect.Effect<void> => announce(redis, metrics, prefix, messageOf(deployment, kind))

/** Sends all nodes a message. */
export const announce = (
  redis: RedisConnection,
  metrics: Metrics,
  prefix: string,
  message: string,
): Effect.Effect<void> =>
  redisCall(metrics, "publish", () => redis.publish(liveChannel(prefix), message)).pipe(
    Effect.timeoutOption("1 second"),
    Effect.ignore,
  )

/** What is known, and how often it had changed by then. */
export interface Versioned {
  readonly version: number
}

/** Something that is known, kept up to date. */
export interface Watch<K> {
  /** Has it read again at once, if it has changed. */
  readonly look: Effect.Effect<void, StoreError>
  /** All of it, as of now. */
  readonly known: () => K
  /** Calls with all of it, now and after every change. */
  readonly onKnown: (learn: (known: K) => void) => void
}

/**
 * Keeps what is known up to date until the scope ends.
 *
 * @param load reads all of it; `null` if it has not changed since the version that it is given, -1 for none
 */
export const watch = <K extends Versioned>(
  load: (since: number) => Effect.Effect<K | null, StoreError>,
  nothing: K,
): Effect.Effect<Watch<K>, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    let newest = nothing
    const listeners: Array<(known: K) => void> = []
    const look = Effect.map(
      Effect.suspend(() => load(newest.version)),
      (known) => {
        // Two that look at the same time may end in either order.
        if (known === null || known.version < newest.version) return
        newest = known
        for (const learn of listeners) learn(known)
      },
    )
    yield* look
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(EVERY), Effect.ignore(look))))
    return {
      look,
      known: () => newest,
      onKnown: (learn) => {
        listeners.push(learn)
        learn(newest)
      },
    }
  })

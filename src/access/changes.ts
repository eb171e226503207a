/** How nodes tell each other that somebody's access has changed: by a message on the channel that they listen to anyway. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { liveChannel } from "../stores/redisKeys.ts"
import { type Known, loadKnown, NOBODY_KNOWN } from "./known.ts"

/** How often a node looks whether it has missed a message. */
const EVERY = "5 seconds"

const messageOf = (deployment: string): string => JSON.stringify({ deployment, changed: "access" })

/** Whether a message of the channel says that the access of a deployment's users has changed. */
export const saysChanged = (deployment: string, message: string): boolean => message === messageOf(deployment)

/** Tells all nodes. They look for themselves as well, so a message that is lost is only late. */
export const announceChange = (
  redis: RedisConnection,
  metrics: Metrics,
  prefix: string,
  deployment: string,
): Effect.Effect<void> =>
  redisCall(metrics, "publish", () => redis.publish(liveChannel(prefix), messageOf(deployment))).pipe(
    Effect.timeoutOption("1 second"),
    Effect.ignore,
  )

/** What is known of who has access, kept up to date. */
export interface AccessWatch {
  /** Has it read again at once, if it has changed. */
  readonly look: Effect.Effect<void, StoreError>
  /** Calls with all of it, now and after every change. */
  readonly onKnown: (learn: (known: Known) => void) => void
}

/** Keeps what is known of who has access up to date until the scope ends. */
export const watchAccess = (postgres: Postgres): Effect.Effect<AccessWatch, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    let newest = NOBODY_KNOWN
    const listeners: Array<(known: Known) => void> = []
    const look = Effect.map(
      Effect.suspend(() => loadKnown(postgres, newest.version)),
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
      onKnown: (learn) => {
        listeners.push(learn)
        learn(newest)
      },
    }
  })

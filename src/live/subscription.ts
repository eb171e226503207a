/** Follows the channel on which nodes tell each other what they have counted. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Metrics } from "../metrics/metrics.ts"
import { logFailure } from "../stores/advice.ts"
import { awaitReady, type RedisConnection, redisCall } from "../stores/redis.ts"
import { noAnswer } from "../stores/redisError.ts"

/** How often the subscription is asked for again, which finds out whether it is still there. */
const EVERY = "5 seconds"
/** A server that has not answered by then is not the one to wait for messages from, milliseconds. */
const ANSWER_MS = 3000

export interface SubscriptionOptions {
  /** Used for nothing else. */
  readonly redis: RedisConnection
  readonly channel: string
  readonly onMessage: (message: string) => void
  readonly metrics: Metrics
}

/**
 * Subscribes, and again whenever the connection is a new one, until the scope ends. Returns after the first attempt. Why it does not
 * work is logged once, and so is that it does again.
 */
export const followChannel = ({
  redis,
  channel,
  onMessage,
  metrics,
}: SubscriptionOptions): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    redis.on("message", (_channel: string, message: string) => onMessage(message))
    let told: string | null = null
    const subscribe = redisCall(metrics, "subscribe", () => redis.subscribe(channel)).pipe(
      Effect.timeoutOrElse({
        duration: ANSWER_MS,
        orElse: () => {
          redis.disconnect(true)
          return Effect.fail(noAnswer("subscribe", "a subscription got no reply"))
        },
      }),
      Effect.matchEffect({
        onFailure: (error) => {
          if (error.code === told) return Effect.void
          told = error.code
          return logFailure(error, "live events of other nodes are not shown")
        },
        onSuccess: () => {
          if (told === null) return Effect.void
          told = null
          return Effect.logInfo("live events of other nodes are shown again")
        },
      }),
    )
    yield* Effect.ignore(awaitReady(redis, ANSWER_MS))
    yield* subscribe
    // Messages that come meanwhile are lost. What fails here fails below as well, where it is told.
    const resubscribe = () => void redis.subscribe(channel).catch(() => {})
    yield* Effect.acquireRelease(
      Effect.sync(() => redis.on("ready", resubscribe)),
      () => Effect.sync(() => redis.off("ready", resubscribe)),
    )
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(EVERY), subscribe)))
  })

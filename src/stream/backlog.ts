/** How much waits in the streams, and for how long: for readiness, metrics and the operator. */
import type * as Effect from "effect/Effect"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { streamKeys } from "../stores/redisKeys.ts"
import { timeOf } from "./id.ts"

/** One partition's stream. */
export interface PartitionBacklog {
  readonly partition: number
  /** Events that wait. */
  readonly waiting: number
  /** Age of the oldest one, milliseconds; 0 when none waits. */
  readonly oldestAgeMs: number
  readonly deadLetters: number
  /** Whether Redis lacks figures of the partition, which has not been rebuilt yet. */
  readonly lost: boolean
}

export const readBacklog = (
  redis: RedisConnection,
  prefix: string,
  partitions: number,
  metrics: Metrics,
  now: () => number,
): Effect.Effect<ReadonlyArray<PartitionBacklog>, StoreError> =>
  redisCall(metrics, "backlog", () =>
    Promise.all(
      Array.from({ length: partitions }, async (_, partition) => {
        const keys = streamKeys(prefix, partition)
        const [waiting, first, deadLetters, lost] = await Promise.all([
          redis.xlen(keys.events),
          redis.xrange(keys.events, "-", "+", "COUNT", 1),
          redis.xlen(keys.dead),
          redis.hget(keys.state, "lost"),
        ])
        const oldest = first[0]?.[0]
        return {
          partition,
          waiting,
          oldestAgeMs: oldest === undefined ? 0 : Math.max(0, now() - timeOf(oldest)),
          deadLetters,
          lost: lost === "1",
        }
      }),
    ),
  )

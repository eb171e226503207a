/** What makes a thread's events durable, and says so when it cannot. */
import type { AppConfig } from "../config/settings.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { syncLog } from "../runtime/logging.ts"
import { detailsOf } from "../stores/advice.ts"
import type { StoreError } from "../stores/errors.ts"
import type { RedisConnection } from "../stores/redis.ts"
import { Producer } from "./producer.ts"

/** @param redis used for nothing that may take long */
export const makeAppender = (
  config: AppConfig,
  redis: RedisConnection,
  metrics: Metrics,
  log: ReturnType<typeof syncLog>,
): Producer =>
  new Producer({
    redis,
    prefix: config.redisKeyPrefix,
    partitions: config.partitions,
    replicas: config.ackReplicas,
    maxBacklog: config.maxBacklog,
    metrics,
    onFailure: atMostOnceASecond((error) =>
      log("events refused: the stream does not accept them", detailsOf(error)),
    ),
  })

/** Thousands of refusals a second tell no more than one does. */
const atMostOnceASecond = (log: (error: StoreError) => void) => {
  let last = 0
  return (error: StoreError) => {
    const at = performance.now()
    if (at - last < 1000) return
    last = at
    log(error)
  }
}

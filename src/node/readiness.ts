/** Whether an event would be taken and applied, for load balancers and for scripts that wait for a start. */
import * as Effect from "effect/Effect"
import type { AppConfig } from "../config/settings.ts"
import type { ReadinessReport } from "../domain/answers.ts"
import { adviceOn, detailsOf } from "../stores/advice.ts"
import type { StoreError } from "../stores/errors.ts"
import type { PartitionBacklog } from "../stream/backlog.ts"
import type { Health } from "./health.ts"

/** In public: the store's own words may have addresses, and are in the log. */
const sentenceOf = (error: StoreError): string => {
  const { meaning, remedy } = adviceOn(error)
  return `${error.store === "redis" ? "Redis" : "Postgres"} (${error.code}): ${meaning}. ${remedy}`
}

/** Whether this node can do its work: both stores would take an event, and the streams have room. Logs when that changes. */
export const readiness = (
  { maxBacklog, partitions }: Pick<AppConfig, "maxBacklog" | "partitions">,
  ask: Effect.Effect<Health>,
): Effect.Effect<ReadinessReport> => {
  // As the append script counts: each partition has its even share, and dead letters take up room, too.
  const share = Math.ceil(maxBacklog / partitions)
  const isFull = (each: PartitionBacklog) => each.waiting + each.deadLetters >= share
  let wasReady = true
  return Effect.gen(function* () {
    const { redis, postgres, schema, streams } = yield* ask
    const errors = [redis.error, postgres.error].filter((error) => error !== null)
    const problems = [
      ...errors.map(sentenceOf),
      ...(schema === null ? [] : [schema.message]),
      ...(streams?.some(isFull) === true
        ? [
            "The stream of a partition is full (MAX_BACKLOG). Are events processed, and dead letters looked after?",
          ]
        : []),
    ]
    const ready = problems.length === 0
    if (ready !== wasReady) {
      wasReady = ready
      yield* (ready ? Effect.logInfo("node ready again") : Effect.logWarning("node not ready")).pipe(
        Effect.annotateLogs({ ...(ready ? {} : { problems }), ...(errors[0] && detailsOf(errors[0])) }),
      )
    }
    const report: ReadinessReport = {
      ready,
      redis: redis.state,
      postgres: schema === null ? postgres.state : "migrated",
      backlog: streams?.reduce((sum, each) => sum + each.waiting, 0) ?? null,
      oldest_event_age_seconds:
        streams === null ? null : Math.max(...streams.map((each) => each.oldestAgeMs)) / 1000,
      problems,
    }
    return report
  })
}

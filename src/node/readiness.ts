/** Whether a node can do its work, for load balancers and for scripts that wait for a start. */
import * as Effect from "effect/Effect"
import type { AppConfig } from "../config/settings.ts"
import type { ReadinessReport } from "../domain/answers.ts"
import { requireKnownSchema } from "../events/schema/index.ts"
import type { Postgres } from "../stores/postgres.ts"
import type { PartitionBacklog, readBacklog } from "../stream/backlog.ts"

/** `migrated`: by a newer version than this one. */
const schemaState = (postgres: Postgres) =>
  requireKnownSchema(postgres, "ping").pipe(
    Effect.as("up" as const),
    Effect.catchTag("SchemaTooNew", () => Effect.succeed("migrated" as const)),
  )

/** Whether this node can do its work: both stores answer, and the streams have room. */
export const readiness = (
  config: AppConfig,
  postgres: Postgres,
  backlog: ReturnType<typeof readBacklog>,
): Effect.Effect<ReadinessReport> =>
  Effect.gen(function* () {
    const limit = Effect.timeout("2 seconds")
    const [partitions, database] = yield* Effect.all(
      [
        Effect.option(backlog.pipe(limit)),
        schemaState(postgres).pipe(
          limit,
          Effect.orElseSucceed(() => "down" as const),
        ),
      ],
      { concurrency: 2 },
    )
    const streams = partitions._tag === "Some" ? partitions.value : null
    const waiting = streams?.reduce((sum, each) => sum + each.waiting, 0) ?? null
    // As the append script counts: each partition has its even share, and dead letters take up room, too.
    const share = Math.ceil(config.maxBacklog / config.partitions)
    const hasRoom = (each: PartitionBacklog) => each.waiting + each.deadLetters < share
    const oldest = streams === null ? null : Math.max(...streams.map((each) => each.oldestAgeMs)) / 1000
    const report: ReadinessReport = {
      ready: (streams?.every(hasRoom) ?? false) && database === "up",
      redis: streams === null ? "down" : "up",
      postgres: database,
      backlog: waiting,
      oldest_event_age_seconds: oldest,
    }
    return report
  })

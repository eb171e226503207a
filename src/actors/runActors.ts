/** All that a node with the role `actors` runs: the supervisor, and maintenance, on connections of their own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import { makeBatchWriter } from "../events/write/index.ts"
import { LiveFeed } from "../live/feed.ts"
import { scheduleMaintenance } from "../maintenance/maintenance.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreAddresses } from "../stores/addresses.ts"
import type { StoreError } from "../stores/errors.ts"
import { makePostgres } from "../stores/postgres.ts"
import { awaitReady, connectRedis } from "../stores/redis.ts"
import { runSupervisor } from "./supervisor.ts"

/** A batch that Postgres has not finished by then is given up and tried again. */
const STATEMENT_TIMEOUT_MS = 30_000
/** Longer than any pause of a healthy thread between two statements; a frozen owner's locks are gone after it. */
const IDLE_TRANSACTION_MS = 10_000

/** Runs until interrupted; ends by finishing running batches and giving leases back. `now`: unix milliseconds. */
export const runActors = (
  config: AppConfig,
  stores: StoreAddresses,
  node: string,
  metrics: Metrics,
  now: () => number,
): Effect.Effect<never, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const calendar = new Calendar(config.timeZone)
    const redis = yield* connectRedis(stores.redis, "command", "actors")
    yield* awaitReady(redis)
    const postgres = yield* makePostgres(
      {
        url: stores.databaseUrl,
        // One a partition, and some for retention and compaction.
        max: config.partitions + 3,
        name: "maicivy actors",
        statementTimeoutMs: STATEMENT_TIMEOUT_MS,
        transactionDeadlineMs: STATEMENT_TIMEOUT_MS + 5000,
        idleTransactionMs: IDLE_TRANSACTION_MS,
      },
      metrics,
    )
    yield* scheduleMaintenance({ config, redis, postgres, metrics, now })
    return yield* runSupervisor({
      node,
      prefix: config.redisKeyPrefix,
      partitions: config.partitions,
      redisSettings: stores.redis,
      redis,
      replicas: config.ackReplicas,
      postgres,
      writer: makeBatchWriter(postgres, config.sites),
      sites: config.sites,
      calendar,
      metrics,
      live: new LiveFeed({
        prefix: config.redisKeyPrefix,
        eventsPerSecond: config.liveEventsPerSecond,
        now,
      }),
      now,
    })
  })

/** What a node with the role `actors` does on a schedule: retention, compaction, rewriting the append-only file. */
import * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { uniquesOf } from "../aggregates/figures.ts"
import type { AppConfig } from "../config/settings.ts"
import { MINUTE_MS } from "../domain/time.ts"
import { scheduleCompaction } from "../events/chunks/index.ts"
import { scheduleRetention } from "../events/retention/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { finishErasures } from "../privacy/finishErasures.ts"
import type { Postgres } from "../stores/postgres.ts"
import { type RedisConnection, rewriteAppendOnlyFile } from "../stores/redis.ts"

/** Half an hour into a day, in the deployment's time zone, when the key of the day before has expired. */
const REWRITE_CRON = "30 0 * * *"

/** What it waits for at most, milliseconds. */
const FINISH_MS = 5 * MINUTE_MS

export interface MaintenanceOptions {
  readonly config: AppConfig
  readonly redis: RedisConnection
  readonly postgres: Postgres
  readonly metrics: Metrics
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Starts all schedules; they end with the scope. Every node may run them: what must not run twice at once takes a lock. */
export const scheduleMaintenance = ({
  config,
  redis,
  postgres,
  metrics,
  now,
}: MaintenanceOptions): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* scheduleRetention({
      postgres,
      config,
      metrics,
      uniquesOf: uniquesOf({ redis, prefix: config.redisKeyPrefix, metrics }),
      now,
    })
    yield* scheduleCompaction(postgres, metrics, now)
    // What a process that died has left of an erasure.
    yield* Effect.forkScoped(
      finishErasures(
        { redis, postgres, metrics, prefix: config.redisKeyPrefix, settings: config.sites },
        FINISH_MS,
      ).pipe(Effect.schedule(Schedule.spaced("1 minute"))),
    )
    // Applied payloads and expired day keys should leave the disk, too.
    yield* Effect.forkScoped(
      rewriteAppendOnlyFile(redis, metrics).pipe(
        Effect.schedule(Schedule.cron(Cron.parseUnsafe(REWRITE_CRON, config.timeZone))),
      ),
    )
  })

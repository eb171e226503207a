/** Runs retention when its cron expression says so, for as long as the node runs. */
import * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { AppConfig } from "../../config/settings.ts"
import { Calendar } from "../../domain/period.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { ensureEventDays, upcomingDays } from "../schema/index.ts"
import type { UniquesOf } from "../totals/index.ts"
import { closeArchives } from "./archive.ts"
import { runRetention } from "./retention.ts"

export interface RetentionSchedule {
  readonly postgres: Postgres
  readonly config: Pick<
    AppConfig,
    "retentionCron" | "retentionDays" | "retentionArchiveDir" | "timeZone" | "partitions"
  >
  readonly metrics: Metrics
  readonly uniquesOf: UniquesOf
  /** Unix milliseconds. */
  readonly now: () => number
}

/**
 * Starts the schedule; it ends with the scope, in the middle of a run between two of its batches. A run that fails is
 * logged and the next one comes in its time. Every node may have one: of runs at the same time all but one are skipped.
 */
export const scheduleRetention = ({
  postgres,
  config,
  metrics,
  uniquesOf,
  now,
}: RetentionSchedule): Effect.Effect<void, never, Scope.Scope> => {
  const calendar = new Calendar(config.timeZone)
  const once = Effect.suspend(() =>
    runRetention(postgres, {
      retentionDays: config.retentionDays,
      archiveDir: config.retentionArchiveDir,
      dryRun: false,
      now: now(),
      metrics,
      calendar,
      partitions: config.partitions,
      uniquesOf,
    }),
  ).pipe(Effect.catchCause((cause) => Effect.logError("retention failed: the next run continues", cause)))
  // The settings have been checked, so an expression that does not parse is a mistake in the code.
  const cron = Cron.parseUnsafe(config.retentionCron, config.timeZone)
  const { retentionArchiveDir } = config
  const close = retentionArchiveDir === null ? Effect.void : closeArchives(retentionArchiveDir)
  // Batches make the days they miss; made ahead, none waits for it at midnight.
  const days = Effect.ignore(Effect.suspend(() => ensureEventDays(postgres, upcomingDays(now()))))
  const prepare = Effect.andThen(close, days)
  return Effect.asVoid(Effect.forkScoped(Effect.andThen(prepare, Effect.schedule(once, Schedule.cron(cron)))))
}

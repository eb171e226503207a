/** When retention ran last, and when it has to run next: for the metrics, and whoever asks whether a run is overdue. */
import * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import type { AppConfig } from "../../config/settings.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

/** Unix milliseconds. */
export interface RetentionTimes {
  /** The last success of the deployment, by schedule or by command; `null` before the first. */
  readonly lastSuccess: number | null
  /** When the first run is due, or was, that has not succeeded yet. */
  readonly due: number
}

/** Notes a success. */
export const NOTE_SUCCESS = "UPDATE deployment SET retained_at = greatest(retained_at, $1)"

const SELECT = `
  SELECT extract(epoch FROM retained_at) * 1000 AS retained, extract(epoch FROM retention_since) * 1000 AS since
  FROM deployment`

/** Reads them from a deployment whose settings are stored. */
export const retentionTimes = (
  postgres: Postgres,
  config: Pick<AppConfig, "retentionCron" | "timeZone">,
): Effect.Effect<RetentionTimes, StoreError> =>
  Effect.map(postgres.query<{ retained: string | null; since: string }>("retention", SELECT), ([row]) => {
    const lastSuccess = row?.retained == null ? null : Number(row.retained)
    const after = Math.max(lastSuccess ?? 0, Number(row?.since ?? 0))
    const cron = Cron.parseUnsafe(config.retentionCron, config.timeZone)
    return { lastSuccess, due: Cron.next(cron, new Date(after)).getTime() }
  })

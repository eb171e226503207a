/** `retention`: a run by hand. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { uniquesOf } from "../aggregates/figures.ts"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import { METHOD_NAMES, type RetentionReport, runRetention } from "../events/retention/index.ts"
import type { CommandStores } from "./stores.ts"

export interface RetentionCommand {
  readonly dryRun: boolean
  readonly dropTables: boolean
  readonly retentionDays: number
}

/** Runs retention now, reporting its progress on stderr. Returns the report. */
export const retain = (
  config: AppConfig,
  { postgres, redis, metrics }: CommandStores,
  command: RetentionCommand,
  now: () => number,
) => {
  const rows = new Map<string, number>()
  return runRetention(postgres, {
    ...command,
    archiveDir: config.retentionArchiveDir,
    now: now(),
    metrics,
    calendar: new Calendar(config.timeZone),
    partitions: config.partitions,
    uniquesOf: uniquesOf({ redis, prefix: config.redisKeyPrefix, metrics }),
    onProgress: ({ day, method, rows: more }) =>
      Effect.suspend(() => {
        rows.set(day, (rows.get(day) ?? 0) + more)
        return Console.error(`${day}  ${rows.get(day)} rows, by ${METHOD_NAMES[method]}`)
      }),
  })
}

/** The report in words. */
export const describeRetention = (report: RetentionReport): string => {
  if (report.skipped) return "Retention is already running on another node; nothing was done."
  const verb = report.dryRun ? "would go" : "went"
  const lines = report.days.map(
    ({ day, method, rows }) => `${day}  ${rows} rows ${verb}, by ${METHOD_NAMES[method]}`,
  )
  const time = `, in ${report.milliseconds} ms, ${report.deletingMilliseconds} of them deleting`
  const sum = `${report.rows} events before ${report.cutoff} ${verb}${report.dryRun ? "" : time}.`
  return [...lines, sum].join("\n")
}

/** `retention`: a run by hand. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { uniquesOf } from "../aggregates/figures.ts"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import {
  METHOD_NAMES,
  type RetainedDay,
  type RetentionReport,
  runRetention,
} from "../events/retention/index.ts"
import { CommandError } from "./error.ts"
import type { CommandStores } from "./stores.ts"

export interface RetentionCommand {
  readonly dryRun: boolean
  readonly dropTables: boolean
  readonly retentionDays: number
  /** Whether events that `RETENTION_DAYS` keeps may go. */
  readonly yes: boolean
}

/** Of all sites together. */
const rowsByDay = (days: ReadonlyArray<RetainedDay>): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>()
  for (const { day, rows } of days) sums.set(day, (sums.get(day) ?? 0) + rows)
  return sums
}

/** Fails, having deleted nothing, when the run would delete what `RETENTION_DAYS` keeps and it was not told that it may. */
const requireYes = (
  { retentionDays: allowed }: AppConfig,
  { dryRun, yes, retentionDays }: RetentionCommand,
  dryRunOf: (days: number) => ReturnType<typeof runRetention>,
) =>
  Effect.gen(function* () {
    if (dryRun || yes || retentionDays >= allowed) return
    const [asked, due] = yield* Effect.all([dryRunOf(retentionDays), dryRunOf(allowed)])
    if (asked.skipped || due.skipped) return
    const [going, gone] = [rowsByDay(asked.days), rowsByDay(due.days)]
    const kept = [...going.keys()].filter((day) => (going.get(day) ?? 0) > (gone.get(day) ?? 0)).sort()
    const [earliest] = kept
    if (earliest === undefined) return
    return yield* new CommandError({
      message: `--days is ${retentionDays}, and RETENTION_DAYS is ${allowed}: ${asked.rows - due.rows} events that are to be kept would go, of ${kept.length} days from ${earliest} on. Nothing was deleted. If they shall go, add --yes.`,
    })
  })

/** Runs retention now, reporting its progress on stderr. Returns the report. */
export const retain = (
  config: AppConfig,
  { postgres, redis, metrics }: CommandStores,
  command: RetentionCommand,
  now: () => number,
) => {
  const rows = new Map<string, number>()
  const options = {
    ...command,
    partial: command.retentionDays > config.retentionDays,
    archiveDir: config.retentionArchiveDir,
    now: now(),
    metrics,
    calendar: new Calendar(config.timeZone),
    partitions: config.partitions,
    uniquesOf: uniquesOf({ redis, prefix: config.redisKeyPrefix, metrics }),
    onProgress: ({ method, rows: more, ...of }: RetainedDay) =>
      Effect.suspend(() => {
        const name = nameOf(of)
        rows.set(name, (rows.get(name) ?? 0) + more)
        return Console.error(`${name}  ${rows.get(name)} rows, by ${METHOD_NAMES[method]}`)
      }),
  }
  return Effect.andThen(
    requireYes(config, command, (retentionDays) =>
      runRetention(postgres, { ...options, retentionDays, dryRun: true }),
    ),
    runRetention(postgres, options),
  )
}

/** A day, and whose where it is of one site alone. */
const nameOf = ({ day, site }: Pick<RetainedDay, "day" | "site">): string =>
  site === undefined ? day : `${day}  ${site}`

/** The report in words. */
export const describeRetention = (report: RetentionReport): string => {
  if (report.skipped) return "Retention is already running on another node; nothing was done."
  const verb = report.dryRun ? "would go" : "went"
  const lines = report.days.map(
    ({ method, rows, ...of }) => `${nameOf(of)}  ${rows} rows ${verb}, by ${METHOD_NAMES[method]}`,
  )
  const time = `, in ${report.milliseconds} ms, ${report.deletingMilliseconds} of them deleting`
  const ofSites = report.days.some(({ site }) => site !== undefined)
  const whose = ofSites ? ", or of sites that keep theirs for fewer days," : ""
  const sum = `${report.rows} events before ${report.cutoff}${whose} ${verb}${report.dryRun ? "" : time}.`
  return [...lines, sum].join("\n")
}

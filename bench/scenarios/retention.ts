/**
 * `retention`: deletes a million expired events in cursor batches, then another million with their day table, as
 * happens every day, with the operator's command, while a node accepts events at a fixed rate. Measures how long it
 * takes, and the latency of the events.
 */
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { DAY_MS } from "../../src/domain/time.ts"
import { prepareCorpus } from "../load/corpus.ts"
import { sendAtRate } from "../load/openLoop.ts"
import { at, inWords, type Percentiles } from "../load/percentiles.ts"
import type { Report } from "../load/sender.ts"
import {
  atMost,
  byScale,
  type Context,
  check,
  checkAnswered,
  checkSent,
  type Figure,
  type Findings,
  figure,
  type Scenario,
} from "../scenario.ts"
import { loadPast, runCommand } from "../server/commands.ts"
import { DEFAULTS } from "../server/defaults.ts"
import { type BenchNode, startNode } from "../server/node.ts"
import { openStores } from "../server/stores.ts"

/** Days: the older half of the expired events is from before the second, the other half from one day before the last. */
const RETAINED = DEFAULTS.retentionDays
const MIDDLE = RETAINED + 8
const OLDEST = RETAINED + 16
const CONNECTIONS = 128
/** How long events are sent before and after, seconds. */
const MARGIN_S = 1

interface Removal {
  readonly path: "cursor" | "partition"
  readonly rows: number
  /** The time of the whole command, and of the deletion itself. */
  readonly seconds: number
  readonly deletingSeconds: number
  readonly felt: Report
}

const remove = async (
  context: Context,
  node: BenchNode,
  corpusFile: string,
  path: Removal["path"],
  days: number,
  duration: number,
  rate: number,
): Promise<Removal> => {
  const sending = sendAtRate(context, {
    port: node.port,
    connections: CONNECTIONS,
    seconds: duration,
    corpusFile,
    rate,
  })
  await sleep(MARGIN_S * 1000)
  const flags = ["retention", "--days", String(days), ...(path === "cursor" ? ["--cursor"] : [])]
  const { output } = await runCommand(context, node.dataDir, flags)
  const felt = await sending
  const report = /^(\d+) events before \S+ went, in (\d+) ms, (\d+) of them deleting\.$/m.exec(output)
  if (report === null) throw new Error(`retention said: ${output}`)
  const [rows, seconds, deletingSeconds] = [
    Number(report[1]),
    Number(report[2]) / 1000,
    Number(report[3]) / 1000,
  ]
  const removal = { path, rows, seconds, deletingSeconds, felt }
  context.say(
    `by ${path}: ${rows} events in ${seconds} s, ${deletingSeconds} s of them deleting; POST ${inWords(felt.latency)}`,
  )
  return removal
}

const p99 = (latency: Percentiles) => at(latency, 99).toFixed(1)

const figuresOf = (removal: Removal, before: Report, rate: number): ReadonlyArray<Figure> => {
  const { path, rows, seconds, deletingSeconds, felt } = removal
  const note = `${rows.toLocaleString("en-US")} events; POST p99 ${p99(felt.latency)} ms meanwhile, ${p99(before.latency)} ms before, at ${rate} events/s`
  return [
    figure(
      `1M expired events by ${path}`,
      deletingSeconds,
      "s",
      atMost(path === "cursor" ? 1.5 : 0.05),
      note,
    ),
    figure(
      `1M expired events by ${path}: the whole run`,
      seconds,
      "s",
      null,
      "unique visitors of what goes are kept first",
    ),
  ]
}

const run = async (context: Context): Promise<Findings> => {
  const expired = context.events ?? byScale(context, { full: 1_000_000, quick: 200_000, smoke: 2_000 })
  const rate = byScale(context, { full: 5_000, quick: 3_000, smoke: 200 })
  const duration = byScale(context, { full: 12, quick: 8, smoke: 4 })
  const dataDir = join(context.folder, "data")
  const span = (fromDaysAgo: number, toDaysAgo: number) => ({
    events: expired,
    fromDaysAgo,
    toDaysAgo,
    ids: false,
  })
  // A day apart, so that no event crosses the boundary in the meantime. The single day is filled from its first hour to
  // its last.
  const sinceMidnight = (Date.now() % DAY_MS) / DAY_MS
  const dayBegan = RETAINED + 3 + sinceMidnight
  await loadPast(context, dataDir, [
    span(OLDEST, MIDDLE),
    span(dayBegan - 1 / 24, dayBegan - 23 / 24),
    span(RETAINED - 1, 0),
  ])
  // Or at night it would be the node that deletes them.
  const node = await startNode(context, { dataDir, env: { RETENTION_CRON: "0 0 1 7 *" } })
  const stores = openStores(context, node)
  const { file } = prepareCorpus(context)
  const before = await sendAtRate(context, {
    port: node.port,
    connections: CONNECTIONS,
    seconds: duration / 2,
    corpusFile: file,
    rate,
  })
  const byCursor = await remove(context, node, file, "cursor", MIDDLE, duration, rate)
  // First drop the tables that the cursor has emptied.
  await runCommand(context, dataDir, ["retention", "--days", String(MIDDLE)])
  const byPartition = await remove(context, node, file, "partition", RETAINED, duration, rate)
  await stores.drained()
  const felt = [before, byCursor.felt, byPartition.felt]
  const due = felt.reduce((sum, report) => sum + report.due, 0)
  const failed = felt.reduce((sum, report) => sum + report.failed, 0)
  const unsure = felt.reduce((sum, report) => sum + report.due - report.answered, failed)
  return {
    figures: [...figuresOf(byCursor, before, rate), ...figuresOf(byPartition, before, rate)],
    checks: [
      check("expired events gone by cursor", expired, byCursor.rows),
      check("expired events gone by partition", expired, byPartition.rows),
      ...checkAnswered(context, failed),
      checkSent(
        "rows left: the live ones and those that came meanwhile",
        expired + due,
        await stores.rows(),
        unsure,
      ),
    ],
    plots: [
      {
        title: "POST to answer",
        over: "percentiles",
        unit: "ms",
        series: [
          { name: "without retention", points: before.latency.at },
          { name: "by cursor", points: byCursor.felt.latency.at },
          { name: "by partition", points: byPartition.felt.latency.at },
        ],
      },
    ],
    remarks: [],
  }
}

export const retention: Scenario = {
  name: "retention",
  title:
    "A million expired events deleted among live ones, by cursor and with their day's table, while events arrive",
  run,
}

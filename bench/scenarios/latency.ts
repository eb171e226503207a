/**
 * `latency`: how long things take while events arrive at fixed percentages of the sustained rate, with 1,000 dashboards
 * connected. Requests are due at fixed times and measured from then on, so that a stall counts for all that come during
 * it.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { API_PATH } from "../../src/domain/paths.ts"
import { machineNow } from "../load/clock.ts"
import { prepareCorpus } from "../load/corpus.ts"
import type { DashboardReport } from "../load/dashboards.ts"
import { connectDashboards, type Dashboards, sendAtRate } from "../load/openLoop.ts"
import { passEvents, type Subject } from "../load/passage.ts"
import { at, inWords, type Percentiles } from "../load/percentiles.ts"
import { type Probed, probe } from "../load/probe.ts"
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
  type Scale,
  type Scenario,
  type Series,
  seconds,
} from "../scenario.ts"
import { startNode } from "../server/node.ts"
import { openStores } from "../server/stores.ts"

const ENDPOINTS = [
  "realtime",
  "stats",
  "stats?period=month",
  "themes",
  "letters?period=week",
  "timeline",
  "heatmap",
].map((path) => `${API_PATH}/${path}`)

/** Percentages of the sustained rate; the aims are for half of it. */
const SHARES = [10, 50, 80] as const
const AIMED = 50
const GETS_PER_SECOND = 140
const CONNECTIONS = 256
/**
 * Milliseconds at the start of each rate whose frames are not counted. The live feed's budget is saved up in the pause
 * between two rates and spent at once when the next one begins, which does not happen at a continuous rate.
 */
const SETTLE_MS: Readonly<Record<Scale, number>> = { full: 1000, quick: 1000, smoke: 0 }
/** The least rate: a machine that stands still has none of which a percentage is an event. */
const LEAST_PER_SECOND = 20
/** How long the frames of the last events may take to the dashboards, milliseconds. */
const FRAMES_WITHIN_MS = 120_000
/** The lateness of the generator from which on its report mentions it, milliseconds at p99. */
const LAG_MS = 5

interface Step {
  readonly share: number
  readonly rate: number
  readonly posts: Report
  readonly gets: ReadonlyArray<Probed>
  readonly frames: DashboardReport
}

/** What dashboards have measured, once they have heard of anything. */
const measuredBy = async (dashboards: Dashboards): Promise<DashboardReport> => {
  const deadline = performance.now() + FRAMES_WITHIN_MS
  for (;;) {
    const report = await dashboards.collect()
    if (report.latency.count > 0 || performance.now() > deadline) return report
    await sleep(50)
  }
}

const step = async (
  { context, node, stores }: Subject,
  dashboards: Dashboards,
  corpusFile: string,
  share: number,
  rate: number,
): Promise<Step> => {
  const duration = seconds(context, { full: 20, quick: 6, smoke: 1 })
  const epoch = machineNow()
  dashboards.watch(epoch, SETTLE_MS[context.scale])
  await dashboards.collect()
  const sending = sendAtRate(context, {
    port: node.port,
    connections: CONNECTIONS,
    seconds: duration,
    corpusFile,
    rate,
    epoch,
  })
  const gets = await probe(node.port, ENDPOINTS, GETS_PER_SECOND, sending)
  const posts = await sending
  await stores.drained()
  const frames = await measuredBy(dashboards)
  const all = gets.at(-1)?.latency
  context.say(
    `${share} %, ${Math.round(rate)}/s: POST ${inWords(posts.latency)}; GET ${all === undefined ? "–" : inWords(all)}; frame ${inWords(frames.latency)}`,
  )
  return { share, rate, posts, gets, frames }
}

const tail = (latency: Percentiles): string =>
  `p50 ${at(latency, 50).toFixed(1)}, p99.9 ${at(latency, 99.9).toFixed(1)} ms`

const figuresOf = ({ share, rate, posts, gets, frames }: Step): ReadonlyArray<Figure> => {
  const all = gets.at(-1)
  const aim = (ms: number) => (share === AIMED ? atMost(ms) : null)
  const load = `at ${share} %, ${Math.round(rate)} events/s`
  const slowest = gets
    .slice(0, -1)
    .map(({ path, latency }) => `${path.slice(API_PATH.length + 1)} ${at(latency, 99).toFixed(1)}`)
    .join(", ")
  return [
    figure(`POST to answer, p99, ${load}`, at(posts.latency, 99), "ms", null, tail(posts.latency)),
    figure(
      `GET, p99, ${load}`,
      all === undefined ? Number.NaN : at(all.latency, 99),
      "ms",
      aim(8),
      `${all === undefined ? "" : tail(all.latency)}; p99 of each: ${slowest}`,
    ),
    figure(
      `event to dashboards, p99, ${load}`,
      at(frames.latency, 99),
      "ms",
      aim(50),
      `${tail(frames.latency)}; from when the POST was due to the frame, ${frames.latency.count} frames`,
    ),
  ]
}

const seriesOf = (steps: ReadonlyArray<Step>, of: (step: Step) => Percentiles): ReadonlyArray<Series> =>
  steps.map((each) => ({ name: `${each.share} %`, points: of(each).at }))

const NONE: Percentiles = { count: 0, max: 0, at: [] }

const lagRemarks = (steps: ReadonlyArray<Step>): ReadonlyArray<string> =>
  steps
    .filter(({ posts }) => at(posts.lag, 99) > LAG_MS || posts.answered < posts.due)
    .map(
      ({ share, posts }) =>
        `at ${share} % the load generator itself was late by ${at(posts.lag, 99).toFixed(1)} ms at p99 (${posts.answered} of ${posts.due} answered); the latencies contain that`,
    )

const run = async (context: Context): Promise<Findings> => {
  const node = await startNode(context)
  const stores = openStores(context, node)
  const subject = { context, node, stores }
  const corpus = prepareCorpus(context, { timed: true })
  const warmUp = byScale(context, { full: 20, quick: 8, smoke: 1 })
  const sustained = await passEvents(subject, corpus, warmUp, "sustained")
  const clients = byScale(context, { full: 1000, quick: 1000, smoke: 20 })
  const dashboards = await connectDashboards(context, {
    url: node.webSocketUrl,
    clients,
    slow: 0,
  })
  const rowsBefore = await stores.rows()
  const steps: Array<Step> = []
  for (const share of SHARES) {
    const rate = Math.max((sustained.perSecond * share) / 100, LEAST_PER_SECOND)
    steps.push(await step(subject, dashboards, corpus.file, share, rate))
  }
  const due = steps.reduce((sum, { posts }) => sum + posts.due, 0)
  const unsure = steps.reduce((sum, { posts }) => sum + posts.due - posts.answered + posts.failed, 0)
  return {
    figures: [
      figure(
        "sustained rate",
        sustained.perSecond,
        "events/s",
        null,
        "just before, without dashboards; see end-to-end",
      ),
      ...steps.flatMap(figuresOf),
    ],
    checks: [
      ...sustained.checks,
      ...checkAnswered(
        context,
        steps.reduce((sum, { posts, gets }) => sum + posts.failed + (gets.at(-1)?.failed ?? 0), 0),
      ),
      checkSent("rows in Postgres of what was due", due, (await stores.rows()) - rowsBefore, unsure),
      check("dashboards lost", 0, steps.at(-1)?.frames.lost ?? 0),
    ],
    plots: [
      {
        title: "POST to answer",
        over: "percentiles",
        unit: "ms",
        series: seriesOf(steps, ({ posts }) => posts.latency),
      },
      {
        title: "GET",
        over: "percentiles",
        unit: "ms",
        series: seriesOf(steps, ({ gets }) => gets.at(-1)?.latency ?? NONE),
      },
      {
        title: "Event to dashboards",
        over: "percentiles",
        unit: "ms",
        series: seriesOf(steps, ({ frames }) => frames.latency),
      },
    ],
    remarks: lagRemarks(steps),
  }
}

export const latency: Scenario = {
  name: "latency",
  title: "POST, GET and live frames at fixed rates, with 1,000 dashboards",
  run,
}

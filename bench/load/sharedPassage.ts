/** Sends events to several nodes of a deployment at once, and finds what an event has cost each part of it. */
import { type Check, type Context, checkAnswered, checkSent } from "../scenario.ts"
import { type DeployedNode, metricsOf, type SharedStores } from "../server/deployment.ts"
import { cpuSeconds } from "../server/processes.ts"
import { expectedFigures, type WrittenCorpus } from "./corpus.ts"
import { sendAtRate } from "./openLoop.ts"
import { startLoad } from "./sustained.ts"

/** Waiting events at which the load is paused and at which it resumes. */
const PAUSE_AT = 60_000
const RESUME_AT = 30_000
const LOOK_MS = 250

/** The parts of a deployment: the nodes' HTTP threads, actors' threads and other threads, and the stores. */
export const PARTS = ["http", "actors", "helpers", "redis", "postgres"] as const
export type Cost = Readonly<Record<(typeof PARTS)[number], number>>

export interface SharedPassing {
  readonly corpus: WrittenCorpus
  readonly seconds: number
  /** Of the load generator, for each node. */
  readonly connections: number
  /** Events a second for each node; `null` for as many as they can take together. */
  readonly rate: number | null
  /** For checks. */
  readonly name: string
}

export interface SharedPassage {
  readonly events: number
  /** Until nothing was waiting any more. */
  readonly seconds: number
  /** Processor time of an event, microseconds. */
  readonly cost: Cost
  /** Batches that the actors committed. */
  readonly batches: number
  /** Of Postgres' write-ahead log. */
  readonly walBytes: number
  readonly checks: ReadonlyArray<Check>
}

interface Sent {
  readonly requests: number
  readonly failed: number
}

/** What has been used and done so far: seconds of processor time by part, batches, and bytes. */
const usage = async ({ cpu, walBytes }: SharedStores, nodes: ReadonlyArray<DeployedNode>) => {
  const each = await Promise.all(
    nodes.map((node) =>
      metricsOf(node, [
        'thread_cpu_seconds_total{thread="main"}',
        'thread_cpu_seconds_total{thread="http-',
        'thread_cpu_seconds_total{thread="actors"}',
        "batch_size_count",
      ]),
    ),
  )
  const sum = (at: number) => each.reduce((total, values) => total + (values[at] ?? 0), 0)
  const [http, actors] = [sum(0) + sum(1), sum(2)]
  const all = nodes.reduce((total, { pid }) => total + cpuSeconds(pid), 0)
  return {
    seconds: { http, actors, helpers: Math.max(all - http - actors, 0), ...cpu() },
    batches: sum(3),
    walBytes: await walBytes(),
  }
}

const sendSteadily = (
  context: Context,
  nodes: ReadonlyArray<DeployedNode>,
  { corpus, ...options }: SharedPassing & { readonly rate: number },
): Promise<ReadonlyArray<Sent>> =>
  Promise.all(
    nodes.map(async ({ port }) => {
      const { answered, failed } = await sendAtRate(context, { ...options, port, corpusFile: corpus.file })
      return { requests: answered, failed }
    }),
  )

const sendAll = (
  context: Context,
  { counts }: SharedStores,
  nodes: ReadonlyArray<DeployedNode>,
  { corpus, ...options }: SharedPassing,
): Promise<ReadonlyArray<Sent>> => {
  const loads = nodes.map(({ port }) => startLoad(context, { ...options, port, corpusFile: corpus.file }))
  const watch = setInterval(async () => {
    const waiting = await counts.backlog().catch(() => 0)
    for (const each of loads) {
      if (waiting > PAUSE_AT) each.pause()
      else if (waiting < RESUME_AT) each.resume()
    }
  }, LOOK_MS)
  return Promise.all(loads.map((each) => each.ended)).finally(() => clearInterval(watch))
}

/** Loads the nodes for some seconds, waits until nothing waits, and compares the stores with what was sent. */
export const passThroughAll = async (
  context: Context,
  stores: SharedStores,
  nodes: ReadonlyArray<DeployedNode>,
  passing: SharedPassing,
): Promise<SharedPassage> => {
  const { counts } = stores
  const { corpus, name, rate } = passing
  const [rowsBefore, figuresBefore] = await Promise.all([counts.rows(), counts.figures()])
  const before = await usage(stores, nodes)
  const began = performance.now()
  const sent = await (rate === null
    ? sendAll(context, stores, nodes, passing)
    : sendSteadily(context, nodes, { ...passing, rate }))
  await counts.drained()
  const seconds = (performance.now() - began) / 1000
  const after = await usage(stores, nodes)
  const events = sent.reduce((sum, { requests }) => sum + expectedFigures(corpus, requests).events, 0)
  const failed = sent.reduce((sum, each) => sum + each.failed, 0)
  const costOf = (part: keyof Cost) => (1e6 * (after.seconds[part] - before.seconds[part])) / events
  const counted = (await counts.figures()).events - figuresBefore.events
  const rows = (await counts.rows()) - rowsBefore
  return {
    events,
    seconds,
    cost: {
      http: costOf("http"),
      actors: costOf("actors"),
      helpers: costOf("helpers"),
      redis: costOf("redis"),
      postgres: costOf("postgres"),
    },
    batches: after.batches - before.batches,
    walBytes: after.walBytes - before.walBytes,
    checks: [
      ...checkAnswered(context, failed),
      checkSent(`${name}: rows in Postgres`, events, rows, failed),
      checkSent(`${name}: events in Redis`, events, counted, failed),
    ],
  }
}

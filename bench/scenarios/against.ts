/**
 * `against`: compares the product with the straightforward alternative (bench/baseline): the same machine, the same
 * kind of stores, the same load, slice by slice in one run; then their figures after being killed repeatedly under
 * load.
 */
import { type Baseline, startBaseline } from "../baseline/start.ts"
import { runSlice } from "../load/closedLoop.ts"
import { prepareCorpus } from "../load/corpus.ts"
import { CONNECTIONS, passEvents } from "../load/passage.ts"
import { sendUntilAcknowledged } from "../load/retrying.ts"
import {
  atMost,
  byScale,
  type Check,
  type Context,
  check,
  type Findings,
  figure,
  median,
  type Scenario,
  seconds,
} from "../scenario.ts"
import { type BenchNode, startNode } from "../server/node.ts"
import { residentBytes } from "../server/processes.ts"
import { openStores, type Stores } from "../server/stores.ts"

const CLIENTS = 64

/** The outcome of an event-by-event comparison for a killed server. */
interface Aftermath {
  readonly events: number
  readonly retries: number
  readonly rows: number
  readonly counted: number
}

/** Sends events until all are acknowledged, while killing and restarting the server a number of times, evenly spaced. */
const killUnderLoad = async (
  events: number,
  kills: number,
  url: () => string,
  killAndRestart: () => Promise<void>,
  stored: () => Promise<{ readonly rows: number; readonly counted: number }>,
): Promise<Aftermath> => {
  const before = await stored()
  let killed = 0
  let killing: Promise<void> = Promise.resolve()
  const retries = await sendUntilAcknowledged({
    url,
    events,
    concurrency: CLIENTS,
    onAcknowledged: (count) => {
      if (killed === kills || count < (events * (killed + 1)) / (kills + 1)) return
      killed++
      killing = killing.then(killAndRestart)
    },
  })
  await killing
  const after = await stored()
  return { events, retries, rows: after.rows - before.rows, counted: after.counted - before.counted }
}

const killBaseline = (baseline: Baseline, events: number, kills: number): Promise<Aftermath> =>
  killUnderLoad(
    events,
    kills,
    () => `http://127.0.0.1:${baseline.port()}`,
    baseline.killAndRestart,
    async () => ({ rows: await baseline.rows(), counted: await baseline.counted() }),
  )

const killProduct = (
  context: Context,
  node: BenchNode,
  stores: Stores,
  events: number,
  kills: number,
): Promise<Aftermath> => {
  let running = node
  return killUnderLoad(
    events,
    kills,
    () => running.url,
    async () => {
      await running.kill()
      // The same folder, so that its stores, which are still running, are found again.
      running = await startNode(context, { dataDir: node.dataDir })
    },
    async () => {
      await stores.drained()
      return { rows: await stores.rows(), counted: (await stores.figures()).events }
    },
  )
}

interface Pair {
  /** Events per second, fully processed. */
  readonly product: number
  readonly baseline: number
}

const compare = async (
  context: Context,
  node: BenchNode,
  stores: Stores,
  baseline: Baseline,
): Promise<{ readonly pairs: ReadonlyArray<Pair>; readonly checks: ReadonlyArray<Check> }> => {
  const corpus = prepareCorpus(context)
  const slice = seconds(context, { full: 8, quick: 3, smoke: 1 })
  const count = byScale(context, { full: 3, quick: 2, smoke: 1 })
  const pairs: Array<Pair> = []
  const checks: Array<Check> = []
  for (let i = context.scale === "smoke" ? 1 : 0; i <= count; i++) {
    const before = await baseline.rows()
    const slow = await runSlice({
      port: baseline.port(),
      connections: CONNECTIONS,
      seconds: slice,
      corpus,
    })
    const passage = await passEvents({ context, node, stores }, corpus, slice, `product, slice ${i}`)
    context.say(`baseline: ${Math.round(slow.perSecond)} events/s${i === 0 ? " (warming up)" : ""}`)
    // A request that failed, for example with a timeout, may be a row all the same.
    const unanswered = (await baseline.rows()) - before - slow.requests - slow.failed
    checks.push(
      ...passage.checks,
      check(
        "baseline: rows without an answer, more than connections",
        0,
        Math.max(0, unanswered - CONNECTIONS * slow.slices),
      ),
    )
    if (i > 0) pairs.push({ product: passage.perSecond, baseline: slow.perSecond })
  }
  return { pairs, checks }
}

const drift = ({ events, rows, counted, retries }: Aftermath): string =>
  `${events.toLocaleString("en-US")} events acknowledged, ${retries} tries again; ${rows - events} rows too many, ${counted - events} counted too many`

const run = async (context: Context): Promise<Findings> => {
  const node = await startNode(context)
  const stores = openStores(context, node)
  const baseline = await startBaseline(context)
  const { pairs, checks } = await compare(context, node, stores, baseline)
  const memory = { product: residentBytes(node.pid) / 1e6, baseline: residentBytes(baseline.pid()) / 1e6 }
  const events = byScale(context, { full: 20_000, quick: 8_000, smoke: 1_500 })
  const kills = byScale(context, { full: 5, quick: 3, smoke: 1 })
  const plain = await killBaseline(baseline, events, kills)
  context.say(`baseline killed: ${drift(plain)}`)
  const kept = await killProduct(context, node, stores, events, kills)
  context.say(`product killed: ${drift(kept)}`)
  const product = median(pairs.map((pair) => pair.product))
  const slow = median(pairs.map((pair) => pair.baseline))
  return {
    figures: [
      figure(
        "baseline: events stored, counted and sent on",
        slow,
        "events/s",
        null,
        `${memory.baseline.toFixed(0)} MB resident after the load`,
      ),
      figure(
        "product: the same, nothing waiting",
        product,
        "events/s",
        null,
        `${memory.product.toFixed(0)} MB resident after the load`,
      ),
      figure("product, of the baseline's rate", product / slow, "×"),
      figure(
        `baseline, killed ${kills} times: figures off by`,
        Math.abs(plain.counted - plain.events),
        "events",
        null,
        drift(plain),
      ),
      figure(
        `product, killed ${kills} times: figures off by`,
        Math.abs(kept.counted - kept.events),
        "events",
        atMost(0),
        drift(kept),
      ),
    ],
    checks: [
      ...checks,
      check("product, killed under load: rows", kept.events, kept.rows),
      check("product, killed under load: events in Redis", kept.events, kept.counted),
    ],
    plots: [],
    remarks: [],
  }
}

export const against: Scenario = {
  name: "against",
  title: "The straightforward alternative, same load, and what a kill does to either",
  run,
}

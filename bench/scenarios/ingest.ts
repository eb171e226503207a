/**
 * `ingest`: how fast events become durable, compared with a bare uWebSockets.js server that only parses the same JSON.
 * They take turns in short slices of one run, so that whatever else the machine does affects both; the ratio counts. It
 * is measured once with a node that also processes events, and once with one that only accepts them (`ROLES=http`).
 */
import { join } from "node:path"
import { aimBesideBare, besideBareRemarks, runSlice, type Slice } from "../load/closedLoop.ts"
import { prepareCorpus } from "../load/corpus.ts"
import { CONNECTIONS } from "../load/passage.ts"
import {
  byScale,
  type Context,
  check,
  checkAnswered,
  checkSent,
  type Figure,
  type Findings,
  figure,
  median,
  type Scenario,
  seconds,
} from "../scenario.ts"
import { startBare } from "../server/child.ts"
import { startNode } from "../server/node.ts"
import { openStores, type Stores } from "../server/stores.ts"

/** Unprocessed events that the accepting node's streams may hold: more than arrive in a slice. */
const ACCEPTED = 20_000_000
/** Connections for batches: a request has hundreds of events, so fewer are in flight at a time. */
const BATCH_CONNECTIONS = 16

interface Subject {
  readonly context: Context
  readonly productPort: number
  readonly barePort: number
  readonly stores: Stores
  /** Whether accepted events are processed as well. */
  readonly processes: boolean
}

interface Pair {
  readonly product: Slice
  readonly bare: Slice
  /** Events waiting after the product's slice. */
  readonly backlog: number
}

const comparePairs = async (
  subject: Subject,
  perRequest: number,
  pairs: number,
  slice: number,
): Promise<ReadonlyArray<Pair>> => {
  const { context, productPort, barePort, stores, processes } = subject
  const corpus = prepareCorpus(context, perRequest === 1 ? {} : { events: 20 * perRequest, perRequest })
  const connections = perRequest === 1 ? CONNECTIONS : BATCH_CONNECTIONS
  const load = (port: number) => runSlice({ port, connections, seconds: slice, corpus })
  const measured: Array<Pair> = []
  // The first pair is a warm-up and not counted, except in a smoke run.
  for (let i = context.scale === "smoke" ? 1 : 0; i <= pairs; i++) {
    const bare = await load(barePort)
    const product = await load(productPort)
    const backlog = await stores.backlog()
    await (processes ? stores.drained() : stores.emptied())
    const pair = { product, bare, backlog }
    context.say(
      `${perRequest} a request: ${Math.round(product.perSecond)}/s, bare ${Math.round(bare.perSecond)}/s, ` +
        `${backlog} waited${i === 0 ? " (warming up)" : ""}`,
    )
    if (i > 0) measured.push(pair)
  }
  return measured
}

const ratioOf = (pairs: ReadonlyArray<Pair>): number =>
  (100 * median(pairs.map(({ product }) => product.perSecond))) /
  median(pairs.map(({ bare }) => bare.perSecond))

/** Starts a node that only appends, and compares it with the bare server. */
const compareAccepting = async (
  context: Context,
  barePort: number,
  pairs: number,
  slice: number,
): Promise<ReadonlyArray<Pair>> => {
  const node = await startNode(context, {
    dataDir: join(context.folder, "accepting"),
    env: { ROLES: "http", MAX_BACKLOG: String(ACCEPTED) },
  })
  const stores = openStores(context, node)
  context.say("a node that only accepts")
  const measured = await comparePairs(
    { context, productPort: node.port, barePort, stores, processes: false },
    1,
    pairs,
    slice,
  )
  await node.stop()
  return measured
}

const figuresOf = (what: string, perRequest: number, pairs: ReadonlyArray<Pair>): ReadonlyArray<Figure> => {
  const perSecond = (side: "product" | "bare") =>
    perRequest * median(pairs.map((pair) => pair[side].perSecond))
  const growth = median(pairs.map(({ product, backlog }) => backlog / product.seconds))
  const note = `${pairs[0]?.product.generator}; backlog grew by ${Math.round(growth)} events/s meanwhile`
  return [
    figure(`${what}: durable`, perSecond("product"), "events/s", null, note),
    figure(`${what}: bare server`, perSecond("bare"), "events/s"),
    figure(
      `${what}: durable, part of the bare server's`,
      ratioOf(pairs),
      "%",
      perRequest === 1 ? aimBesideBare(60) : null,
    ),
  ]
}

const run = async (context: Context): Promise<Findings> => {
  const node = await startNode(context)
  const stores = openStores(context, node)
  const bare = await startBare(context)
  const subject = { context, productPort: node.port, barePort: bare.port, stores, processes: true }
  const pairs = byScale(context, { full: 5, quick: 3, smoke: 1 })
  const slice = seconds(context, { full: 5, quick: 2, smoke: 1 })

  const single = await comparePairs(subject, 1, pairs, slice)
  const batchPairs = Math.min(pairs, 3)
  const hundred = await comparePairs(subject, 100, batchPairs, slice)
  const thousand = await comparePairs(subject, 1000, batchPairs, slice)
  const { rows, figures } = await stores.settled()
  const { events } = figures
  await node.stop()
  const accepting = await compareAccepting(context, bare.port, batchPairs, slice)
  const all = [...single, ...hundred, ...thousand, ...accepting]
  return {
    figures: [
      ...figuresOf("single POSTs", 1, single),
      ...figuresOf("single POSTs, only accepting", 1, accepting),
      ...figuresOf("POSTs of 100", 100, hundred),
      ...figuresOf("POSTs of 1,000", 1000, thousand),
    ],
    checks: [
      ...checkAnswered(
        context,
        all.reduce((sum, { product, bare }) => sum + product.failed + bare.failed, 0),
      ),
      check("rows in Postgres, of the events in Redis' figures", events, rows),
      ...accepting.map(({ product, backlog }, i) =>
        // Events whose answers came after the time was over are in the stream, too.
        checkSent(
          `events in the streams, of those acknowledged in slice ${i + 1}`,
          product.requests,
          Math.min(backlog, product.requests),
          product.failed,
        ),
      ),
    ],
    plots: [
      {
        title: "Single POSTs, slice by slice",
        over: "time",
        unit: "requests/s",
        series: (["product", "bare"] as const).map((side) => ({
          name: side === "product" ? "durable" : "bare server",
          points: single.map((pair, i) => [i * 2 * slice, pair[side].perSecond] as const),
        })),
      },
    ],
    remarks: besideBareRemarks(),
  }
}

export const ingest: Scenario = {
  name: "ingest",
  title: "Events made durable, beside a bare uWebSockets.js server that parses the same JSON",
  run,
}

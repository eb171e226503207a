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
  type Aim,
  atLeast,
  atMost,
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
/** What most senders look like. */
const FEW_CONNECTIONS = 64
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

/** What is sent, and over how many connections at a time. */
interface Sending {
  readonly perRequest: number
  readonly connections: number
}

const SINGLE: Sending = { perRequest: 1, connections: CONNECTIONS }
const SINGLE_OVER_FEW: Sending = { perRequest: 1, connections: FEW_CONNECTIONS }
const HUNDREDS: Sending = { perRequest: 100, connections: BATCH_CONNECTIONS }
const THOUSANDS: Sending = { perRequest: 1000, connections: BATCH_CONNECTIONS }

interface Pair {
  readonly product: Slice
  readonly bare: Slice
  /** Events waiting after the product's slice. */
  readonly backlog: number
}

const comparePairs = async (
  subject: Subject,
  { perRequest, connections }: Sending,
  pairs: number,
  slice: number,
): Promise<ReadonlyArray<Pair>> => {
  const { context, productPort, barePort, stores, processes } = subject
  const corpus = prepareCorpus(context, perRequest === 1 ? {} : { events: 20 * perRequest, perRequest })
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
      `${perRequest} a request, ${connections} connections: ${Math.round(product.perSecond)}/s, bare ${Math.round(bare.perSecond)}/s, ` +
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
    SINGLE,
    pairs,
    slice,
  )
  await node.stop()
  return measured
}

/** Events a second, of several pairs. */
const eventsPerSecond = (
  { perRequest }: Sending,
  pairs: ReadonlyArray<Pair>,
  side: "product" | "bare" = "product",
): number => perRequest * median(pairs.map((pair) => pair[side].perSecond))

const figuresOf = (
  what: string,
  sending: Sending,
  pairs: ReadonlyArray<Pair>,
  aim: Aim | null,
): ReadonlyArray<Figure> => {
  const growth = median(pairs.map(({ product, backlog }) => backlog / product.seconds))
  const note = `${pairs[0]?.product.generator}; backlog grew by ${Math.round(growth)} events/s meanwhile`
  return [
    figure(`${what}: durable`, eventsPerSecond(sending, pairs), "events/s", null, note),
    figure(`${what}: bare server`, eventsPerSecond(sending, pairs, "bare"), "events/s"),
    figure(`${what}: durable, part of the bare server's`, ratioOf(pairs), "%", aim),
  ]
}

const run = async (context: Context): Promise<Findings> => {
  const node = await startNode(context)
  const stores = openStores(context, node)
  const bare = await startBare(context)
  const subject = { context, productPort: node.port, barePort: bare.port, stores, processes: true }
  const pairs = byScale(context, { full: 5, quick: 3, smoke: 1 })
  const slice = seconds(context, { full: 5, quick: 2, smoke: 1 })

  const single = await comparePairs(subject, SINGLE, pairs, slice)
  const few = await comparePairs(subject, SINGLE_OVER_FEW, pairs, slice)
  const batchPairs = Math.min(pairs, 3)
  const hundred = await comparePairs(subject, HUNDREDS, batchPairs, slice)
  const thousand = await comparePairs(subject, THOUSANDS, batchPairs, slice)
  const { rows, figures } = await stores.settled()
  const { events } = figures
  await node.stop()
  const accepting = await compareAccepting(context, bare.port, batchPairs, slice)
  const all = [...single, ...few, ...hundred, ...thousand, ...accepting]
  return {
    figures: [
      ...figuresOf("single POSTs", SINGLE, single, aimBesideBare(45)),
      ...figuresOf("single POSTs over 64 connections", SINGLE_OVER_FEW, few, aimBesideBare(30)),
      figure(
        "single POSTs over 64 connections: p50",
        median(few.map(({ product }) => product.p50)),
        "ms",
        atMost(1.5),
      ),
      ...figuresOf("single POSTs, only accepting", SINGLE, accepting, null),
      ...figuresOf("POSTs of 100", HUNDREDS, hundred, null),
      figure(
        "POSTs of 100: events, of those of single POSTs",
        eventsPerSecond(HUNDREDS, hundred) / eventsPerSecond(SINGLE, single),
        "×",
        atLeast(3),
      ),
      ...figuresOf("POSTs of 1,000", THOUSANDS, thousand, null),
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

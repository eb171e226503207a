/**
 * `scale`: what an event costs as a deployment grows, by nodes and by HTTP threads, on one Redis and on a cluster. Each shape first
 * takes what it can: where all share the same cores, that rate does not grow. Then every HTTP thread gets the same number of events a
 * second, as more senders would bring more nodes the same; at that rate the processor time an event is compared, which must not grow.
 */
import { prepareCorpus, type WrittenCorpus } from "../load/corpus.ts"
import { type Cost, PARTS, passThroughAll, type SharedPassage } from "../load/sharedPassage.ts"
import {
  atMost,
  byScale,
  type Check,
  type Context,
  type Figure,
  type Findings,
  figure,
  median,
  type Scale,
  type Scenario,
  seconds,
} from "../scenario.ts"
import {
  REDIS_KINDS,
  type RedisKind,
  type SharedPostgres,
  startNodes,
  startPostgres,
  startStores,
} from "../server/deployment.ts"

/** Connections of the load generator for each HTTP thread. */
const CONNECTIONS = 128

/** How many nodes, with how many HTTP threads each. */
type Shape = readonly [nodes: number, threads: number]

/** One node comes first and last, so that what the machine does otherwise can be told from what the shape does. */
const SHAPES: Readonly<Record<Scale, Readonly<Record<RedisKind, ReadonlyArray<Shape>>>>> = {
  full: {
    "one Redis": [
      [1, 1],
      [2, 1],
      [4, 1],
      [1, 2],
      [2, 2],
      [1, 1],
    ],
    "a cluster": [
      [1, 1],
      [2, 1],
      [4, 1],
      [1, 2],
      [1, 1],
    ],
  },
  quick: {
    "one Redis": [
      [1, 1],
      [4, 1],
      [1, 2],
      [1, 1],
    ],
    "a cluster": [
      [1, 1],
      [4, 1],
    ],
  },
  smoke: { "one Redis": [[2, 2]], "a cluster": [[1, 1]] },
}

/** A shape at full speed, and at the same rate for each of its threads. */
interface Pair {
  readonly shape: Shape
  readonly full: SharedPassage
  readonly steady: SharedPassage
}

const totalOf = (cost: Cost): number => PARTS.reduce((sum, part) => sum + cost[part], 0)

const inWords = (cost: Cost): string => PARTS.map((part) => `${part} ${cost[part].toFixed(1)}`).join(", ")

const nameOf = ([nodes, threads]: Shape): string =>
  `${nodes} node${nodes === 1 ? "" : "s"} of ${threads} thread${threads === 1 ? "" : "s"}`

const measureOn = async (
  context: Context,
  kind: RedisKind,
  postgres: SharedPostgres,
  corpus: WrittenCorpus,
): Promise<ReadonlyArray<Pair>> => {
  const stores = await startStores(context, kind, postgres)
  const duration = seconds(context, { full: 8, quick: 4, smoke: 1 })
  // Of each thread; all together less than two cores can take.
  const rate = byScale(context, { full: 2000, quick: 2000, smoke: 100 })
  const pairs: Array<Pair> = []
  for (const shape of SHAPES[context.scale][kind]) {
    const [count, threads] = shape
    const name = `${kind}, ${nameOf(shape)}`
    const nodes = await startNodes(context, stores, count, threads)
    const passing = { corpus, seconds: duration, connections: CONNECTIONS * threads, name }
    // At full speed first: what has just started is compiled while it works.
    const full = await passThroughAll(context, stores, nodes, { ...passing, rate: null })
    const steady = await passThroughAll(context, stores, nodes, { ...passing, rate: rate * threads })
    const cost = `${totalOf(steady.cost).toFixed(1)} µs an event (${inWords(steady.cost)})`
    context.say(`${name}: ${Math.round(full.events / full.seconds)}/s; at a steady rate ${cost}`)
    pairs.push({ shape, full, steady })
    await Promise.all(nodes.map((node) => node.stop()))
  }
  return pairs
}

/** What one node on one Redis shows of each part at full speed. */
const partsOf = (pairs: ReadonlyArray<Pair>): ReadonlyArray<Figure> => {
  const middle = (of: (full: SharedPassage) => number) => median(pairs.map(({ full }) => of(full)))
  const each = (part: keyof Cost) => middle(({ cost }) => cost[part])
  return [
    figure("an event at full speed: HTTP thread", each("http"), "µs"),
    figure("an event at full speed: actors' thread", each("actors"), "µs"),
    figure("an event at full speed: V8's helpers", each("helpers"), "µs"),
    figure("an event at full speed: Redis", each("redis"), "µs"),
    figure("an event at full speed: Postgres", each("postgres"), "µs"),
    figure(
      "an event at full speed: write-ahead log",
      middle(({ walBytes, events }) => walBytes / events),
      "bytes",
    ),
    figure(
      "events a batch at full speed",
      middle(({ events, batches }) => events / Math.max(batches, 1)),
      "events",
    ),
  ]
}

/** The measurements of each shape, in the order in which shapes came. */
const byShape = (pairs: ReadonlyArray<Pair>): ReadonlyArray<ReadonlyArray<Pair>> => [
  ...Map.groupBy(pairs, ({ shape }) => nameOf(shape)).values(),
]

const costOf = (pairs: ReadonlyArray<Pair>): number => median(pairs.map(({ steady }) => totalOf(steady.cost)))

const figuresOf = (kind: RedisKind, pairs: ReadonlyArray<Pair>): ReadonlyArray<Figure> => {
  const [single = [], ...others] = byShape(pairs)
  const figuresOfShape = (each: ReadonlyArray<Pair>): ReadonlyArray<Figure> => {
    const name = `${kind}, ${each[0] === undefined ? "" : nameOf(each[0].shape)}`
    const parts = each.map(({ steady }) => inWords(steady.cost)).join("; again ")
    const rate = median(each.map(({ full }) => full.events / full.seconds))
    return [
      figure(`${name}: rate`, rate, "events/s"),
      figure(`${name}: processor time an event`, costOf(each), "µs", null, parts),
    ]
  }
  return [
    ...figuresOfShape(single),
    ...others.flatMap((each) => [
      ...figuresOfShape(each),
      figure(
        `${kind}, ${each[0] === undefined ? "" : nameOf(each[0].shape)}: of one node's time an event`,
        (100 * costOf(each)) / costOf(single),
        "%",
        atMost(110),
      ),
    ]),
  ]
}

const run = async (context: Context): Promise<Findings> => {
  const corpus = prepareCorpus(context)
  const postgres = await startPostgres(context)
  const figures: Array<Figure> = []
  const checks: Array<Check> = []
  for (const kind of REDIS_KINDS) {
    const pairs = await measureOn(context, kind, postgres, corpus)
    if (kind === "one Redis") figures.push(...partsOf(byShape(pairs)[0] ?? []))
    figures.push(...figuresOf(kind, pairs))
    checks.push(...pairs.flatMap(({ full, steady }) => [...full.checks, ...steady.checks]))
  }
  return {
    figures,
    checks,
    plots: [],
    remarks: [
      "nodes, stores and load generator share this machine's cores, so the rate is what they do together and does not grow; the time an event is that of nodes and stores, without the load generator's, at the same steady rate for each HTTP thread",
    ],
  }
}

export const scale: Scenario = {
  name: "scale",
  title: "What an event costs with several nodes and HTTP threads, on one Redis and on a cluster",
  run,
}

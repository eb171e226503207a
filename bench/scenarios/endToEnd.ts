/**
 * `end-to-end`: realistic events, singly, for minutes, from the POST until they are rows in Postgres and figures in Redis.
 * The rate is all events by all the time, the emptying of the backlog at the end included.
 */
import { join } from "node:path"
import { runSlice } from "../load/closedLoop.ts"
import { type Corpus, expectedFigures, makeCorpus, writeCorpus } from "../load/corpus.ts"
import { type Sent, startLoad } from "../load/sustained.ts"
import {
  atLeast,
  byScale,
  type Check,
  type Context,
  check,
  type Figure,
  type Findings,
  figure,
  median,
  type Plot,
  type Scenario,
  seconds,
} from "../scenario.ts"
import { startBare } from "../server/child.ts"
import { type BenchNode, startNode } from "../server/node.ts"
import { PARTS, peak, rateOf, type Sample, seriesOf, startSampler } from "../server/sampler.ts"
import { openStores, type Stores } from "../server/stores.ts"

const CONNECTIONS = 128
/** Waiting events at which the load is paused, and at which it goes on: a second's work or two. */
const PAUSE_AT = 60_000
const RESUME_AT = 30_000

interface Subject {
  readonly context: Context
  readonly node: BenchNode
  readonly stores: Stores
  readonly barePort: number
}

interface Passage {
  readonly sent: Sent
  readonly events: number
  readonly seconds: number
  readonly samples: ReadonlyArray<Sample>
  readonly checks: ReadonlyArray<Check>
}

/** Loads the node and waits until all is processed. */
const pass = async (subject: Subject, corpus: Corpus, corpusFile: string, name: string): Promise<Passage> => {
  const { context, node, stores } = subject
  const duration = seconds(context, { full: 90, quick: 15, smoke: 3 })
  const rowsBefore = await stores.rows()
  const before = await stores.figures()
  const began = performance.now()
  const load = startLoad(context, {
    port: node.port,
    connections: CONNECTIONS,
    seconds: duration,
    corpusFile,
  })
  let said = 0
  const sampler = startSampler(node, stores, ({ at, backlog, counted }) => {
    if (backlog > PAUSE_AT) load.pause()
    else if (backlog < RESUME_AT) load.resume()
    if (at - said < 5) return
    said = at
    context.say(`${name}: ${counted - before.events} counted, ${backlog} wait`)
  })
  await Promise.race([load.spent, load.ended])
  await stores.drained()
  const elapsed = (performance.now() - began) / 1000
  const sent = await load.ended
  await stores.drained()
  await sampler.stop()
  const after = await stores.figures()
  const expected = expectedFigures(corpus, sent.requests)
  const rows = (await stores.rows()) - rowsBefore
  return {
    sent,
    events: expected.events,
    seconds: elapsed,
    samples: sampler.samples,
    checks: [
      check(`${name}: requests that failed`, 0, sent.failed),
      check(`${name}: rows in Postgres`, expected.events, rows),
      check(`${name}: events in Redis`, expected.events, after.events - before.events),
      check(`${name}: page views in Redis`, expected.pageViews, after.pageViews - before.pageViews),
      check(`${name}: letters in Redis`, expected.letters, after.letters - before.letters),
    ],
  }
}

const figuresOf = (name: string, passage: Passage, bareRate: number): ReadonlyArray<Figure> => {
  const { samples, sent } = passage
  const rate = passage.events / passage.seconds
  const cpu = (part: (typeof PARTS)[number]) =>
    ((samples.at(-1)?.cpu[part] ?? 0) - (samples[0]?.cpu[part] ?? 0)) / passage.seconds
  const cores = PARTS.map((part) => `${part} ${cpu(part).toFixed(2)}`).join(", ")
  return [
    figure(
      `${name}: in Postgres and Redis`,
      rate,
      "events/s",
      null,
      `${passage.events} events in ${passage.seconds.toFixed(0)} s by ${sent.generator}; cores used: ${cores}`,
    ),
    figure(`${name}: part of the bare server's rate`, (100 * rate) / bareRate, "%", atLeast(30)),
    figure(
      `${name}: most that waited`,
      peak(samples, ({ backlog }) => backlog),
      "events",
    ),
    figure(
      `${name}: node's memory, most`,
      peak(samples, ({ memory }) => memory.node),
      "MB",
    ),
  ]
}

const plotsOf = (name: string, { samples }: Passage): ReadonlyArray<Plot> => [
  {
    title: `${name}: throughput`,
    over: "time",
    unit: "events/s",
    series: [rateOf("counted", samples, ({ counted }) => counted)],
  },
  {
    title: `${name}: backlog`,
    over: "time",
    unit: "events",
    series: [seriesOf("waiting", samples, ({ backlog }) => backlog)],
  },
  {
    title: `${name}: memory`,
    over: "time",
    unit: "MB",
    series: PARTS.map((part) => seriesOf(part, samples, ({ memory }) => memory[part])),
  },
]

const MIXES = [
  { name: "without ids", ids: false },
  { name: "with ids", ids: true },
] as const

const run = async (context: Context): Promise<Findings> => {
  const node = await startNode(context)
  const stores = openStores(context, node)
  const bare = await startBare(context)
  const subject = { context, node, stores, barePort: bare.port }
  const slice = byScale(context, { full: 5, quick: 2, smoke: 1 })
  const bareRates: Array<number> = []
  const corpora = MIXES.map((mix) => {
    const corpus = makeCorpus({
      events: byScale(context, { full: 50_000, quick: 20_000, smoke: 2_000 }),
      ids: mix.ids,
      perRequest: 1,
    })
    const corpusFile = join(context.folder, `corpus-${mix.ids}`)
    writeCorpus(corpusFile, corpus)
    return { ...mix, corpus, corpusFile }
  })
  const measureBare = async ({ corpus, corpusFile }: (typeof corpora)[number]) => {
    const { perSecond } = await runSlice({
      port: bare.port,
      connections: CONNECTIONS,
      seconds: slice,
      corpus,
      corpusFile,
    })
    context.say(`bare server: ${Math.round(perSecond)}/s`)
    bareRates.push(perSecond)
  }
  const passages: Array<{ readonly name: string; readonly passage: Passage }> = []
  for (const each of corpora) {
    await measureBare(each)
    passages.push({ name: each.name, passage: await pass(subject, each.corpus, each.corpusFile, each.name) })
    await measureBare(each)
  }
  const bareRate = median(bareRates)
  return {
    figures: [
      ...passages.flatMap(({ name, passage }) => figuresOf(name, passage, bareRate)),
      figure("bare server", bareRate, "events/s", null, "before and after, the same requests"),
    ],
    checks: passages.flatMap(({ passage }) => passage.checks),
    plots: passages.flatMap(({ name, passage }) => plotsOf(name, passage)),
    remarks: [],
  }
}

export const endToEnd: Scenario = {
  name: "end-to-end",
  title:
    "Realistic events from the POST to rows in Postgres and figures in Redis, nothing waiting at the end",
  run,
}

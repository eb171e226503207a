/**
 * `end-to-end`: realistic events, sent one by one for minutes, from the POST until they are rows in Postgres and
 * figures in Redis. The rate is all events divided by the whole time, including the time to empty the backlog at the
 * end.
 */
import { aimBesideBare, besideBareRemarks, runSlice } from "../load/closedLoop.ts"
import { prepareCorpus, type WrittenCorpus } from "../load/corpus.ts"
import { CONNECTIONS, type Passage, passEvents } from "../load/passage.ts"
import {
  byScale,
  type Context,
  type Figure,
  type Findings,
  figure,
  median,
  type Plot,
  type Scenario,
  seconds,
} from "../scenario.ts"
import { startBare } from "../server/child.ts"
import { startNode } from "../server/node.ts"
import { coresUsed, inParts, peak, rateOf, seriesByPart, seriesOf } from "../server/sampler.ts"
import { openStores } from "../server/stores.ts"

const figuresOf = (name: string, passage: Passage, bareRate: number, aim: number): ReadonlyArray<Figure> => {
  const { samples, sent } = passage
  const rate = passage.perSecond
  const cores = inParts(coresUsed(samples, passage.seconds), 2)
  return [
    figure(
      `${name}: in Postgres and Redis`,
      rate,
      "events/s",
      null,
      `${passage.events} events in ${passage.seconds.toFixed(0)} s by ${sent.generator}; cores used: ${cores}`,
    ),
    figure(`${name}: part of the bare server's rate`, (100 * rate) / bareRate, "%", aimBesideBare(aim)),
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
    series: seriesByPart(samples, ({ memory }) => memory),
  },
]

const MIXES = [
  { name: "without ids", ids: false, aim: 50 },
  { name: "with ids", ids: true, aim: 42 },
] as const

const run = async (context: Context): Promise<Findings> => {
  const node = await startNode(context)
  const stores = openStores(context, node)
  const bare = await startBare(context)
  const subject = { context, node, stores }
  const duration = seconds(context, { full: 90, quick: 15, smoke: 3 })
  const slice = byScale(context, { full: 5, quick: 2, smoke: 1 })
  const bareRates: Array<number> = []
  const events = byScale(context, { full: 50_000, quick: 20_000, smoke: 2_000 })
  const corpora = MIXES.map(({ ids, ...mix }) => ({
    ...mix,
    corpus: prepareCorpus(context, { events, ids }),
  }))
  const measureBare = async (corpus: WrittenCorpus) => {
    const { perSecond } = await runSlice({
      port: bare.port,
      connections: CONNECTIONS,
      seconds: slice,
      corpus,
    })
    context.say(`bare server: ${Math.round(perSecond)}/s`)
    bareRates.push(perSecond)
  }
  const passages: Array<{ readonly name: string; readonly aim: number; readonly passage: Passage }> = []
  for (const { name, aim, corpus } of corpora) {
    await measureBare(corpus)
    passages.push({ name, aim, passage: await passEvents(subject, corpus, duration, name) })
    await measureBare(corpus)
  }
  const bareRate = median(bareRates)
  return {
    figures: [
      ...passages.flatMap(({ name, aim, passage }) => figuresOf(name, passage, bareRate, aim)),
      figure("bare server", bareRate, "events/s", null, "before and after, the same requests"),
    ],
    checks: passages.flatMap(({ passage }) => passage.checks),
    plots: passages.flatMap(({ name, passage }) => plotsOf(name, passage)),
    remarks: besideBareRemarks(),
  }
}

export const endToEnd: Scenario = {
  name: "end-to-end",
  title:
    "Realistic events from the POST to rows in Postgres and figures in Redis, nothing waiting at the end",
  run,
}

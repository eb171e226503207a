/**
 * `end-to-end`: realistic events, singly, for minutes, from the POST until they are rows in Postgres and figures in Redis.
 * The rate is all events by all the time, the emptying of the backlog at the end included.
 */
import { join } from "node:path"
import { aimBesideBare, besideBareRemarks, runSlice } from "../load/closedLoop.ts"
import { makeCorpus, writeCorpus } from "../load/corpus.ts"
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
import { PARTS, peak, rateOf, seriesOf } from "../server/sampler.ts"
import { openStores } from "../server/stores.ts"

const figuresOf = (name: string, passage: Passage, bareRate: number): ReadonlyArray<Figure> => {
  const { samples, sent } = passage
  const rate = passage.perSecond
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
    figure(`${name}: part of the bare server's rate`, (100 * rate) / bareRate, "%", aimBesideBare(30)),
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
  const subject = { context, node, stores }
  const duration = seconds(context, { full: 90, quick: 15, smoke: 3 })
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
    passages.push({
      name: each.name,
      passage: await passEvents(subject, each.corpus, each.corpusFile, duration, each.name),
    })
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
    remarks: besideBareRemarks(),
  }
}

export const endToEnd: Scenario = {
  name: "end-to-end",
  title:
    "Realistic events from the POST to rows in Postgres and figures in Redis, nothing waiting at the end",
  run,
}

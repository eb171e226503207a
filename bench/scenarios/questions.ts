/**
 * Part of `queries`: `POST /query`. **Cold** is the first question after the start of the node: it starts the engine, which makes a file of
 * each day. The first by a dimension makes its rollup. Warm ones differ from each other, because equal ones are answered once.
 */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { API_PATH } from "../../src/domain/paths.ts"
import { prepareCorpus } from "../load/corpus.ts"
import { sendAtRate } from "../load/openLoop.ts"
import { at, percentilesOfValues } from "../load/percentiles.ts"
import { dropPlainRows, fillPlainRows, type PLAIN, plainTime } from "../load/plainRows.ts"
import { atMost, byScale, type Context, type Figure, figure, median, seconds } from "../scenario.ts"
import type { BenchNode } from "../server/node.ts"
import type { Stores } from "../server/stores.ts"

const DASHBOARDS = 1000
const PEOPLE = 20
/** While people ask, events arrive in batches of a hundred. */
const EVENTS_PER_SECOND = 10_000
const PER_REQUEST = 100
const CONNECTIONS = 16

const METRICS = ["visitors", "visits", "page_views", "bounce_rate", "visit_duration", "events"] as const
const DIMENSIONS = ["page", "source", "browser", "country", "device", "entry_page", "time:day", "os"] as const
const COUNTRIES = ["FR", "DE", "US", "GB", "JP"] as const
const DEVICES = ["desktop", "mobile"] as const

const of = <A>(list: ReadonlyArray<A>, n: number): A => {
  const found = list[n % list.length]
  if (found === undefined) throw new Error("an empty list")
  return found
}

/** Any metric, by any one dimension. */
const unfiltered = (n: number) => ({
  metrics: [of(METRICS, n)],
  dimensions: n % 9 === 0 ? [] : [of(DIMENSIONS, n >> 1)],
  date_range: "91d",
  limit: 100 + n,
})

const filtered = (days: "30d" | "91d") => (n: number) => ({
  ...{ metrics: [of(METRICS, n)], dimensions: [of(DIMENSIONS, n >> 1)], date_range: days, limit: 100 + n },
  filters: [
    ["is", "country", [of(COUNTRIES, n)]],
    ["is", "device", [of(DEVICES, n)]],
  ],
})

const funnel = (n: number) => ({
  steps: [
    ["is", "page", ["/"]],
    ["is", "page", ["/cv"]],
    ["is", "event", ["letter_generate"]],
  ],
  ...{ within: `${7 + n} days`, date_range: "91d" },
})

const post = (node: BenchNode, body: object, path: string): Promise<Response> =>
  fetch(`${node.url}${API_PATH}/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  })

/** Milliseconds until the answer of a question; while its files are made, it may have to be asked again. */
const ask = async (node: BenchNode, body: object, path = "query"): Promise<number> => {
  const began = performance.now()
  let response = await post(node, body, path)
  while (response.status === 408) {
    await response.text()
    response = await post(node, body, path)
  }
  const text = await response.text()
  if (response.status !== 200)
    throw new Error(`${path} was answered ${response.status} ${text.slice(0, 200)}`)
  return performance.now() - began
}

const askEach = async (
  times: number,
  question: (n: number) => Promise<number>,
): Promise<ReadonlyArray<number>> => {
  const found: Array<number> = []
  for (let n = 1; n <= times; n++) found.push(await question(n))
  return found
}

const inWords = (times: ReadonlyArray<number>): string => {
  const percentiles = percentilesOfValues(times)
  return `p50 ${at(percentiles, 50).toFixed(0)}, p99 ${at(percentiles, 99).toFixed(0)} ms of ${times.length}`
}

const p95 = (times: ReadonlyArray<number>) => at(percentilesOfValues(times), 95)

/** Each of {@link PEOPLE} asks something else, one question after another, while events arrive. */
const underLoad = async (context: Context, node: BenchNode): Promise<Figure> => {
  const corpus = prepareCorpus(context, { perRequest: PER_REQUEST, ids: true })
  const duration = seconds(context, { full: 20, quick: 8, smoke: 1 })
  const sending = sendAtRate(context, {
    ...{ port: node.port, connections: CONNECTIONS, seconds: duration, corpusFile: corpus.file },
    rate: EVENTS_PER_SECOND / PER_REQUEST,
  })
  const until = performance.now() + duration * 1000
  const times: Array<number> = []
  let refused = 0
  const person = async (_: unknown, first: number) => {
    for (let n = first; performance.now() < until; n += PEOPLE) {
      const time = await ask(node, filtered(n % 2 === 0 ? "30d" : "91d")(n)).catch(() => null)
      if (time === null) refused++
      else times.push(time)
    }
  }
  await Promise.all(Array.from({ length: PEOPLE }, person))
  const { answered } = await sending
  const rate = Math.round((answered * PER_REQUEST) / duration)
  return figure(
    `query: ${PEOPLE} people, each its own, p95`,
    p95(times),
    "ms",
    null,
    `${inWords(times)}, ${refused} put off, while ${rate} events/s arrived`,
  )
}

/** Bytes of the files that the engine has made. */
const fileBytes = (dataDir: string): number => {
  const folder = join(dataDir, "query")
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".parquet"))
    .reduce((sum, path) => sum + statSync(join(folder, path)).size, 0)
}

/** The same in SQL on plain rows; each figure says how it compares. */
const besidePlainRows = async (
  { postgres }: Stores,
  ours: { readonly [name in keyof typeof PLAIN]: number },
): Promise<ReadonlyArray<Figure>> => {
  const bytes = await fillPlainRows(postgres)
  const figures: Array<Figure> = []
  try {
    for (const name of ["total", "pages", "filtered", "funnel"] as const) {
      await plainTime(postgres, name, 91)
      const theirs = median(await askEach(3, () => plainTime(postgres, name, 91)))
      figures.push(
        figure(
          `SQL on plain rows: ${name}, 90 days`,
          theirs,
          "ms",
          null,
          `${(theirs / ours[name]).toFixed(1)} times the engine's ${ours[name].toFixed(0)} ms; rows and indexes take ${(bytes / 1e6).toFixed(0)} MB`,
        ),
      )
    }
  } finally {
    await dropPlainRows(postgres)
  }
  return figures
}

/** Asks a node that was asked before, and has started again. */
export const measureFirstAgain = async (node: BenchNode): Promise<ReadonlyArray<Figure>> => {
  const { filters } = filtered("91d")(0)
  const first = await ask(node, { metrics: ["visitors"], date_range: "91d", filters })
  const unfiltered = await ask(node, { metrics: ["visitors"], dimensions: ["page"], date_range: "91d" })
  return [
    figure(
      "query: first of 90 days, after a restart",
      first,
      "ms",
      null,
      "two filters; the engine is started for it, and takes over the files of the one before",
    ),
    figure("query: unfiltered, 90 days, first after a restart", unfiltered, "ms", null, "by page"),
  ]
}

/** Asks a node that has so many events, which was just started. */
export const measureQuestions = async (
  context: Context,
  { node, stores, dataDir, events }: { node: BenchNode; stores: Stores; dataDir: string; events: number },
): Promise<ReadonlyArray<Figure>> => {
  const times = byScale(context, { full: 60, quick: 30, smoke: 3 })
  const first = await ask(node, { metrics: ["visitors"], date_range: "day" })
  const cold = await ask(node, { metrics: ["visitors"], date_range: "91d" })
  const bytes = fileBytes(dataDir)
  const byDimension: Array<number> = []
  for (const dimensions of [[], ...DIMENSIONS.map((name) => [name])])
    byDimension.push(await ask(node, { metrics: ["visitors"], dimensions, date_range: "91d", limit: 98 }))
  const plain = await askEach(times, (n) => ask(node, unfiltered(n)))
  const month = await askEach(times, (n) => ask(node, filtered("30d")(n)))
  const quarter = await askEach(times, (n) => ask(node, filtered("91d")(n)))
  const funnels = await askEach(times, (n) => ask(node, funnel(n), "query/funnel"))
  const began = performance.now()
  const same = {
    metrics: ["visitors"],
    dimensions: ["page"],
    filters: filtered("30d")(0).filters,
    date_range: "30d",
  }
  await Promise.all(Array.from({ length: DASHBOARDS }, () => ask(node, same)))
  const all = performance.now() - began
  const ours = {
    total: await ask(node, { metrics: ["visitors"], date_range: "91d", limit: 99 }),
    pages: await ask(node, { metrics: ["visitors"], dimensions: ["page"], date_range: "91d", limit: 99 }),
    filtered: median(quarter),
    funnel: median(funnels),
  }
  const perEvent = bytes / events
  return [
    figure("query: first after the start, today", first, "ms", atMost(3000), "the engine is started for it"),
    figure("query: first of 90 days", cold, "ms", null, "a file of each day is made for it"),
    figure(
      "query files, 10M events",
      (perEvent * 1e7) / 1e6,
      "MB",
      atMost(120),
      `${perEvent.toFixed(1)} bytes an event`,
    ),
    figure(
      "query: unfiltered, 90 days, first by a dimension, the slowest",
      Math.max(...byDimension),
      "ms",
      null,
      `its rollup is made for it; ${inWords(byDimension)}`,
    ),
    figure(
      "query: unfiltered, 90 days, p99",
      at(percentilesOfValues(plain), 99),
      "ms",
      atMost(25),
      inWords(plain),
    ),
    figure("query: two filters, 30 days, p95", p95(month), "ms", atMost(150), inWords(month)),
    figure("query: two filters, 90 days, p95", p95(quarter), "ms", atMost(300), inWords(quarter)),
    figure("query: funnel of three steps, 90 days, p95", p95(funnels), "ms", atMost(1000), inWords(funnels)),
    figure(
      `query: ${DASHBOARDS} dashboards ask the same, the last`,
      all,
      "ms",
      null,
      "one answer for all of them",
    ),
    await underLoad(context, node),
    ...(await besidePlainRows(stores, ours)),
  ]
}

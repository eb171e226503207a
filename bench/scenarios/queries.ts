/**
 * `queries`: every endpoint with 10M events over 90 days. **Cold** is the first answer after the start of the node and
 * of its stores (PostgreSQL's own cache is empty, the system's may not be); **warm** is consecutive requests
 * afterwards.
 */
import { API_PATH } from "../../src/domain/paths.ts"
import { at, percentilesOfValues } from "../load/percentiles.ts"
import { atMost, byScale, type Context, check, type Findings, figure, type Scenario } from "../scenario.ts"
import { runCommand, storeOfThePast } from "../server/commands.ts"
import { BENCH_TOKEN, type BenchNode, startNode } from "../server/node.ts"
import { openStores } from "../server/stores.ts"
import { measureFrontPage } from "./frontPage.ts"
import { measureFirstAgain, measureQuestions } from "./questions.ts"

/** Answers are cached for a moment, so requests wait for that to pass, or vary a parameter. */
interface Question {
  readonly name: string
  /** The path of the nth request. */
  readonly path: (n: number) => string
}

const fixed = (path: string): Question => ({ name: path, path: () => path })

const QUESTIONS: ReadonlyArray<Question> = [
  fixed("realtime"),
  fixed("stats?period=day"),
  fixed("stats?period=week"),
  fixed("stats?period=month"),
  { name: "themes", path: (n) => `themes?limit=${1 + (n % 20)}` },
  { name: "themes?period=month", path: (n) => `themes?period=month&limit=${1 + (n % 20)}` },
  fixed("letters?period=day"),
  fixed("letters?period=month"),
  { name: "timeline", path: (n) => `timeline?limit=${50 + (n % 50)}` },
  { name: "timeline?offset=10000", path: (n) => `timeline?offset=${10_000 + n}` },
  { name: "heatmap", path: (n) => `heatmap?hours=${24 - (n % 8)}` },
  { name: "heatmap?hours=168", path: (n) => `heatmap?hours=${168 - (n % 40)}` },
  {
    name: "heatmap of a page",
    path: (n) => `heatmap?hours=${168 - (n % 40)}&page_url=https%3A%2F%2Fexample.org%2Fcv`,
  },
]

/** Number of timeline pages to walk by cursor. */
const WALKED_PAGES = 20

const ask = async (
  node: BenchNode,
  path: string,
): Promise<{ readonly ms: number; readonly body: unknown }> => {
  const began = performance.now()
  const response = await fetch(`${node.url}${API_PATH}/${path}`, {
    headers: { Authorization: `Bearer ${BENCH_TOKEN}` },
  })
  const text = await response.text()
  const ms = performance.now() - began
  if (response.status !== 200)
    throw new Error(`${path} was answered ${response.status} ${text.slice(0, 200)}`)
  return { ms, body: path.startsWith("export") ? null : JSON.parse(text) }
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/** Walks the timeline by cursor. Returns the milliseconds of each page. */
const walk = async (node: BenchNode): Promise<ReadonlyArray<number>> => {
  const times: Array<number> = []
  let cursor = ""
  for (let page = 0; page < WALKED_PAGES; page++) {
    const { ms, body } = await ask(node, `timeline?limit=100${cursor}`)
    times.push(ms)
    const next = fieldOf(fieldOf(body, "meta"), "next_cursor")
    if (typeof next !== "string") break
    cursor = `&cursor=${encodeURIComponent(next)}`
  }
  return times
}

const run = async (context: Context): Promise<Findings> => {
  const events = context.events ?? byScale(context, { full: 10_000_000, quick: 1_000_000, smoke: 3_000 })
  const dataDir = await storeOfThePast(context, events)
  const rebuilt = await runCommand(context, dataDir, ["rebuild"])
  context.say(`figures rebuilt in ${(rebuilt.milliseconds / 1000).toFixed(1)} s`)
  const node = await startNode(context, { dataDir })
  const stores = openStores(context, node)
  const warmed = byScale(context, { full: 40, quick: 20, smoke: 3 })

  const cold: Array<readonly [string, number]> = []
  for (const { name, path } of QUESTIONS) cold.push([name, (await ask(node, path(0))).ms])
  const warm: Array<{ readonly name: string; readonly times: ReadonlyArray<number> }> = []
  for (const { name, path } of QUESTIONS) {
    const times: Array<number> = []
    for (let n = 1; n <= warmed; n++) times.push((await ask(node, path(n))).ms)
    warm.push({ name, times })
  }
  warm.push({ name: "timeline by cursor", times: await walk(node) })
  const exported = await ask(node, "export/visitors?period=month")
  const rows = await stores.rows()
  const questions = [...(await measureQuestions(context, { node, stores, dataDir, events }))]
  await node.stop()
  const again = await startNode(context, { dataDir })
  questions.push(...(await measureFirstAgain(again)))
  await again.stop()
  const frontPage = await measureFrontPage(context, await startNode(context, { dataDir }))
  const loaded = events.toLocaleString("en-US")
  const slowest = [...cold].sort(([, a], [, b]) => b - a)[0]
  return {
    figures: [
      ...warm.map(({ name, times }) => {
        const percentiles = percentilesOfValues(times)
        const first = cold.find(([asked]) => asked === name)?.[1]
        return figure(
          `${name}: warm, p99`,
          at(percentiles, 99),
          "ms",
          null,
          `p50 ${at(percentiles, 50).toFixed(1)} ms${first === undefined ? "" : `, cold ${first.toFixed(1)} ms`}; ${loaded} events in store`,
        )
      }),
      figure(
        "slowest endpoint, warm, p99",
        Math.max(...warm.map(({ times }) => at(percentilesOfValues(times), 99))),
        "ms",
        atMost(20),
        `of ${warm.length}, with ${loaded} events in store`,
      ),
      figure("slowest cold answer", slowest?.[1] ?? Number.NaN, "ms", null, slowest?.[0] ?? ""),
      figure("export of a month's visitors", exported.ms / 1000, "s"),
      ...questions,
      ...frontPage.figures,
      figure("rebuild of all figures", rebuilt.milliseconds / 1000, "s", null, `${loaded} events`),
    ],
    checks: [check("rows of the loaded events", events, rows)],
    plots: [],
    remarks: frontPage.remarks,
  }
}

export const queries: Scenario = {
  name: "queries",
  title: "Every endpoint with 10M events of 90 days in store",
  run,
}

/**
 * `npm run board`: plays a week of generated traffic before an open live board, then compares what it shows with the server's answers
 * and with a count of its own, and how much memory the page takes with what it took.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import type { CDPSession, Page } from "playwright-core"
import { API_PATH } from "../../src/domain/paths.ts"
import { assertFresh, checkFigures } from "../../src/tools/traffic/check.ts"
import { generateTraffic } from "../../src/tools/traffic/generate.ts"
import { Journal } from "../../src/tools/traffic/journal.ts"
import { sendTraffic } from "../../src/tools/traffic/send.ts"
import { launch } from "../support/chromium.ts"

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:8080" },
    events: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    token: { type: "string", default: process.env.ADMIN_TOKEN ?? "" },
  },
})
const url = new URL(values.url)
const SAMPLE_EVERY_MS = 15_000
/** For how long a page may lag behind the answers that it is compared with. */
const PATIENCE_MS = 60_000
const CONCURRENCY = 8
const SITE = "main"
/** What the page may keep more in the last third of the time than in the one before: what a browser's heap wavers by. */
const MOST_GROWTH = 0.1

interface Sample {
  /** Bytes of the page's JavaScript, after a collection. */
  readonly heap: number
  readonly nodes: number
  readonly listeners: number
}

/** What the page keeps, when it has been made to forget what nobody needs. */
const measure = async (session: CDPSession): Promise<Sample> => {
  await session.send("HeapProfiler.collectGarbage")
  const { usedSize } = await session.send("Runtime.getHeapUsage")
  const { nodes, jsEventListeners } = await session.send("Memory.getDOMCounters")
  return { heap: usedSize, nodes, listeners: jsEventListeners }
}

/** The relative growth from the middle third to the last; the first third is a warm-up. */
const growth = (samples: ReadonlyArray<Sample>, of: keyof Sample): number => {
  const third = Math.floor(samples.length / 3)
  const mean = (from: number, to: number) =>
    samples.slice(from, to).reduce((sum, sample) => sum + sample[of], 0) / Math.max(1, to - from)
  return mean(2 * third, samples.length) / mean(third, 2 * third) - 1
}

const data = async (path: string): Promise<Record<string, unknown>> => {
  const answer = await fetch(new URL(`${API_PATH}/${path}`, url))
  const body: unknown = await answer.json()
  return Object(Object(body).data)
}

/** What the page and the answers say of the same whole numbers, those that differ. */
const differing = async (page: Page): Promise<ReadonlyArray<string>> => {
  const different: Array<string> = []
  for (const [attribute, path] of [
    ["data-figure", "realtime"],
    ["data-stat", "stats"],
  ] as const) {
    for (const [name, value] of Object.entries(await data(path))) {
      if (!Number.isInteger(value)) continue
      for (const element of await page.locator(`[${attribute}=${name}]`).all()) {
        // Without what separates thousands.
        const shown = ((await element.textContent()) ?? "").replace(/\D/g, "")
        if (shown !== String(value))
          different.push(`${name}: the page shows ${shown}, the answer is ${value}`)
      }
    }
  }
  return different
}

/** Compares until the page has caught up, or for as long as it may take. */
const compare = async (page: Page): Promise<ReadonlyArray<string>> => {
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    const different = await differing(page)
    if (different.length === 0 || performance.now() > until) return different
    await sleep(1000)
  }
}

await assertFresh(url, [SITE], values.token)
const browser = await launch()
const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
const complaints: Array<string> = []
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
page.on("pageerror", (error) => complaints.push(error.message))
await page.goto(new URL("/live", url).href)
await page.locator("[data-connection=open]").waitFor()
const session = await page.context().newCDPSession(page)

const samples: Array<Sample> = []
const journal = new Journal(null)
const sample = async () => {
  const taken = await measure(session)
  samples.push(taken)
  console.log(
    `${journal.entries.length} events answered, heap ${(taken.heap / 2 ** 20).toFixed(1)} MiB, ` +
      `${taken.nodes} nodes, ${taken.listeners} listeners`,
  )
}
let sending = true
const watching = (async () => {
  while (sending) {
    await sample()
    await sleep(SAMPLE_EVERY_MS)
  }
})()
const traffic = {
  seed: Number(values.seed),
  sites: [SITE] as [string],
  events: Number(values.events),
  batch: 20,
  crashSafe: true,
  now: Date.now,
}
const report = await sendTraffic(
  generateTraffic(traffic),
  { url, concurrency: CONCURRENCY, writeKey: null, patience: PATIENCE_MS, now: Date.now },
  journal,
).finally(() => {
  sending = false
})
await watching
await sample()

const different = await compare(page)
console.log(`The board differs in ${different.length} figures.`)
const { figures, examples, events } = await checkFigures(journal.entries, {
  url,
  sites: [SITE],
  timeZone: "UTC",
  token: values.token,
  withKey: false,
  patience: PATIENCE_MS,
  now: Date.now,
  log: console.log,
})
await browser.close()

const unequal = figures.filter(({ equal }) => !equal)
for (const each of [...different, ...report.problems, ...examples, ...complaints]) console.log(each)
for (const each of unequal) console.log(JSON.stringify(each))
const grown = (["heap", "nodes", "listeners"] as const).map((of) => [of, growth(samples, of)] as const)
for (const [of, part] of grown)
  console.log(`${of}: ${(part * 100).toFixed(1)} % from the second third to the last`)
console.log(
  `${events} events; ${figures.length - unequal.length} of ${figures.length} figures of the server are equal to the count; ` +
    `${complaints.length} complaints of the page`,
)
const isFlat = grown.every(([, part]) => part < MOST_GROWTH)
process.exitCode = different.length + unequal.length + report.problems.length === 0 && isFlat ? 0 : 1

/**
 * Part of `queries`: how soon the dashboard's front page shows figures, in a browser that knows nothing of it yet. The query engine runs
 * already, or has ended as it does when nobody asks, or is to be started for the first time by a node that has just started.
 */
import { setTimeout as sleep } from "node:timers/promises"
import type { Browser } from "playwright-core"
import { commandLineOf, isAlive } from "../../src/embedded/process.ts"
import { CHROMIUM, launch } from "../../test/support/chromium.ts"
import { atMost, byScale, type Context, type Figure, figure, median } from "../scenario.ts"
import type { BenchNode } from "../server/node.ts"
import { family } from "../server/processes.ts"

/** Figures from this long after the address was opened seem to come late, milliseconds. */
const AIM_MS = 300

/** Notes, in the page, when its cards have figures that have been drawn. */
const NOTE_FIGURES = `
  new MutationObserver((_, observer) => {
    if (document.querySelector(".cards .figure[data-value]") === null) return
    observer.disconnect()
    requestAnimationFrame(() => setTimeout(() => { globalThis.figuresAt = performance.now() }))
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-value"] })`

/** When the page was first drawn, and when with figures: milliseconds since its address was opened. */
interface Opened {
  readonly page: number
  readonly figures: number
}

/** In the page: the times, once there are figures. */
const timesOf = (): Opened | null => {
  const figures: unknown = Reflect.get(globalThis, "figuresAt")
  const page = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0
  return typeof figures === "number" ? { page, figures } : null
}

const open = async (browser: Browser, { url }: BenchNode): Promise<Opened> => {
  const context = await browser.newContext()
  try {
    const page = await context.newPage()
    await page.addInitScript(NOTE_FIGURES)
    await page.goto(`${url}/`, { waitUntil: "commit" })
    const times = await page.waitForFunction(timesOf, undefined, { timeout: 0 })
    const opened = await times.jsonValue()
    if (opened === null) throw new Error("the page has no figures")
    // The panels' questions would be the next page's competitors.
    await page.waitForLoadState("networkidle", { timeout: 0 })
    return opened
  } finally {
    await context.close()
  }
}

const engineOf = ({ pid }: BenchNode): number | undefined =>
  family(pid).find((each) => each !== pid && /query(\/engine\/entry)?\.[jt]s/.test(commandLineOf(each) ?? ""))

/** Ends the node's query engine as idleness does. */
const endEngine = async (node: BenchNode): Promise<void> => {
  const engine = engineOf(node)
  if (engine === undefined) return
  process.kill(engine, "SIGTERM")
  while (isAlive(engine)) await sleep(5)
}

const openEach = async (
  times: number,
  browser: Browser,
  node: BenchNode,
  before: () => Promise<void>,
): Promise<ReadonlyArray<Opened>> => {
  const opened: Array<Opened> = []
  for (let n = 0; n < times; n++) {
    await before()
    opened.push(await open(browser, node))
  }
  return opened
}

const inWords = (opened: ReadonlyArray<Opened>): string => {
  const after = median(opened.map(({ page, figures }) => figures - page))
  const longest = Math.max(...opened.map(({ figures }) => figures))
  return `of ${opened.length}, the longest ${longest.toFixed(0)} ms; ${after.toFixed(0)} ms after the page was drawn without`
}

/** Opens the front page of a node that has just started and was not asked anything yet; nothing, where there is no browser. */
export const measureFrontPage = async (
  context: Context,
  node: BenchNode,
): Promise<{ readonly figures: ReadonlyArray<Figure>; readonly remarks: ReadonlyArray<string> }> => {
  if (CHROMIUM === undefined)
    return { figures: [], remarks: ["The front page was not opened: there is no Chromium on this machine."] }
  const browser = await launch()
  context.onEnd(() => browser.close())
  const times = byScale(context, { full: 15, quick: 10, smoke: 1 })
  const started = await open(browser, node)
  const running = await openEach(times, browser, node, async () => {})
  const ended = await openEach(times, browser, node, () => endEngine(node))
  await browser.close()
  const shown = (opened: ReadonlyArray<Opened>) => median(opened.map(({ figures }) => figures))
  return {
    figures: [
      figure("front page: first figures", shown(running), "ms", atMost(AIM_MS), inWords(running)),
      figure(
        "front page: first figures, the query engine not running",
        shown(ended),
        "ms",
        atMost(AIM_MS),
        inWords(ended),
      ),
      figure(
        "front page: first figures, first after a restart",
        started.figures,
        "ms",
        null,
        inWords([started]),
      ),
    ],
    remarks: [],
  }
}

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

/** Figures that come longer than this after the page itself seem to be late, milliseconds. */
const AIM_MS = 300

/**
 * Tells, in the page, when something of it has been drawn, and when its cards have figures that have been. The browser says it by itself:
 * who asked again and again would take the page's processor time.
 */
const NOTE_TIMES = `
  globalThis.pageAt = new Promise((resolve) => {
    new PerformanceObserver((list) => {
      for (const { startTime } of list.getEntriesByName("first-contentful-paint")) resolve(startTime)
    }).observe({ type: "paint", buffered: true })
  })
  globalThis.figuresAt = new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      if (document.querySelector(".cards .figure[data-value]") === null) return
      observer.disconnect()
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now())))
    }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-value"] })
  })`

/** When the page was first drawn, and when with figures: milliseconds since its address was opened. */
interface Opened {
  readonly page: number
  readonly figures: number
}

/** In the page: the times, once there are both. */
const timesOf = async (): Promise<Opened> => ({
  page: await Reflect.get(globalThis, "pageAt"),
  figures: await Reflect.get(globalThis, "figuresAt"),
})

const open = async (browser: Browser, { url }: BenchNode): Promise<Opened> => {
  const context = await browser.newContext()
  try {
    const page = await context.newPage()
    await page.addInitScript(NOTE_TIMES)
    await page.goto(`${url}/`, { waitUntil: "commit" })
    const opened = await page.evaluate(timesOf)
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

const afterPage = ({ page, figures }: Opened): number => figures - page

const inWords = (opened: ReadonlyArray<Opened>): string => {
  const longest = Math.max(...opened.map(afterPage))
  const address = median(opened.map(({ figures }) => figures))
  return `of ${opened.length}, the longest ${longest.toFixed(0)} ms; ${address.toFixed(0)} ms after the address was opened`
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
  const shown = (opened: ReadonlyArray<Opened>) => median(opened.map(afterPage))
  return {
    figures: [
      figure(
        "front page: first figures after the page",
        shown(running),
        "ms",
        atMost(AIM_MS),
        inWords(running),
      ),
      figure(
        "front page: first figures after the page, the query engine not running",
        shown(ended),
        "ms",
        atMost(AIM_MS),
        inWords(ended),
      ),
      figure(
        "front page: first figures after the page, first after a restart",
        afterPage(started),
        "ms",
        null,
        inWords([started]),
      ),
    ],
    remarks: [],
  }
}

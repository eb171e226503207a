/** The dashboard in a real browser: a node of the test's own, a page on it, and what went wrong on the page. */
import { readFileSync } from "node:fs"
import { request } from "node:http"
import { join } from "node:path"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { expect, onTestFinished } from "vitest"
import { isQuestionAnswer } from "../../src/dashboard/model/decode.ts"
import type { QuestionAnswer } from "../../src/dashboard/model/questions.ts"
import { now, setClock } from "../support/clock.ts"
import { ROOT } from "../support/documents.ts"
import { run } from "../support/effects.ts"
import { eventually, freePort } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { twoDaysOfVisits } from "./dashboardTraffic.ts"

/** Pictures are written into docs/images when `SCREENSHOTS` is set; dashboardPictures.test.ts runs only then. */
export const PICTURES = process.env.SCREENSHOTS !== undefined

export interface Answer {
  readonly data: unknown
}

export interface DashboardNode {
  readonly url: string
  /** The address by which the first owner is made. */
  readonly setupUrl: () => Promise<string>
  /** Stops the node and starts another one on the same port, over the same stores. */
  readonly restart: () => Promise<void>
  /** The whole answer of a GET below the API. */
  readonly get: (path: string) => Promise<Answer>
  /** The answer to a question. */
  readonly ask: (question: object) => Promise<QuestionAnswer>
  /** Sends events and waits until they are counted. */
  readonly send: (
    events: ReadonlyArray<object>,
    headers?: { readonly [name: string]: string },
  ) => Promise<void>
}

/** An answer with figures; any other is an error. */
const answerOf = async (response: Response): Promise<Answer> => {
  const body: unknown = await response.json()
  if (typeof body !== "object" || body === null || !("data" in body)) throw new Error(JSON.stringify(body))
  return body
}

/** A node with the sites main and blog over stores of the test's own, stopped after it. */
export const startDashboardNode = async (
  given: Parameters<typeof settings>[0] = {},
): Promise<DashboardNode> => {
  const config = await settings({ port: await freePort(), trustedProxies: ["127.0.0.1/32"], ...given })
  let node = await runNode(config)
  const url = node.base
  const get = async (path: string) => answerOf(await fetch(`${url}/api/v1/analytics/${path}`))
  /** An event leaves the backlog when Postgres and Redis have it. */
  const counted = () =>
    eventually(async () => {
      const { data } = await answerOf(await fetch(`${url}/ready`))
      if (Object(data).backlog !== 0) throw new Error(`not counted yet: ${JSON.stringify(data)}`)
    })
  return {
    url,
    setupUrl: async () => `${url}/login#setup=${await run(node.setupToken)}`,
    restart: async () => {
      await node.stop()
      node = await runNode(config)
    },
    get,
    ask: async (question) => {
      const headers = { "Content-Type": "application/json" }
      const init = { method: "POST", headers, body: JSON.stringify(question) }
      const answer = await answerOf(await fetch(`${url}/api/v1/analytics/query`, init))
      if (!isQuestionAnswer(answer)) throw new Error(JSON.stringify(answer))
      return answer.data
    },
    send: async (events, headers = {}) => {
      for (let i = 0; i < events.length; i += 500) {
        const body = JSON.stringify(events.slice(i, i + 500))
        const answer = await fetch(`${url}/api/v1/analytics/events`, { method: "POST", body, headers })
        const { data } = await answerOf(answer)
        const { rejected } = Object(data)
        if (!Array.isArray(rejected) || rejected.length > 0) throw new Error(JSON.stringify(data))
      }
      await counted()
    },
  }
}

/** A node with two days of visits, all of them counted. */
export const visited = async (perMinute = 0.2): Promise<DashboardNode> => {
  const started = await startDashboardNode()
  await started.send(twoDaysOfVisits(now(), perMinute))
  return started
}

/** Every figure of an answer below the API. */
export const figures = async (node: DashboardNode, path: string): Promise<Record<string, number>> => {
  const { data } = await node.get(path)
  if (typeof data !== "object" || data === null) throw new Error(JSON.stringify(data))
  return Object.fromEntries(Object.entries(data))
}

/** The status of a question that a busy machine has no answer to in time. The page asks it again. */
const TOO_LATE = 408
/**
 * What a busy machine brings about. Containers that start beside the test change its network: Chromium then begins anew, and so does the
 * page.
 */
const BUSY = new RegExp(`ERR_NETWORK_CHANGED|status of ${TOO_LATE} `)

/** A page on the dashboard, and what its console, its scripts and its policy complained of. */
export const openDashboard = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ readonly page: Page; readonly complaints: Array<string> }> => {
  // What moves is in no place to be clicked at, and has no colour to be judged.
  const still = { reducedMotion: "reduce" } as const
  const context = await browser.newContext({ ...still, locale: "en-GB", timezoneId: "UTC", ...options })
  // Left open, it would go on asking for a node that has gone.
  onTestFinished(() => context.close())
  await setClock(context)
  const page = await context.newPage()
  // What hangs is ended with its test.
  page.setDefaultTimeout(0)
  const complaints: Array<string> = []
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !BUSY.test(message.text()))
      complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("response", (answer) => {
    if (answer.status() >= 400 && answer.status() !== TOO_LATE)
      complaints.push(`${answer.status()} ${answer.url()}`)
  })
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (violation) => {
      console.error(`policy: ${violation.violatedDirective} ${violation.blockedURI}`)
    })
  })
  await page.goto(url)
  return { page, complaints }
}

/** What axe finds wrong with a page as it is. */
export const axeFindings = async (page: Page): Promise<ReadonlyArray<object>> => {
  // What is of an earlier question is pale until its answer comes.
  await page.waitForFunction(() => document.querySelector(".old") === null)
  await page.evaluate(readFileSync(join(ROOT, "node_modules/axe-core/axe.min.js"), "utf8"))
  return page.evaluate(async () => {
    const { violations: found } = await Reflect.get(window, "axe").run()
    return found.map((each: { id: string; impact: string; nodes: ReadonlyArray<{ html: string }> }) => ({
      id: each.id,
      impact: each.impact,
      nodes: each.nodes.map(({ html }) => html.slice(0, 120)),
    }))
  })
}

/** A page fits screens of these widths, and so does what is open over it; it is accessible. */
export const fits = async (
  page: Page,
  widths: ReadonlyArray<number> = [320, 820, 1280, 3840],
): Promise<void> => {
  expect(await axeFindings(page)).toEqual([])
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 })
    const tooWide = await page.evaluate(() =>
      [document.documentElement, ...document.querySelectorAll("dialog[open]")]
        .filter((each) => each.scrollWidth > each.clientWidth)
        .map((each) => `${each.tagName} ${each.className}`),
    )
    expect(tooWide, `at ${width} pixels`).toEqual([])
  }
}

/** The number that an element shows, whatever its language's separators. */
export const shown = async (page: Page, selector: string): Promise<number> =>
  Number(((await page.locator(selector).first().textContent()) ?? "").replace(/[^\d.]/g, ""))

/** Figures that a browser's translation of the page would take apart, so that they stood still. */
export const translatedFigures = (page: Page): Promise<ReadonlyArray<string>> =>
  page
    .locator("[data-figure], [data-stat], [data-past], [data-value], [data-count], [data-theme]")
    .evaluateAll((all) =>
      all.filter((each) => each.closest("[translate=no]") === null).map(({ outerHTML }) => outerHTML),
    )

/** Bytes that a path takes on the wire to a browser. */
export const bytesOf = (url: string): Promise<number> =>
  new Promise((resolve, reject) => {
    request(url, { headers: { "accept-encoding": "gzip" } }, (answer) => {
      let bytes = 0
      answer.on("data", (part: Buffer) => {
        bytes += part.length
      })
      answer.on("end", () => resolve(bytes))
    })
      .on("error", reject)
      .end()
  })

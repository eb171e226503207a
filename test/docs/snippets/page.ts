/** HTML, and scripts that need a page: what they name is checked always, and they run in Chromium where there is one. */
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import { afterAll, onTestFinished } from "vitest"
import { CHROMIUM, launch } from "../../support/chromium.ts"
import { ROOT } from "../../support/documents.ts"
import { eventually } from "../../support/index.ts"
import { listen } from "../../support/listen.ts"
import type { Reader } from "./reader.ts"

const camelCase = (name: string): string =>
  name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** Attributes that the tracker does not read, data that is no JSON, and scripts that are not there. */
export const htmlProblems = async (reader: Reader, text: string): Promise<ReadonlyArray<string>> => {
  const tracker = ["main", "options"]
    .map((part) => readFileSync(join(ROOT, `src/tracker/built/${part}.js`), "utf8"))
    .join("\n")
  const problems: Array<string> = []
  for (const [, name = ""] of text.matchAll(/\sdata-([a-z-]+)/g))
    if (!tracker.includes(camelCase(name)) && !tracker.includes(`data-${name}`))
      problems.push(`the tracker reads no data-${name}`)
  for (const [, data = ""] of text.matchAll(/data-maicivy-data='([^']*)'/g)) JSON.parse(data)
  for (const [, src = ""] of reader.own(text).matchAll(/<script[^>]*\ssrc="(https?:[^"]+)"/g)) {
    const answer = await fetch(src)
    if (!answer.headers.get("content-type")?.startsWith("text/javascript"))
      problems.push(`${src} is ${answer.status} ${answer.headers.get("content-type")}`)
  }
  return problems
}

/** One for all pages of a test file. */
let browser: Promise<Browser> | undefined
afterAll(async () => (await browser)?.close())

/** Shows a page with these parts in Chromium, and waits until the node has heard of it; `null` without Chromium. */
export const inChromium = async (
  reader: Reader,
  html: string,
  script: string,
): Promise<ReadonlyArray<string> | null> => {
  if (CHROMIUM === undefined) return null
  const body = `<!doctype html><title>A page</title>${reader.own(html)}`
  const server = createServer((_, response) => {
    response.writeHead(200, { "Content-Type": "text/html" })
    response.end(body)
  })
  const url = await listen(server)
  browser ??= launch()
  const context = await (await browser).newContext()
  onTestFinished(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(0)
  const problems: Array<string> = []
  page.on("pageerror", (error) => problems.push(error.message))
  const before = await reader.counted()
  await page.goto(url, { waitUntil: "load" })
  if (script !== "") await page.evaluate(reader.own(script))
  const expected = (html.includes("<script") ? 1 : 0) + (script === "" ? 0 : 1)
  await eventually(async () => {
    if ((await reader.counted()) < before + expected) throw new Error("the page's events are not counted")
  })
  return problems
}

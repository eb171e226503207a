import { spawn } from "node:child_process"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { describe, expect, onTestFinished, test } from "vitest"
import { launch, wantsChromium } from "../support/chromium.ts"
import { CLOCK_ENV, setClock } from "../support/clock.ts"
import { ROOT } from "../support/documents.ts"
import { eventually } from "../support/index.ts"
import { openDashboard, PICTURES } from "./dashboardPage.ts"
import { type Row, startNode, timeline } from "./node.ts"

/** Starts the site of infra/example as a process of its own; returns its address. */
const startExample = async (analytics: string): Promise<string> => {
  const child = spawn("node", ["infra/example/main.ts"], {
    cwd: ROOT,
    env: { ...process.env, PORT: "0", ANALYTICS_URL: analytics, ...CLOCK_ENV },
    stdio: ["ignore", "pipe", "inherit"],
  })
  onTestFinished(() => {
    child.kill("SIGKILL")
  })
  let stdout = ""
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  return eventually(() => {
    const url = /example\s+(http:\S+?)\/\n/.exec(stdout)?.[1]
    if (url === undefined) throw new Error(`no banner yet: ${stdout}`)
    return url
  })
}

const setUp = async () => {
  const node = await startNode()
  const [site, browser] = await Promise.all([startExample(node.url), launch()])
  onTestFinished(() => browser.close())
  const context = await browser.newContext({ viewport: { width: 900, height: 420 } })
  context.setDefaultTimeout(0)
  await setClock(context)
  return { node: node.url, site, browser, page: await context.newPage() }
}

const short = ({ event_type, page_url, event_data }: Row) =>
  event_type === "page_view"
    ? `page_view ${new URL(page_url).pathname}`
    : event_type === "cv_theme_change"
      ? `${event_type} ${Reflect.get(Object(event_data), "theme")}`
      : event_type

/** With its scripts: what is clicked before them is seen by neither the page nor the tracker. */
const loaded = (page: Page) => page.waitForFunction("window.maicivy?.view")

/** What a visitor does, and the events that each step is. */
const VISIT: ReadonlyArray<
  readonly [step: (page: Page, site: string) => Promise<unknown>, events: ReadonlyArray<string>]
> = [
  [
    async (page, site) => {
      await page.goto(`${site}/?theme=sepia`)
      await loaded(page)
    },
    ["page_view /", "cv_theme_change sepia"],
  ],
  [
    (page) => page.getByRole("link", { name: "Dark" }).click(),
    ["link_click", "page_view /", "cv_theme_change dark"],
  ],
  [(page) => page.getByRole("button", { name: "Download" }).click(), ["button_click", "pdf_download"]],
  [
    async (page) => {
      await page.getByRole("link", { name: "Letters" }).click()
      await page.waitForURL("**/letters")
      await loaded(page)
    },
    ["link_click", "page_view /letters"],
  ],
  [
    async (page) => {
      await page.getByRole("button", { name: "against" }).click()
      // Asked for, before the page is left.
      await page.getByText("here is the anti_motivation letter").waitFor()
    },
    ["button_click", "letter_generate"],
  ],
  [
    (page) => page.getByRole("button", { name: "Send" }).click(),
    ["button_click", "form_submit", "page_view /letters"],
  ],
]

describe("the example site in a browser", wantsChromium, () => {
  test("counts each view once, between server and tracker, for one visitor, and letters of the server's", async () => {
    const { node, site, page } = await setUp()
    for (const [step] of VISIT) await step(page, site)
    const expected = VISIT.flatMap(([, events]) => events).sort()
    await eventually(async () => expect((await timeline(node)).map(short).sort()).toEqual(expected))
    expect(new Set((await timeline(node)).map(({ visitor_id }) => visitor_id)).size).toBe(1)
  })

  test("is clicked through, and a dashboard that was open before shows every step as it happens", async () => {
    const { node, site, browser, page } = await setUp()
    const { page: dashboard, complaints } = await openDashboard(browser, `${node}/live`, {
      viewport: { width: 1440, height: 1000 },
    })
    await dashboard.locator("[data-connection=open]").waitFor()
    await dashboard.locator(".period [data-stat=page_views]").waitFor()
    // From here on, clicks come in frames: an answer that is still on its way may have some of them, too.
    await dashboard.getByText("No click on this page").waitFor()

    const feed = () =>
      dashboard
        .locator(".events li")
        .evaluateAll((rows) => rows.map((row) => row.getAttribute("data-event")).sort())
    const shown = (selector: string) => dashboard.locator(selector).first().textContent()
    const seen: Array<string> = []
    for (const [step, events] of VISIT) {
      await step(page, site)
      seen.push(...events.map((event) => event.replace(/ .*/, "")))
      await eventually(async () => {
        expect(await feed()).toEqual(seen.toSorted())
        expect(await shown("[data-figure=total_events]")).toBe(String(seen.length))
      })
    }
    const count = (type: string) => String(seen.filter((each) => each.startsWith(type)).length)
    await eventually(async () => {
      expect(await shown("[data-figure=current_visitors]")).toBe("1")
      expect(await shown("[data-figure=letters_today]")).toBe("1")
      expect(await shown("[data-letters=anti]")).toBe("1")
      expect(await shown("[data-stat=page_views]")).toBe(count("page_view"))
      expect(await shown("[data-stat=total_events]")).toBe(String(seen.length))
      expect(await shown("[data-theme=dark]")).toBe("1")
      expect(await shown("[data-theme=sepia]")).toBe("1")
      const clicks = seen.filter((each) => each.endsWith("_click")).length
      expect(await dashboard.locator("[data-clicks]").getAttribute("data-clicks")).toBe(String(clicks))
      expect(await dashboard.locator(".chart").getAttribute("data-total")).toBe(String(seen.length))
    })
    // It was empty, and says so no longer.
    await dashboard.locator(".timeline tbody tr").first().waitFor()
    expect(complaints).toEqual([])
    if (!PICTURES) return
    const newer = dashboard.locator(".timeline").getByRole("button", { name: "new" })
    if (await newer.isVisible()) await newer.click()
    await dashboard.locator(".timeline tbody tr:nth-child(14)").waitFor()
    await page.screenshot({ path: join(ROOT, "docs/images/example.png") })
    await dashboard.screenshot({ path: join(ROOT, "docs/images/example-dashboard.png") })
  })
})

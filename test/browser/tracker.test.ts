import type { Page } from "playwright-core"
import { describe, expect, onTestFinished, test } from "vitest"
import { launch, wantsChromium } from "../support/chromium.ts"
import { now } from "../support/clock.ts"
import { eventually } from "../support/index.ts"
import { startNode, timeline } from "./node.ts"
import { gate, pages } from "./trackerPage.ts"

const types = async (node: string) => (await timeline(node)).map(({ event_type }) => event_type)

/** Everything that a test of one site needs. */
const setUp = async (attributes = "", script?: string) => {
  const [node, browser] = await Promise.all([startNode(), launch()])
  onTestFinished(() => browser.close())
  const between = await gate(node.url)
  const site = await pages(between.url, attributes, script)
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 } })
  context.setDefaultTimeout(0)
  const page = await context.newPage()
  const errors: Array<string> = []
  page.on("pageerror", (error) => errors.push(error.message))
  return { node: node.url, browser, between, site, context, page, errors }
}

describe("the tracker in a browser", wantsChromium, () => {
  test("counts views, navigation within the page, themes, clicks where they were, and marked elements", async () => {
    const { node, site, context, page, errors } = await setUp()
    await page.goto(`${site}/?theme=dark`)
    await page.evaluate('history.pushState(null, "", "/inside")')
    await page.goBack()
    await page.locator("#middle").click()
    await page.locator("#middle").press("Enter")
    await page.locator("#pdf").click()
    const expected = [
      ["page_view", "/?theme=dark", null],
      ["cv_theme_change", "/?theme=dark", { theme: "dark" }],
      ["page_view", "/inside", null],
      ["page_view", "/?theme=dark", null],
      ["cv_theme_change", "/?theme=dark", { theme: "dark" }],
      ["button_click", "/?theme=dark", { x: 50, y: 50 }],
      ["button_click", "/?theme=dark", { x: 50, y: 50 }],
      ["button_click", "/?theme=dark", { x: expect.any(Number), y: 1 }],
      ["pdf_download", "/?theme=dark", { file: "cv" }],
    ]
    const counted = async () =>
      (await timeline(node)).map((row) => [row.event_type, row.page_url.replace(site, ""), row.event_data])
    // Events of one request have one time, and no order.
    await eventually(async () => {
      const rows = await counted()
      expect(rows).toHaveLength(expected.length)
      expect(rows).toEqual(expect.arrayContaining(expected))
    })
    expect(await context.cookies()).toEqual([])
    expect(await page.evaluate("localStorage.length + sessionStorage.length")).toBe(0)
    expect(errors).toEqual([])
  })

  test("counts under the names that content blockers leave alone, and asks for nothing under others", async () => {
    const { node, between, site, page, errors } = await setUp('data-site="main"', "/hello.js")
    const asked: Array<string> = []
    page.on("request", (request) => {
      if (request.url().startsWith(between.url)) asked.push(new URL(request.url()).pathname)
    })
    await page.goto(site)
    await page.locator("#pdf").click()
    await eventually(async () =>
      expect((await types(node)).sort()).toEqual(["button_click", "page_view", "pdf_download"]),
    )
    expect([...new Set(asked)].sort()).toEqual(["/hello", "/hello.js"])
    expect(errors).toEqual([])
  })

  test("loses nothing when the page is left in mid-send", async () => {
    const { node, between, site, page, errors } = await setUp()
    await page.goto(site)
    await eventually(async () => expect(await types(node)).toEqual(["page_view"]))
    between.mode = "hold"
    await page.evaluate('maicivy.track("custom")')
    await page.locator("#next").click()
    await page.waitForURL(`${site}/next`)
    await page.goto("about:blank")
    await eventually(async () =>
      expect([...(await types(node))].sort()).toEqual(["custom", "link_click", "page_view", "page_view"]),
    )
    between.release()
    expect(errors).toEqual([])
  })

  test.each([
    ["is on its way", "drop"],
    ["waited after a refusal", "refuse"],
  ] as const)("sends what %s when the page is left, and counts it once", async (_, mode) => {
    const { node, between, site, page } = await setUp()
    await page.goto(site)
    await eventually(async () => expect(await types(node)).toEqual(["page_view"]))
    between.mode = mode
    const before = between.batches()
    await page.evaluate('maicivy.track("custom")')
    await eventually(() => expect(between.batches()).toBeGreaterThan(before))
    between.mode = "pass"
    await page.goto("about:blank")
    await eventually(async () => expect(await types(node)).toEqual(["page_view", "custom"]))
  })

  test("offline keeps events, and online counts them once, at the time they happened", async () => {
    const { node, site, context, page, errors } = await setUp()
    await page.goto(site)
    await eventually(async () => expect(await types(node)).toEqual(["page_view"]))
    // A visitor's clock that is a year behind.
    await page.evaluate(() => {
      Date.now = () => 1_700_000_000_000
    })
    await context.setOffline(true)
    await page.locator("#middle").click()
    const clickedAt = now()
    await eventually(() => expect(now() - clickedAt).toBeGreaterThan(2500))
    await context.setOffline(false)
    // The server's time is told in whole seconds, so that the click may seem to come before the page.
    await eventually(async () =>
      expect((await types(node)).toSorted()).toEqual(["button_click", "page_view"]),
    )
    const click = (await timeline(node)).find(({ event_type }) => event_type === "button_click")
    expect(Math.abs(Date.parse(click?.created_at ?? "") - clickedAt)).toBeLessThan(1500)
    expect(errors).toEqual([])
  })

  test("sends again what was refused, with the same ids", async () => {
    const { node, between, site, page } = await setUp()
    between.mode = "refuse"
    await page.goto(site)
    await page.locator("#middle").click()
    await eventually(() => expect(between.batches()).toBeGreaterThan(1))
    between.mode = "pass"
    await eventually(async () => expect(await types(node)).toEqual(["page_view", "button_click"]))
  })

  test("sets the visitor's cookie when asked to, and tells visits apart by it", async () => {
    const { node, site, context, page } = await setUp("data-cookie")
    await page.goto(site)
    const [cookie] = await context.cookies()
    expect(cookie).toMatchObject({ name: "maicivy_session", sameSite: "Lax" })
    await page.goto(`${site}/next`)
    await eventually(async () =>
      expect((await timeline(node)).map(({ visitor_id }) => visitor_id)).toEqual([
        cookie?.value,
        cookie?.value,
      ]),
    )
  })

  test("obeys a browser that says no, when told to", async () => {
    const { node, browser, site } = await setUp("data-respect-dnt data-cookie")
    const open = async (init: () => void): Promise<Page> => {
      const page = await (await browser.newContext()).newPage()
      page.setDefaultTimeout(0)
      await page.addInitScript(init)
      await page.goto(site)
      return page
    }
    const refusing = await open(() =>
      Object.defineProperty(navigator, "globalPrivacyControl", { value: true }),
    )
    await refusing.locator("#pdf").click()
    expect(await refusing.context().cookies()).toEqual([])
    await open(() => undefined)
    await eventually(async () => expect(await types(node)).toEqual(["page_view"]))
  })
})

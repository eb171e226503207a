import type { Browser, Page, Route } from "playwright-core"
import { describe, expect, onTestFinished, test } from "vitest"
import { Random } from "../../src/tools/traffic/random.ts"
import { runsBrowser, wantsChromium } from "../support/chromium.ts"
import { launchFirefox, wantsFirefox } from "../support/firefox.ts"
import { eventually } from "../support/index.ts"
import { TOKEN } from "../support/node.ts"
import { owned } from "./dashboardOwner.ts"
import {
  axeFindings,
  type DashboardNode,
  figures,
  fits,
  openDashboard,
  shown,
  startDashboardNode,
  translatedFigures,
  visited,
} from "./dashboardPage.ts"
import { someEvent } from "./dashboardTraffic.ts"
import { siteOf } from "./trackerPage.ts"

describe("the front page", wantsChromium, () => {
  const browser = runsBrowser()

  const CARDS = ["visitors", "visits", "page_views", "views_per_visit", "bounce_rate", "visit_duration"]

  /** Numbers in an attribute of every such element. */
  const numbersOf = (page: Page, selector: string, attribute: string): Promise<ReadonlyArray<number>> =>
    page
      .locator(selector)
      .evaluateAll((all, name) => all.map((each) => Number(each.getAttribute(name))), attribute)

  /** The page shows, in time, what the API says of a range, a zone and filters. */
  const equals = async (
    node: DashboardNode,
    page: Page,
    about: { site?: string; date_range: unknown; time_zone?: string; filters?: ReadonlyArray<unknown> },
    interval: string,
  ) =>
    eventually(async () => {
      const [totals, course, pages] = await Promise.all([
        node.ask({ ...about, metrics: CARDS, compare: "previous_period" }),
        node.ask({ ...about, metrics: ["visitors"], interval }),
        node.ask({ ...about, metrics: ["visitors"], dimensions: ["page"], limit: 9 }),
      ])
      const [row] = totals.results
      expect(await numbersOf(page, ".card .figure", "data-value")).toEqual(row?.metrics)
      const plotted = (await page.locator("[data-course]").getAttribute("data-values")) ?? ""
      const sum = plotted.split(" ").reduce((all, each) => all + Number(each), 0)
      expect(sum).toBe(course.results.reduce((all, { metrics }) => all + (metrics[0] ?? 0), 0))
      expect(await numbersOf(page, ".of-pages [data-count]", "data-count")).toEqual(
        pages.results.map(({ metrics }) => metrics[0]),
      )
      expect(await page.locator(".old").count()).toBe(0)
    })

  test("shows what the API says under filters, ranges and zones, while events stream in", async () => {
    const node = await visited()
    const { page, complaints } = await openDashboard(browser(), `${node.url}/?range=day`)
    await equals(node, page, { date_range: "day" }, "hour")
    const source = new Random(11)
    for (let round = 0; round < 3; round++) {
      await node.send(
        Array.from({ length: 40 }, () => ({
          ...someEvent(() => source.next()),
          visitor_id: `00000000-0000-4000-8000-${String(source.integer(0, 60)).padStart(12, "0")}`,
          page_url: "https://cv.example/new",
        })),
      )
      await equals(node, page, { date_range: "day" }, "hour")
    }

    await page.locator(".of-pages [data-row='/new'] .bar").click()
    const onlyNew = ["is", "page", ["/new"]]
    await equals(node, page, { date_range: "day", filters: [onlyNew] }, "hour")
    await page.locator(".chip button").first().click()
    const notNew = ["is_not", "page", ["/new"]]
    await equals(node, page, { date_range: "day", filters: [notNew] }, "hour")
    await page.keyboard.press("w")
    await equals(node, page, { date_range: "7d", filters: [notNew] }, "day")

    // A view that is sent is the same one elsewhere, and Back goes the way that was come.
    const sent = page.url()
    await page.locator(".site select").selectOption("blog")
    const nothing = page.locator(".first", { hasText: "There has been no event yet" })
    await nothing.getByRole("link", { name: "Log in" }).waitFor()
    await page.goBack()
    await equals(node, page, { date_range: "day", filters: [notNew] }, "hour")
    await page.goBack()
    await equals(node, page, { date_range: "day", filters: [onlyNew] }, "hour")
    await page.goto(`${sent}&zone=America%2FNew_York`)
    await equals(node, page, { date_range: "7d", time_zone: "America/New_York", filters: [notNew] }, "day")
    expect(complaints).toEqual([])
  })

  test("asks what its cards show first and once, and the rest when that is there", async () => {
    const node = await visited()
    const { page } = await openDashboard(browser(), `${node.url}/?range=day`)
    const dimensions: Array<ReadonlyArray<string>> = []
    const told = Promise.withResolvers<void>()
    await page.route("**/analytics/query", async (route) => {
      const { dimensions: asked = [] } = route.request().postDataJSON()
      dimensions.push(asked)
      if (asked.length === 0) await told.promise
      await route.continue()
    })
    // Nothing is pushed, either.
    await page.routeWebSocket(
      () => true,
      () => {},
    )
    await page.reload({ waitUntil: "commit" })
    // Its panels are there however long the answer takes.
    await page.locator(".of-pages").waitFor()
    expect(dimensions).toEqual([[]])
    told.resolve()
    await page.locator(".of-pages [data-row]").first().waitFor()
    expect(dimensions.filter(({ length }) => length === 0)).toEqual([[]])
  })

  test("shows several sites as one, chosen by the keyboard, and keeps them in its address", async () => {
    const node = await startDashboardNode({ sites: ["main", "blog", "shop"] })
    const view = (site: string, visitor: number, path: string) => ({
      ...{ site, event_type: "page_view", page_url: `https://${site}.example/${path}` },
      visitor_id: `00000000-0000-4000-8000-00000000000${visitor}`,
    })
    await node.send([
      view("main", 1, ""),
      view("blog", 1, ""),
      view("blog", 2, "post"),
      view("shop", 3, "buy"),
    ])
    const { page, complaints } = await openDashboard(browser(), `${node.url}/?range=day`)
    const site = page.locator(".site select")
    await site.selectOption("All sites")
    await equals(node, page, { site: "all", date_range: "day" }, "hour")
    await page.locator("[data-card=visitors] [data-value='3']").waitFor()
    /** As many as the API says, for they are so for five minutes. */
    const presentIn = async (choice: string) =>
      (await figures(node, `realtime?site=${choice}`)).current_visitors
    await eventually(async () =>
      expect(await page.locator(".connection").textContent()).toContain(`${await presentIn("all")} now`),
    )
    expect(new URL(page.url()).searchParams.get("site")).toBe("all")

    await site.focus()
    await site.selectOption("Several sites…")
    await fits(page, [320, 1280])
    await page.locator("dialog").getByRole("button", { name: "Close" }).click()
    await page.locator(".site select:focus").waitFor()
    await site.selectOption("Several sites…")
    await page.getByRole("checkbox", { name: "shop" }).focus()
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    await equals(node, page, { site: "main,blog", date_range: "day" }, "hour")
    await page.locator("[data-card=visitors] [data-value='2']").waitFor()
    expect(new URL(page.url()).searchParams.get("site")).toBe("blog,main")
    expect(await site.locator("option:checked").textContent()).toBe("blog + main")
    // What comes to either moves the figures; what comes to another does not.
    await node.send([view("blog", 4, "post"), view("shop", 5, "buy")])
    await page.locator("[data-card=visitors] [data-value='3']").waitFor()
    await page.locator("[data-details=page]").click()
    const file = await fetch((await page.locator("dialog a[download]").getAttribute("href")) ?? "")
    const listed = (await file.text())
      .trim()
      .split("\r\n")
      .slice(1)
      .map((line) => line.split(",")[0])
    expect(listed.toSorted()).toEqual(["/", "/post"])
    await page.keyboard.press("Escape")
    await page.locator("[data-tab=goals]").click()
    await page.getByText("There is no goal that all of these sites have").waitFor()

    await page.locator("[data-page=live]").click()
    await page.locator("[data-connection=open]").waitFor()
    await eventually(async () => {
      expect(await shown(page, "[data-figure=current_visitors]")).toBe(await presentIn("main,blog"))
      expect(await shown(page, "[data-figure=total_events]")).toBe(4)
      expect(await shown(page, "[data-stat=unique_visitors]")).toBe(3)
    })
    await node.send([view("main", 6, "cv"), view("shop", 7, "buy")])
    await page.locator(".events li", { hasText: "main/cv" }).first().waitFor()
    await eventually(async () => expect(await shown(page, "[data-figure=unique_today]")).toBe(4))
    expect(await page.locator(".events li", { hasText: "shop" }).count()).toBe(0)
    expect(await page.locator(".failure").count()).toBe(0)
    expect(complaints).toEqual([])
    await page.goto(`${node.url}/?site=blog,nope`)
    await page.getByRole("heading", { name: "There is no site called nope." }).waitFor()
  })

  test("shows visitors by country on a map, which is read and filtered by pointer and keyboard", async () => {
    const node = await startDashboardNode()
    const from = (country: string, visitors: number, first: number) =>
      node.send(
        Array.from({ length: visitors }, (_, i) => ({
          ...{ event_type: "page_view", page_url: "https://cv.example/" },
          visitor_id: `00000000-0000-4000-8000-${String(first + i).padStart(12, "0")}`,
        })),
        { "CF-IPCountry": country, "X-Forwarded-For": "203.0.113.7" },
      )
    await from("FR", 5, 10)
    await from("BR", 2, 20)
    await from("MC", 1, 30)
    const address = `${node.url}/?range=day`
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, complaints } = await openDashboard(browser(), address, { colorScheme })
      // What could not be loaded, or is none, is loaded by another try.
      const fails = (route: Route) =>
        colorScheme === "light"
          ? route.abort()
          : route.fulfill({ contentType: "text/html", body: "<!doctype html>\n" })
      await page.route("**/assets/world.txt", fails, { times: 1 })
      await page.goto(`${address}&tab_places=map`)
      const why = colorScheme === "light" ? "The server does not answer." : "reload the page"
      await page.locator(".of-places .failure", { hasText: why }).waitFor()
      await page.locator(".of-places").getByRole("button", { name: "Try again" }).press("Enter")
      const country = (code: string) => page.locator(`.world [data-country=${code}]`)
      await eventually(async () =>
        expect(await numbersOf(page, ".of-places table [data-count]", "data-count")).toEqual([5, 2, 1]),
      )
      expect(await country("FR").getAttribute("data-visitors")).toBe("5")
      expect(await country("BR").getAttribute("data-visitors")).toBe("2")
      const fill = (code: string) => country(code).evaluate((path) => getComputedStyle(path).fill)
      expect(new Set([await fill("FR"), await fill("BR"), await fill("DE")]).size).toBe(3)
      // Whoever comes by the keyboard sees what is read.
      await page.locator(".world").focus()
      await page.locator(".world-readout", { hasText: "France: 5 visitors" }).waitFor()
      await country("BR").hover()
      await page.locator(".world-readout", { hasText: "Brazil: 2 visitors · 25%" }).waitFor()
      await page.locator("[data-card=visitors] [data-value='8']").waitFor()
      expect(await axeFindings(page)).toEqual([])
      // The keyboard reaches the countries that have visitors, those too small for the map as well.
      await page.locator(".world").focus()
      for (const [key, text] of [
        ["End", "Monaco: 1 visitor ·"],
        ["Home", "France: 5 visitors"],
        ["ArrowRight", "Brazil: 2 visitors"],
      ] as const) {
        await page.keyboard.press(key)
        await page.locator(`.world[aria-valuetext^="${text}"]`).waitFor()
      }
      await page.keyboard.press("Enter")
      await page.locator(".chip[data-filter=country]", { hasText: "Brazil" }).waitFor()
      await page.locator("[data-card=visitors] [data-value='2']").waitFor()
      await page.goBack()
      await page.locator(".world-readout").waitFor()
      await country("BR").click()
      await page.locator(".chip[data-filter=country]", { hasText: "Brazil" }).waitFor()
      await fits(page, [320, 1280])
      expect(complaints.filter((each) => !each.includes("ERR_FAILED"))).toEqual([])
    }
  })

  test("opens a table of everything, which is searched, sorted and as long as it has to be", async () => {
    const node = await startDashboardNode()
    const pages = Array.from({ length: 130 }, (_, i) => `/p${String(i).padStart(3, "0")}`)
    await node.send(
      pages.flatMap((path, i) =>
        Array.from({ length: i === 77 ? 3 : 1 }, (_, visitor) => ({
          event_type: "page_view",
          visitor_id: `00000000-0000-4000-8000-${String(1000 * visitor + i).padStart(12, "0")}`,
          page_url: `https://cv.example${path}`,
        })),
      ),
    )
    const { page, complaints } = await openDashboard(browser(), `${node.url}/?range=day`)
    await page.locator("[data-details=page]").click()
    const rows = page.locator("dialog tbody tr")
    await eventually(async () => expect(await rows.count()).toBe(100))
    expect(await rows.first().getAttribute("data-row")).toBe("/p077")
    expect(await axeFindings(page)).toEqual([])
    await page.locator("dialog .older").scrollIntoViewIfNeeded()
    await eventually(async () => expect(await rows.count()).toBe(130))
    await page.locator("[data-sort=visitors]").click()
    await eventually(async () => expect(await rows.first().getAttribute("data-row")).toBe("/p000"))
    await page.getByLabel("Search").fill("P12")
    await eventually(async () => expect(await rows.count()).toBe(10))
    const file = await fetch((await page.locator("dialog a[download]").getAttribute("href")) ?? "")
    const bytes = await file.arrayBuffer()
    expect([...new Uint8Array(bytes, 0, 3)]).toEqual([0xef, 0xbb, 0xbf])
    const lines = new TextDecoder().decode(bytes).trim().split("\r\n")
    expect(file.headers.get("content-type")).toContain("text/csv")
    expect(lines.map((line) => line.split(",")[0])).toEqual(["page", ...pages.slice(120)])
    await page.goBack()
    await eventually(async () => expect(await page.locator("dialog").count()).toBe(0))
    // Events without a property have no rows of one, nor of what was open before.
    const events = page.locator("section", { has: page.locator("[data-tab=properties]") })
    await events.locator("[data-row=page_view]").waitFor()
    await page.locator("[data-tab=properties]").click()
    await events.getByText("Nothing in this time.").waitFor()
    expect(await events.locator("[data-row], [data-details]").count()).toBe(0)

    // A goal's visitors, of all, move as they come; a click filters everything by it.
    await page.locator("[data-tab=goals]").click()
    await events.getByText("This site has no goals yet.").waitFor()
    const made = await fetch(`${node.url}/api/v1/analytics/goals`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ name: "Seen 77", filters: [["is", "page", ["/p077"]]] }),
    })
    expect(made.status).toBe(200)
    await page.reload()
    const goal = events.locator("[data-goal='Seen 77']")
    const shows = (visitors: number, all: number) =>
      eventually(async () => {
        expect(await goal.locator("[data-count]").getAttribute("data-count")).toBe(String(visitors))
        expect(Number(await goal.locator("[data-rate]").getAttribute("data-rate"))).toBeCloseTo(
          (100 * visitors) / all,
        )
      })
    await shows(3, 132)
    const visitor_id = "00000000-0000-4000-8000-000000009999"
    await node.send([{ event_type: "page_view", visitor_id, page_url: "https://cv.example/p077" }])
    await shows(4, 133)
    // Its card says so, too, and is plotted by an address that can be sent.
    const card = page.locator("[data-goal-card='Seen 77']")
    await card.locator("[data-value='4']").waitFor()
    await card.click()
    const isPlotted = () =>
      eventually(async () => {
        expect(await card.getAttribute("aria-pressed")).toBe("true")
        const plotted = (await page.locator("[data-course]").getAttribute("data-values")) ?? ""
        expect(plotted.split(" ").reduce((sum, each) => sum + Number(each), 0)).toBe(4)
      })
    await isPlotted()
    await page.reload()
    await isPlotted()
    expect(await page.locator(".card[aria-pressed=true]").count()).toBe(1)
    expect(await axeFindings(page)).toEqual([])
    await goal.locator(".bar").click()
    await page.locator(".chip[data-filter=goal]").waitFor()
    await page.locator("[data-card=visitors] [data-value='4']").waitFor()
    await shows(4, 4)
    // Goals are a site's own.
    expect(new URL(page.url()).searchParams.get("goal")).toBe("Seen 77")
    await page.locator(".site select").selectOption("blog")
    await page.locator("[data-card=visitors] [data-value='0']").waitFor()
    expect(await page.locator(".chip[data-filter=goal]").count()).toBe(0)
    expect(new URL(page.url()).searchParams.has("goal")).toBe(false)
    expect(complaints).toEqual([])
  })

  test.each([
    ["light", "en-GB", "Sources"],
    ["dark", "fr-FR", "Lieux"],
  ] as const)(
    "is accessible in %s colours and %s, and fits every screen",
    async (colorScheme, locale, title) => {
      const node = await visited()
      const address = `${node.url}/?f=is_not,page,/cv`
      const { page, complaints } = await openDashboard(browser(), address, { colorScheme, locale })
      await page.getByRole("heading", { name: title }).waitFor()
      await page.locator(".of-technology .bar").first().waitFor()
      await page.locator(".plot svg").waitFor()
      expect(await page.locator("html").getAttribute("lang")).toBe(locale.slice(0, 2))
      await page.keyboard.press("r")
      await page.locator(".ranges").waitFor()
      expect(await axeFindings(page)).toEqual([])
      expect(await translatedFigures(page)).toEqual([])
      await page.keyboard.press("Escape")
      await page.keyboard.press("?")
      await page.locator("dialog").waitFor()
      expect(await axeFindings(page)).toEqual([])
      await page.keyboard.press("Escape")
      await fits(page, [320, 390, 820, 1280, 1920, 3840])
      // The last point may be as high as the plot.
      const box = async (selector: string) => page.locator(selector).boundingBox()
      const [intervals, plot] = [await box(".intervals"), await box(".plot")]
      expect((intervals?.y ?? 0) + (intervals?.height ?? 0)).toBeLessThanOrEqual(plot?.y ?? 0)
      expect(complaints).toEqual([])
    },
  )

  test("says that there is no such site; on those that there are, names are text, whatever they are", async () => {
    const node = await startDashboardNode({ host: "0.0.0.0" })
    const names = [
      ...Object.getOwnPropertyNames(Object.prototype),
      "<b>x</b>",
      "\u202eevil",
      `e${"\u0301".repeat(900)}`,
    ]
    await node.send(
      names.map((theme) => ({
        ...{ site: "blog", event_type: "cv_theme_change", event_data: { theme } },
        ...{
          page_url: `https://blog.example/${theme.slice(0, 20)}`,
          visitor_id: "00000000-0000-4000-8000-000000000001",
        },
      })),
    )
    const { page } = await openDashboard(browser(), `${node.url}/?site=nope`)
    await page.getByRole("heading", { name: "There is no site called nope." }).waitFor()
    // Others than this machine's users see the figures, and nobody has chosen that: it is told once.
    await page.locator(".exposed").getByRole("button").click()
    await page.getByRole("link", { name: "blog" }).click()
    await page.locator("[data-card=visitors] [data-value='1']").waitFor()
    expect(await page.locator(".exposed").count()).toBe(0)
    await page.route("**/analytics/query", (route) => {
      if (route.request().postDataJSON().limit !== 100) return route.fallback()
      const code = "STORE_UNAVAILABLE"
      return route.fulfill({ status: 503, json: { success: false, error: "A store does not answer.", code } })
    })
    await page.locator("[data-details='data.theme']").click()
    await page.locator("dialog .failure", { hasText: "A store does not answer now." }).waitFor()
    expect(await page.getByText("Nothing was found.").count()).toBe(0)
    await page.unroute("**/analytics/query")
    await page.locator("dialog").getByRole("button", { name: "Try again" }).click()
    const rows = page.locator("dialog tbody tr")
    await eventually(async () =>
      expect(
        (await rows.evaluateAll((all) => all.map((each) => each.getAttribute("data-row")))).sort(),
      ).toEqual(names.toSorted()),
    )
    expect(await page.evaluate(() => Object.keys(Object.prototype))).toEqual([])
    expect(await page.evaluate(() => document.querySelector("dialog b")?.textContent)).toBeUndefined()
    for (const height of await rows.evaluateAll((all) => all.map((each) => each.clientHeight)))
      expect(height).toBeLessThan(60)
    await rows.filter({ hasText: "__proto__" }).getByRole("button").click()
    await page.locator("[data-filter='data.theme']", { hasText: "__proto__" }).waitFor()
    await page.locator(".of-pages [data-row='/__proto__']").waitFor()
  })

  test("tells the reader of a shared link what is wrong, and keeps to the link", async () => {
    const node = await startDashboardNode()
    const { page } = await openDashboard(browser(), node.url)
    const answers = async (path: string, status: number, json: object) => {
      await page.unroute(`**/analytics/${path}`)
      await page.route(`**/analytics/${path}`, (route) => route.fulfill({ status, json }))
    }
    const refuses = (path: string, status: number, code: string) =>
      answers(path, status, { success: false, error: "No.", code })
    const says = (text: string) => page.getByRole("alert").filter({ hasText: text }).waitFor()

    await refuses("sites", 503, "STORE_UNAVAILABLE")
    await page.goto(`${node.url}/?share=token`)
    await says("A store does not answer now.")
    await refuses("sites", 401, "UNAUTHORIZED")
    await page.reload()
    await page.getByLabel("Password of the link").fill("guess")
    await refuses("share", 429, "TOO_MANY_ATTEMPTS")
    await page.getByRole("button", { name: "Open" }).click()
    await says("Too many passwords have been tried: wait a while.")
    await refuses("share", 401, "WRONG_CREDENTIALS")
    await page.getByRole("button", { name: "Open" }).click()
    await says("That is not its password.")
    await answers("sites", 200, { success: true, data: { sites: ["blog"], default: "blog" } })
    await page.goto(`${node.url}/?share=token&site=nope`)
    const link = page.getByRole("link", { name: "blog" })
    expect(await link.getAttribute("href")).toBe("?site=blog&share=token")
  })

  test("is used by the keyboard alone", async () => {
    const node = await visited()
    const { page } = await openDashboard(browser(), node.url)
    await page.locator(".of-pages .bar").first().waitFor()
    await page.keyboard.press("3")
    const plot = page.locator("[data-course=page_views]")
    await plot.focus()
    await page.keyboard.press("Home")
    const first = await plot.getAttribute("aria-valuetext")
    // Figures that have just come begin a course anew.
    await eventually(async () => {
      await page.keyboard.press("End")
      expect(await plot.getAttribute("aria-valuetext")).toContain("still going on")
    })
    expect(await plot.getAttribute("aria-valuetext")).not.toBe(first)
    await page.keyboard.press("Enter")
    await eventually(async () => expect(new URL(page.url()).searchParams.has("from")).toBe(true))
    await page.locator("[data-tab=page]").focus()
    await page.keyboard.press("ArrowRight")
    await eventually(async () => expect(new URL(page.url()).searchParams.get("tab_pages")).toBe("entry_page"))
    await page.keyboard.press("/")
    await page.getByLabel("Value").fill("/cv")
    await page.keyboard.press("Enter")
    await page.locator("[data-filter=page]").waitFor()
    // Not behind a dialogue, whatever has the focus.
    const before = page.url()
    await page.keyboard.press("?")
    await page.locator("dialog[open]").waitFor()
    await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur())
    for (const key of ["c", "d", "x"]) await page.keyboard.press(key)
    await page.keyboard.press("Escape")
    await page.locator("dialog").waitFor({ state: "detached" })
    expect(page.url()).toBe(before)
    await page.keyboard.press("c")
    await eventually(async () => expect(await page.locator("[data-filter]").count()).toBe(0))
  })

  test("leads to the clicks over a page, by a link that opens nothing else and ends with the login", async () => {
    const { node, page, complaints } = await owned(browser())
    const tag = `<script src="${node.url}/hello.js" data-site="main"></script>`
    const site = await siteOf({ "*": `<style>body { margin: 0; height: 2000px }</style><h1>CV</h1>${tag}` })
    const clicks = (count: number, x: number) =>
      Array.from({ length: count }, (_, i) => ({
        ...{ event_type: "button_click", event_data: { x, y: 50 }, page_url: `${site}/cv` },
        visitor_id: `00000000-0000-4000-8000-0000000000${x + i}`,
      }))
    const from = (country: string) => ({ "CF-IPCountry": country, "X-Forwarded-For": "203.0.113.7" })
    await node.send(clicks(3, 50), from("FR"))
    await node.send(clicks(2, 10), from("DE"))
    await page.goto(`${node.url}/?range=day&f=is,country,FR`)
    await page.locator(".of-pages [data-row='/cv']").hover()
    await page.getByRole("button", { name: "Clicks on /cv" }).click()
    const open = page.getByRole("link", { name: "Open the page" })
    await open.waitFor()
    expect(await page.getByLabel("Address of the page").inputValue()).toBe(`${site}/cv`)
    await fits(page)
    await page.setViewportSize({ width: 1280, height: 900 })
    const address = (await open.getAttribute("href")) ?? ""
    page.context().setDefaultTimeout(0)
    const asking = page
      .context()
      .waitForEvent("request", (request) => request.url().endsWith("/heatmap/page"))
    const [opened] = await Promise.all([page.context().waitForEvent("page"), open.click()])
    opened.setDefaultTimeout(0)
    const cells = opened.locator("#maicivy-heatmap [data-clicks]")
    await eventually(async () => expect(await cells.allTextContents()).toEqual(["3"]))
    const status = opened.locator("#maicivy-heatmap [role=status]")
    expect(await status.textContent()).toMatch(/^Clicks on this page: 3 · \d+ \w+ \d{4}$/)
    expect(opened.url()).toBe(`${site}/cv`)
    const sent = Object.keys(await (await asking).allHeaders())
    expect(sent.filter((name) => ["cookie", "authorization"].includes(name))).toEqual([])
    expect(complaints).toEqual([])

    // The ticket is for that page's clicks, in that time and with those filters, and for nothing else.
    const ticket = decodeURIComponent(/maicivy-heatmap=(.*)/.exec(address)?.[1] ?? "")
    const api = `${node.url}/api/v1/analytics`
    for (const path of ["stats", "heatmap", "query?metrics=events"])
      expect((await fetch(`${api}/${path}`, { headers: { Authorization: `Bearer ${ticket}` } })).status).toBe(
        401,
      )
    const show = (text: string) =>
      fetch(`${api}/heatmap/page`, { method: "POST", body: JSON.stringify({ ticket: text }) })
    expect((await show(ticket)).status).toBe(200)
    expect((await show(ticket.replace(/.{4}$/, "AAAA"))).status).toBe(401)
    await page.goto(`${node.url}/settings/account`)
    await page.getByRole("button", { name: "Log out everywhere" }).click()
    await page.waitForURL("**/login*")
    await eventually(async () => expect((await show(ticket)).status).toBe(401))
    await opened.goto("about:blank")
    await opened.goto(address)
    await eventually(async () =>
      expect(await status.textContent()).toMatch(/^This link is not good any more/),
    )
  })

  /** The address has the name and the password that a proxy before the node asks for. */
  const worksWithCredentials = async (of: Browser) => {
    const node = await startDashboardNode()
    const view = { event_type: "page_view", page_url: "https://cv.example/a" }
    await node.send([{ ...view, visitor_id: "00000000-0000-4000-8000-000000000001" }], {
      ...{ "CF-IPCountry": "FR", "X-Forwarded-For": "203.0.113.7" },
    })
    const address = node.url.replace("//", "//of:proxy@")
    const { page, complaints } = await openDashboard(of, `${address}/?range=day&lang=en`)
    await page.locator("[data-connection=open]").waitFor()
    await page.locator(".of-pages [data-row='/a'] .bar").click()
    await page.locator(".chip[data-filter=page]").waitFor()
    await page.waitForURL("**f=is*")
    await page.goBack()
    await page.locator(".chip").waitFor({ state: "detached" })
    await page.locator(".top select").first().selectOption({ label: "blog" })
    await page.waitForURL("**site=blog*")
    await page.goto(`${address}/?range=day&tab_places=map`)
    await page.locator(".world [data-country=FR][data-visitors='1']").waitFor()
    await page.goto(`${address}/live`)
    await page.locator("[data-connection=open]").waitFor()
    await page.locator(".timeline tbody tr").first().waitFor()
    await page.locator(".top select").first().selectOption({ label: "blog" })
    await page.waitForURL("**/live?site=blog")
    expect(complaints).toEqual([])
  }

  const CREDENTIALS = "works by an address that has a name and a password in it"
  test(CREDENTIALS, () => worksWithCredentials(browser()))

  test(`${CREDENTIALS}, in Firefox`, wantsFirefox, async () => {
    const firefox = await launchFirefox()
    onTestFinished(() => firefox.close())
    await worksWithCredentials(firefox)
  })
})

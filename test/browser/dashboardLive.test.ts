import { describe, expect, onTestFinished, test } from "vitest"
import { DAY_MS, MINUTE_MS } from "../../src/domain/time.ts"
import { Random } from "../../src/tools/traffic/random.ts"
import { runsBrowser, wantsChromium } from "../support/chromium.ts"
import { now } from "../support/clock.ts"
import { eventually } from "../support/index.ts"
import {
  axeFindings,
  type DashboardNode,
  figures,
  openDashboard,
  shown,
  startDashboardNode,
  translatedFigures,
  visited,
} from "./dashboardPage.ts"
import { someEvent } from "./dashboardTraffic.ts"

describe("the live page", wantsChromium, () => {
  let node: DashboardNode
  const browser = runsBrowser()

  test("shows what the API says while events stream in", async () => {
    node = await visited()
    const moves = { reducedMotion: "no-preference" } as const
    const { page, complaints } = await openDashboard(browser(), `${node.url}/live?period=day`, moves)
    const asked: Array<string> = []
    await page.locator("[data-connection=open]").waitFor()
    await page.locator("[data-stat=page_views]").waitFor()
    await page.locator(".timeline tbody tr").first().waitFor()
    page.on("request", (request) => asked.push(new URL(request.url()).pathname))

    const source = new Random(11)
    for (let round = 0; round < 6; round++) {
      const batch = Array.from({ length: 40 }, () => ({
        ...someEvent(() => source.next()),
        visitor_id: `00000000-0000-4000-8000-${String(source.integer(0, 60)).padStart(12, "0")}`,
        page_url: "https://cv.example/cv",
      }))
      await node.send(batch)
      // The page keeps up before more arrives.
      await eventually(async () => {
        const { total_events } = await figures(node, "realtime")
        expect(await shown(page, "[data-figure=total_events]")).toBe(total_events)
      })
    }
    const first = page.locator(".events li").first()
    // The burst has spent the feed's budget, which refills in steps: an event that comes before the next one is summed.
    await eventually(async () => {
      await node.send([{ event_type: "newsletter.joined", page_url: "https://cv.example/last" }])
      const { total_events } = await figures(node, "realtime")
      expect(await shown(page, "[data-figure=total_events]")).toBe(total_events)
      expect(await first.getAttribute("data-event")).toBe("newsletter.joined")
    })
    await eventually(async () => {
      const realtime = await figures(node, "realtime")
      for (const name of ["current_visitors", "unique_today", "total_events", "letters_today"])
        expect(await shown(page, `[data-figure=${name}]`), name).toBe(realtime[name])
      const stats = await figures(node, "stats")
      for (const name of ["unique_visitors", "page_views", "total_events", "letters_generated"])
        expect(await shown(page, `[data-stat=${name}]`), name).toBe(stats[name])
      const letters = await figures(node, "letters")
      expect(await shown(page, "[data-letters=motivation]")).toBe(letters.motivation)
      expect(await shown(page, "[data-letters=anti]")).toBe(letters.anti_motivation)
      const { data: themes } = await node.get("themes")
      for (const { theme, views } of themes as ReadonlyArray<{ theme: string; views: number }>)
        expect(await shown(page, `[data-theme="${theme}"]`), theme).toBe(views)
      const { data: minutes } = await node.get("history")
      const inHour = (minutes as ReadonlyArray<{ events: number }>).reduce(
        (sum, each) => sum + each.events,
        0,
      )
      expect(Number(await page.locator(".chart").getAttribute("data-total")), "the last hour").toBe(inHour)
      const { data: clicks } = await node.get("heatmap")
      const clicked = (clicks as ReadonlyArray<{ count: number }>).reduce((sum, each) => sum + each.count, 0)
      expect(Number(await page.locator("[data-clicks]").getAttribute("data-clicks")), "clicks").toBe(clicked)
    })
    // A board that is open for weeks draws nothing while nothing happens.
    await eventually(async () =>
      expect(
        await page.evaluate(() => document.getAnimations().map(({ id, playState }) => [id, playState])),
      ).toEqual([]),
    )
    // Figures came by themselves; only clicks beyond the budget of single events were read, and questions about new rows asked.
    expect(asked.filter((path) => !/\/(heatmap|query)$/.test(path))).toEqual([])
    expect(complaints).toEqual([])
  })

  test("has room for a million visitors", async () => {
    const started = await startDashboardNode()
    const page = await browser().newPage()
    page.setDefaultTimeout(0)
    onTestFinished(() => page.close())
    await page.routeWebSocket(/\/ws\/analytics/, (dashboard) => {
      dashboard
        .connectToServer()
        .onMessage((frame) =>
          dashboard.send(String(frame).replace(/"current_visitors":\d+/, '"current_visitors":1234567')),
        )
    })
    await page.goto(`${started.url}/live`)
    const figure = page.locator("[data-figure=current_visitors]")
    await eventually(async () => expect(await shown(page, "[data-figure=current_visitors]")).toBe(1_234_567))
    for (const width of [1280, 760, 390]) {
      await page.setViewportSize({ width, height: 900 })
      const [wide, room] = await figure.evaluate((element) => [element.scrollWidth, element.clientWidth])
      expect(wide, `at ${width} pixels`).toBeLessThanOrEqual(room ?? 0)
    }
  })

  test("compares with yesterday at the same hour", async () => {
    node = await visited()
    const { page } = await openDashboard(browser(), `${node.url}/live`)
    await page.locator("[data-past=total_events]").waitFor()
    const { data } = await node.get("yesterday")
    const day = data as {
      until: string
      total_events: ReadonlyArray<number>
      unique_visitors: ReadonlyArray<number>
    }
    const at = (list: ReadonlyArray<number>) => {
      const minute = Math.floor((now() - Date.parse(day.until)) / MINUTE_MS)
      return [list[Math.max(0, minute - 1)], list[minute]]
    }
    await eventually(async () => {
      expect(at(day.total_events)).toContain(await shown(page, "[data-past=total_events]"))
      expect(at(day.unique_visitors)).toContain(await shown(page, "[data-past=unique_today]"))
    })
  })

  test("connects again by itself after a restart of the server, and has everything that happened", async () => {
    node = await visited()
    const { page } = await openDashboard(browser(), `${node.url}/live`)
    await page.locator("[data-connection=open]").waitFor()
    await page.locator("[data-stat=page_views]").waitFor()
    const restarted = node.restart()
    await page.locator("[data-connection=waiting]").waitFor()
    await restarted
    await node.send([{ event_type: "page_view", page_url: "/after" }])
    await page.locator("[data-connection=open]").waitFor()
    await eventually(async () => {
      const realtime = await figures(node, "realtime")
      expect(await shown(page, "[data-figure=total_events]")).toBe(realtime.total_events)
    })
    await node.send([{ event_type: "page_view", page_url: "/live-again" }])
    await page.locator(".events .page", { hasText: "/live-again" }).waitFor()
    // Nothing that failed meanwhile is left on the page.
    await eventually(async () => expect(await page.locator(".failure").count()).toBe(0))
  })

  test("says what is empty, what is loading and what failed, and offers to try again", async () => {
    node = await startDashboardNode()
    const { page, complaints } = await openDashboard(browser(), `${node.url}/live?site=blog`)
    await page.getByText("No theme has been chosen yet.").waitFor()
    await page.getByText("No letter this week.").waitFor()
    await page.getByText("Quiet. Events appear here").waitFor()
    await page.getByText("No event has been stored yet.").waitFor()
    await page.getByText("No click on this page").waitFor()
    expect(complaints).toEqual([])

    const held = Promise.withResolvers<void>()
    await page.route("**/analytics/heatmap?*", async (route) => {
      await held.promise
      const code = "STORE_UNAVAILABLE"
      await route.fulfill({ status: 503, json: { success: false, error: "A store does not answer.", code } })
    })
    await page.getByLabel("Page", { exact: true }).fill("/cv")
    await page.getByLabel("Page", { exact: true }).press("Enter")
    await page.locator(".heatmap .loading").waitFor()
    held.resolve()
    await page.locator(".heatmap .failure", { hasText: "A store does not answer now." }).waitFor()
    await page.unroute("**/analytics/heatmap?*")
    await page.locator(".heatmap").getByRole("button", { name: "Try again" }).click()
    await page.getByText("No click on this page").waitFor()
    expect(await page.locator(".heatmap .failure").count()).toBe(0)
  })

  test("fills a timeline that was empty, although answers are older than the event at first", async () => {
    node = await startDashboardNode()
    let stale = 0
    const { page, complaints } = await openDashboard(browser(), `${node.url}/live`)
    await page.getByText("No event has been stored yet.").waitFor()
    await page.route("**/analytics/timeline?*", async (route) => {
      if (stale++ > 0) return route.fallback()
      await route.fulfill({ json: { success: true, data: [], meta: { next_cursor: null } } })
    })
    await node.send([{ event_type: "page_view", page_url: "/only" }])
    await page.locator(".timeline tbody tr", { hasText: "/only" }).waitFor()
    // The first answer was too old, and on a slow machine the next may be, too.
    expect(stale).toBeGreaterThan(1)
    expect(complaints).toEqual([])
  })

  test("reads the timeline once, although events come before its first answer", async () => {
    node = await visited()
    const address = `${node.url}/live`
    const { page, complaints } = await openDashboard(browser(), address)
    await page.locator(".timeline tbody tr").first().waitFor()
    const showsEvent = async (path: string) => {
      await node.send([{ event_type: "page_view", page_url: path }])
      await page.locator(".events .page", { hasText: path }).waitFor()
    }
    // However slow the machine is, reads are waited for.
    await page.addInitScript(() => {
      AbortSignal.timeout = () => new AbortController().signal
    })
    await page.clock.install()
    let connections = 0
    page.on("websocket", () => connections++)
    /** Opens the page again. Returns how often it has read the timeline. */
    const reads = async () => {
      let asked = 0
      const answer = Promise.withResolvers<void>()
      // The page before may still be about to read, after a connection that was lost.
      await page.goto("about:blank")
      await page.unroute("**/analytics/timeline?*")
      await page.route("**/analytics/timeline?*", async (route) => {
        asked++
        await answer.promise
        await route.fallback()
      })
      connections = 0
      await page.goto(address)
      await page.locator("[data-connection=open]").waitFor()
      await showsEvent("/early")
      // As slow as this, an answer is still waited for.
      await page.clock.fastForward(10_000)
      answer.resolve()
      await page.locator(".timeline tbody tr").first().waitFor()
      // Its frame also says that the connection is alive.
      await showsEvent("/late")
      await page.clock.fastForward(10_000)
      await page.evaluate(() => fetch("/health"))
      return asked
    }
    // A connection that a busy machine lets be silent for too long is opened again, and everything is read again.
    const found = await eventually(async () => {
      const asked = await reads()
      expect(connections).toBe(1)
      return asked
    })
    expect(found).toBe(1)
    expect(complaints).toEqual([])
  })

  test("shows names that every object has as text, live and stored", async () => {
    node = await startDashboardNode()
    const { page, complaints } = await openDashboard(browser(), `${node.url}/live`)
    await page.locator("[data-connection=open]").waitFor()
    await page.getByText("No theme has been chosen yet.").waitFor()
    const types = ["__proto__", "constructor"]
    const themes = [...types, "toString"]
    await node.send([
      ...types.map((event_type) => ({ event_type })),
      ...themes.map((theme) => ({ event_type: "cv_theme_change", event_data: { theme } })),
    ])
    const showsNames = async (rows: string) => {
      for (const type of types) await page.locator(`${rows} .type`, { hasText: type }).waitFor()
      for (const theme of themes) await page.locator(`[data-theme="${theme}"]`).waitFor()
      expect(await page.evaluate(() => Object.keys(Object.prototype))).toEqual([])
    }
    await showsNames(".events li")
    // The page gets the same answer: an older one may be cached for a while.
    await eventually(async () => {
      const { data } = await node.get("timeline?limit=25")
      expect(data).toHaveLength(types.length + themes.length)
    })
    await page.reload()
    await showsNames(".timeline tbody tr")
    expect(complaints).toEqual([])
  })

  test("switches site, period and page, and keeps them in its address", async () => {
    node = await visited()
    await node.send([
      {
        site: "blog",
        event_type: "page_view",
        page_url: "/post",
        visitor_id: "00000000-0000-4000-8000-000000000001",
      },
    ])
    const { page, complaints } = await openDashboard(browser(), `${node.url}/live`)
    await page.getByLabel("Site").selectOption("blog")
    await eventually(async () => expect(await shown(page, "[data-figure=total_events]")).toBe(1))
    await page.getByLabel("Site").selectOption("main")
    await page.getByRole("radio", { name: "Month" }).click({ force: true })
    await eventually(async () => {
      const stats = await figures(node, "stats?period=month")
      expect(await shown(page, "[data-stat=total_events]")).toBe(stats.total_events)
      expect(await page.locator(".columns li").count()).toBeGreaterThanOrEqual(28)
    })
    const clicks = async (path: string) => {
      const { data } = await node.get(path)
      return (data as ReadonlyArray<{ count: number }>).reduce((sum, each) => sum + each.count, 0)
    }
    await page.getByLabel("Page", { exact: true }).fill("https://cv.example/cv")
    await page.getByLabel("Page", { exact: true }).press("Enter")
    await eventually(async () =>
      expect(Number(await page.locator("[data-clicks]").getAttribute("data-clicks"))).toBe(
        await clicks(`heatmap?page_url=${encodeURIComponent("https://cv.example/cv")}`),
      ),
    )
    expect(await page.getByRole("link", { name: "Over the page" }).getAttribute("href")).toBe(
      "https://cv.example/cv#maicivy-heatmap",
    )
    expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({
      site: "main",
      period: "month",
      page: "https://cv.example/cv",
    })
    expect(complaints).toEqual([])
  })

  test.each([
    ["light", "en-GB", "Visitors now"],
    ["dark", "fr-FR", "Visiteurs en ce moment"],
  ] as const)("is accessible in %s colours and %s", async (colorScheme, locale, title) => {
    node = await visited()
    // More letters yesterday at this hour than today, so that a figure which falls is on the page, too.
    const timestamp = now() - MINUTE_MS - DAY_MS
    const letter = { event_type: "letter_generate", event_data: { letter_type: "motivation" }, timestamp }
    await node.send(Array.from({ length: 300 }, () => letter))
    const { page, complaints } = await openDashboard(browser(), `${node.url}/live`, { colorScheme, locale })
    await page.getByRole("heading", { name: title }).waitFor()
    await page.locator("[data-clicks]").waitFor()
    await page.locator("[data-stat=page_views]").waitFor()
    await page.locator(".change.less").first().waitFor()
    expect(await page.locator("html").getAttribute("lang")).toBe(locale.slice(0, 2))
    expect(await page.locator("html").getAttribute("data-scheme")).toBe(colorScheme)
    expect(await axeFindings(page)).toEqual([])
    expect(await translatedFigures(page)).toEqual([])
    expect(complaints).toEqual([])
  })

  test("is reached by the keyboard alone", async () => {
    node = await visited()
    const { page } = await openDashboard(browser(), `${node.url}/live`)
    // What has not been read yet has nothing to reach.
    for (const part of [
      "[data-stat=page_views]",
      "[data-clicks]",
      "[aria-label='stored events, newest first']",
    ])
      await page.locator(part).waitFor()
    await page.keyboard.press("Tab")
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the figures")
    const reached = new Set<string>()
    for (let i = 0; i < 25; i++) {
      await page.keyboard.press("Tab")
      reached.add(
        await page.evaluate(() => {
          const at = document.activeElement
          return at?.getAttribute("name") ?? at?.getAttribute("aria-label") ?? at?.tagName.toLowerCase() ?? ""
        }),
      )
    }
    for (const stop of [
      "select",
      "scheme",
      "language",
      "period",
      "input",
      "button",
      "stored events, newest first",
    ])
      expect([...reached]).toContain(stop)
    await page.locator("input[name=period]:checked").focus()
    await page.keyboard.press("ArrowRight")
    await page.getByRole("heading", { name: "This month" }).waitFor()
    await page.locator("input[name=scheme]:checked").focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    expect(await page.locator("html").getAttribute("data-scheme")).toBe("dark")
    await page.locator("input[name=language]:checked").focus()
    await page.keyboard.press("ArrowRight")
    await page.getByRole("heading", { name: "Ce mois-ci" }).waitFor()
  })

  test("keeps colours and language that were chosen just before a reload", async () => {
    node = await visited()
    const { page } = await openDashboard(browser(), `${node.url}/live`, {
      colorScheme: "light",
      locale: "en-GB",
    })
    await page.getByRole("heading", { name: "Visitors now" }).waitFor()
    // In one task: the page has no time to draw what was chosen.
    await page.evaluate(() => {
      for (const choice of ["input[name=scheme][value=dark]", "input[name=language][value=fr]"])
        document.querySelector<HTMLInputElement>(choice)?.click()
      location.reload()
    })
    await page.getByRole("heading", { name: "Visiteurs en ce moment" }).waitFor()
    expect(await page.locator("html").getAttribute("data-scheme")).toBe("dark")
  })

  test.each([320, 390, 820, 1280, 1920, 2560])("fits a screen %i pixels wide", async (width) => {
    node = await visited()
    const { page } = await openDashboard(browser(), `${node.url}/live`, { viewport: { width, height: 900 } })
    await page.locator("[data-clicks]").waitFor()
    await page.locator(".chart canvas").waitFor()
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
  })
})

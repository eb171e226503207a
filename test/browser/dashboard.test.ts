import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import { join } from "node:path"
import type { Browser, BrowserContextOptions, Download, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import type { SettingsTab } from "../../src/domain/paths.ts"
import { DAY_MS, MINUTE_MS } from "../../src/domain/time.ts"
import { Random } from "../../src/tools/traffic/random.ts"
import { launch, wantsChromium } from "../support/chromium.ts"
import { now } from "../support/clock.ts"
import { filesIn, ROOT, read } from "../support/documents.ts"
import { launchFirefox, wantsFirefox } from "../support/firefox.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { TOKEN } from "../support/node.ts"
import {
  axeFindings,
  bytesOf,
  type DashboardNode,
  openDashboard,
  PICTURES,
  startDashboardNode,
  translatedFigures,
} from "./dashboardPage.ts"
import { someEvent, twoDaysOfVisits, weekOfVisits } from "./dashboardTraffic.ts"
import { siteOf } from "./trackerPage.ts"

const MAX_BYTES = 150 * 1024

describe("the built page", () => {
  test("is what its sources say", () => {
    const outDir = temporaryFolder()
    // Without the test runner's NODE_ENV, which would make it a development build.
    const { NODE_ENV: _, ...env } = process.env
    execFileSync("npx", ["vite", "build", "src/dashboard", "--outDir", outDir, "--logLevel", "error"], {
      cwd: ROOT,
      env,
    })
    for (const path of filesIn("src/dashboard/built", "").filter((each) => /\.\w+$/.test(each))) {
      const made = readFileSync(join(outDir, path.replace("src/dashboard/built/", "")), "utf8")
      expect(made === read(path), `${path} is out of date: run npm run build:dashboard.`).toBe(true)
    }
  })
})

/** The number that an element shows, whatever its language's separators. */
const shown = async (page: Page, selector: string): Promise<number> =>
  Number(((await page.locator(selector).first().textContent()) ?? "").replace(/[^\d.]/g, ""))

/** Every figure of an answer below the API. */
const figures = async (node: DashboardNode, path: string): Promise<Record<string, number>> => {
  const { data } = await node.get(path)
  if (typeof data !== "object" || data === null) throw new Error(JSON.stringify(data))
  return Object.fromEntries(Object.entries(data))
}

let browser: Browser

/** Has `browser` run while the tests of a page do. */
const runsBrowser = () => {
  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(() => browser?.close())
}

/** A node with two days of visits, all of them counted. */
const visited = async (perMinute = 0.2) => {
  const started = await startDashboardNode()
  await started.send(twoDaysOfVisits(now(), perMinute))
  return started
}

describe("the live page", wantsChromium, () => {
  let node: DashboardNode

  runsBrowser()

  test("shows what the API says while events stream in", async () => {
    node = await visited()
    const { page, complaints } = await openDashboard(browser, `${node.url}/live?period=day`)
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
    // Figures came by themselves; only clicks beyond the budget of single events were read, and questions about new rows asked.
    expect(asked.filter((path) => !/\/(heatmap|query)$/.test(path))).toEqual([])
    expect(complaints).toEqual([])
  })

  test("has room for a million visitors", async () => {
    const started = await startDashboardNode()
    const page = await browser.newPage()
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
    const { page } = await openDashboard(browser, `${node.url}/live`)
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
    const { page } = await openDashboard(browser, `${node.url}/live`)
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
    const { page, complaints } = await openDashboard(browser, `${node.url}/live?site=blog`)
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
    const { page, complaints } = await openDashboard(browser, `${node.url}/live`)
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
    const { page, complaints } = await openDashboard(browser, `${node.url}/live`)
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
      await page.unroute("**/analytics/timeline?*")
      await page.route("**/analytics/timeline?*", async (route) => {
        asked++
        await answer.promise
        await route.fallback()
      })
      connections = 0
      await page.reload()
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
    const { page, complaints } = await openDashboard(browser, `${node.url}/live`)
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
    const { page, complaints } = await openDashboard(browser, `${node.url}/live`)
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
    const { page, complaints } = await openDashboard(browser, `${node.url}/live`, { colorScheme, locale })
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
    const { page } = await openDashboard(browser, `${node.url}/live`)
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
    const { page } = await openDashboard(browser, `${node.url}/live`, {
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
    const { page } = await openDashboard(browser, `${node.url}/live`, { viewport: { width, height: 900 } })
    await page.locator("[data-clicks]").waitFor()
    await page.locator(".chart canvas").waitFor()
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
  })

  test("takes less than 150 KB", async () => {
    node = await startDashboardNode()
    const sizes = await Promise.all(
      ["/", ...["dashboard.js", "world.js", "dashboard.css"].map((file) => `/assets/${file}`)].map((path) =>
        bytesOf(`${node.url}${path}`),
      ),
    )
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0)
    expect(total).toBeLessThan(MAX_BYTES)
  })

  // Not a test of its own: it makes what the documents show.
  test.each(PICTURES ? ["live"] : [])("has its picture taken: %s", async (name) => {
    node = await startDashboardNode()
    for (const { headers, events } of weekOfVisits(now())) await node.send(events, headers)
    for (const colorScheme of ["light", "dark"] as const) {
      const viewport = { width: 1920, height: 1080 }
      const { page } = await openDashboard(browser, `${node.url}/live`, { colorScheme, viewport })
      await page.locator("[data-connection=open]").waitFor()
      await page.locator(".by-device [data-count]").first().waitFor()
      await page.locator(".events li:nth-child(20)").waitFor()
      await page.screenshot({
        path: join(ROOT, `docs/images/${name}-${colorScheme}.png`),
        animations: "disabled",
      })
    }
  })
})

describe("the settings page", wantsChromium, () => {
  runsBrowser()

  const OWNER = { name: "ada", password: "correct horse battery" }

  /** A private node whose first owner has been made, and is logged in. */
  const owned = async (options: BrowserContextOptions = {}, of = browser) => {
    const node = await startDashboardNode({ access: "private" })
    const { page, complaints } = await openDashboard(of, await node.setupUrl(), options)
    await page.locator("[name=name]").fill(OWNER.name)
    await page.locator("[name=password]").fill(OWNER.password)
    expect(await axeFindings(page)).toEqual([])
    await page.getByRole("button").click()
    await page.locator("[data-page=settings]").click()
    return { node, page, complaints }
  }

  /** Opens a tab of the settings. */
  const opens = async (page: Page, tab: SettingsTab) => {
    await page.locator(`[data-tab=${tab}]`).click()
    await page.locator(`[data-tab=${tab}][aria-current=page]`).waitFor()
    await page.waitForURL(`**/settings/${tab}*`)
  }

  /** What a file has that the browser has saved. */
  const downloaded = async (download: Download): Promise<unknown> =>
    JSON.parse(await readFile(await download.path(), "utf8"))

  /** Removes the one that is listed by a name. */
  const removes = async (page: Page, name: string) => {
    const row = page.locator(`[data-listed="${name}"]`)
    await row.locator("[data-asks=remove]").click()
    await row.locator("[data-confirm]").click()
    await row.waitFor({ state: "detached" })
  }

  /** Fits every screen, and is accessible. */
  const fits = async (page: Page) => {
    expect(await axeFindings(page)).toEqual([])
    for (const width of [320, 820, 1280, 3840]) {
      await page.setViewportSize({ width, height: 900 })
      const wide = await page.evaluate(() => document.documentElement.scrollWidth)
      expect(wide, `at ${width} pixels`).toBeLessThanOrEqual(width)
    }
  }

  test("lets an owner share figures and make keys, and take both back", async () => {
    const { node, page, complaints } = await owned()
    await opens(page, "shares")
    await page.getByText("There is no share link yet.").waitFor()
    await page.locator("[data-form=share]").getByLabel("Name").fill("For Bob")
    await page.locator("[data-form=share]").getByLabel("Site", { exact: true }).selectOption("blog")
    await page.getByLabel("Websites that may show it").fill("blog.example/stats")
    await page.getByRole("button", { name: "Make a share link" }).click()
    const link = await page.locator("[data-copied=link]").inputValue()
    expect(await page.locator("[data-copied=embed]").inputValue()).toContain(`src="${link}"`)
    await page
      .locator("[data-listed='For Bob']", { hasText: "blog · in frames of https://blog.example" })
      .waitFor()
    expect(await axeFindings(page)).toEqual([])
    const { page: shared } = await openDashboard(browser, link)
    // A site without an event, and not theirs to set up.
    await shared.getByRole("heading", { name: "There has been no event yet" }).waitFor()
    expect(await shared.locator("[data-card], [data-copied], main a").count()).toBe(0)
    await page.reload()
    await page.locator("[data-listed='For Bob'] [data-does=show]").click()
    expect(await page.locator("[data-listed='For Bob'] [data-copied=link]").inputValue()).toBe(link)
    expect(await axeFindings(page)).toEqual([])
    // Whoever has the link is nobody who could change anything.
    expect(await shared.locator("[data-page=settings]").count()).toBe(0)
    await shared.goto(link.replace("/?", "/settings/keys?"))
    await shared.getByRole("heading", { name: "Settings are for those who are logged in." }).waitFor()
    await removes(page, "For Bob")
    await shared.goto(link)
    await shared.getByRole("heading", { name: "These figures are not for everybody." }).waitFor()

    await opens(page, "keys")
    await page.locator("[data-form=key]").getByLabel("Name").fill("Report")
    await page.getByRole("checkbox", { name: "blog" }).check()
    await page.getByRole("button", { name: "Make an API key" }).click()
    const headers = { Authorization: `Bearer ${await page.locator("[data-copied=key]").inputValue()}` }
    const status = async (site: string) =>
      (await fetch(`${node.url}/api/v1/analytics/stats?site=${site}`, { headers })).status
    expect([await status("blog"), await status("main")]).toEqual([200, 400])
    expect(await axeFindings(page)).toEqual([])
    await page.goBack()
    await page.locator("[data-form=share]").waitFor()
    await page.goForward()
    // It was told once.
    await page.locator("[data-listed=Report]", { hasText: "reads · blog" }).waitFor()
    expect(await page.locator("[data-copied=key]").count()).toBe(0)
    await removes(page, "Report")
    expect(await status("blog")).toBe(401)
    expect(complaints).toEqual([])
  })

  /** A website whose pages have a tag that may be changed, at two hosts. */
  const website = async () => {
    const site = { tag: "" }
    const server = createServer((_, answer) => {
      answer.setHeader("Content-Type", "text/html")
      answer.end(`<!doctype html><title>The shop</title><h1>The shop</h1>${site.tag}`)
    })
    await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens))
    onTestFinished(() => void server.close())
    const address = server.address()
    const { port } = typeof address === "object" && address !== null ? address : { port: 0 }
    return { site, hosts: [`localhost:${port}`, `127.0.0.1:${port}`] as const }
  }

  test("begins with the tag, whose first event the figures follow", async () => {
    const { node, page, complaints } = await owned()
    const { site, hosts } = await website()
    await page.locator("[data-page=front]").click()
    await page.locator("[data-arriving=waiting]").waitFor()
    expect(await axeFindings(page)).toEqual([])
    const tag = await page.locator("[data-copied=tag]").inputValue()
    expect(tag).toBe(`<script async src="${node.url}/hello.js" data-site="main"></script>`)
    expect(await page.locator("[data-card]").count()).toBe(0)
    const visitor = await (await browser.newContext()).newPage()
    visitor.setDefaultTimeout(0)
    site.tag = tag.replace("main", "mian")
    await visitor.goto(`http://${hosts[0]}/`)
    await page.locator("[data-refused=UNKNOWN_SITE]", { hasText: "“mian”" }).waitFor()
    site.tag = tag
    await visitor.goto(`http://${hosts[0]}/hello`)
    await page.locator("[data-arriving=arrived] [data-event=page_view]", { hasText: "/hello" }).waitFor()
    await page.locator("[data-card=visitors] [data-value='1']").waitFor()
    await page.locator(".of-pages [data-row='/hello']").waitFor()
    expect(await axeFindings(page)).toEqual([])
    await page.locator(".first").getByRole("button", { name: "Done" }).click()
    expect(await page.locator(".first, [data-copied]").count()).toBe(0)
    expect(complaints).toEqual([])
  })

  /** Adds a site in a browser, whose first pages go wrong. */
  const addsSite = async (of: Browser) => {
    const { node, page, complaints } = await owned({}, of)
    const { site, hosts } = await website()
    const [own, other] = hosts
    await opens(page, "sites")
    const form = page.locator("[data-form=site]")
    await form.getByLabel("Name", { exact: true }).fill("The Shop")
    await form.getByLabel("Hosts of its pages").fill(`http://${own}/`)
    await form.getByLabel("Refuse events of other hosts").check()
    await form.getByRole("button", { name: "Add a site" }).click()
    await page.locator("[data-setup=the-shop] [data-arriving=waiting]").waitFor()
    expect(await axeFindings(page)).toEqual([])
    // It is there for the other pages, too, and called by its name.
    await page.locator(".top option[value=the-shop]", { hasText: "The Shop" }).waitFor({ state: "attached" })

    const tag = await page.locator("[data-copied=tag]").inputValue()
    expect(tag).toBe(`<script async src="${node.url}/hello.js" data-site="the-shop"></script>`)
    const visitor = await (await of.newContext()).newPage()
    visitor.setDefaultTimeout(0)
    site.tag = tag.replace("the-shop", "shop")
    await visitor.goto(`http://${own}/`)
    await page.locator("[data-refused=UNKNOWN_SITE]", { hasText: "“shop”" }).waitFor()
    site.tag = tag
    await visitor.goto(`http://${other}/`)
    const refused = page.locator("[data-refused=HOST_NOT_ALLOWED]", { hasText: other })
    await page.locator("[data-arriving=waiting]").waitFor()
    await refused.getByRole("button", { name: `Add ${other}` }).click()
    await refused.waitFor({ state: "detached" })
    await visitor.goto(`http://${other}/first`)
    await page.locator("[data-arriving=arrived] [data-event=page_view]", { hasText: "/first" }).waitFor()
    // What was wrong before is not any more.
    await page.locator("[data-refused=UNKNOWN_SITE]").waitFor({ state: "detached" })
    expect(complaints).toEqual([])
  }

  const ADDS = "lets an owner add a site, says what is refused, and shows the first event the moment it comes"
  test(ADDS, () => addsSite(browser))

  test(`${ADDS}, in Firefox`, wantsFirefox, async () => {
    const firefox = await launchFirefox()
    onTestFinished(() => firefox.close())
    await addsSite(firefox)
  })

  test("lets an owner rename a site, archive and erase it, by the keyboard alone", async () => {
    const { node, page, complaints } = await owned({
      viewport: { width: 320, height: 700 },
      colorScheme: "dark",
    })
    const past = { event_type: "page_view", site: "blog", timestamp: now() - 3 * DAY_MS }
    await node.send([past, past, past, { ...past, timestamp: now() }])
    await opens(page, "sites")
    const row = page.locator("[data-listed=blog]")
    const edit = page.locator("[data-form=edit-site]")
    await row.locator("[data-does=edit]").press("Enter")
    await edit.locator("input:focus").waitFor()
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type("Notes & <b>more</b>")
    await page.keyboard.press("Enter")
    await row.locator("b", { hasText: "Notes & <b>more</b>" }).waitFor()
    await row.locator("[data-does=edit]:focus").waitFor()
    await row.locator("[data-does=edit]").press("Enter")
    await edit.getByLabel("Leave out paths").fill("/admin/* *.pdf")
    await edit.getByLabel("Time zone").fill("America/New_York")
    await edit.getByLabel("Leave out addresses").fill("everybody")
    await page.keyboard.press("Enter")
    await edit.getByText("an address like 192.0.2.7").waitFor()
    await edit.getByLabel("Leave out addresses").fill("192.0.2.0/24")
    await page.keyboard.press("Enter")
    await edit.waitFor({ state: "detached" })
    await row.getByText("America/New York").waitFor()
    // What would go for good is told first, and confirmed.
    await row.locator("[data-does=edit]").press("Enter")
    await edit.getByLabel("Days to keep events").fill("2")
    await page.keyboard.press("Enter")
    await edit.locator("[data-going='3']", { hasText: "3 events before" }).waitFor()
    expect(await axeFindings(page)).toEqual([])
    await edit.getByRole("button", { name: "Save, and have them deleted" }).press("Enter")
    await edit.waitFor({ state: "detached" })
    await row.getByText("keeps events for 2 days").waitFor()
    await row.locator("[data-does=archive]").press("Enter")
    const archive = page.locator("[data-form=archive-site] button")
    await page.locator("[data-form=archive-site] input:focus").waitFor()
    await page.keyboard.type("main")
    expect(await archive.isDisabled()).toBe(true)
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type("blog")
    expect(await axeFindings(page)).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320)
    await page.keyboard.press("Enter")
    await row.locator("[data-does=reopen]").press("Enter")
    await row.locator("[data-does=archive]").waitFor()
    // The default one takes what names no site.
    expect(await page.locator("[data-listed=main] [data-does=archive]").count()).toBe(0)
    // The other tabs call it by its new name.
    await opens(page, "keys")
    await page.getByRole("checkbox", { name: "Notes & <b>more</b>" }).check()
    await page.getByLabel("Name", { exact: true }).fill("for notes")
    await page.getByRole("button", { name: "Make an API key" }).click()
    await page.locator("[data-listed='for notes']", { hasText: "Notes & <b>more</b>" }).waitFor()
    // Its pages speak of the days of its zone.
    await page.goto(`${node.url}/?site=blog`)
    await page.locator("[data-range]").click()
    await page
      .getByLabel("Time zone")
      .locator("option", { hasText: "As the site (America/New_York)" })
      .waitFor({
        state: "attached",
      })
    await page.goto(`${node.url}/live?site=blog`)
    await page.locator(".today", { hasText: "days of UTC" }).waitFor()
    // All that there is of it goes, and a receipt tells what.
    await page.goto(`${node.url}/settings/sites`)
    await row.locator("[data-does=erase]").press("Enter")
    const erase = page.locator("[data-form=erase-site]")
    await page.locator("[data-events]").waitFor()
    await erase.locator("input:focus").waitFor()
    await page.keyboard.type("main")
    expect(await erase.getByRole("button").isDisabled()).toBe(true)
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type("blog")
    await fits(page)
    await page.keyboard.press("Enter")
    const receipt = await page.locator("[data-receipt]:focus").getAttribute("data-receipt")
    await page.getByText("stands empty and takes events").waitFor()
    await fits(page)
    const [kept] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download the receipt" }).press("Enter"),
    ])
    expect(await downloaded(kept)).toMatchObject({ id: receipt, site: "blog", by: "ada", complete: true })
    await opens(page, "keys")
    await page.getByText("There is no API key yet.").waitFor()
    // What was typed wrong is refused, and a browser complains of it.
    expect(complaints.filter((each) => !/\b400\b/.test(each))).toEqual([])
  })

  test("leads to the clicks over a page, by a link that opens nothing else and ends with the login", async () => {
    const { node, page, complaints } = await owned()
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

  test("lets an owner set goals and let others in, who see what is theirs", async () => {
    const { node, page, complaints } = await owned()
    await node.send(
      [0, 1, 2].map((i) => ({
        ...{ event_type: "page_view", page_url: `https://cv.example/${i === 0 ? "" : `thanks/${i}`}` },
        visitor_id: `00000000-0000-4000-8000-00000000000${i}`,
      })),
    )
    await opens(page, "goals")
    const form = page.locator("[data-form=goal]")
    await form.getByLabel("Name").fill("Thanked")
    await form.getByLabel("Page", { exact: true }).selectOption("contains")
    await form.getByLabel("Path").fill("/thanks")
    await form.locator("[data-reached='2']", { hasText: "2 of 3 visitors" }).waitFor()
    await page.getByRole("button", { name: "Make a goal" }).click()
    await page.locator("[data-listed=Thanked] [data-reached='2']").waitFor()
    await page.locator("[data-listed=Thanked] [data-does=change]").click()
    const change = page.locator("[data-listed=Thanked] form")
    await change.getByLabel("Page", { exact: true }).selectOption("is")
    await change.getByLabel("Path").fill("/thanks/1")
    await change.locator("[data-reached='1']").waitFor()
    await fits(page)
    await change.getByRole("button", { name: "Save" }).click()
    await page.locator("[data-listed=Thanked]", { hasText: "Page is /thanks/1" }).waitFor()

    await opens(page, "users")
    await page.getByLabel("Name or e-mail address").fill("Bob@example.org")
    await page.locator("[data-form=user]").getByLabel("Role").selectOption("editor")
    await page.getByRole("checkbox", { name: "main" }).check()
    await page.getByRole("button", { name: "Add a user" }).click()
    const password = await page.locator("[data-copied=password]").inputValue()
    await page.locator("[data-listed='bob@example.org']", { hasText: "Editor · main" }).waitFor()
    await fits(page)
    const theirs = { locale: "fr-FR", colorScheme: "dark" } as const
    // The address may have the name and the password that a proxy before it asks for.
    const behindProxy = await browser.newPage()
    await behindProxy.goto(`${node.url.replace("//", "//of:proxy@")}/login`)
    await behindProxy.locator("[name=name]").waitFor()
    await behindProxy.close()
    const { page: bob } = await openDashboard(browser, `${node.url}/login#to=settings`, theirs)
    await bob.locator("[name=name]").fill("bob@example.org")
    await bob.locator("[name=password]").fill(password)
    await bob.getByRole("button").click()
    const tabs = () =>
      bob.locator("[data-tab]").evaluateAll((all) => all.map((each) => each.getAttribute("data-tab")))
    await bob.locator("[data-listed=Thanked]").waitFor()
    expect(await tabs()).toEqual(["goals", "account"])
    await fits(bob)
    await opens(bob, "account")
    const secrets = bob.locator("[data-form=password] input[type=password]")
    const renew = async (before: string) => {
      await secrets.first().fill(before)
      await secrets.last().fill("another good password")
      await bob.locator("[data-form=password] [type=submit]").click()
    }
    await renew("wrong password")
    await bob.getByText("Ce n’est pas votre mot de passe actuel.").waitFor()
    await renew(password)
    await bob.getByText("Votre mot de passe est changé").waitFor()
    await fits(bob)

    // Less is theirs from now on, and an owner there always is.
    await page.locator("[data-listed='bob@example.org'] [data-does=change]").click()
    await page.locator("[data-listed='bob@example.org'] select").selectOption("viewer")
    await page.getByRole("button", { name: "Save" }).click()
    await page.locator("[data-listed='bob@example.org']", { hasText: "Viewer · main" }).waitFor()
    await bob.reload()
    await bob.locator("[data-form=password]").waitFor()
    expect(await tabs()).toEqual(["account"])
    await bob.getByRole("button", { name: "Se déconnecter partout" }).click()
    await bob.waitForURL("**/login")
    await removes(page, "bob@example.org")
    expect(complaints).toEqual([])
    await page.locator("[data-listed=ada] [data-asks=remove]").click()
    await page.locator("[data-listed=ada] [data-confirm]").click()
    await page.getByText("This is the last owner: make another one first.").waitFor()

    // Somebody who asks is told what is known of them, and then nothing is.
    const asks = "00000000-0000-4000-8000-000000000001"
    await opens(page, "visitors")
    await page.getByLabel("Visitor’s id").fill(asks.slice(1))
    await page.getByRole("button", { name: "Find" }).click()
    await page.getByText("An id looks like").waitFor()
    await page.getByLabel("Visitor’s id").fill(asks)
    await page.getByRole("button", { name: "Find" }).click()
    await page.locator("[data-listed=main]", { hasText: "1 event," }).waitFor()
    const [handedOver] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download all of it" }).click(),
    ])
    expect(await downloaded(handedOver)).toMatchObject({ data: [{ visitor_id: asks }] })
    await fits(page)
    const erase = page.getByRole("button", { name: "Erase", exact: true })
    await page.getByLabel("Type 00000000 to erase them").fill("0000")
    expect(await erase.isDisabled()).toBe(true)
    await page.getByLabel("Type 00000000 to erase them").fill("00000000")
    await erase.click()
    const receipt = await page.locator("[data-receipt]").getAttribute("data-receipt")
    await fits(page)
    const [kept] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download the receipt" }).click(),
    ])
    expect(await downloaded(kept)).toMatchObject({
      ...{ id: receipt, visitor_id: asks, by: "ada", events: 1, sites: [{ site: "main", events: 1 }] },
    })
    await page.getByRole("button", { name: "Find" }).click()
    await page.getByText("No event of this visitor is kept.").waitFor()
    // What the test has asked for wrongly.
    expect(complaints.splice(0).filter((each) => !/\b(400|409)\b/.test(each))).toEqual([])

    await opens(page, "audit")
    await page.locator("[data-action=erased]", { hasText: `receipt ${receipt}` }).waitFor()
    await page
      .locator("[data-action='user removed']", { hasText: "ada removed a user: bob@example.org" })
      .waitFor()
    const done = await page
      .locator("[data-action]")
      .evaluateAll((all) => all.map((each) => each.getAttribute("data-action")))
    expect(done).toEqual([
      ...["erased", "exported"],
      ...["user removed", "logged out everywhere", "user changed", "password changed", "logged in"],
      ...["user added", "goal changed", "goal made", "logged in", "first owner made", "setup link made"],
    ])
    await fits(page)
  })

  // Not a test of its own: it makes what the documents show.
  test.each(PICTURES ? (["light", "dark"] as const) : [])(
    "has its pictures taken: %s",
    async (colorScheme) => {
      const { node, page } = await owned({ colorScheme, viewport: { width: 1100, height: 560 } })
      const takes = (name: string) =>
        page.screenshot({
          path: join(ROOT, `docs/images/${name}-${colorScheme}.png`),
          animations: "disabled",
        })
      await page.locator("[data-page=front]").click()
      await page.locator("[data-arriving=waiting]").waitFor()
      await takes("first-steps")
      await page.setViewportSize({ width: 1100, height: 900 })
      await page.locator("[data-page=settings]").click()
      await opens(page, "sites")
      const form = page.locator("[data-form=site]")
      await form.getByLabel("Name", { exact: true }).fill("The Shop")
      await form.getByLabel("Hosts of its pages").fill("shop.example")
      await form.getByLabel("Refuse events of other hosts").check()
      await form.getByRole("button", { name: "Add a site" }).click()
      await page.locator("[data-arriving=waiting]").waitFor()
      const body = JSON.stringify({ event_type: "page_view", site: "the-shop" })
      const headers = { "Content-Type": "text/plain", Origin: "https://www.shop.example" }
      await fetch(`${node.url}/api/v1/analytics/event`, { method: "POST", headers, body })
      await page.locator("[data-refused=HOST_NOT_ALLOWED]").waitFor()
      await page.evaluate(() => scrollTo(0, 0))
      await takes("settings-sites")
      await page.setViewportSize({ width: 1100, height: 510 })
      await opens(page, "keys")
      await page.locator("[data-form=key]").getByLabel("Name").fill("Monthly report")
      await page.getByRole("button", { name: "Make an API key" }).click()
      const key = await page.locator("[data-copied=key]").inputValue()
      await fetch(`${node.url}/api/v1/analytics/stats`, { headers: { Authorization: `Bearer ${key}` } })
      await eventually(async () => {
        await page.reload()
        const row = page.locator("[data-listed='Monthly report']")
        await row.waitFor()
        expect(await row.textContent()).toContain("last used")
      })
      await takes("settings-keys")
    },
  )
})

describe("the front page", wantsChromium, () => {
  runsBrowser()

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
    const { page, complaints } = await openDashboard(browser, `${node.url}/?range=day`)
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
    const { page, complaints } = await openDashboard(browser, `${node.url}/?range=day`)
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

    await site.selectOption("Several sites…")
    expect(await axeFindings(page)).toEqual([])
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
    const address = `${node.url}/?range=day&tab_places=map`
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, complaints } = await openDashboard(browser, address, { colorScheme })
      const country = (code: string) => page.locator(`.world [data-country=${code}]`)
      await eventually(async () =>
        expect(await numbersOf(page, ".of-places table [data-count]", "data-count")).toEqual([5, 2, 1]),
      )
      expect(await country("FR").getAttribute("data-visitors")).toBe("5")
      expect(await country("BR").getAttribute("data-visitors")).toBe("2")
      const fill = (code: string) => country(code).evaluate((path) => getComputedStyle(path).fill)
      expect(new Set([await fill("FR"), await fill("BR"), await fill("DE")]).size).toBe(3)
      await country("BR").hover()
      await page.locator(".world-readout", { hasText: "Brazil: 2 Visitors · 25%" }).waitFor()
      expect(await axeFindings(page)).toEqual([])
      // The keyboard reaches the countries that have visitors, those too small for the map as well.
      await page.locator(".world").focus()
      for (const [key, text] of [
        ["End", "Monaco: 1 Visitors"],
        ["Home", "France: 5 Visitors"],
        ["ArrowRight", "Brazil: 2 Visitors"],
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
      for (const width of [320, 1280]) {
        await page.setViewportSize({ width, height: 900 })
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        expect(wide, `at ${width} pixels`).toBeLessThanOrEqual(width)
      }
      expect(complaints).toEqual([])
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
    const { page, complaints } = await openDashboard(browser, `${node.url}/?range=day`)
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
    expect(await axeFindings(page)).toEqual([])
    await goal.locator(".bar").click()
    await page.locator(".chip[data-filter=goal]").waitFor()
    await page.locator("[data-card=visitors] [data-value='4']").waitFor()
    await shows(4, 4)
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
      const { page, complaints } = await openDashboard(browser, address, { colorScheme, locale })
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
      for (const width of [320, 390, 820, 1280, 1920, 3840]) {
        await page.setViewportSize({ width, height: 900 })
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        expect(wide, `at ${width} pixels`).toBeLessThanOrEqual(width)
      }
      // The last point may be as high as the plot.
      const box = async (selector: string) => page.locator(selector).boundingBox()
      const [intervals, plot] = [await box(".intervals"), await box(".plot")]
      expect((intervals?.y ?? 0) + (intervals?.height ?? 0)).toBeLessThanOrEqual(plot?.y ?? 0)
      expect(complaints).toEqual([])
    },
  )

  test("says that there is no such site; on those that there are, names are text, whatever they are", async () => {
    const node = await startDashboardNode()
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
    const { page } = await openDashboard(browser, `${node.url}/?site=nope`)
    await page.getByRole("heading", { name: "There is no site called nope." }).waitFor()
    await page.getByRole("link", { name: "blog" }).click()
    await page.locator("[data-card=visitors] [data-value='1']").waitFor()
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
    const { page } = await openDashboard(browser, node.url)
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
    const { page } = await openDashboard(browser, node.url)
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

  const pictures = [
    ["dashboard-wide-light", "light", 1440, 1340],
    ["dashboard-wide-dark", "dark", 1440, 1340],
    ["dashboard-phone-light", "light", 390, 844],
    ["dashboard-phone-dark", "dark", 390, 844],
  ] as const
  // Not a test of its own: it makes what the documents show.
  test.each(PICTURES ? [pictures] : [])("has its picture taken: %s", async (...all) => {
    const node = await startDashboardNode()
    for (const { headers, events } of weekOfVisits(now())) await node.send(events, headers)
    for (const [name, colorScheme, width, height] of all) {
      const { page } = await openDashboard(browser, `${node.url}/?range=day`, {
        colorScheme,
        viewport: { width, height },
        deviceScaleFactor: width < 500 ? 2 : 1,
      })
      await page.locator(".of-themes .bar").first().waitFor()
      await page.locator(".plot svg").waitFor()
      await page.screenshot({ path: join(ROOT, `docs/images/${name}.png`), animations: "disabled" })
    }
  })
})

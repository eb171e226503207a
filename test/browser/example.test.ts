import { spawn } from "node:child_process"
import { join } from "node:path"
import type { Browser, Frame, Page } from "playwright-core"
import { beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { isQuestionAnswer } from "../../src/dashboard/model/decode.ts"
import { launch, launchWithoutCookies, wantsChromium } from "../support/chromium.ts"
import { CLOCK_ENV, setClock } from "../support/clock.ts"
import { ROOT } from "../support/documents.ts"
import { launchFirefox, wantsFirefox } from "../support/firefox.ts"
import { eventually } from "../support/index.ts"
import { shared, whenFinished } from "../support/whenFinished.ts"
import { openDashboard, PICTURES } from "./dashboardPage.ts"
import { type Row, startNode, TOKEN, timeline } from "./node.ts"
import { siteOf } from "./trackerPage.ts"

/** Starts the site of infra/example as a process of its own; returns its address. */
const startExample = async (analytics: string): Promise<string> => {
  const child = spawn("node", ["infra/example/main.ts"], {
    cwd: ROOT,
    env: { ...process.env, PORT: "0", ANALYTICS_URL: analytics, ...CLOCK_ENV },
    stdio: ["ignore", "pipe", "inherit"],
  })
  whenFinished(() => child.kill("SIGKILL"))
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
const loaded = (page: Page | Frame) => page.waitForFunction("window.maicivy?.view")

type Step = readonly [
  step: (page: Page | Frame, site: string) => Promise<unknown>,
  events: ReadonlyArray<string>,
]

/** What a visitor does, and the events that each step is. */
const VISIT: ReadonlyArray<Step> = [
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
    const steps = [...VISIT, AWAY]
    for (const [step] of steps) await step(page, site)
    const expected = steps.flatMap(([, events]) => events).sort()
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

/** Back to the page as it was, which a browser may still have in memory: then there is no load to wait for. */
const BACK: Step = [
  async (page) => {
    await page.waitForURL("**/letters?*")
    await loaded(page)
    await page.evaluate("setTimeout(() => history.back())")
  },
  ["page_view /letters"],
]

/** To another site, which the tests' browsers do not find. */
const AWAY: Step = [
  (page) => page.getByRole("link", { name: "elsewhere" }).click(),
  ["link_click", "outbound_link"],
]

/** What is counted of a visit to the site within a frame: by the tracker, as no frame is a page to the server. */
const FRAMED = [...VISIT, AWAY]
  .flatMap(([, events]) => events)
  .filter((event) => event !== "page_view /letters" && event !== "cv_theme_change sepia")
  .toSpliced(0, 1)

const METRICS = ["visitors", "visits", "page_views", "events"]

/** Figures of the day, as the dashboard asks for them: again, where the machine is too busy for an answer in time. */
const figures = (node: string): Promise<ReadonlyArray<number>> =>
  eventually(async () => {
    const answer: unknown = await fetch(`${node}/api/v1/analytics/query`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ metrics: METRICS, date_range: "day" }),
    }).then((response) => response.json())
    if (!isQuestionAnswer(answer)) throw new Error(JSON.stringify(answer))
    return (answer.data.results[0]?.metrics ?? []).map(Number)
  })

/** Makes something that is about access. */
const makes = async (node: string, path: string, body: object): Promise<Record<string, unknown>> => {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${TOKEN}` }
  const init = { method: "POST", headers, body: JSON.stringify(body) }
  const answer = await fetch(`${node}/api/v1/analytics/${path}`, init)
  expect(answer.status).toBe(200)
  const { data } = JSON.parse(await answer.text())
  return data
}

const BROWSERS = [
  {
    name: "Chromium",
    wanted: wantsChromium,
    start: () => launch(["--disable-back-forward-cache"]),
    startWithoutCookies: launchWithoutCookies,
    userAgent: (version: number) =>
      `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 Safari/537.36`,
  },
  {
    name: "Firefox",
    wanted: wantsFirefox,
    start: () => launchFirefox(),
    startWithoutCookies: () => launchFirefox({ "network.cookie.cookieBehavior": 2 }),
    userAgent: (version: number) =>
      `Mozilla/5.0 (X11; Linux x86_64; rv:${version}.0) Gecko/20100101 Firefox/${version}.0`,
  },
]

for (const { name, wanted, start, startWithoutCookies, userAgent } of BROWSERS)
  describe(`visits in ${name}`, wanted, () => {
    let node: string
    let site: string
    let browser: Browser

    beforeAll(() =>
      shared(async () => {
        node = (await startNode()).url
        ;[site, browser] = await Promise.all([startExample(node), start()])
        whenFinished(() => browser.close())
      }),
    )

    /** A page of somebody's: nobody else's browser has this version. */
    const open = async (from: Browser, version: number) => {
      const context = await from.newContext({
        viewport: { width: 900, height: 800 },
        userAgent: userAgent(version),
      })
      onTestFinished(() => context.close())
      context.setDefaultTimeout(0)
      await setClock(context)
      return context.newPage()
    }

    /** The visits that have been made: visitors, visits, page views, events. */
    let made: ReadonlyArray<number> = METRICS.map(() => 0)

    /** What `visit` adds to the timeline and to the figures: these events, of one visitor. */
    const adds = async (visit: () => Promise<unknown>, expected: ReadonlyArray<string>) => {
      const before = (await timeline(node)).length
      await visit()
      const viewed = expected.filter((event) => event.startsWith("page_view")).length
      const more = [1, 1, viewed, expected.length]
      made = made.map((count, i) => count + (more[i] ?? 0))
      await eventually(async () => {
        const rows = (await timeline(node)).slice(before)
        expect(rows.map(short).sort()).toEqual(expected.toSorted())
        expect(await figures(node)).toEqual(made)
      })
    }

    const steps = [...VISIT, BACK]
    const whole = steps.flatMap(([, events]) => events)

    test("are counted exactly with cookies", async () => {
      const page = await open(browser, 141)
      await adds(async () => {
        for (const [step] of steps) await step(page, site)
      }, whole)
      expect(await page.context().cookies()).toMatchObject([{ name: "maicivy_session" }])
    })

    test("are counted exactly where no cookie is kept", async () => {
      const without = await startWithoutCookies()
      onTestFinished(() => without.close())
      const page = await open(without, 142)
      await adds(async () => {
        for (const [step] of steps) await step(page, site)
      }, whole)
      expect(await page.context().cookies()).toEqual([])
    })

    test("are counted exactly in a frame of another site, where cookies are kept apart", async () => {
      const around = await siteOf({ "/": `<iframe width="880" height="780" src="${site}/letters"></iframe>` })
      const page = await open(browser, 143)
      await page.goto(around.replace("127.0.0.1", "localhost"))
      const [frame] = page.mainFrame().childFrames()
      if (frame === undefined) throw new Error("There is no frame.")
      await adds(async () => {
        for (const [step] of [...VISIT, AWAY]) await step(frame, site)
      }, FRAMED)
    })

    /** The front page shows the visits that have been made. */
    const showsVisits = (page: Page | Frame) =>
      eventually(async () => {
        const cards = page.locator(".card .figure")
        const shown = await cards.evaluateAll((all) =>
          all.slice(0, 3).map((each) => Number(each.getAttribute("data-value"))),
        )
        expect(shown).toEqual(made.slice(0, 3))
      })

    test("are on the dashboard, its live page and in a site's frame, and an owner logs in and finds the settings", async () => {
      const front = await openDashboard(browser, `${node}/?range=day`)
      await showsVisits(front.page)
      expect(front.complaints).toEqual([])
      await front.page.context().close()

      const around = await siteOf({
        "/": "<iframe></iframe><script>document.querySelector('iframe').src = location.hash.slice(1)</script>",
      })
      const { token } = await makes(node, "shares", { name: "for friends", site: "main", embed_on: [around] })
      const framed = await openDashboard(browser, `${around}/#${node}/?range=day&share=${token}`)
      const frame = await eventually(() => {
        const [found] = framed.page.mainFrame().childFrames()
        if (!found?.url().startsWith(node)) throw new Error(`The frame shows ${found?.url()}.`)
        return found
      })
      await showsVisits(frame)
      expect(framed.complaints).toEqual([])
      await framed.page.context().close()

      const { page, complaints } = await openDashboard(browser, `${node}/live`)
      await eventually(async () => {
        const figure = (name: string) => page.locator(`[data-figure=${name}]`).textContent()
        expect([await figure("unique_today"), await figure("total_events")]).toEqual([
          String(made[0]),
          String(made[3]),
        ])
      })
      await page.locator(".chart canvas").waitFor()
      await page.locator("[data-connection=open]").waitFor()
      expect(complaints).toEqual([])

      const who = { name: "ada", password: "correct horse battery" }
      await makes(node, "users", { ...who, role: "owner" })
      await page.goto(`${node}/login`)
      await page.getByLabel("Name").fill(who.name)
      await page.getByLabel("Password").fill(who.password)
      await page.getByRole("button", { name: "Log in" }).click()
      await page.waitForURL(`${node}/`)
      await page.locator("[data-page=settings]").click()
      await page.locator("[data-tab=shares]").click()
      await page.getByText("for friends").first().waitFor()
      await page.goto(`${node}/login`)
      await page.getByRole("heading", { name: "Logged in as ada" }).waitFor()
      await page.context().close()
    })
  })

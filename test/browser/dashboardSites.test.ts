import { createServer } from "node:http"
import type { Browser, Route } from "playwright-core"
import { describe, expect, onTestFinished, test } from "vitest"
import { DAY_MS } from "../../src/domain/time.ts"
import { runsBrowser, wantsChromium } from "../support/chromium.ts"
import { now } from "../support/clock.ts"
import { launchFirefox, wantsFirefox } from "../support/firefox.ts"
import { listen } from "../support/listen.ts"
import { downloaded, opens, owned } from "./dashboardOwner.ts"
import { axeFindings, fits } from "./dashboardPage.ts"

describe("the sites of the settings", wantsChromium, () => {
  const browser = runsBrowser()

  /** A website whose pages have a tag that may be changed, at two hosts. */
  const website = async () => {
    const site = { tag: "" }
    const server = createServer((_, answer) => {
      answer.setHeader("Content-Type", "text/html")
      answer.end(`<!doctype html><title>The shop</title><h1>The shop</h1>${site.tag}`)
    })
    const { port } = new URL(await listen(server))
    return { site, hosts: [`localhost:${port}`, `127.0.0.1:${port}`] as const }
  }

  test("begins with the tag, whose first event the figures follow", async () => {
    const { node, page, complaints } = await owned(browser())
    const { site, hosts } = await website()
    await page.locator("[data-page=front]").click()
    await page.locator("[data-arriving=waiting]").waitFor()
    expect(await axeFindings(page)).toEqual([])
    const tag = await page.locator("[data-copied=tag]").inputValue()
    expect(tag).toBe(`<script async src="${node.url}/hello.js" data-site="main"></script>`)
    expect(await page.locator("[data-card]").count()).toBe(0)
    const visitor = await (await browser().newContext()).newPage()
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
  const addsSite = async (of: Browser, others: "refuse" | "mark") => {
    const { node, page, complaints } = await owned(of)
    const { site, hosts } = await website()
    const [own, other] = hosts
    await opens(page, "sites")
    const form = page.locator("[data-form=site]")
    await form.getByLabel("Name", { exact: true }).fill("The Shop")
    await form.getByLabel("Hosts of its pages").fill(`http://${own}/`)
    await form.getByLabel("Events of other hosts").selectOption(others)
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
    await page.locator("[data-arriving=waiting]").waitFor()
    for (const host of ["a.example", "b.example"]) {
      const body = JSON.stringify([{ event_type: "page_view", site: "the-shop" }])
      const init = { method: "POST", body, headers: { Origin: `https://${host}` } }
      await fetch(`${node.url}/api/v1/analytics/events`, init)
    }
    // One right after the other.
    for (const host of [other, "a.example", "b.example"])
      await page.getByRole("button", { name: `Add ${host}`, exact: true }).click()
    await page.locator("[data-refused=HOST_NOT_ALLOWED]").first().waitFor({ state: "detached" })
    await page.locator("[data-listed=the-shop]", { hasText: "a.example, b.example" }).waitFor()
    // What is marked has not arrived.
    expect(await page.locator("[data-arriving=arrived]").count()).toBe(0)
    await visitor.goto(`http://${other}/first`)
    await page.locator("[data-arriving=arrived] [data-event=page_view]", { hasText: "/first" }).waitFor()
    // What was wrong before is not any more.
    await page.locator("[data-refused=UNKNOWN_SITE]").waitFor({ state: "detached" })

    // It is shown with another one.
    await page.locator("[data-page=front]").click()
    await page.locator(".top select").selectOption("Several sites…")
    await page.locator("dialog").getByRole("checkbox", { name: "The Shop" }).check()
    await page.locator("dialog").getByRole("button", { name: "Show", exact: true }).click()
    await page.locator("[data-card=visitors] [data-value='1']").waitFor()
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("SELECT")
    expect(await axeFindings(page)).toEqual([])
    const search = () => page.evaluate(() => location.search)
    expect(await search()).toBe("?site=main%2Cthe-shop")

    // Erased while the address names it, it leaves the settings open, and its receipt.
    await page.locator("[data-page=settings]").click()
    await opens(page, "sites")
    await page.locator("[data-listed=the-shop] [data-does=erase]").click()
    await page.locator("[data-form=erase-site] input").fill("the-shop")
    await page.locator("[data-form=erase-site] button").click()
    await page.locator("[data-receipt]", { hasText: "is there no more" }).waitFor()
    await page.locator("[data-listed=the-shop]").waitFor({ state: "detached" })
    await page.locator(".top option[value=the-shop]").waitFor({ state: "detached" })
    expect(await search()).toBe("")
    await page.goBack()
    await page.waitForURL("**/settings?*")
    await page.locator("[data-receipt]").getByRole("button", { name: "Done" }).click()
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("tab")
    await page.locator("[data-listed=main]").waitFor()
    expect(await page.locator("[data-receipt]").count()).toBe(0)
    expect(complaints).toEqual([])
  }

  const ADDS = "lets an owner add a site, says what is refused, and shows the first event the moment it comes"
  test(ADDS, () => addsSite(browser(), "refuse"))

  test(`${ADDS}, in Firefox`, wantsFirefox, async () => {
    const firefox = await launchFirefox()
    onTestFinished(() => firefox.close())
    await addsSite(firefox, "mark")
  })

  test("lets an owner rename a site, archive and erase it, by the keyboard alone", async () => {
    const { node, page, complaints } = await owned(browser(), {
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
    // What somebody else changes meanwhile stays.
    const changed = await page.evaluate(async () => {
      const init = { method: "PATCH", headers: { "Content-Type": "application/json" } }
      const body = JSON.stringify({ hosts: ["blog.example"] })
      return (await fetch("/api/v1/analytics/sites/blog", { ...init, body })).status
    })
    expect(changed).toBe(200)
    await page.keyboard.press("Enter")
    await row.locator("b", { hasText: "Notes & <b>more</b>" }).waitFor()
    await row.getByText("blog.example").waitFor()
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
    const refusal = { success: false, error: "It cannot be counted.", code: "INVALID_QUERY" }
    await page.route("**/query", (route) => route.fulfill({ status: 400, json: refusal }), { times: 1 })
    await row.locator("[data-does=erase]").press("Enter")
    await page.locator("[data-events=unknown]", { hasText: "cannot be counted" }).waitFor()
    await row.locator("[data-does=erase]").press("Enter")
    await row.locator("[data-does=erase]").press("Enter")
    const erase = page.locator("[data-form=erase-site]")
    await page.locator("[data-events='4']").waitFor()
    await erase.locator("input:focus").waitFor()
    await page.keyboard.type("main")
    expect(await erase.getByRole("button").isDisabled()).toBe(true)
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type("blog")
    await fits(page)
    // It goes on whatever else is opened meanwhile, and what becomes of it is told there.
    const answers = async (answer: (route: Route) => Promise<void>) => {
      const answered = Promise.withResolvers<void>()
      await page.route("**/sites/blog", (route) => answered.promise.then(() => answer(route)), { times: 1 })
      await page.keyboard.press("Enter")
      await page.locator("[data-listed=blog] [data-does=edit]:disabled").waitFor()
      await opens(page, "visitors")
      await page.getByRole("status").filter({ hasText: "Erasing blog …" }).waitFor()
      expect(await page.locator("[data-form=visitor] button").isDisabled()).toBe(true)
      answered.resolve()
    }
    const unread = { success: false, error: "A store does not answer.", code: "STORE_UNAVAILABLE" }
    await answers((route) => route.fulfill({ status: 503, json: unread }))
    await page.locator("[data-failed=blog]", { hasText: "blog is not erased. It has to wait" }).waitFor()
    await fits(page, [320])
    await opens(page, "sites")
    await row.locator("[data-does=erase]").press("Enter")
    await erase.locator("input:focus").waitFor()
    await page.keyboard.type("blog")
    await answers((route) => route.continue())
    expect(await page.locator("[data-failed]").count()).toBe(0)
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
    expect(complaints.filter((each) => !/\b(400|503)\b/.test(each))).toEqual([])
  })
})

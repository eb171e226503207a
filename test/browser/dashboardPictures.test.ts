/** Not tests of their own: they write what the documents show into docs/images, when `SCREENSHOTS` is set (vitest.config.ts). */
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { runsBrowser, wantsChromium } from "../support/chromium.ts"
import { now } from "../support/clock.ts"
import { ROOT } from "../support/documents.ts"
import { eventually } from "../support/index.ts"
import { opens, owned } from "./dashboardOwner.ts"
import { openDashboard, startDashboardNode } from "./dashboardPage.ts"
import { weekOfVisits } from "./dashboardTraffic.ts"

describe("the dashboard has its pictures taken", wantsChromium, () => {
  const browser = runsBrowser()

  test.each(["live"])("%s", async (name) => {
    const node = await startDashboardNode()
    for (const { headers, events } of weekOfVisits(now())) await node.send(events, headers)
    for (const colorScheme of ["light", "dark"] as const) {
      const viewport = { width: 1920, height: 1080 }
      const { page } = await openDashboard(browser(), `${node.url}/live`, { colorScheme, viewport })
      await page.locator("[data-connection=open]").waitFor()
      await page.locator(".by-device [data-count]").first().waitFor()
      await page.locator(".events li:nth-child(20)").waitFor()
      await page.screenshot({
        path: join(ROOT, `docs/images/${name}-${colorScheme}.png`),
        animations: "disabled",
      })
    }
  })

  test.each(["light", "dark"] as const)("settings: %s", async (colorScheme) => {
    const { node, page } = await owned(browser(), { colorScheme, viewport: { width: 1100, height: 560 } })
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
    await form.getByLabel("Events of other hosts").selectOption("refuse")
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
  })

  const pictures = [
    ["dashboard-wide-light", "light", 1440, 1340],
    ["dashboard-wide-dark", "dark", 1440, 1340],
    ["dashboard-phone-light", "light", 390, 844],
    ["dashboard-phone-dark", "dark", 390, 844],
  ] as const
  test.each([pictures])("%s", async (...all) => {
    const node = await startDashboardNode()
    for (const { headers, events } of weekOfVisits(now())) await node.send(events, headers)
    for (const [name, colorScheme, width, height] of all) {
      const { page } = await openDashboard(browser(), `${node.url}/?range=day`, {
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

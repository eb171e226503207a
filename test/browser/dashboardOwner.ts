/** The dashboard of a private node in a real browser, as an owner sees it. */
import { readFile } from "node:fs/promises"
import type { Browser, BrowserContextOptions, Download, Page } from "playwright-core"
import { expect } from "vitest"
import type { SettingsTab } from "../../src/domain/paths.ts"
import { axeFindings, openDashboard, startDashboardNode } from "./dashboardPage.ts"

export const OWNER = { name: "ada", password: "correct horse battery" }

/** A private node whose first owner has been made, and is logged in. */
export const owned = async (browser: Browser, options: BrowserContextOptions = {}) => {
  const node = await startDashboardNode({ access: "private" })
  const { page, complaints } = await openDashboard(browser, await node.setupUrl(), options)
  await page.locator("[name=name]").fill(OWNER.name)
  await page.locator("[name=password]").fill(OWNER.password)
  expect(await axeFindings(page)).toEqual([])
  await page.getByRole("button").click()
  await page.locator("[data-page=settings]").click()
  return { node, page, complaints }
}

/** Opens a tab of the settings. */
export const opens = async (page: Page, tab: SettingsTab) => {
  await page.locator(`[data-tab=${tab}]`).click()
  await page.locator(`[data-tab=${tab}][aria-current=page]`).waitFor()
  await page.waitForURL(`**/settings/${tab}*`)
}

/** What a file has that the browser has saved. */
export const downloaded = async (download: Download): Promise<unknown> =>
  JSON.parse(await readFile(await download.path(), "utf8"))

/** Removes the one that is listed by a name. */
export const removes = async (page: Page, name: string) => {
  const row = page.locator(`[data-listed="${name}"]`)
  await row.locator("[data-asks=remove]").click()
  await row.locator("[data-confirm]").click()
  await row.waitFor({ state: "detached" })
}

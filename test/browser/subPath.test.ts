/** The path `/stats` of a site, through each reverse proxy of infra from the very files, in a real browser. */
import { chmodSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { CertificateAuthority } from "../support/certificates.ts"
import { runsBrowser, wantsChromium } from "../support/chromium.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { listen } from "../support/listen.ts"
import { runNode, settings } from "../support/node.ts"
import { wantsProxy } from "../support/proxies.ts"
import { PROXIES, RECIPES, startRecipe } from "../support/recipes.ts"
import { openDashboard } from "./dashboardPage.ts"

const PAGE =
  '<!doctype html><title>CV</title><script async src="/stats/tracker.js"></script><button>Read</button>'

describe("under a path of a site", wantsChromium, () => {
  const browser = runsBrowser()

  describe.each(PROXIES)("behind %s", (name) => {
    test("tracker and dashboard find the node", wantsProxy(name), async () => {
      const node = await runNode(
        await settings({
          basePath: "/stats",
          trustedProxies: ["127.0.0.1/32"],
          // The dashboard's own origin is none of these.
          corsOrigins: ["https://elsewhere.example"],
        }),
      )
      const folder = temporaryFolder()
      // Apache reads it as a user of its own.
      chmodSync(folder, 0o755)
      writeFileSync(join(folder, "index.html"), PAGE)
      const site = await listen(
        createServer((_, outgoing) => outgoing.writeHead(200, { "Content-Type": "text/html" }).end(PAGE)),
      )
      const proxy = await startRecipe(name, RECIPES[name].path, {
        authority: new CertificateAuthority(temporaryFolder()),
        node: new URL(node.base).host,
        site: { folder, address: new URL(site).host },
      })
      onTestFinished(proxy.stop)
      const origin = `https://localhost:${proxy.port}`

      const { page: dashboard, complaints } = await openDashboard(browser(), `${origin}/stats?site=main`, {
        ignoreHTTPSErrors: true,
      })
      expect(dashboard.url()).toBe(`${origin}/stats/?site=main`)
      await dashboard.locator("[data-connection=open]").waitFor()
      await dashboard.getByRole("heading", { name: "There has been no event yet" }).waitFor()
      await dashboard.locator("[data-page=live]").click()
      await dashboard.waitForURL(`${origin}/stats/live*`)
      await dashboard.locator("[data-connection=open]").waitFor()

      const visitor = await browser().newPage({ ignoreHTTPSErrors: true })
      visitor.setDefaultTimeout(0)
      await visitor.goto(`${origin}/`)
      await visitor.getByRole("button", { name: "Read" }).click()
      const feed = () =>
        dashboard
          .locator(".events li")
          .evaluateAll((rows) => rows.map((row) => row.getAttribute("data-event")).sort())
      await eventually(async () => expect(await feed()).toEqual(["button_click", "page_view"]))
      await dashboard.locator(".timeline tbody tr").first().waitFor()
      expect(complaints).toEqual([])
      await visitor.close()
      await dashboard.context().close()
    })
  })
})

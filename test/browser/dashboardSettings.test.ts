import { describe, expect, test } from "vitest"
import { runsBrowser, wantsChromium } from "../support/chromium.ts"
import { eventually } from "../support/index.ts"
import { downloaded, OWNER, opens, owned, removes } from "./dashboardOwner.ts"
import { axeFindings, fits, openDashboard } from "./dashboardPage.ts"

describe("the settings page", wantsChromium, () => {
  const browser = runsBrowser()

  test("lets an owner share figures and make keys, and take both back", async () => {
    const { node, page, complaints } = await owned(browser())
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
    const { page: shared } = await openDashboard(browser(), link)
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
    await eventually(async () => {
      await page.reload()
      await page.locator("[data-listed=Report]").waitFor()
      expect(await page.locator("[data-listed=Report]").textContent()).toContain("last used")
    })
    expect(await page.locator("[data-copied=key]").count()).toBe(0)
    await removes(page, "Report")
    expect(await status("blog")).toBe(401)
    expect(complaints).toEqual([])
  })

  test("lets an owner set goals and let others in, who see what is theirs", async () => {
    const { node, page, complaints } = await owned(browser())
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
    const behindProxy = await browser().newPage()
    await behindProxy.goto(`${node.url.replace("//", "//of:proxy@")}/login`)
    await behindProxy.locator("[name=name]").waitFor()
    await behindProxy.close()
    const { page: bob } = await openDashboard(browser(), `${node.url}/login#to=settings`, theirs)
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
    // Who has no site any more is told so, and may be given one back.
    const statuses = await page.evaluate(async () => {
      const api = "/api/v1/analytics"
      const { data } = await (await fetch(`${api}/users`)).json()
      const { id } = data.find((each: { readonly name: string }) => each.name !== "ada")
      const asks = async (method: string, path: string, body: object = {}) => {
        const headers = { "Content-Type": "application/json" }
        return (await fetch(`${api}/${path}`, { method, headers, body: JSON.stringify(body) })).status
      }
      return [
        await asks("POST", "sites", { slug: "gone" }),
        await asks("PATCH", `users/${id}`, { sites: ["gone"] }),
        await asks("DELETE", "sites/gone"),
      ]
    })
    expect(statuses).toEqual([200, 200, 200])
    await bob.reload()
    await bob.locator("[data-form=password]").waitFor()
    await bob.locator("[data-page=front]").click()
    await bob.getByRole("heading", { name: "Il n’y a pas de site pour vous." }).waitFor()
    expect(await axeFindings(bob)).toEqual([])
    await bob.getByRole("link", { name: "Réglages" }).click()
    await page.reload()
    await page.locator("[data-listed='bob@example.org']", { hasText: "Viewer · no site" }).waitFor()
    await page.locator("[data-listed='bob@example.org'] [data-does=change]").click()
    await page.locator("[data-listed='bob@example.org']").getByRole("checkbox", { name: "main" }).check()
    await page.getByRole("button", { name: "Save" }).click()
    await page.locator("[data-listed='bob@example.org']", { hasText: "Viewer · main" }).waitFor()
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
    await page.goto(`${page.url()}#tab`)
    await page.reload()
    expect(await page.getByLabel("Visitor’s id").inputValue()).toBe("")
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
      ...["user removed", "logged out everywhere", "user changed"],
      ...["site erased", "user changed", "site added", "user changed", "password changed", "logged in"],
      ...["user added", "goal changed", "goal made", "logged in", "first owner made", "setup link made"],
    ])
    await fits(page)
  })

  test("gives somebody whose sites become others those, and one who has none the next one, without a reload", async () => {
    const { page } = await owned(browser())
    /** What the owner asks of the API. */
    const asks = (method: string, path: string, body: object = {}): Promise<unknown> =>
      page.evaluate(
        async ([method, path, body]) => {
          const headers = { "Content-Type": "application/json" }
          const answer = await fetch(`/api/v1/analytics/${path}`, { method, headers, body })
          if (!answer.ok) throw new Error(await answer.text())
          return (await answer.json()).data
        },
        [method, path, JSON.stringify(body)] as const,
      )
    await asks("POST", "sites", { slug: "gone" })
    const { password } = OWNER
    await asks("POST", "users", { name: "bob", role: "viewer", sites: ["main"], password })
    const users: unknown = await page.evaluate(async () => (await fetch("/api/v1/analytics/users")).json())
    const { id } = Object(users).data.find((each: { readonly name: string }) => each.name === "bob")
    const url = new URL("/", page.url()).href
    const { page: bob } = await openDashboard(browser(), `${url}login`)
    await bob.locator("[name=name]").fill("bob")
    await bob.locator("[name=password]").fill(password)
    await bob.getByRole("button").click()
    await bob.locator("[data-connection=open]").waitFor()
    await bob.goto(`${url}?site=main`)
    await bob.locator("[data-connection=open]").waitFor()
    await asks("PATCH", `users/${id}`, { sites: ["gone"] })
    await bob.getByRole("heading", { name: "There is no site called main." }).waitFor()
    await bob.getByRole("link", { name: "gone", exact: true }).click()
    await bob.clock.install()
    await bob.goto(`${url}live`)
    await bob.locator("[data-connection=open]").waitFor()
    await asks("DELETE", "sites/gone")
    const none = bob.getByRole("heading", { name: "There is no site for you." })
    await none.waitFor()
    await asks("PATCH", `users/${id}`, { sites: ["blog"] })
    await bob.clock.fastForward(30_000)
    await bob.locator("[data-connection=open]").waitFor()
    expect(await none.count()).toBe(0)
  })
})

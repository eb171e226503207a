import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import { beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { MINUTE_MS } from "../../src/domain/time.ts"
import type {} from "../../src/tracker/tracker.d.ts"
import { CHROMIUM, launch, USER_AGENT, wantsChromium } from "../support/chromium.ts"
import { now } from "../support/clock.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { shared, whenFinished } from "../support/whenFinished.ts"
import { startNode, timeline } from "./node.ts"
import { type Document, gate, pages, siteOf } from "./trackerPage.ts"

/** The documented one, and a call before the script is there. */
const STUB = `<script>
  window.maicivy ??= { queue: [] }
  for (const call of ["track", "view", "consent"]) maicivy[call] ??= (...args) => maicivy.queue?.push([call, ...args])
</script><script>maicivy.track("early")</script>`

/** Each test's events are of a site of its own, on one node. */
const SITES = Array.from({ length: 40 }, (_, i) => `site${i}`)

describe("the tracker in a browser", wantsChromium, () => {
  let node: string
  let browser: Browser
  let used = 0

  beforeAll(() =>
    shared(async () => {
      const [started, launched] = await Promise.all([
        startNode({ SITES: ["main", ...SITES].join() }),
        launch(),
      ])
      node = started.url
      browser = launched
      whenFinished(() => browser.close())
    }),
  )

  /** A page of a visitor's own, and what it complains of. */
  const open = async (from = browser) => {
    const context = await from.newContext({ viewport: { width: 1000, height: 800 } })
    context.setDefaultTimeout(0)
    onTestFinished(() => context.close())
    const page = await context.newPage()
    const errors: Array<string> = []
    const warnings: Array<string> = []
    page.on("pageerror", (error) => errors.push(error.message))
    page.on("console", (message) => {
      if (message.type() === "warning") warnings.push(message.text())
    })
    return { context, page, errors, warnings }
  }

  /** A site of the node's that no other test uses, and what it has counted. */
  const someSite = () => {
    const name = SITES[used++] ?? "none is left"
    const rows = () => timeline(node, name)
    return {
      name,
      rows,
      types: async () => (await rows()).map(({ event_type }) => event_type),
      /** Page views by their paths, in an order of their own. */
      views: async (url: string) =>
        (await rows())
          .filter(({ event_type }) => event_type === "page_view")
          .map(({ page_url }) => page_url.replace(url, ""))
          .sort(),
    }
  }

  /** Everything that a test of one site needs. */
  const setUp = async (attributes = "", script?: string) => {
    const site = someSite()
    const between = await gate(node)
    const url = await pages(between.url, `data-site="${site.name}" ${attributes}`, script)
    return { ...site, between, site: url, ...(await open()) }
  }

  /** A site of pages of its own, `TAG` being the tracker's tag. */
  const setUpPages = async (
    documents: { readonly [path: string]: Document | string },
    attributes = "",
    from = browser,
  ) => {
    const site = someSite()
    const tag = `<script src="${node}/hello.js" data-site="${site.name}" ${attributes}></script>`
    const withTag = (text: string) =>
      text.replaceAll("TAG", tag).replaceAll("NODE", node).replaceAll("SITE", site.name)
    const url = await siteOf(
      Object.fromEntries(
        Object.entries(documents).map(([path, given]) => [
          path,
          typeof given === "string" ? withTag(given) : { ...given, html: withTag(given.html) },
        ]),
      ),
    )
    return { ...site, url, ...(await open(from)) }
  }

  test("counts views, navigation within the page, themes, clicks where they were, and marked elements", async () => {
    const { rows, site, context, page, errors, warnings } = await setUp()
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
      (await rows()).map((row) => [row.event_type, row.page_url.replace(site, ""), row.event_data])
    // Events of one request have one time, and no order.
    await eventually(async () => {
      const found = await counted()
      expect(found).toHaveLength(expected.length)
      expect(found).toEqual(expect.arrayContaining(expected))
    })
    // Nobody has sent the visitor: neither has the page itself.
    const views = (await rows()).filter(({ event_type }) => event_type === "page_view")
    expect(new Set(views.map(({ referrer }) => referrer))).toEqual(
      new Set([null, `${site}/?theme=dark`, `${site}/inside`]),
    )
    expect(await context.cookies()).toEqual([])
    expect(await page.evaluate("localStorage.length + sessionStorage.length")).toBe(0)
    expect([...errors, ...warnings]).toEqual([])
  })

  test("counts under the names that content blockers leave alone, and asks for nothing under others", async () => {
    const { types, between, site, page, errors } = await setUp("", "/hello.js")
    const asked: Array<string> = []
    page.on("request", (request) => {
      if (request.url().startsWith(between.url)) asked.push(new URL(request.url()).pathname)
    })
    await page.goto(site)
    await page.locator("#pdf").click()
    await eventually(async () =>
      expect((await types()).sort()).toEqual(["button_click", "page_view", "pdf_download"]),
    )
    expect([...new Set(asked)].sort()).toEqual(["/hello", "/hello.js"])
    expect(errors).toEqual([])
  })

  test("loses nothing when the page is left in mid-send", async () => {
    const { types, between, site, page, errors } = await setUp()
    await page.goto(site)
    await eventually(async () => expect(await types()).toEqual(["page_view"]))
    between.mode = "hold"
    await page.evaluate('maicivy.track("custom")')
    await page.locator("#next").click()
    await page.waitForURL(`${site}/next`)
    await page.goto("about:blank")
    await eventually(async () =>
      expect([...(await types())].sort()).toEqual(["custom", "link_click", "page_view", "page_view"]),
    )
    between.release()
    expect(errors).toEqual([])
  })

  test.each([
    ["is on its way", "drop"],
    ["waited after a refusal", "refuse"],
  ] as const)("sends what %s when the page is left, and counts it once", async (_, mode) => {
    const { types, between, site, page } = await setUp()
    await page.goto(site)
    await eventually(async () => expect(await types()).toEqual(["page_view"]))
    between.mode = mode
    const before = between.batches()
    await page.evaluate('maicivy.track("custom")')
    await eventually(() => expect(between.batches()).toBeGreaterThan(before))
    between.mode = "pass"
    await page.goto("about:blank")
    await eventually(async () => expect(await types()).toEqual(["page_view", "custom"]))
  })

  test("offline keeps events, and online counts them once, at the time they happened", async () => {
    const { rows, types, site, context, page, errors } = await setUp()
    await page.goto(site)
    await eventually(async () => expect(await types()).toEqual(["page_view"]))
    // A visitor's clock that is a year behind.
    await page.evaluate(() => {
      Date.now = () => 1_700_000_000_000
    })
    await context.setOffline(true)
    const before = now()
    await page.locator("#middle").click()
    const after = now()
    await eventually(() => expect(now() - after).toBeGreaterThan(2500))
    const onlineAt = now()
    await context.setOffline(false)
    await eventually(async () => expect(await types()).toEqual(["page_view", "button_click"]))
    // It tells its age, and takes a while to arrive: at most this.
    const underway = now() - onlineAt
    const click = (await rows()).find(({ event_type }) => event_type === "button_click")
    const at = Date.parse(click?.created_at ?? "")
    // Clocks and stopwatches tell whole milliseconds.
    expect(at).toBeGreaterThan(before - 5)
    expect(at).toBeLessThan(after + underway + 5)
    expect(errors).toEqual([])
  })

  test("sends again what was refused, with the same ids", async () => {
    const { types, between, site, page } = await setUp()
    between.mode = "refuse"
    await page.goto(site)
    await page.locator("#middle").click()
    await eventually(() => expect(between.batches()).toBeGreaterThan(1))
    between.mode = "pass"
    await eventually(async () => expect(await types()).toEqual(["page_view", "button_click"]))
  })

  test("sets the visitor's cookie when asked to, and tells visits apart by it", async () => {
    const { rows, site, context, page } = await setUp("data-cookie")
    await page.goto(site)
    await eventually(async () => expect(await rows()).toHaveLength(1))
    const [cookie] = await context.cookies()
    expect(cookie).toMatchObject({ name: "maicivy_session", sameSite: "Lax" })
    await page.goto(`${site}/next`)
    await eventually(async () =>
      expect((await rows()).map(({ visitor_id }) => visitor_id)).toEqual([cookie?.value, cookie?.value]),
    )
  })

  test("goes by a cookie that only the server can read, and without one in a sandboxed frame", async () => {
    const id = crypto.randomUUID()
    const page = { html: 'TAG<a id="next" href="/next">Next</a>' }
    const cookie = { "Set-Cookie": `maicivy_session=${id}; Path=/; HttpOnly; SameSite=Lax` }
    const opened = await setUpPages(
      {
        "/": { ...page, headers: cookie },
        "/next": page,
        "/frame": '<iframe sandbox="allow-scripts" src="/framed"></iframe>',
        "/framed": page,
      },
      "data-cookie",
    )
    await opened.page.goto(opened.url)
    await eventually(async () => expect(await opened.rows()).toHaveLength(1))
    await opened.page.goto(`${opened.url}/next`)
    await eventually(async () =>
      expect((await opened.rows()).map(({ visitor_id }) => visitor_id)).toEqual([id, id]),
    )
    expect(opened.warnings.every((text) => /cookie/.test(text))).toBe(true)
    await opened.page.goto(`${opened.url}/frame`)
    await eventually(async () => expect(await opened.views(opened.url)).toEqual(["/", "/framed", "/next"]))
    expect(opened.errors).toEqual([])
  })

  test("names the visitor from a consent on, and no longer than to its withdrawal", async () => {
    const { rows, site, context, page } = await setUp('data-cookie="consent"')
    await page.goto(site)
    await eventually(async () => expect(await rows()).toHaveLength(1))
    expect(await context.cookies()).toEqual([])
    await page.evaluate("maicivy.consent(true)")
    const [cookie] = await context.cookies()
    await page.goto(`${site}/next`)
    await eventually(async () => expect(await rows()).toHaveLength(2))
    await page.evaluate('maicivy.consent(false); maicivy.track("custom")')
    await eventually(async () => expect(await rows()).toHaveLength(3))
    expect(await context.cookies()).toEqual([])
    const [before, during, after] = (await rows()).map(({ visitor_id }) => visitor_id)
    expect(during).toBe(cookie?.value)
    expect(before).not.toBe(during)
    expect(after).toBe(before)
  })

  test("obeys a browser that says no, when told to, and an owner who is left out", async () => {
    const { types, site } = await setUp("data-respect-dnt data-cookie")
    const visit = async (init: () => void): Promise<Page> => {
      const { page } = await open()
      await page.addInitScript(init)
      await page.goto(site)
      return page
    }
    const refusing = await visit(() =>
      Object.defineProperty(navigator, "globalPrivacyControl", { value: true }),
    )
    await refusing.locator("#pdf").click()
    expect(await refusing.context().cookies()).toEqual([])
    await visit(() => localStorage.setItem("maicivy_ignore", "1"))
    await visit(() => undefined)
    await eventually(async () => expect(await types()).toEqual(["page_view"]))
  })

  test("counts on localhost, in a file and in a browser that a program drives, unless that says it is headless", async () => {
    const { rows, site, between, name, page } = await setUp()
    const local = site.replace("127.0.0.1", "localhost")
    const headless = await browser.newContext({ userAgent: USER_AGENT.replace("Chrome/", "HeadlessChrome/") })
    headless.setDefaultTimeout(0)
    onTestFinished(() => headless.close())
    const unseen = await headless.newPage()
    const answered = unseen.waitForResponse((answer) => answer.url().includes("/events") && answer.ok())
    await unseen.goto(`${local}/unseen`)
    await answered
    await page.goto(local)
    expect(await page.evaluate("navigator.webdriver")).toBe(true)
    const file = `${temporaryFolder()}/page.html`
    writeFileSync(file, `<script src="${between.url}/tracker.js" data-site="${name}"></script>`)
    await page.goto(`file://${file}`)
    await eventually(async () =>
      expect((await rows()).map(({ page_url }) => page_url).sort()).toEqual([`file://${file}`, `${local}/`]),
    )
  })

  test("is poisoned by nothing, and what is too large goes in parts", async () => {
    const { types, site, page, errors } = await setUp()
    await page.goto(site)
    await page.evaluate(() => {
      maicivy?.track("bad", { price: 10n })
      maicivy?.track("bad", { window })
      maicivy?.track("huge", { text: "x".repeat(1_200_000) })
      for (let i = 0; i < 30; i++) maicivy?.track("ja", { text: "日本語のとても長い文章。".repeat(100) })
      maicivy?.track("good")
    })
    await eventually(async () => {
      const counted = Object.groupBy(await types(), (type) => type)
      expect(
        Object.entries(counted)
          .map(([type, all]) => [type, all?.length])
          .sort(),
      ).toEqual([
        ["good", 1],
        ["ja", 30],
        ["page_view", 1],
      ])
    })
    expect(errors).toEqual([])
  })

  test("counts each click once, whatever is clicked", async () => {
    const { types, url, page, errors } = await setUpPages({
      "/": `TAG<label data-maicivy-event="plan_chosen"><span id="label">Pro</span><input type="radio"></label>
        <label role="button"><span id="upload">Upload</span><input type="file" hidden></label>
        <div id="host"></div>
        <a id="bad" href="#x" data-maicivy-event="Größe gewählt" data-maicivy-data="{file:'cv'}">Buy</a>
        <a id="ok" href="#y">Link</a> <input id="input" type="button" value="Input">
        <map name="m"><area shape="rect" coords="0,0,50,50" href="#area"></map>
        <img id="image" usemap="#m" width="50" height="50" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
        ${["dataset", "closest", "tagName"].map((name) => `<form data-maicivy-event="contact" onsubmit="return false"><input name="${name}"><button id="f-${name}">Send</button></form>`).join("")}
        <script>host.attachShadow({ mode: "open" }).innerHTML = '<button>In a component</button> <button data-maicivy-event="own">Own</button>'</script>`,
    })
    await page.goto(url)
    await eventually(async () => expect(await types()).toEqual(["page_view"]))
    const steps: ReadonlyArray<readonly [() => Promise<unknown>, ReadonlyArray<string>]> = [
      [() => page.locator("#label").click(), ["plan_chosen"]],
      [() => page.locator("#upload").click(), ["button_click"]],
      [() => page.locator("#host button").first().click(), ["button_click"]],
      [() => page.locator("#host button").nth(1).click(), ["button_click", "own"]],
      [() => page.locator("#bad").click(), ["grosse_gewahlt", "link_click"]],
      [() => page.locator("#input").click(), ["button_click"]],
      [() => page.locator("#image").click({ position: { x: 5, y: 5 }, force: true }), ["link_click"]],
      // It is open in another tab then.
      [() => page.locator("#ok").click({ button: "middle" }), ["link_click", "page_view"]],
      [() => page.locator("#f-dataset").click(), ["button_click", "contact"]],
      [() => page.locator("#f-closest").click(), ["button_click", "contact"]],
      [() => page.locator("#f-tagName").click(), ["button_click", "contact"]],
    ]
    for (const [step] of steps) await step()
    const expected = ["page_view", ...steps.flatMap(([, events]) => events)].sort()
    await eventually(async () => expect([...(await types())].sort()).toEqual(expected))
    expect(errors).toEqual([])
  })

  test("follows routers by the Navigation API, and what replaces an address as a new page only", async () => {
    const { rows, views, url, page } = await setUpPages({
      "*": `TAG<a id="two" href="/two">Two</a> <button>Button</button>
        <input oninput="history.replaceState(null, '', '/two?q=' + this.value)">
        <script>navigation.addEventListener("navigate", (event) => {
          if (event.canIntercept && !event.hashChange) event.intercept({ handler() {} })
        })</script>`,
    })
    await page.goto(`${url}/?utm_source=news`)
    await page.evaluate("history.replaceState(null, '', '/')")
    await page.locator("#two").click()
    await page.locator("input").pressSequentially("shoes")
    await page.evaluate("navigation.navigate('/three').finished.then(() => 1)")
    await page.locator("button").click()
    await eventually(async () => expect(await views(url)).toEqual(["/?utm_source=news", "/three", "/two"]))
    await eventually(async () =>
      expect((await rows()).find(({ event_type }) => event_type === "button_click")?.page_url).toBe(
        `${url}/three`,
      ),
    )
  })

  test("counts a page that comes back out of the browser's memory", async () => {
    const remembering = await launch(["--disable-back-forward-cache"])
    onTestFinished(() => remembering.close())
    const opened = await setUpPages(
      {
        "*": 'TAG<script>addEventListener("pageshow", (event) => { document.title = "back: " + event.persisted })</script>',
      },
      "",
      remembering,
    )
    const { page, url, views } = opened
    for (const path of ["/a", "/b"]) {
      await page.goto(url + path)
      await eventually(async () => expect(await views(url)).toContain(path))
    }
    await page.evaluate("setTimeout(() => history.back())")
    await eventually(async () => expect(await page.title()).toBe("back: true"))
    await eventually(async () => expect(await views(url)).toEqual(["/a", "/a", "/b"]))
  })

  test("counts what was prefetched or rendered ahead when it is seen, and not before", async () => {
    // Driven by nobody: a browser that is watched renders nothing ahead.
    const rules = (kind: string, path: string) =>
      `<script type="speculationrules">{"${kind}":[{"source":"list","urls":["${path}"],"eagerness":"immediate"}]}</script>`
    /** Goes to a page as soon as the site has been asked for something, and is seen. */
    const onward = (path: string, asked: string) =>
      `<script>const wait = setInterval(async () => {
        if (document.prerendering || (await (await fetch("/asked?${asked}")).text()) !== "yes") return
        clearInterval(wait)
        location.href = "${path}"
      }, 100)</script>`
    const tidy =
      "<script>addEventListener('load', () => { history.replaceState({}, '', location.href); fetch('/loaded' + location.pathname) })</script>"
    const { views, url } = await setUpPages(
      {
        "/": `TAG${rules("prerender", "/ahead")}${onward("/ahead", "/loaded/ahead")}`,
        "/ahead": `TAG${tidy}${rules("prefetch", "/fetched")}${onward("/fetched", "/fetched")}`,
        "/fetched": `TAG${tidy}`,
      },
      'data-first-view="server"',
    )
    const alone = spawn(
      CHROMIUM ?? "",
      [
        ...["--headless=new", "--no-sandbox", "--disable-gpu", `--user-agent=${USER_AGENT}`],
        ...[`--user-data-dir=${temporaryFolder()}`, url],
      ],
      { stdio: "ignore", detached: true },
    )
    onTestFinished(() => {
      if (alone.pid !== undefined) process.kill(-alone.pid, "SIGKILL")
    })
    await eventually(async () => expect(await views(url)).toEqual(["/ahead", "/fetched"]))
  })

  test("works in pages that are isolated, or allow few scripts, or have it as a module, or an element of its name", async () => {
    const isolated = {
      "Cross-Origin-Embedder-Policy": "require-corp",
      "Cross-Origin-Opener-Policy": "same-origin",
    }
    const strict = {
      "Content-Security-Policy": "script-src 'nonce-abc'; connect-src *; require-trusted-types-for 'script'",
    }
    const { views, url, page, errors, warnings } = await setUpPages({
      "/isolated": {
        html: 'TAG<img src="NODE/api/v1/analytics/event?event_type=pixel" onerror="throw new Error(\'no pixel\')">',
        headers: isolated,
      },
      "/strict": {
        html: '<script nonce="abc" src="NODE/hello.js" data-site="SITE" data-vitals></script>',
        headers: strict,
      },
      "/module": '<script type="module" src="NODE/hello.js" data-site="SITE"></script>',
      "/element": '<div id="maicivy">Maicivy</div>TAG',
      "/twice": "TAGTAG",
      "/base": "<base href='https://elsewhere.example/'>TAG",
    })
    const paths = ["/isolated", "/strict", "/module", "/element", "/twice", "/base"]
    for (const path of paths) {
      await page.goto(url + path)
      await eventually(async () => expect(await views(url)).toContain(path))
    }
    await page.goto("about:blank")
    await eventually(async () => expect(await views(url)).toEqual(paths.toSorted()))
    expect([...errors, ...warnings]).toEqual([])
  })

  test("says each mistake once, and lets the page's own scripts go on", async () => {
    const { page, url, types, warnings, errors } = await setUpPages({
      "/wrong": '<script src="NODE/hello.js" data-site="mian"></script>',
      "/imported": `<script type="module">import "NODE/hello.js"</script>`,
      "/taken": "<script>var maicivy = {}</script>TAG",
      "/named": `${STUB}TAG<button data-maicivy-event="Sign Up">Sign up</button>`,
      "/blocked": `${STUB}<button onclick="maicivy.track('letter_generate'); document.title = 'written'">Write</button>
        <script async src="http://127.0.0.1:9/hello.js"></script>`,
    })
    const said = async (path: string, text: RegExp) => {
      await page.goto(url + path)
      await eventually(() => expect(warnings.filter((each) => text.test(each))).toHaveLength(1))
    }
    await said("/wrong", /^maicivy: site "mian" is not declared/)
    await said("/imported", /^maicivy: no tag found$/)
    await said("/taken", /^maicivy: window.maicivy is taken$/)
    expect(warnings).toHaveLength(3)
    await page.goto(`${url}/named`)
    await page.evaluate('maicivy.track("after")')
    await page.locator("button").click()
    await eventually(async () =>
      expect([...(await types())].sort()).toEqual([
        ...["after", "button_click", "early", "page_view", "page_view", "sign_up"],
      ]),
    )
    await page.goto(`${url}/blocked`)
    await page.locator("button").click()
    expect(await page.title()).toBe("written")
    expect(errors).toEqual([])
  })

  test("sends from a page whose address has a name and a password in it, and does not tell them", async () => {
    const { name, types, views } = someSite()
    const { url } = await gate(node, `<script src="/hello.js" data-site="${name}" data-vitals></script>`)
    const { page, errors, warnings } = await open()
    await page.goto(`${url.replace("//", "//name:password@")}/page`)
    await page.evaluate('maicivy.track("sent")')
    await eventually(async () => expect((await types()).sort()).toEqual(["page_view", "sent"]))
    expect(await views(url)).toEqual(["/page"])
    expect([...errors, ...warnings]).toEqual([])
  })

  test("tells by attributes of links, files, forms, missing pages, engagement and vitals", async () => {
    const { rows, page, url, errors } = await setUpPages(
      {
        "/": `TAG<div style="height: 3000px">A long page</div>
          <a id="away" href="https://other.example/x?token=1" onclick="event.preventDefault()">Away</a>
          <a id="file" href="/cv.pdf?x=1" onclick="event.preventDefault()">CV</a>
          <form id="contact" onsubmit="return false"><button id="send">Send</button></form>`,
        "/missing": { html: "TAG", status: 404 },
      },
      "data-outbound data-downloads data-forms data-not-found data-engagement data-vitals",
    )
    await page.goto(url)
    await eventually(async () => expect(await rows()).toHaveLength(1))
    for (const id of ["away", "file", "send"]) await page.locator(`#${id}`).click()
    await page.goto(`${url}/missing`)
    await page.goto("about:blank")
    const own = async () =>
      (await rows())
        .filter(({ event_type }) => !/^(page_view|link_click|button_click)$/.test(event_type))
        .map(({ event_type, event_data, page_url }) => [event_type, page_url.replace(url, ""), event_data])
    const vitals = {
      lcp: expect.any(Number),
      fcp: expect.any(Number),
      ttfb: expect.any(Number),
      cls: expect.any(Number),
    }
    await eventually(async () => {
      const found = await own()
      expect(found).toEqual(
        expect.arrayContaining([
          ["outbound_link", "/", { url: "https://other.example/x" }],
          ["file_download", "/", { url: `${url}/cv.pdf` }],
          ["form_submit", "/", { form: "contact" }],
          ["engagement", "/", { seconds: expect.any(Number), scroll: expect.any(Number) }],
          ["web_vitals", "/", expect.objectContaining(vitals)],
          ["not_found", "/missing", null],
          ["engagement", "/missing", { seconds: expect.any(Number), scroll: 100 }],
          ["web_vitals", "/missing", expect.any(Object)],
        ]),
      )
      expect(found).toHaveLength(8)
    })
    expect(errors).toEqual([])
  })

  test("gets the SDK's events, of a page and of its worker, at the right time, whatever their clocks say", async () => {
    const { rows, name, page, url } = await setUpPages({ "/": "A page" })
    const folder = temporaryFolder()
    /** A program that sends one event by a clock that is wrong, and then tells `done` what was lost. */
    const program = async (type: string, wrongBy: number, done: string) => {
      const input = join(folder, `${type}.js`)
      writeFileSync(
        input,
        `import { Analytics } from ${JSON.stringify(join(ROOT, "src/sdk/index.ts"))}
        const right = Date.now
        Date.now = () => right() + ${wrongBy}
        const lost = []
        const analytics = new Analytics({ url: "${node}", site: "${name}", onError: ({ code }) => lost.push(code) })
        analytics.track("${type}")
        analytics.flush().then(() => ${done}(lost))`,
      )
      const { rolldown } = await import("rolldown")
      await using build = await rolldown({ input, platform: "browser" })
      return (await build.generate({ format: "iife" })).output[0].code
    }
    const [inPage, inWorker] = [
      await program("in_page", 10 * MINUTE_MS, "window.done"),
      await program("in_worker", -300 * MINUTE_MS, "postMessage"),
    ]
    await page.goto(url)
    const before = now()
    const lost = await page.evaluate(
      async ([page, worker]) => {
        const ofWorker = new Promise((done) => {
          new Worker(URL.createObjectURL(new Blob([worker ?? ""]))).onmessage = ({ data }) => done(data)
        })
        const ofPage = new Promise((done) => Reflect.set(window, "done", done))
        document.head.append(Object.assign(document.createElement("script"), { textContent: page }))
        return [await ofPage, await ofWorker]
      },
      [inPage, inWorker],
    )
    expect(lost).toEqual([[], []])
    await eventually(async () => expect(await rows()).toHaveLength(2))
    for (const { created_at } of await rows()) {
      expect(Date.parse(created_at)).toBeGreaterThan(before - MINUTE_MS)
      expect(Date.parse(created_at)).toBeLessThan(now() + MINUTE_MS)
    }
  })

  test("shows the heatmap over the page to whoever opens it so, and does not count them", async () => {
    const { rows, page, url, errors, warnings } = await setUpPages({
      "*": '<style>body { margin: 0 }</style><div style="height: 2000px"><button style="position: absolute; left: 300px; top: 700px; width: 100px; height: 40px">Here</button></div>TAG',
    })
    await page.goto(url)
    for (let i = 0; i < 3; i++) await page.locator("button").click()
    await eventually(async () => expect(await rows()).toHaveLength(4))
    await page.goto("about:blank")
    await page.goto(`${url}/#maicivy-heatmap=a%20key`)
    const cell = page.locator("#maicivy-heatmap [data-clicks]")
    await eventually(async () => expect(await cell.allTextContents()).toEqual(["3"]))
    const drawn = await cell.boundingBox()
    // Where the button is, as nearly as cells tell.
    expect(Math.abs((drawn?.x ?? 0) + (drawn?.width ?? 0) / 2 - 350)).toBeLessThan(64)
    expect(Math.abs((drawn?.y ?? 0) + (drawn?.height ?? 0) / 2 - 720)).toBeLessThan(40)
    expect(await page.locator("#maicivy-heatmap [role=status]").textContent()).toBe("Clicks on this page: 3")
    expect(page.url()).toBe(`${url}/`)
    // The page beneath goes on.
    await page.locator("button", { hasText: "Here" }).click()
    await page.locator("#maicivy-heatmap button", { hasText: "Close" }).click()
    expect(await cell.count()).toBe(0)
    // With a ticket, it says the days of the site's zone, whatever the reader's is.
    const meta = { date_range: ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"], time_zone: "Europe/Paris" }
    await page.route("**/heatmap/page", (route) => route.fulfill({ json: { success: true, data: [], meta } }))
    await page.goto("about:blank")
    await page.goto(`${url}/#maicivy-heatmap=mah_ticket`)
    const status = page.locator("#maicivy-heatmap [role=status]", { hasText: "2026" })
    expect(await status.textContent()).toBe("No clicks on this page · 29 Mar 2026")
    expect(await rows()).toHaveLength(4)
    expect([...errors, ...warnings]).toEqual([])
  })
})

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { buildTracker } from "../../scripts/buildTracker.ts"
import { UUID } from "../../src/domain/limits.ts"
import { API_PATH } from "../../src/domain/paths.ts"
import { isRetryable, RETRYABLE_CODES } from "../../src/domain/retryable.ts"
import { VISITOR_COOKIE } from "../../src/domain/visitor.ts"
import { trackerPart } from "../../src/server/api/assets.ts"
import { LISTED_CODES } from "../../src/server/openapi/problems.ts"
import { filesIn, read } from "../support/documents.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { FakeElement, FakeForm, page, USUAL } from "./trackerInPage.ts"

const BUTTON = new FakeElement(["button"])
const LINK = new FakeElement([":any-link"], { href: "/letters" })
const marked = (event: string, data?: string, more: ReadonlyArray<string> = []) =>
  new FakeElement(["[data-maicivy-event]", ...more], {
    "data-maicivy-event": event,
    ...(data !== undefined && { "data-maicivy-data": data }),
  })

describe("the built tracker", () => {
  test("is what its sources say", async () => {
    const made = temporaryFolder()
    await buildTracker(made)
    for (const path of filesIn("src/tracker/built", ".js"))
      expect(
        readFileSync(join(made, path.replace("src/tracker/built/", "")), "utf8") === read(path),
        `${path} is out of date: run npm run build:tracker.`,
      ).toBe(true)
  })

  test("is below 2 KB compressed without options, below 3.5 KB with all", () => {
    const place = { basePath: "", script: "/hello.js", events: "/hello" }
    const KB = 1024
    for (const [compress, alone, together] of [
      [brotliCompressSync, 2, 3.5],
      // What browsers take without TLS.
      [gzipSync, 2.3, 4],
    ] as const) {
      const [core = 0, options = 0] = (["main", "options"] as const).map(
        (part) => compress(trackerPart(part, place)).length,
      )
      expect(core).toBeLessThan(alone * KB)
      expect(core + options).toBeLessThan(together * KB)
    }
  })
})

describe("the tracker's queue", () => {
  test("sends a page view on loading, without a preflight or a time, to where it came from", async () => {
    const { sent, settled } = page({ attributes: { site: "blog" } })
    await settled()
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({
      url: `https://stats.example${API_PATH}/events`,
      events: [
        {
          event_type: "page_view",
          page_url: "https://cv.example/",
          referrer: "https://search.example/",
          title: "CV",
          screen: 1440,
          site: "blog",
          id: expect.stringMatching(UUID),
        },
      ],
      options: {
        method: "POST",
        keepalive: true,
        credentials: "include",
        headers: { "Content-Type": "text/plain" },
      },
    })
    expect(sent[0]?.events[0]).not.toHaveProperty("timestamp")
  })

  test.each([
    [USUAL, {}, `https://stats.example${API_PATH}/events`],
    [USUAL, { endpoint: "https://cv.example/stats" }, "https://cv.example/stats/events"],
    [{ ...USUAL, basePath: "/stats" }, {}, `https://stats.example/stats${API_PATH}/events`],
    [{ basePath: "/stats", script: "/hello.js", events: "/hello" }, {}, "https://stats.example/stats/hello"],
    [
      { basePath: "", script: "/hello.js", events: "/hello" },
      { endpoint: "https://cv.example/x" },
      "https://cv.example/x",
    ],
  ])("of %j with %j sends to %s", async (place, attributes, url) => {
    const { sent, settled } = page({ place, attributes })
    await settled()
    expect(sent.map((each) => each.url)).toEqual([url])
  })

  test("sends again with the same id after the pause that was asked for, with its age by the stopwatch", async () => {
    const { sent, timers, clock, settled } = page({
      answer: (batch) => (batch === 1 ? { status: 503, retryAfter: "7" } : { status: 201 }),
    })
    await settled()
    expect(timers).toHaveLength(1)
    expect(timers[0]?.ms).toBeGreaterThanOrEqual(7000)
    expect(timers[0]?.ms).toBeLessThan(9000)
    clock.now = 9000
    timers[0]?.action()
    await eventually(() => expect(sent).toHaveLength(2))
    expect(sent[1]?.events).toEqual([{ ...sent[0]?.events[0], age: 9000 }])
    expect(timers).toHaveLength(1)
  })

  test("sends again only what may be, and nothing that was refused", async () => {
    const { sent, timers, warnings, track, settled } = page({
      answer: (batch) =>
        batch === 1
          ? {
              status: 201,
              rejected: [
                { index: 0, code: "STREAM_UNAVAILABLE", error: "later" },
                { index: 1, code: "INVALID_EVENT_DATA", error: "event_data must be a JSON object." },
              ],
            }
          : { status: 400 },
    })
    track("custom", "no object")
    await settled()
    timers[0]?.action()
    await settled()
    expect(sent.map(({ events }) => events.length)).toEqual([2, 1])
    expect(timers).toHaveLength(1)
    expect(warnings).toEqual(["maicivy: event_data must be a JSON object.", "maicivy: refused with 400"])
  })

  test.each([
    [429, 1],
    [500, 1],
    [521, 1],
    [404, 0],
    [405, 0],
    [413, 0],
    [451, 0],
    [501, 0],
    [505, 0],
  ])("after %i sends the same events again: %i times", async (status, times) => {
    const { timers, settled } = page({ answer: () => ({ status }) })
    await settled()
    expect(timers).toHaveLength(times)
  })

  test("sends again what the server may take later, of all that it can list", async () => {
    const { sent, timers, track, settled } = page({
      answer: (batch) => ({
        status: 201,
        rejected: batch === 1 ? LISTED_CODES.map((code, index) => ({ index, code })) : [],
      }),
    })
    for (let i = 1; i < LISTED_CODES.length; i++) track("custom")
    await settled()
    timers[0]?.action()
    await settled()
    const later = sent[0]?.events.filter((_, i) => isRetryable(LISTED_CODES[i] ?? ""))
    expect(later).toHaveLength(RETRYABLE_CODES.length)
    expect(sent[1]?.events.map(({ id }) => id)).toEqual(later?.map(({ id }) => id))
  })

  test("keeps at most a hundred events, the latest, and sends them when the page is left", async () => {
    const { sent, emit, leave, track, settled } = page({ answer: () => ({ status: 503 }) })
    await settled()
    for (let i = 0; i < 150; i++) track("custom", { i })
    emit("online")
    await settled()
    leave()
    await settled()
    expect(sent.at(-1)?.events.map((event) => event.event_data)).toEqual(
      Array.from({ length: 100 }, (_, i) => ({ i: i + 50 })),
    )
  })

  test("is poisoned by nothing: what is no JSON is dropped alone, and said once", async () => {
    const { events, warnings, track, settled } = page()
    const cycle: { [name: string]: unknown } = {}
    cycle.self = cycle
    for (const bad of [{ price: 10n }, { price: 10n }, cycle]) track("bad", bad)
    track("good")
    await settled()
    expect(events().map(({ event_type }) => event_type)).toEqual(["page_view", "good"])
    expect(warnings).toEqual([
      expect.stringMatching(/^maicivy: TypeError: .*BigInt/),
      expect.stringMatching(/^maicivy: TypeError: .*circular/),
    ])
  })

  test("sends again at a leave what has an answer that has not been read", async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { sent, timers, leave, settled } = page({
      answer: (batch) => (batch === 1 ? { status: 503, after: promise } : { status: 201 }),
    })
    await settled()
    leave()
    await settled()
    expect(sent.map(({ events }) => events.map(({ id }) => id))).toEqual(
      Array(2).fill([expect.stringMatching(UUID)]),
    )
    expect(sent[1]?.events[0]?.id).toBe(sent[0]?.events[0]?.id)
    resolve()
    await eventually(() => expect(timers).toHaveLength(1))
  })

  test("counts bytes: what is too large to outlive the page together goes in parts", async () => {
    const { sent, track, settled } = page()
    for (let i = 0; i < 30; i++) track("ja", { i, text: "日本語のとても長い文章。".repeat(100) })
    await settled()
    expect(sent.flatMap(({ events }) => events)).toHaveLength(31)
    for (const { events, options } of sent) {
      expect(Buffer.byteLength(JSON.stringify(events))).toBeLessThan(65_536)
      expect(options.keepalive).toBe(true)
    }
  })

  test("halves what a server finds too large, until what is too large alone is left", async () => {
    const { sent, warnings, track, settled } = page({
      answer: (_, body) => ({ status: body.length > 2000 ? 413 : 201 }),
    })
    for (let i = 0; i < 7; i++) track("custom", i === 3 ? { i, text: "x".repeat(3000) } : { i })
    await settled()
    const taken = sent
      .filter(({ options }) => String(options.body).length <= 2000)
      .flatMap(({ events }) => events)
    expect(taken.map(({ event_data }) => event_data)).toEqual(
      expect.arrayContaining([undefined, ...[0, 1, 2, 4, 5, 6].map((i) => ({ i }))]),
    )
    expect(taken).toHaveLength(7)
    expect(warnings).toEqual(["maicivy: refused with 413"])
  })

  test("tries without keepalive what a browser refuses with it", async () => {
    const { sent, settled } = page({
      answer: (_batch, _body, keepalive) => {
        if (keepalive === true) throw new TypeError("over the quota")
        return { status: 201 }
      },
    })
    await settled()
    expect(sent.map(({ options }) => options.keepalive)).toEqual([false])
  })

  test("says once that nothing answers", async () => {
    const { timers, warnings, settled } = page({
      answer: () => {
        throw new TypeError("unreachable")
      },
    })
    for (let i = 0; i < 5; i++) {
      await settled()
      timers[i]?.action()
    }
    await settled()
    expect(warnings).toEqual([`maicivy: no answer from https://stats.example${API_PATH}/events`])
  })

  test.each([
    ["pdf_download", { event_type: "pdf_download" }],
    ["Sign Up", { name: "Sign Up" }],
    ["größe", { name: "größe" }],
  ])("sends %j as %j", async (type, expected) => {
    const { events, track, settled } = page()
    track(type)
    await settled()
    expect(events()[1]).toMatchObject(expected)
    expect(Object.keys(events()[1] ?? {})).not.toContain("name" in expected ? "event_type" : "name")
  })
})

describe("the tracker's views", () => {
  const urls = (events: ReadonlyArray<{ readonly [key: string]: unknown }>) =>
    events.filter(({ event_type }) => event_type === "page_view").map(({ page_url }) => page_url)

  test("follow navigation within the page, each page once, and not to a place in it", async () => {
    const { events, history, emit, location, settled } = page()
    history.pushState(null, "", "/letters")
    history.pushState(null, "", "/letters#first")
    history.replaceState(null, "", "/letters")
    location.href = "https://cv.example/"
    emit("popstate")
    await settled()
    expect(events().map((event) => [event.page_url, event.referrer])).toEqual([
      ["https://cv.example/", "https://search.example/"],
      ["https://cv.example/letters", "https://cv.example/"],
      ["https://cv.example/", "https://cv.example/letters"],
    ])
  })

  test.each([
    [{}, ["/search", "/found"]],
    [{ replace: "none" }, ["/search"]],
    [{ replace: "all" }, ["/search", "/search?q=s", "/search", "/found"]],
  ])("with %j count what replaces the address as %j", async (attributes, expected) => {
    const { events, history, settled, track } = page({ href: "https://cv.example/search", attributes })
    await settled()
    history.replaceState(null, "", "/search?q=s")
    history.replaceState(null, "", "/search")
    history.replaceState(null, "", "/found")
    track("custom")
    await settled()
    expect(urls(events())).toEqual(expected.map((path) => `https://cv.example${path}`))
    expect(events().at(-1)?.page_url).toBe("https://cv.example/found")
  })

  test("with data-hash are named by the fragment, without its query", async () => {
    const { events, history, settled } = page({
      href: "https://cv.example/#/about?token=x",
      attributes: { hash: "" },
    })
    await settled()
    history.pushState(null, "", "#/about?token=y")
    history.pushState(null, "", "#/contact")
    history.pushState(null, "", "#top")
    await settled()
    expect(urls(events())).toEqual([
      "https://cv.example/#/about",
      "https://cv.example/#/contact",
      "https://cv.example/",
    ])
  })

  test("take a page, a title and a referrer of the site's own, until the next view", async () => {
    const { events, history, call, track, settled } = page({
      href: "https://cv.example/product/5",
      attributes: { page: "/product/:id", title: "A product" },
    })
    await settled()
    history.replaceState(null, "", "/product/5?tab=1")
    track("custom")
    call("view", { page_url: "/step/2", title: "Second step" })
    call("view", { referrer: "" })
    history.pushState(null, "", "/next")
    await settled()
    expect(
      events().map(({ event_type, page_url, title, referrer }) => [event_type, page_url, title, referrer]),
    ).toEqual([
      ["page_view", "https://cv.example/product/:id", "A product", "https://search.example/"],
      ["custom", "https://cv.example/product/:id", "A product", "https://search.example/"],
      ["page_view", "/step/2", "Second step", "https://cv.example/product/:id"],
      ["page_view", "https://cv.example/product/5?tab=1", "CV", ""],
      ["page_view", "https://cv.example/next", "CV", "https://cv.example/product/5?tab=1"],
    ])
  })

  test("with data-manual are counted by hand only", async () => {
    const { events, history, call, clock, emit, leave, document, timers, settled, track } = page({
      attributes: { manual: "true", engagement: "" },
    })
    await settled()
    history.pushState(null, "", "/letters")
    track("custom")
    emit("pageshow", { persisted: true })
    leave()
    document.hidden = false
    for (const { action } of timers) action()
    clock.now = 50_000
    call("view")
    clock.now = 55_000
    call("view")
    emit("pageshow", { persisted: true })
    await settled()
    expect(
      events().map(({ event_type, page_url, referrer, event_data }) => [
        ...[event_type, page_url, referrer, event_data],
      ]),
    ).toEqual([
      ["custom", "https://cv.example/letters", "https://search.example/", undefined],
      ["page_view", "https://cv.example/letters", "https://search.example/", undefined],
      [
        ...["engagement", "https://cv.example/letters", "https://search.example/"],
        { seconds: 5, scroll: 50 },
      ],
      ["page_view", "https://cv.example/letters", "https://cv.example/letters", undefined],
    ])
  })

  test("say that there is no page before, where there is none", async () => {
    const { events, call, settled } = page()
    call("view", { referrer: "" })
    await settled()
    expect(events()[1]?.referrer).toBe("")
  })

  test("take a theme from the address, once as long as it stays, also where the view stays", async () => {
    const { events, history, settled } = page()
    history.pushState(null, "", "/?theme=dark")
    history.pushState(null, "", "/letters?theme=dark")
    history.replaceState(null, "", "/letters?theme=light")
    await settled()
    const themes = events().filter((event) => event.event_type === "cv_theme_change")
    expect(themes.map((event) => event.event_data)).toEqual([{ theme: "dark" }, { theme: "light" }])
  })

  test.each([
    ["asked the server", {}, []],
    ["comes without a word about it", null, []],
    ["was rendered ahead", { activationStart: 5, transferSize: 300 }, ["/"]],
    ["is a prefetched one", { deliveryType: "navigational-prefetch", transferSize: 300 }, ["/"]],
    ["lay in the cache", { deliveryType: "cache", transferSize: 0 }, ["/"]],
    ["was confirmed by the server", { deliveryType: "cache", transferSize: 300 }, []],
  ])(
    "leave the first one to a server that counts it, and count it when it %s: %j",
    async (_, loaded, first) => {
      const { events, history, settled } = page({ loaded, attributes: { firstView: "server" } })
      await settled()
      history.pushState(null, "", "/letters")
      await settled()
      expect(urls(events())).toEqual([...first, "/letters"].map((path) => `https://cv.example${path}`))
    },
  )

  test("count a page that was rendered ahead of time when it is seen, whatever it did before", async () => {
    const loaded = { activationStart: 5, responseStatus: 404 }
    const attributes = { firstView: "server", notFound: "" }
    const plain = page({ prerendering: true })
    const optional = page({ prerendering: true, loaded, attributes })
    plain.track("early")
    for (const { emit, events, history, document, settled } of [plain, optional]) {
      await settled()
      history.replaceState(null, "", "/tidy")
      await settled()
      expect(events()).toEqual([])
      document.prerendering = false
      emit("prerenderingchange")
      await settled()
    }
    const counted = ({ events }: typeof plain) =>
      events().map(({ event_type, page_url }) => [event_type, page_url])
    const url = "https://cv.example/tidy"
    expect(counted(plain)).toEqual([
      ["page_view", url],
      ["early", url],
    ])
    expect(counted(optional)).toEqual([
      ["page_view", url],
      ["not_found", url],
    ])
  })

  test("count a page that comes back out of the browser's memory", async () => {
    const { events, emit, settled } = page()
    emit("pageshow", { persisted: false })
    emit("pageshow", { persisted: true })
    await settled()
    expect(urls(events())).toHaveLength(2)
  })
})

describe("the tracker's clicks", () => {
  test("have their place in percent of the document, by pointer and by keyboard", async () => {
    const { events, act, settled } = page()
    act("click", [LINK])
    act("click", [BUTTON], { detail: 0, pageX: 0, pageY: 0 })
    act("click", [LINK], { isTrusted: false })
    act("click", [new FakeElement([])])
    await settled()
    expect(events().slice(1)).toMatchObject([
      { event_type: "link_click", event_data: { x: 25, y: 75 } },
      { event_type: "button_click", event_data: { x: 50, y: 50 } },
    ])
  })

  test.each([
    ["the middle button on a link", 1, LINK, 1],
    ["the middle button on a button", 1, BUTTON, 0],
    ["the right button on a link", 2, LINK, 0],
  ])("of %s count: %i", async (_, button, element, count) => {
    const { events, act, settled } = page()
    act("auxclick", [element], { button })
    await settled()
    expect(events()).toHaveLength(1 + count)
  })

  test("on a label are one with that on its control", async () => {
    const { events, act, timers, settled } = page()
    const control = new FakeElement(["input", "[data-maicivy-event]"], { "data-maicivy-event": "chosen" })
    const label = new FakeElement(
      ["label", "[data-maicivy-event]"],
      { "data-maicivy-event": "labelled" },
      control,
    )
    const plain = new FakeElement(["label"], {}, control)
    for (const each of [label, plain]) {
      act("click", [each])
      act("click", [control])
      timers.at(-1)?.action()
    }
    act("click", [control, label])
    await settled()
    expect(
      events()
        .slice(1)
        .map(({ event_type }) => event_type),
    ).toEqual(["labelled", "chosen", "chosen"])
  })

  test("send what elements are marked with, forms when they are submitted", async () => {
    const { events, act, warnings, settled } = page()
    const form = new FakeForm(["[data-maicivy-event]"], { "data-maicivy-event": "form_submit" })
    for (const type of ["click", "submit"])
      for (const each of [marked("pdf_download", '{"file":"cv"}'), form]) act(type, [each])
    act("click", [marked("buy", "{file:'cv'}", [":any-link"])])
    await settled()
    expect(events().slice(1)).toMatchObject([
      { event_type: "pdf_download", event_data: { file: "cv" } },
      { event_type: "form_submit", event_data: {} },
      { event_type: "buy" },
      { event_type: "link_click" },
    ])
    expect(warnings).toEqual(["maicivy: not JSON: {file:'cv'}"])
  })
})

describe("the tracker's options", () => {
  test("send links that lead away, files and forms, without queries, unless they are marked", async () => {
    const { events, act, settled } = page({ attributes: { outbound: "", downloads: "", forms: "" } })
    await settled()
    const link = (href: string, more: object = {}) => new FakeElement([":any-link"], { href, ...more })
    for (const href of ["https://other.example/x?token=1", "/letters", "mailto:a@b.example", "/cv.PDF?x=1#y"])
      act("click", [link(href)])
    act("click", [link("/picture", { download: "" })])
    act("click", [link("data:text/csv,name;salary", { download: "salaries.csv" })])
    act("submit", [new FakeForm(["form"], { action: "javascript:save('secret')" })])
    act("click", [link("https://other.example/"), marked("own")])
    act("submit", [new FakeForm(["form"], { action: "/search?x=1" })])
    act("submit", [new FakeForm(["form"], { id: "contact" })])
    act("submit", [new FakeForm(["form", "[data-maicivy-event]"], { "data-maicivy-event": "own_form" })])
    await settled()
    expect(
      events()
        .filter(({ event_type }) => !/^(page_view|link_click)$/.test(String(event_type)))
        .map(({ event_type, event_data }) => [event_type, event_data]),
    ).toEqual([
      ["outbound_link", { url: "https://other.example/x" }],
      ["file_download", { url: "https://cv.example/cv.PDF" }],
      ["file_download", { url: "https://cv.example/picture" }],
      ["file_download", { url: "data:" }],
      ["form_submit", { form: "" }],
      ["own", {}],
      ["form_submit", { form: "/search" }],
      ["form_submit", { form: "contact" }],
      ["own_form", {}],
    ])
  })

  test("take the endings of files", async () => {
    // Frameworks write an attribute without a value as "true".
    for (const [downloads, expected] of [
      ["stl, gcode", ["a.stl", "b.gcode"]],
      ["", ["c.pdf"]],
      ["true", ["c.pdf"]],
    ] as const) {
      const { events, act, settled } = page({ attributes: { downloads } })
      await settled()
      for (const href of ["/a.stl", "/b.gcode", "/c.pdf", "/d.true"])
        act("click", [new FakeElement([":any-link"], { href })])
      await settled()
      const files = events().filter(({ event_type }) => event_type === "file_download")
      expect(files.map(({ event_data }) => event_data)).toEqual(
        expected.map((file) => ({ url: `https://cv.example/${file}` })),
      )
    }
  })

  test.each([
    [{ notFound: "" }, { responseStatus: 404 }, true],
    [{ notFound: "" }, { responseStatus: 200 }, false],
    [{ notFound: "" }, {}, false],
    [{ notFound: "true" }, { responseStatus: 404 }, true],
    [{ notFound: "true" }, { responseStatus: 200 }, false],
    [{ notFound: "always" }, {}, true],
    [{ forms: "" }, { responseStatus: 404 }, false],
  ])("%j and %j: says that there is no such page: %s", async (attributes, loaded, said) => {
    const { events, settled } = page({ attributes, loaded })
    // The page may be left before a timer comes.
    await settled()
    expect(events().map(({ event_type }) => event_type)).toEqual([
      "page_view",
      ...(said ? ["not_found"] : []),
    ])
  })

  test("tell one event of engagement a view, with the time in use, and another only for more of it", async () => {
    const { events, emit, history, clock, document, leave, settled } = page({
      attributes: { engagement: "" },
    })
    await settled()
    const pass = (seconds: number) => {
      clock.now += 1000 * seconds
      emit("pointermove")
    }
    const told = () =>
      events()
        .filter(({ event_type }) => event_type === "engagement")
        .map(({ event_data, page_url }) => [page_url, event_data])
    pass(20)
    // Nobody reads for an hour without a touch.
    pass(3600)
    leave()
    await settled()
    expect(told()).toEqual([["https://cv.example/", { seconds: 80, scroll: 50 }]])
    clock.now += 10_000
    document.hidden = false
    emit("visibilitychange")
    leave()
    await settled()
    expect(told()).toHaveLength(1)
    document.hidden = false
    emit("visibilitychange")
    pass(5)
    history.pushState(null, "", "/letters")
    pass(3)
    leave()
    await settled()
    expect(told().slice(1)).toEqual([
      ["https://cv.example/", { seconds: 5, scroll: 50 }],
      ["https://cv.example/letters", { seconds: 3, scroll: 50 }],
    ])
  })

  test.each([{ doNotTrack: "1" }, { globalPrivacyControl: true }])(
    "obey %j when told to",
    async (navigator) => {
      const obeying = page({ navigator, attributes: { respectDnt: "", cookie: "" } })
      const other = page({ navigator })
      await obeying.settled()
      obeying.track("custom")
      await obeying.settled()
      expect(obeying.sent).toEqual([])
      expect(obeying.document.written).toEqual([])
      expect(other.sent).toHaveLength(1)
    },
  )

  test("count nothing where they cannot be loaded, and that is said", async () => {
    const { sent, warnings, settled } = page({ attributes: { respectDnt: "" }, blocked: true })
    await settled()
    expect(sent).toEqual([])
    expect(warnings).toEqual(["maicivy: TypeError: blocked"])
  })

  test("leave out the browser of someone who says so", async () => {
    const { sent, track, settled } = page({
      localStorage: { maicivy_ignore: "1" },
      attributes: { cookie: "", vitals: "" },
    })
    await settled()
    track("custom")
    await settled()
    expect(sent).toEqual([])
  })
})

describe("the tracker's cookie", () => {
  test("is set when asked for only, and names the visitor", async () => {
    const without = page()
    const asked = page({ attributes: { cookie: "" } })
    const inFramework = page({ attributes: { cookie: "true" } })
    await asked.settled()
    expect(inFramework.document.written).toHaveLength(1)
    expect(without.document.written).toEqual([])
    expect(without.events()[0]).not.toHaveProperty("visitor_id")
    const cookie = new RegExp(`^${VISITOR_COOKIE}=([^;]+);max-age=2592000;secure;path=/;samesite=lax$`)
    const [, visitor] = cookie.exec(asked.document.written[0] ?? "") ?? []
    expect(visitor).toMatch(UUID)
    expect(asked.events()[0]?.visitor_id).toBe(visitor)
  })

  test.each([
    ["https://cv.example/", true],
    ["http://cv.example/", false],
  ])("is set on %s as Secure: %s", async (href, secure) => {
    const { document, settled } = page({ href, attributes: { cookie: "" } })
    await settled()
    expect(document.written[0]?.includes(";secure")).toBe(secure)
  })

  test("names nobody where it is not kept, and that is said once", async () => {
    const { events, call, warnings, settled } = page({ attributes: { cookie: "" }, cookies: false })
    await settled()
    call("consent", true)
    expect(events()[0]).not.toHaveProperty("visitor_id")
    expect(warnings).toEqual(["maicivy: no script can read the cookie"])
  })

  test("comes with consent and goes with it, while the page is open", async () => {
    const { events, call, track, document, settled } = page({ attributes: { cookie: "consent" } })
    await settled()
    call("consent", true)
    track("given")
    await settled()
    const kept = document.cookie
    call("consent", false)
    track("withdrawn")
    await settled()
    const ids = events().map(({ visitor_id }) => visitor_id)
    expect(ids).toEqual([undefined, expect.stringMatching(UUID), undefined])
    expect(kept).toBe(`${VISITOR_COOKIE}=${ids[1]}`)
    expect(document.cookie).toBe("")
  })
})

describe("the tracker's global", () => {
  test.each([{}, { forms: "" }])(
    "loaded twice with %j counts once, and sends events of the page's own",
    async (attributes) => {
      const { events, track, load, settled } = page({ attributes })
      load()
      await settled()
      track("pdf_download", { file: "cv" })
      await settled()
      expect(events()).toMatchObject([
        { event_type: "page_view" },
        { event_type: "pdf_download", event_data: { file: "cv" } },
      ])
    },
  )

  test("makes the calls that a stub has kept", async () => {
    const { events, warnings, settled } = page({
      taken: { ...{ track() {}, view() {}, consent() {} }, queue: [["track", "early", { x: 1 }], ["view"]] },
    })
    await settled()
    expect(events().map(({ event_type }) => event_type)).toEqual(["page_view", "early", "page_view"])
    expect(warnings).toEqual([])
  })

  test("is not there where the page has one of its own, which is said; views count", async () => {
    const taken = { own: true }
    const { events, warnings, window, settled } = page({ taken })
    await settled()
    expect(window.maicivy).toBe(taken)
    expect(warnings).toEqual(["maicivy: window.maicivy is taken"])
    expect(events()).toHaveLength(1)
  })
})

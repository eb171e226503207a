import { readFileSync } from "node:fs"
import { createContext, runInContext } from "node:vm"
import { gzipSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { UUID } from "../../src/domain/limits.ts"
import { API_PATH } from "../../src/domain/paths.ts"
import { isRetryable, RETRYABLE_CODES } from "../../src/domain/retryable.ts"
import { VISITOR_COOKIE } from "../../src/domain/visitor.ts"
import { namedTracker } from "../../src/server/api/assets.ts"
import { LISTED_CODES } from "../../src/server/openapi/problems.ts"
import { eventually } from "../support/index.ts"

const SOURCE = readFileSync(new URL("../../src/tracker/tracker.js", import.meta.url), "utf8")

interface Sent {
  readonly url: string
  readonly events: ReadonlyArray<{ readonly [key: string]: unknown }>
  readonly options: { readonly [key: string]: unknown }
}

interface Given {
  readonly href?: string
  readonly attributes?: { readonly [name: string]: string }
  readonly navigator?: { readonly [name: string]: unknown }
  readonly prerendering?: boolean
  /** The script, if it is not as it lies there. */
  readonly source?: string
  /** The answer to a batch. */
  readonly answer?: (batch: number) => {
    readonly status: number
    readonly rejected?: ReadonlyArray<object>
    readonly retryAfter?: string
  }
}

/** A page that has loaded the tracker, as far as the tracker sees it. */
const page = (given: Given = {}) => {
  const sent: Array<Sent> = []
  const asked: Array<string> = []
  const listeners = new Map<string, (event: unknown) => void>()
  const timers: Array<{ readonly action: () => void; readonly ms: number }> = []
  const clock = { now: 0 }
  const location = { href: given.href ?? "https://cv.example/" }
  const move = (_state: unknown, _title: string, url: string) => {
    location.href = new URL(url, location.href).href
  }
  const history = { pushState: move, replaceState: move }
  const window: { [name: string]: unknown } = {}
  const fetch = async (url: string, request?: { body: string; [key: string]: unknown }) => {
    if (request === undefined) {
      asked.push(url)
      return { json: async () => ({ data: { timestamp: 1_765_000_000 } }) }
    }
    sent.push({ url, events: JSON.parse(request.body), options: request })
    const { status, rejected = [], retryAfter } = given.answer?.(sent.length) ?? { status: 201 }
    return {
      status,
      headers: new Headers(retryAfter === undefined ? {} : { "Retry-After": retryAfter }),
      json: async () => ({ data: { rejected } }),
    }
  }
  const listen = (name: string, action: (event: unknown) => void) => listeners.set(name, action)
  const document = {
    currentScript: { src: "https://stats.example/tracker.js", dataset: given.attributes ?? {} },
    referrer: "https://search.example/",
    title: "CV",
    prerendering: given.prerendering ?? false,
    cookie: "",
    documentElement: { scrollWidth: 1000, scrollHeight: 2000 },
    addEventListener: listen,
  }
  const context = createContext({
    ...{ window, fetch, location, history, URL, crypto, Math, queueMicrotask, document },
    navigator: given.navigator ?? {},
    screen: { width: 1440 },
    performance: { now: () => clock.now },
    clearTimeout: () => {},
    setTimeout: (action: () => void, ms: number) => timers.push({ action, ms }),
    addEventListener: listen,
    scrollX: 0,
    scrollY: 500,
  })
  const load = () => runInContext(given.source ?? SOURCE, context)
  load()
  const track = (type: string, data?: object) => {
    const api: unknown = window.maicivy
    if (typeof api !== "object" || api === null) throw new Error("no window.maicivy")
    Reflect.get(api, "track")(type, data)
  }
  const events = () => sent.flatMap((each) => each.events)
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  return { sent, asked, events, listeners, timers, clock, location, history, document, load, track, settled }
}

/** An element of the page, where attributes are selectors that it matches. */
const element = (matches: string, more: object) => ({
  closest: (selector: string) => (selector.includes(matches) ? { tagName: "A", ...more } : null),
})

const BOX = { getBoundingClientRect: () => ({ x: 400, y: 480, width: 200, height: 40 }) }

describe("the tracker", () => {
  test("is below 2 KB compressed", () => {
    expect(gzipSync(SOURCE, { level: 9 }).length).toBeLessThan(2048)
  })

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
      options: { method: "POST", keepalive: true, headers: { "Content-Type": "text/plain" } },
    })
    expect(sent[0]?.events[0]).not.toHaveProperty("timestamp")
  })

  test("sends to another endpoint when one is named", async () => {
    const { sent, settled } = page({ attributes: { endpoint: "https://cv.example/stats" } })
    await settled()
    expect(sent[0]?.url).toBe("https://cv.example/stats/events")
  })

  test("sends everything to the path that was chosen, and asks there for the time", async () => {
    const { sent, asked, settled, timers, clock } = page({
      source: namedTracker("/stats", "/hello").toString(),
      answer: (batch) => ({ status: batch === 1 ? 503 : 201 }),
    })
    await settled()
    clock.now = 10_000
    timers[0]?.action()
    await settled()
    expect(sent.map(({ url }) => String(url))).toEqual(Array(2).fill("https://stats.example/stats/hello"))
    expect(asked.map(String)).toEqual(["https://stats.example/stats/hello"])
    const named = page({
      source: namedTracker("", "/hello").toString(),
      attributes: { endpoint: "https://cv.example/elsewhere" },
    })
    await named.settled()
    expect(String(named.sent[0]?.url)).toBe("https://cv.example/elsewhere")
  })

  test("follows navigation within the page, each page once, and not to a place in it", async () => {
    const { events, history, listeners, location, settled } = page()
    history.pushState(null, "", "/letters")
    history.pushState(null, "", "/letters#first")
    history.replaceState(null, "", "/letters")
    location.href = "https://cv.example/"
    listeners.get("popstate")?.({})
    await settled()
    expect(events().map((event) => [event.page_url, event.referrer])).toEqual([
      ["https://cv.example/", "https://search.example/"],
      ["https://cv.example/letters", "https://cv.example/"],
      ["https://cv.example/", "https://cv.example/letters"],
    ])
  })

  test("takes a theme from the address, once as long as it stays", async () => {
    const { events, history, settled } = page()
    history.pushState(null, "", "/?theme=dark")
    history.pushState(null, "", "/letters?theme=dark")
    history.pushState(null, "", "/?theme=light")
    await settled()
    expect(
      events()
        .filter((event) => event.event_type === "cv_theme_change")
        .map((event) => event.event_data),
    ).toEqual([{ theme: "dark" }, { theme: "light" }])
  })

  test("leaves the first view to a server that counts it", async () => {
    const { events, history, settled } = page({ attributes: { firstView: "server" } })
    history.pushState(null, "", "/letters")
    await settled()
    expect(events().map((event) => event.page_url)).toEqual(["https://cv.example/letters"])
  })

  test("counts a page that was rendered ahead of time when it is seen", async () => {
    const { events, listeners, settled } = page({ prerendering: true, attributes: { firstView: "server" } })
    await settled()
    expect(events()).toEqual([])
    listeners.get("prerenderingchange")?.({})
    await settled()
    expect(events()).toHaveLength(1)
  })

  test("sends clicks with their place in percent of the document, by pointer and by keyboard", async () => {
    const { events, listeners, settled } = page()
    const click = { type: "click", isTrusted: true, detail: 1, pageX: 250, pageY: 1500 }
    const link = element("a[href]", { href: "https://cv.example/letters", ...BOX })
    listeners.get("click")?.({ ...click, target: link })
    listeners.get("click")?.({ ...click, detail: 0, pageX: 0, pageY: 0, target: element("button", BOX) })
    listeners.get("click")?.({ ...click, isTrusted: false, target: link })
    listeners.get("click")?.({ ...click, target: { closest: () => null } })
    await settled()
    expect(events().slice(1)).toMatchObject([
      { event_type: "link_click", event_data: { x: 25, y: 75 } },
      { event_type: "button_click", event_data: { x: 50, y: 50 } },
    ])
  })

  test("sends what elements are marked with, forms when they are submitted", async () => {
    const { events, listeners, settled } = page()
    const marked = element("data-maicivy-event", {
      dataset: { maicivyEvent: "pdf_download", maicivyData: '{"file":"cv"}' },
    })
    const form = element("data-maicivy-event", { tagName: "FORM", dataset: { maicivyEvent: "form_submit" } })
    for (const type of ["click", "submit"])
      for (const target of [marked, form]) listeners.get(type)?.({ type, isTrusted: true, target })
    await settled()
    expect(events().slice(1)).toMatchObject([
      { event_type: "pdf_download", event_data: { file: "cv" } },
      { event_type: "form_submit", event_data: {} },
    ])
  })

  test("sends again with the same id after the pause that was asked for, at the server's time less the age", async () => {
    const { sent, asked, timers, clock, settled } = page({
      answer: (batch) => (batch === 1 ? { status: 503, retryAfter: "7" } : { status: 201 }),
    })
    await settled()
    expect(timers).toHaveLength(1)
    expect(timers[0]?.ms).toBeGreaterThanOrEqual(7000)
    expect(timers[0]?.ms).toBeLessThan(9000)
    clock.now = 9000
    timers[0]?.action()
    await eventually(() => expect(sent).toHaveLength(2))
    expect(asked).toEqual([`https://stats.example${API_PATH}/realtime`])
    expect(sent[1]?.events).toEqual([{ ...sent[0]?.events[0], timestamp: 1_765_000_000_000 - 9000 }])
    expect(timers).toHaveLength(1)
  })

  test("sends again only what may be, and nothing that was refused", async () => {
    const { sent, timers, track, settled } = page({
      answer: (batch) =>
        batch === 1
          ? {
              status: 201,
              rejected: [
                { index: 0, code: "STREAM_UNAVAILABLE" },
                { index: 1, code: "INVALID_EVENT_TYPE" },
              ],
            }
          : { status: 400 },
    })
    track("Bad!")
    await settled()
    timers[0]?.action()
    await settled()
    expect(sent.map(({ events }) => events.length)).toEqual([2, 1])
    expect(timers).toHaveLength(1)
  })

  test.each([
    [429, 1],
    [500, 1],
    [521, 1],
    [404, 0],
    [405, 0],
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

  test.each([429, 503])("sends everything again after a %i", async (status) => {
    const { sent, timers, settled } = page({ answer: (batch) => ({ status: batch === 1 ? status : 201 }) })
    await settled()
    timers[0]?.action()
    await settled()
    expect(sent[1]?.events).toEqual(sent[0]?.events)
  })

  test("keeps at most a hundred events, the latest, and sends them when the page is left", async () => {
    const { sent, listeners, track, settled } = page({ answer: () => ({ status: 503 }) })
    await settled()
    for (let i = 0; i < 150; i++) track("custom", { i })
    listeners.get("online")?.({})
    await settled()
    listeners.get("pagehide")?.({})
    await settled()
    expect(sent.at(-1)?.events.map((event) => event.event_data)).toEqual(
      Array.from({ length: 100 }, (_, i) => ({ i: i + 50 })),
    )
  })

  test.each([{ doNotTrack: "1" }, { globalPrivacyControl: true }])(
    "obeys %j when told to",
    async (navigator) => {
      const obeying = page({ navigator, attributes: { respectDnt: "", cookie: "" } })
      obeying.track("custom")
      const other = page({ navigator })
      await obeying.settled()
      expect(obeying.sent).toEqual([])
      expect(obeying.document.cookie).toBe("")
      expect(other.sent).toHaveLength(1)
    },
  )

  test("sets a cookie when asked to only, and names the visitor by it", async () => {
    const without = page()
    const asked = page({ attributes: { cookie: "" } })
    await asked.settled()
    expect(without.document.cookie).toBe("")
    expect(without.events()[0]).not.toHaveProperty("visitor_id")
    const cookie = new RegExp(`^${VISITOR_COOKIE}=([^;]+);path=/;max-age=2592000;`)
    const [, visitor] = cookie.exec(asked.document.cookie) ?? []
    expect(visitor).toMatch(UUID)
    expect(asked.events()[0]?.visitor_id).toBe(visitor)
  })

  test.each([
    ["https://cv.example/", true],
    ["http://cv.example/", false],
  ])("sets it on %s as Secure: %s", (href, secure) => {
    const { cookie } = page({ href, attributes: { cookie: "" } }).document
    expect(cookie.endsWith(";secure")).toBe(secure)
  })

  test("loaded twice counts once, and sends events of the page's own", async () => {
    const { events, track, load, settled } = page()
    load()
    track("pdf_download", { file: "cv" })
    await settled()
    expect(events()).toMatchObject([
      { event_type: "page_view" },
      { event_type: "pdf_download", event_data: { file: "cv" } },
    ])
  })
})

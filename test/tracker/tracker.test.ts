import { readFileSync } from "node:fs"
import { createContext, runInContext } from "node:vm"
import { describe, expect, it } from "vitest"
import { UUID } from "../../src/domain/limits.ts"

const SOURCE = readFileSync(new URL("../../src/tracker/tracker.js", import.meta.url), "utf8")

interface Sent {
  readonly url: string
  readonly event: { readonly [key: string]: unknown }
  readonly options: { readonly [key: string]: unknown }
}

/** A page that has loaded the tracker, as far as the tracker sees it. */
const page = (options: { readonly site?: string; readonly status?: () => number } = {}) => {
  const sent: Array<Sent> = []
  const listeners = new Map<string, () => void>()
  const timers: Array<() => void> = []
  const location = { href: "https://cv.example/" }
  const history = {
    pushState: (_state: unknown, _title: string, url: string) => {
      location.href = new URL(url, location.href).href
    },
  }
  const window: { [name: string]: unknown } = {}
  const fetch = (url: string, request: { body: string; [key: string]: unknown }) => {
    sent.push({ url, event: JSON.parse(request.body), options: request })
    return Promise.resolve({ status: options.status?.() ?? 201 })
  }
  window.fetch = fetch
  const context = createContext({
    window,
    fetch,
    location,
    history,
    URL,
    crypto,
    Math,
    navigator: {},
    setTimeout: (action: () => void) => timers.push(action),
    addEventListener: (name: string, action: () => void) => listeners.set(name, action),
    document: {
      currentScript: {
        src: "https://stats.example/tracker.js",
        dataset: options.site === undefined ? {} : { site: options.site },
      },
      referrer: "https://search.example/",
    },
  })
  const load = () => runInContext(SOURCE, context)
  load()
  return { sent, listeners, timers, location, history, window, load }
}

describe("the tracker", () => {
  it("sends a page view on loading, without a preflight, to where it came from", () => {
    const { sent } = page({ site: "blog" })
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({
      url: "https://stats.example/api/v1/analytics/event",
      event: {
        event_type: "page_view",
        page_url: "https://cv.example/",
        referrer: "https://search.example/",
        site: "blog",
        id: expect.stringMatching(UUID),
      },
      options: { method: "POST", keepalive: true, headers: { "Content-Type": "text/plain" } },
    })
  })

  it("follows navigation within the page, each page once", () => {
    const { sent, history, listeners, location } = page()
    history.pushState(null, "", "/letters")
    history.pushState(null, "", "/letters")
    location.href = "https://cv.example/"
    listeners.get("popstate")?.()
    expect(sent.map(({ event }) => [event.page_url, event.referrer])).toEqual([
      ["https://cv.example/", "https://search.example/"],
      ["https://cv.example/letters", "https://cv.example/"],
      ["https://cv.example/", "https://cv.example/letters"],
    ])
  })

  it("sends an event again with the same id when the server cannot take it, and gives up", async () => {
    const { sent, timers } = page({ status: () => 503 })
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      timers.shift()?.()
    }
    expect(sent).toHaveLength(3)
    expect(new Set(sent.map(({ event }) => event.id)).size).toBe(1)
  })

  it("loaded twice counts once, and sends events of the page's own", () => {
    const { sent, window, load } = page()
    load()
    expect(sent).toHaveLength(1)
    const api: unknown = window.maicivy
    if (typeof api !== "object" || api === null) throw new Error("no window.maicivy")
    Reflect.get(api, "track")("pdf_download", { file: "cv" })
    expect(sent[1]?.event).toMatchObject({ event_type: "pdf_download", event_data: { file: "cv" } })
  })
})

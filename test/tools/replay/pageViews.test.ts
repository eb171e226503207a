/** Which lines count as page views, and that ids and visitors are derived as promised. */
import { describe, expect, test } from "vitest"
import { UUID } from "../../../src/domain/limits.ts"
import { DAY_MS } from "../../../src/domain/time.ts"
import { Proxies } from "../../../src/tools/replay/addresses.ts"
import { LatestTime, type PageViewEvent, PageViews } from "../../../src/tools/replay/pageViews.ts"
import { logLine } from "./logLine.ts"

const NOW = Date.parse("2026-01-10T12:00:00Z")
const LINE_TIME = Date.parse("2015-05-17T10:05:03Z")
const KEY = Buffer.alloc(32, 7)

const pageViews = (shift = NOW - LINE_TIME, key = KEY) =>
  new PageViews({
    ...{ shift, visitorKey: key, latest: Number.POSITIVE_INFINITY, proxies: new Proxies([]) },
    clock: () => NOW,
  })

const event = (line: string, views = pageViews()): PageViewEvent => {
  const outcome = views.read(line)
  if (typeof outcome === "string") throw new Error(`skipped: ${outcome}`)
  return outcome
}

const get = (target: string, status = 200) => logLine({ request: `GET ${target} HTTP/1.1`, status })

describe("a line is a page view", () => {
  test.each([
    ...[
      "/",
      "/a/",
      "/a.html",
      "/a?f=x.png",
      "/v1.2/page",
      "/v1.2",
      "/json",
      "/a.php?x=.js",
      "/A.SHTML",
      "/x.aspx",
    ],
    ...["/user/jane", "/caf%C3%A9", "/a.b/c", "/apis"],
  ])("when it is a GET of %s", (target) => expect(event(get(target)).page_url).toBe(target))

  test("when its path begins with two slashes, and no host is made of it", () =>
    expect(event(get("//a/b")).page_url).toBe("/a/b"))

  test.each([
    ...["/a.js", "/a.CSS", "/robots.txt", "/a.json?v=1", "/x/y.Woff2", "/favicon.ico", "/cv.pdf", "/p.webp"],
    ...[
      "/v.mp4",
      "/m.webmanifest",
      "/x.mjs",
      "/x.wasm",
      "/x.map",
      "/feed.rss",
      "/x.avif",
      "/x.kind-to-come",
      "/x.zip",
    ],
    ...["/api/x", "/metrics", "/.well-known/x", "/_next/data/x"],
  ])("unless it is something else by its name: %s", (target) =>
    expect(pageViews().read(get(target))).toBe("file"),
  )

  test.each([200, 206, 304])("when it was answered %i", (status) =>
    expect(event(get("/", status)).event_type).toBe("page_view"),
  )

  test.each([101, 301, 302, 307, 308, 403, 404, 500])("unless it was answered %i", (status) =>
    expect(pageViews().read(get("/", status))).toBe("status"),
  )

  test.each(["-", "", "curl/8.5.0", "python-requests/2.31", "kube-probe/1.29", "Go-http-client/1.1"])(
    "unless a program has asked: %s",
    (agent) => expect(pageViews().read(logLine({ agent }))).toBe("program"),
  )

  test.each([
    "Mozilla/5.0 (compatible; bingbot/2.0)",
    "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
  ])("unless a bot has, and the server cannot know it: %s", (agent) => {
    expect(pageViews().read(logLine({ agent }))).toBe("bot")
    const options = { shift: NOW - LINE_TIME, visitorKey: KEY, latest: LINE_TIME, proxies: new Proxies([]) }
    const views = new PageViews({ ...options, clock: () => NOW, sendsBots: true })
    expect(views.read(logLine({ agent }))).toMatchObject({ user_agent: agent })
  })

  test.each(["-", String.raw`\x16\x03\x01`, ""])("unless nothing was asked: %j", (request) =>
    expect(pageViews().read(logLine({ request, status: 400 }))).toBe("noise"),
  )

  test("unless the method is another", () => {
    expect(pageViews().read(logLine({ request: "POST / HTTP/1.1" }))).toBe("method")
    expect(pageViews().read(logLine({ request: "HEAD / HTTP/1.1" }))).toBe("method")
  })

  test("unless it is malformed, or older than 7 days after the shift", () => {
    const week = 7 * DAY_MS
    expect(pageViews().read("nonsense")).toBe("malformed")
    expect(pageViews(NOW - LINE_TIME - week - 1).read(logLine({}))).toBe("too_old")
    expect(event(logLine({}), pageViews(NOW - LINE_TIME - week + 120_000)).timestamp).toBe(
      NOW - week + 120_000,
    )
  })
})

describe("the event of a line", () => {
  test("has the shifted time and a referrer only when there was one", () => {
    expect(event(logLine({})).timestamp).toBe(NOW)
    expect(event(logLine({}))).not.toHaveProperty("referrer")
    expect(event(logLine({ referrer: "https://x.org/" })).referrer).toBe("https://x.org/")
  })

  test("has the same id in every replay, and identical lines have different ones", () => {
    const ids = (shift: number) => {
      const views = pageViews(shift)
      return [logLine({}), logLine({}), get("/b"), logLine({})].map((line) => event(line, views).id)
    }
    const first = ids(NOW - LINE_TIME)
    expect(ids(NOW - LINE_TIME - 5000)).toEqual(first)
    expect(new Set(first).size).toBe(4)
    for (const id of first) {
      expect(id).toMatch(UUID)
      expect(id).toMatch(/^.{14}8.{4}[89ab]/)
    }
  })

  test("names a visitor by address and agent under the key alone", () => {
    const of = (address: string, agent: string, key = KEY) =>
      event(logLine({ address, agent }), pageViews(NOW - LINE_TIME, key)).visitor_id
    expect(of("192.0.2.1", "A")).toBe(of("192.0.2.1", "A"))
    expect(of("192.0.2.1", "A")).not.toBe(of("192.0.2.2", "A"))
    expect(of("192.0.2.1", "A")).not.toBe(of("192.0.2.1", "B"))
    expect(of("192.0.2.1", "A")).not.toBe(of("192.0.2.1", "A", Buffer.alloc(32, 8)))
    expect(of("192.0.2.1", "A")).toMatch(UUID)
    expect(JSON.stringify(event(logLine({ address: "192.0.2.77" })))).not.toContain("192.0.2.77")
  })
})

const latestOf = (...times: ReadonlyArray<string>): string | null => {
  const latest = new LatestTime()
  for (const time of times) latest.add(logLine({ time: `${time}:00 +0000` }))
  return latest.value === null ? null : new Date(latest.value).toISOString().slice(0, 16)
}

describe("the latest time", () => {
  test("is that of any line, whatever its place and request", () => {
    expect(latestOf("17/May/2015:10:05", "17/May/2015:10:09", "17/May/2015:10:05")).toBe("2015-05-17T10:09")
    expect(latestOf()).toBeNull()
    expect(latestOf("17/May/2015:10:05")).toBe("2015-05-17T10:05")
  })

  test("is not that of one line that is dated wrongly, wherever it stands", () => {
    const good = ["17/May/2015:10:05", "17/May/2015:10:06", "17/May/2015:10:07"]
    for (let place = 0; place <= good.length; place++)
      expect(latestOf(...good.toSpliced(place, 0, "17/May/2016:10:05"))).toBe("2015-05-17T10:07")
    expect(pageViews().read("nonsense")).toBe("malformed")
    const views = new PageViews({
      ...{ shift: 0, visitorKey: KEY, latest: LINE_TIME, proxies: new Proxies([]), clock: () => LINE_TIME },
    })
    expect(views.read(logLine({ time: "17/May/2016:10:05:03 +0000" }))).toBe("ahead")
  })

  test("may come after a long pause", () => {
    expect(latestOf("17/May/2015:10:05", "17/Jun/2015:10:05", "17/Jun/2015:10:06")).toBe("2015-06-17T10:06")
  })
})

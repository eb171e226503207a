/** Which lines count as page views, and that ids and visitors are derived as promised. */
import { describe, expect, test } from "vitest"
import { UUID } from "../../../src/domain/limits.ts"
import { DAY_MS } from "../../../src/domain/time.ts"
import { latestTime, type PageViewEvent, PageViews } from "../../../src/tools/replay/pageViews.ts"
import { logLine } from "./logLine.ts"

const NOW = Date.parse("2026-01-10T12:00:00Z")
const LINE_TIME = Date.parse("2015-05-17T10:05:03Z")
const KEY = Buffer.alloc(32, 7)

const pageViews = (shift = NOW - LINE_TIME, key = KEY) => new PageViews(shift, key, () => NOW)

const event = (line: string, views = pageViews()): PageViewEvent => {
  const outcome = views.read(line)
  if (typeof outcome === "string") throw new Error(`skipped: ${outcome}`)
  return outcome
}

const get = (target: string, status = 200) => logLine({ request: `GET ${target} HTTP/1.1`, status })

describe("a line is a page view", () => {
  test.each(["/", "/a/", "/a.html", "/a?f=x.png", "/v1.2/page", "/json", "/a.php?x=.js"])(
    "when it is a GET of %s",
    (target) => expect(event(get(target)).page_url).toBe(target),
  )

  test.each(["/a.js", "/a.CSS", "/robots.txt", "/a.json?v=1", "/x/y.Woff2", "/favicon.ico"])(
    "unless its extension is an asset's: %s",
    (target) => expect(pageViews().read(get(target))).toBe("asset"),
  )

  test.each([200, 206, 301, 304])("when it was answered %i", (status) =>
    expect(event(get("/", status)).event_type).toBe("page_view"),
  )

  test.each([101, 403, 404, 500])("unless it was answered %i", (status) =>
    expect(pageViews().read(get("/", status))).toBe("status"),
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

test("the latest time is that of any line, whatever its place and request", async () => {
  async function* chunks() {
    yield [logLine({ request: "GET /a.png HTTP/1.1", time: "17/May/2015:10:09:00 +0000" }), "nonsense"]
    yield [logLine({})]
  }
  expect(await latestTime(chunks())).toBe(Date.parse("2015-05-17T10:09:00Z"))
})

/**
 * Logs that web servers have written of the same requests: what is read of them is what was asked, whatever the format. The
 * requests were made by curl: three visitors with ten requests each, then a crawler, curl itself, a visitor with an odd user agent,
 * a POST, a HEAD and a byte of noise.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { Proxies } from "../../../src/tools/replay/addresses.ts"
import { type PageViewEvent, PageViews } from "../../../src/tools/replay/pageViews.ts"

const LOGS = join(import.meta.dirname, "logs")
const KEY = Buffer.alloc(32, 7)

const linesOf = (file: string) =>
  readFileSync(join(LOGS, file), "utf8")
    .split("\n")
    .filter((line) => line !== "")

const read = (lines: ReadonlyArray<string>) => {
  const views = new PageViews({
    ...{ shift: 0, latest: Number.POSITIVE_INFINITY, visitorKey: KEY, proxies: new Proxies([]) },
    clock: () => 0,
  })
  const outcomes = lines.map((line) => views.read(line))
  const events = outcomes.filter((each): each is PageViewEvent => typeof each !== "string")
  const skipped = outcomes.filter(
    (each): each is Exclude<typeof each, PageViewEvent> => typeof each === "string",
  )
  return { events, skipped, views }
}

/** What the visitors went to, and where from. */
const PAGES = ["/", "/a/", "/blog/?q=%22x%22&utm_source=a", "/caf%C3%A9.html"]
const VISITED = [...PAGES, ...PAGES, ...PAGES, "/a/"].sort()
const SEARCH = 'https://search.example/?q="x"'

/** Formats that say who was behind the proxy, and those that do not: there, visitors differ by their agents. */
const files = readdirSync(LOGS).sort()
const withAgents = files.filter((file) => !/common|haproxy/.test(file))

describe.each(files)("%s", (file) => {
  test("has the pages that were gone to, and nothing else", () => {
    const { events, skipped } = read(linesOf(file))
    const hasAgents = withAgents.includes(file)
    // Without agents, the crawler and curl are visitors like any other.
    const visited = hasAgents ? VISITED : [...VISITED, "/", "/"].sort()
    expect(events.map(({ page_url }) => page_url).sort()).toEqual(visited)
    const counts = Object.groupBy(skipped, (reason) => reason)
    expect(counts.malformed).toBeUndefined()
    expect([counts.bot?.length ?? 0, counts.program?.length ?? 0]).toEqual(hasAgents ? [1, 1] : [0, 0])
    expect(counts.status).toHaveLength(6)
    expect(counts.file).toHaveLength(12)
    expect(counts.method).toHaveLength(2)
  })
})

describe.each(withAgents)("%s", (file) => {
  test("has one visitor for each, and where they came from", () => {
    const { events } = read(linesOf(file))
    expect(new Set(events.map(({ visitor_id }) => visitor_id)).size).toBe(4)
    expect(new Set(events.map(({ referrer }) => referrer))).toEqual(new Set([SEARCH, undefined]))
  })

  test("has the same visitors and pages behind the prefixes of containers and the system", () => {
    const plain = read(linesOf(file)).events
    const prefixes = [
      "web-1  | ",
      "2026-11-29T17:26:50.123456789Z ",
      "Nov 29 17:26:50 host nginx[12]: ",
      "<190>1 2026-11-29T17:26:50Z host nginx 12 - - ",
    ]
    for (const prefix of prefixes) {
      const { events } = read(linesOf(file).map((line) => `${prefix}${line}`))
      expect(events.map(({ visitor_id, page_url }) => [visitor_id, page_url])).toEqual(
        plain.map(({ visitor_id, page_url }) => [visitor_id, page_url]),
      )
    }
    const docker = linesOf(file).map((line) =>
      JSON.stringify({ log: `${line}\n`, stream: "stdout", time: "2026-11-29T17:26:50Z" }),
    )
    expect(read(docker).events.map(({ page_url }) => page_url)).toEqual(plain.map(({ page_url }) => page_url))
  })
})

test.each(["nginx-main.txt", "nginx-before.txt", "nginx-json.txt", "caddy-json.txt"])(
  "%s has a visitor for each forwarded address, with one agent for all",
  (file) => {
    const lines = linesOf(file).map((line) => line.replaceAll(/Firefox\/140\.0\/\d/g, "Firefox/140.0"))
    expect(new Set(read(lines).events.map(({ visitor_id }) => visitor_id)).size).toBe(4)
  },
)

test("who spoke for others and is not known as a proxy is named", () => {
  const lines = linesOf("nginx-main.txt").map((line) => line.replace(/^127\.0\.0\.1/, "198.51.100.7"))
  const { views, events } = read(
    lines.map((line) => line.replaceAll(/Firefox\/140\.0\/\d/g, "Firefox/140.0")),
  )
  expect(new Set(events.map(({ visitor_id }) => visitor_id)).size).toBe(2)
  expect(views.suspectedProxy).toBe("198.51.100.7")
  expect(read(linesOf("nginx-main.txt")).views.suspectedProxy).toBeNull()
  expect(read(linesOf("nginx-combined.txt")).views.suspectedProxy).toBeNull()
})

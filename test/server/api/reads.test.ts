import { gunzipSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { MAX_GUESSES_PER_MINUTE } from "../../../src/domain/limits.ts"
import { now } from "../../support/clock.ts"
import { eventually } from "../../support/index.ts"
import { RawConnection, raw } from "../../support/rawClient.ts"
import {
  ADMIN_TOKEN,
  API,
  metricValue,
  post,
  requestCount,
  serve,
  VISITOR,
  World,
} from "../../support/server.ts"

const READS = ["realtime", "stats", "themes", "letters", "timeline", "heatmap"]

describe("the statistics endpoints", () => {
  test.each(READS)("%s answers data in the usual envelope", async (endpoint) => {
    await using running = await serve()
    const answer = await fetch(`${running.url}${API}/${endpoint}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/)
    expect(await answer.json()).toMatchObject({ success: true, data: expect.anything() })
  })

  test("timeline and heatmap say in meta what they answered", async () => {
    await using running = await serve()
    const timeline = await (await fetch(`${running.url}${API}/timeline?limit=2&offset=1`)).json()
    expect(timeline).toMatchObject({ meta: { limit: 2, offset: 1, count: 2, next_cursor: "next" } })
    const heatmap = await (await fetch(`${running.url}${API}/heatmap?page=%2Fcv&hours=48`)).json()
    expect(heatmap).toMatchObject({
      data: [{ x: 1, y: 2, count: 3 }],
      meta: { page_url: "/cv", hours: 48, grid: null, count: 1, total: 1 },
    })
    const cells = await (await fetch(`${running.url}${API}/heatmap?grid=20&limit=5`)).json()
    expect(cells).toMatchObject({ meta: { grid: 20 } })
  })

  test("stats of any time are asked of the events, and a period is not", async () => {
    await using running = await serve()
    running.world.queryRows = [{ dimensions: [], metrics: [5, 4, 3, 2, 1.5], comparison: null }]
    const get = async (query: string): Promise<unknown> =>
      (await fetch(`${running.url}${API}/stats?${query}`)).json()
    const range = '["2026-01-01","2026-01-31"]'
    const parameters = { site: "blog", date_range: range, filters: '[["is","page",["/cv"]]]' }
    expect(await get(String(new URLSearchParams({ ...parameters, time_zone: "Asia/Tokyo" })))).toEqual({
      success: true,
      data: {
        ...{ total_events: 5, page_views: 4, letters_generated: 3, unique_visitors: 2 },
        conversion_rate: 1.5,
      },
      meta: {
        date_range: ["2025-12-31T15:00:00.000Z", "2026-01-31T15:00:00.000Z"],
        time_zone: "Asia/Tokyo",
        approximate: [],
      },
    })
    expect(running.world.asked).toMatchObject([
      { sites: ["blog"], filters: [{ is: "comparison", values: ["/cv"] }] },
    ])
    expect(await get("period=week")).toMatchObject({ data: { period: "week" } })
    expect(await get("period=week&date_range=7d")).toMatchObject({ code: "INVALID_PARAMETER" })
    expect(await get("date_range=never")).toMatchObject({ code: "INVALID_QUERY" })
    expect(await get("date_range=7d&site=nope")).toMatchObject({ code: "UNKNOWN_SITE" })
    expect(running.world.asked).toHaveLength(1)

    // What can no longer be told is no zero.
    running.world.queryRows = [{ dimensions: [], metrics: [5, 4, 3, null, null], comparison: null }]
    expect(await get("date_range=12mo")).toMatchObject({
      data: { total_events: 5, unique_visitors: null, conversion_rate: null },
    })
  })

  test("themes, letters, clicks and minutes of any time are asked of the events, and of their own time are not", async () => {
    await using running = await serve()
    const { world } = running
    const get = async (path: string): Promise<unknown> => (await fetch(`${running.url}${API}/${path}`)).json()
    const row = (dimensions: ReadonlyArray<string>, metrics: ReadonlyArray<number | null>) => ({
      ...{ dimensions, metrics, comparison: null },
    })
    const time = 'site=blog&time_zone=Asia/Tokyo&date_range=["2026-01-01","2026-01-02"]'
    const meta = {
      date_range: ["2025-12-31T15:00:00.000Z", "2026-01-02T15:00:00.000Z"],
      ...{ time_zone: "Asia/Tokyo", approximate: [] },
    }
    world.queryRows = [row(["dark"], [2]), row(["light"], [2]), row(["x".repeat(101)], [4])]
    expect(await get(`themes?limit=2&${time}`)).toEqual({
      success: true,
      data: [
        { theme: "x".repeat(100), views: 4, percentage: 50 },
        { theme: "dark", views: 2, percentage: 25 },
      ],
      meta,
    })
    world.queryRows = [row([], [3, null, null])]
    expect(await get(`letters?${time}`)).toMatchObject({
      data: { total: 3, motivation: 0, unique_visitors: null, conversion_rate: null },
      meta,
    })
    world.queryRows = [row(["10.5", "20"], [3])]
    expect(await get(`heatmap?page=/cv&grid=20&limit=5&${time}`)).toEqual({
      success: true,
      data: [{ x: 10.5, y: 20, count: 3 }],
      meta: { page_url: "/cv", grid: 20, count: 1, total: 1, ...meta },
    })
    expect(world.asked.at(-1)).toMatchObject({
      ...{ sites: ["blog"], limit: 5, filters: [{ values: ["/cv"] }, { values: [null] }] },
    })
    const minutes = Array.from({ length: 5 }, (_, i) => row([`2025-12-31T15:0${i}:00.000Z`], [i, 1]))
    world.queryRows = minutes
    expect(await get(`history?${time}`)).toEqual({
      success: true,
      data: [{ time: "2025-12-31T15:04:00.000Z", events: 4, visitors: 1 }],
      meta,
    })

    const asked = world.asked.length
    for (const [path, parameter] of [
      ["themes?period=day", "period"],
      ["letters?period=day", "period"],
      ["heatmap?hours=24", "hours"],
      ["history?minutes=60", "minutes"],
    ]) {
      expect(await get(`${path}&filters=[]`)).toMatchObject({
        ...{ code: "INVALID_PARAMETER", error: expect.stringMatching(`^${parameter} is`) },
      })
      expect(await get(`${path}&site=blog`)).toMatchObject({ success: true })
    }
    for (const endpoint of ["themes", "letters", "heatmap", "history"]) {
      expect(await get(`${endpoint}?date_range=never`)).toMatchObject({ code: "INVALID_QUERY" })
      expect(await get(`${endpoint}?date_range=day&site=nope`)).toMatchObject({ code: "UNKNOWN_SITE" })
    }
    expect(await get("history?date_range=91d")).toMatchObject({ code: "INVALID_QUERY" })
    expect(world.asked).toHaveLength(asked)
  })

  test("heatmap tells a page called null from all pages", async () => {
    await using running = await serve()
    const metas = await Promise.all(
      ["heatmap", "heatmap?page_url=null", "heatmap?page_url="].map(async (path) => {
        const answer: unknown = await (await fetch(`${running.url}${API}/${path}`)).json()
        return answer
      }),
    )
    expect(metas).toMatchObject([
      { meta: { page_url: null } },
      { meta: { page_url: "null" } },
      { meta: { page_url: null } },
    ])
  })

  test.each([
    ["stats?period=year", "period"],
    ["stats?period=", "period"],
    ["stats?period=day&period=week", "period"],
    ["letters?period=DAY", "period"],
    ["themes?limit=0", "limit"],
    ["themes?limit=21", "limit"],
    ["themes?limit=5.5", "limit"],
    ["themes?limit=1e1", "limit"],
    ["themes?period=all", "period"],
    ["timeline?limit=101", "limit"],
    ["timeline?offset=-1", "offset"],
    ["timeline?cursor=forged", "cursor"],
    ["timeline?limit=%zz", "limit"],
    ["heatmap?hours=169", "hours"],
    ["heatmap?hours=%FF", "hours"],
    ["heatmap?grid=-1", "grid"],
    ["heatmap?limit=10001", "limit"],
    ["heatmap?page_url=/%00a", "page_url"],
    ["export/visitors?format=xml", "format"],
    ["export/themes?period=never", "period"],
  ])("refuse %s, naming the parameter", async (path, parameter) => {
    await using running = await serve({ adminToken: ADMIN_TOKEN })
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    const answer = await fetch(`${running.url}${API}/${path}`, { headers })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({
      success: false,
      code: "INVALID_PARAMETER",
      error: expect.stringMatching(new RegExp(`^${parameter} is .*: (it should be|give it once)`)),
    })
    expect(running.world.reads).toBe(0)
  })

  test.each([
    "stats?unknown=%zz",
    "stats?x",
    "stats?&&=&period=day",
    "stats?%70eriod=day",
    "stats?period=day&period=day",
  ])("take %s", async (path) => {
    await using running = await serve()
    expect((await fetch(`${running.url}${API}/${path}`)).status).toBe(200)
  })

  test.each([...READS, "export/themes"])("%s refuses an undeclared site", async (endpoint) => {
    await using running = await serve()
    expect((await fetch(`${running.url}${API}/${endpoint}?site=blog`)).status).toBe(200)
    const answer = await fetch(`${running.url}${API}/${endpoint}?site=nope`)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ success: false, code: "UNKNOWN_SITE" })
  })

  test("ask the store once for all who ask at once", async () => {
    await using running = await serve()
    let open = () => {}
    running.world.gate = new Promise((resolve) => {
      open = resolve
    })
    const asked = Array.from({ length: 50 }, () => fetch(`${running.url}${API}/stats`))
    // An answer is kept for a moment only, which those who come one after another may exceed.
    await eventually(async () => expect(await metricValue(running.metrics, "http_requests_total")).toBe(50))
    open()
    for (const answer of await Promise.all(asked)) expect(answer.status).toBe(200)
    expect(running.world.reads).toBe(1)
    await fetch(`${running.url}${API}/stats?period=week`)
    expect(running.world.reads).toBe(2)
  })

  test("say 503 with Retry-After while the store is unavailable, and recover", async () => {
    await using running = await serve()
    running.world.storesUnavailable = true
    for (const endpoint of [...READS, "export/themes?format=json"]) {
      const answer = await fetch(`${running.url}${API}/${endpoint}`)
      expect(answer.status).toBe(503)
      expect(answer.headers.has("retry-after")).toBe(true)
      expect(await answer.json()).toMatchObject({ success: false, code: "STORE_UNAVAILABLE" })
    }
    running.world.storesUnavailable = false
    expect((await fetch(`${running.url}${API}/realtime`)).status).toBe(200)
  })
})

describe("HTTP", () => {
  test("HEAD is GET without the body", async () => {
    await using running = await serve()
    for (const path of [`${API}/stats`, "/health", "/metrics", "/", "/tracker.js", `${API}/export/themes`]) {
      const [got, head] = [
        await fetch(running.url + path),
        await fetch(running.url + path, { method: "HEAD" }),
      ]
      expect(head.status).toBe(200)
      expect(head.headers.get("content-type")).toBe(got.headers.get("content-type"))
      expect(head.headers.get("content-length")).toBe(got.headers.get("content-length"))
      expect(await head.text()).toBe("")
    }
  })

  test("the tracker comes in parts, as Brotli where that is accepted, and for pages of all kinds", async () => {
    await using running = await serve()
    const plain = new Map<string, string>()
    for (const path of ["/hello.js", "/hello.js?part=options", "/hello.js?part=heatmap", "/tracker.js"]) {
      for (const coding of ["identity", "gzip", "br"]) {
        const answer = await fetch(running.url + path, { headers: { "accept-encoding": coding } })
        expect(answer.headers.get("content-encoding") ?? "identity").toBe(coding)
        expect(answer.headers.get("cross-origin-resource-policy")).toBe("cross-origin")
        const text = await answer.text()
        expect(text).not.toContain("{{")
        expect(plain.get(path) ?? text).toBe(text)
        plain.set(path, text)
        const etag = answer.headers.get("etag") ?? ""
        const again = await fetch(running.url + path, {
          headers: { "accept-encoding": coding, "if-none-match": etag },
        })
        expect(again.status).toBe(304)
      }
    }
    expect(new Set(plain.values()).size).toBe(4)
    expect(await (await fetch(`${running.url}/hello.js?part=none`)).text()).toBe(plain.get("/hello.js"))
  })

  test("gzip is used for larger answers when it is accepted", async () => {
    const world = new World()
    world.timelineRows = 50
    await using running = await serve({}, {}, world)
    const get = async (path: string, encoding: string) => {
      using connection = new RawConnection(running.server.port)
      connection.write(`GET ${API}/${path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: ${encoding}\r\n\r\n`)
      return await connection.answer()
    }
    const plain = await get("timeline", "identity")
    const small = await get("realtime", "gzip")
    expect(plain.head + small.head).not.toMatch(/content-encoding/i)
    expect(plain.head).toMatch(/vary: origin, accept-encoding/i)
    for (const encoding of ["gzip", "br, GZIP;q=0.5", "*"]) {
      const compressed = await get("timeline", encoding)
      expect(compressed.head).toMatch(/content-encoding: gzip/i)
      expect(gunzipSync(Buffer.from(compressed.body, "latin1")).toString()).toBe(plain.body)
    }
    for (const encoding of ["gzip;q=0", "br", "gzip;q=0, *;q=0"])
      expect((await get("timeline", encoding)).head).not.toMatch(/content-encoding/i)
  })

  test.each([
    ["POST", `${API}/stats`, "GET, HEAD, OPTIONS"],
    ["PUT", `${API}/event`, "POST, GET, HEAD, OPTIONS"],
    ["PUT", `${API}/events`, "POST, OPTIONS"],
    ["DELETE", "/health", "GET, HEAD, OPTIONS"],
    ["PATCH", `${API}/visitors/${VISITOR}`, "GET, HEAD, DELETE, OPTIONS"],
    ["get", `${API}/stats`, "GET, HEAD, OPTIONS"],
  ])("%s %s is 405 and says what is allowed", async (method, path, allow) => {
    await using running = await serve({ adminToken: ADMIN_TOKEN })
    const answer = await raw(
      running.server.port,
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`,
    )
    expect(answer.status).toBe(405)
    expect(/^allow: (.*)$/im.exec(answer.head)?.[1]).toBe(allow)
    expect(JSON.parse(answer.body)).toMatchObject({ success: false, code: "METHOD_NOT_ALLOWED" })
  })

  test.each([
    "/nope",
    API,
    `${API}/stats/`,
    `${API}/export/passwords`,
    "/assets/../package.json",
    "/%2e%2e/x",
    "//",
  ])("%s is 404", async (path) => {
    await using running = await serve()
    const answer = await raw(running.server.port, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.body)).toMatchObject({ success: false, code: "NOT_FOUND" })
  })

  test("bounds the labels of the request metric", async () => {
    await using running = await serve()
    for (let i = 0; i < 5; i++)
      await fetch(`${running.url}/random-${i}`, { method: i % 2 === 0 ? "PURGE" : "GET" })
    expect(await requestCount(running.metrics, { endpoint: "other", status: "404" })).toBe(5)
    expect(await requestCount(running.metrics, { method: "other" })).toBe(3)
  })

  test("every answer carries the security headers", async () => {
    await using running = await serve()
    for (const path of ["/", "/tracker.js", "/health", "/nope", `${API}/stats`, `${API}/stats?period=x`]) {
      const { headers } = await fetch(running.url + path)
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect(headers.get("referrer-policy")).toBe("no-referrer")
      expect(headers.get("x-frame-options")).toBe("DENY")
      expect(headers.get("content-security-policy")).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
      expect(headers.get("content-security-policy")).not.toMatch(/unsafe/)
      expect(headers.has("server")).toBe(false)
    }
  })

  test("the page brings nothing inline, and unchanged files are 304", async () => {
    await using running = await serve()
    const page = await fetch(`${running.url}/`)
    const html = await page.text()
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=/i)
    for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      const first = await fetch(`${running.url}${path}`)
      expect(first.status).toBe(200)
      const etag = first.headers.get("etag") ?? ""
      const again = await fetch(`${running.url}${path}`, { headers: { "if-none-match": etag } })
      expect(again.status).toBe(304)
    }
  })
})

describe("CORS", () => {
  const origin = "https://cv.example"

  test("mirrors any origin, with credentials, when all are allowed", async () => {
    await using running = await serve()
    for (const path of [`${API}/stats`, `${API}/stats?period=x`, "/tracker.js"]) {
      const { headers } = await fetch(running.url + path, { headers: { origin } })
      expect(headers.get("access-control-allow-origin")).toBe(origin)
      expect(headers.get("access-control-allow-credentials")).toBe("true")
      expect(headers.get("vary")).toContain("Origin")
    }
  })

  test("says nothing to origins that are not listed", async () => {
    await using running = await serve({ corsOrigins: [origin] })
    const of = async (from: string) =>
      (await fetch(`${running.url}${API}/stats`, { headers: { origin: from } })).headers
    expect((await of(origin)).get("access-control-allow-origin")).toBe(origin)
    for (const other of ["https://evil.example", "null", "https://cv.example.evil"]) {
      const headers = await of(other)
      expect(headers.has("access-control-allow-origin")).toBe(false)
      expect(headers.get("vary")).toContain("Origin")
    }
  })

  test("lets a page with a wrong address read that there is nothing", async () => {
    await using running = await serve({ corsOrigins: [origin] })
    const wrong = `${running.url}/analytics/v1/events`
    const preflight = await fetch(wrong, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    })
    expect([preflight.status, preflight.headers.get("access-control-allow-methods")]).toEqual([
      204,
      expect.stringContaining("POST"),
    ])
    for (const [from, allowed] of [
      [origin, origin],
      ["https://evil.example", null],
    ] as const) {
      const answer = await post(wrong, [], { origin: from })
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([404, allowed])
      expect(answer.headers.get("vary")).toContain("Origin")
    }
  })

  test("answers preflights", async () => {
    await using running = await serve()
    const answer = await fetch(`${running.url}${API}/event`, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
      },
    })
    expect(answer.status).toBe(204)
    expect(answer.headers.get("access-control-allow-origin")).toBe(origin)
    expect(answer.headers.get("access-control-allow-methods")).toContain("POST")
    expect(answer.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("content-type")
    expect(Number(answer.headers.get("access-control-max-age"))).toBeGreaterThan(0)
    expect(answer.headers.has("content-length")).toBe(false)
  })

  test("never opens administration or metrics", async () => {
    await using running = await serve({ adminToken: ADMIN_TOKEN })
    for (const method of ["GET", "OPTIONS", "DELETE"])
      for (const path of ["/metrics", `${API}/visitors/${VISITOR}`]) {
        const { headers } = await fetch(running.url + path, {
          method,
          headers: {
            origin,
            "access-control-request-method": "DELETE",
            authorization: `Bearer ${ADMIN_TOKEN}`,
          },
        })
        expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([])
      }
  })
})

describe("operations", () => {
  test("health, readiness and metrics answer", async () => {
    await using running = await serve()
    expect(await (await fetch(`${running.url}/health`)).json()).toMatchObject({ status: "ok" })
    expect((await fetch(`${running.url}/ready`)).status).toBe(200)
    const metrics = await fetch(`${running.url}/metrics`)
    expect(metrics.headers.get("content-type")).toContain("text/plain")
    expect(await metrics.text()).toContain("maicivy_up 1")
    running.world.ready = false
    const ready = await fetch(`${running.url}/ready`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ success: false, code: "NOT_READY", data: { redis: "down" } })
  })
})

describe("administration", () => {
  const path = `${API}/visitors/${VISITOR}`
  const bearer = { authorization: `Bearer ${ADMIN_TOKEN}` }

  test("is for nobody without a token", async () => {
    await using running = await serve()
    for (const method of ["GET", "DELETE"])
      expect((await fetch(running.url + path, { method, headers: bearer })).status).toBe(401)
  })

  test("refuses everybody else", async () => {
    await using running = await serve({ adminToken: ADMIN_TOKEN })
    for (const authorization of ["", "Bearer", "Bearer wrong", `Basic ${ADMIN_TOKEN}`]) {
      const answer = await fetch(running.url + path, { method: "DELETE", headers: { authorization } })
      expect(answer.status).toBe(401)
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/)
      expect(await answer.json()).toMatchObject({ code: "UNAUTHORIZED" })
    }
    expect(running.world.erased).toEqual([])
  })

  test("refuses an address that guesses, whatever it sends then, and nobody else", async () => {
    let minute = 0
    await using running = await serve(
      { adminToken: ADMIN_TOKEN, trustedProxies: ["127.0.0.1"] },
      { now: () => now() + minute * 60_000 },
    )
    const ask = async (token: string, from: string) => {
      const headers = { authorization: `Bearer ${token}`, "x-forwarded-for": from }
      const answer = await fetch(running.url + path, { headers })
      await answer.arrayBuffer()
      return answer
    }
    for (let i = 0; i < MAX_GUESSES_PER_MINUTE; i++)
      expect((await ask(`wrong-${i}`, "192.0.2.1")).status).toBe(401)
    for (const token of ["another", ADMIN_TOKEN]) {
      const answer = await ask(token, "192.0.2.1")
      expect(answer.status).toBe(429)
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0)
    }
    expect((await ask(ADMIN_TOKEN, "192.0.2.2")).status).toBe(200)
    minute++
    expect((await ask(ADMIN_TOKEN, "192.0.2.1")).status).toBe(200)
  })

  test("logs guesses, exports and erasures, and neither addresses nor visitors", async () => {
    const said: Array<string> = []
    const hear = (line: string) => said.push(line)
    await using running = await serve({ adminToken: ADMIN_TOKEN }, {}, new World(), hear)
    await (await fetch(running.url + path, { headers: bearer })).arrayBuffer()
    await fetch(running.url + path, { method: "DELETE", headers: bearer })
    for (let i = 0; i < MAX_GUESSES_PER_MINUTE; i++)
      await fetch(running.url + path, { headers: { authorization: `Bearer wrong-${i}` } })
    await eventually(() =>
      expect(said).toEqual([
        "administration: a visitor's events are exported {}",
        'administration: a visitor was erased {"events":7}',
        'access: wrong tokens {"guesses":1}',
        'access: wrong tokens {"guesses":10}',
      ]),
    )
  })

  test("exports and erases a visitor", async () => {
    await using running = await serve({ adminToken: ADMIN_TOKEN })
    const exported = await fetch(running.url + path, { headers: bearer })
    expect(await exported.json()).toMatchObject({
      success: true,
      data: [{ visitor_id: VISITOR }, { visitor_id: VISITOR }],
    })
    const erased = await fetch(`${running.url}${API}/visitors/${VISITOR.toUpperCase()}`, {
      method: "DELETE",
      headers: bearer,
    })
    const { data } = (await erased.json()) as { data: { receipt: { id: string } } }
    expect(data).toEqual({
      deleted: 7,
      receipt: {
        ...{
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          erased_at: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
          by: "ADMIN_TOKEN",
        },
        ...{ visitor_id: VISITOR, events: 6, dead_letters: 1, sites: [] },
        not_reached: ["archives", "exports", "backups"],
      },
    })
    expect(running.world.erased).toEqual([VISITOR])
    running.world.erasureMustWait = true
    const later = await fetch(running.url + path, { method: "DELETE", headers: bearer })
    expect(later.status).toBe(503)
    expect(await later.json()).toMatchObject({ code: "STORE_UNAVAILABLE" })
    const kept = await fetch(`${running.url}${path}?summary=true`, { headers: bearer })
    expect(await kept.json()).toMatchObject({
      data: { visitor_id: VISITOR, events: 7, sites: [{ site: "main" }] },
    })
    const neither = await fetch(`${running.url}${path}?summary=yes`, { headers: bearer })
    expect(await neither.json()).toMatchObject({ code: "INVALID_PARAMETER" })
    const bad = await fetch(`${running.url}${API}/visitors/me`, { headers: bearer })
    expect(bad.status).toBe(400)
  })
})

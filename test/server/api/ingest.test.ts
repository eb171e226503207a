import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { knownDimensions } from "../../../src/domain/dimensions.ts"
import { deriveVisitorId } from "../../../src/domain/visitor.ts"
import { eventually } from "../../support/index.ts"
import { raw, rawEvent } from "../../support/rawClient.ts"
import { API, metricValue, post, requestCount, serve, VISITOR, WRITE_KEY } from "../../support/server.ts"

const EVENT = { event_type: "page_view", visitor_id: VISITOR, page_url: "/cv" }
const OTHER = "11111111-2222-4333-8444-555555555555"

describe("POST /event", () => {
  test("is answered after the event is durable, in the words of the contract", async () => {
    await using running = await serve()
    const answer = await post(`${running.url}${API}/event`, EVENT)
    expect(answer.status).toBe(201)
    expect(await answer.json()).toEqual({ success: true, message: "Event tracked successfully" })
    expect(running.world.accepted).toMatchObject([{ type: "page_view", visitorId: VISITOR, site: "main" }])
  })

  test("reads text/plain, and a body without a content type, as JSON", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/event`
    const types = ["text/plain;charset=UTF-8", "application/json; charset=utf-8", "TEXT/PLAIN"]
    for (const type of types) expect((await post(url, EVENT, { "content-type": type })).status).toBe(201)
    const bare = await fetch(url, { method: "POST", body: new TextEncoder().encode(JSON.stringify(EVENT)) })
    expect(bare.status).toBe(201)
    expect(running.world.accepted).toHaveLength(4)
  })

  test.each([
    ["application/x-www-form-urlencoded", "UNSUPPORTED_MEDIA_TYPE"],
    ["application/x-ndjson", "UNSUPPORTED_MEDIA_TYPE"],
    ["application/json; charset=latin1", "UNSUPPORTED_MEDIA_TYPE"],
  ])("refuses %s with 415", async (type, code) => {
    await using running = await serve()
    const answer = await post(`${running.url}${API}/event`, EVENT, { "content-type": type })
    expect(answer.status).toBe(415)
    expect(await answer.json()).toMatchObject({ success: false, code })
  })

  test("says 503 with Retry-After when an event cannot be made durable", async () => {
    await using running = await serve()
    for (const failure of ["BACKLOG_FULL", "STREAM_UNAVAILABLE"] as const) {
      running.world.failure = failure
      const answer = await post(`${running.url}${API}/event`, EVENT)
      expect(answer.status).toBe(503)
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0)
      expect(await answer.json()).toMatchObject({ success: false, code: failure })
      expect(await metricValue(running.metrics, "events_rejected_total", { reason: failure })).toBe(1)
    }
  })

  test("takes the site of the query for events that name none, and refuses undeclared ones", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/event`
    await post(`${url}?site=blog`, EVENT)
    await post(`${url}?site=blog`, { ...EVENT, site: "main" })
    expect(running.world.accepted.map((event) => event.site)).toEqual(["blog", "main"])
    for (const answer of [
      await post(`${url}?site=nope`, EVENT),
      await post(url, { ...EVENT, site: "nope" }),
    ]) {
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ code: "UNKNOWN_SITE" })
    }
  })

  test("takes the Referer header for an event with neither a referrer nor a page: beside a page it is that page", async () => {
    await using running = await serve()
    const headers = { referer: "https://search.example/" }
    const bare = { event_type: "page_view" }
    for (const referrer of [undefined, null, "", "own"]) {
      await post(`${running.url}${API}/event`, { ...bare, referrer }, headers)
      await post(`${running.url}${API}/event`, { ...bare, referrer, page_url: "/a" }, headers)
    }
    expect(running.world.accepted.map((event) => event.referrer)).toEqual([
      ...["https://search.example/", null],
      ...["https://search.example/", null],
      ...[null, null],
      ...["own", "own"],
    ])
  })

  test("asks for nothing of senders who do not want to be tracked, when so configured", async () => {
    await using running = await serve({ respectDnt: true, requireVisitor: true })
    for (const headers of [{ dnt: "1" }, { "sec-gpc": "1" }]) {
      const answer = await post(`${running.url}${API}/event`, { event_type: "page_view" }, headers)
      expect(answer.status).toBe(201)
      expect(await answer.json()).toEqual({ success: true, message: "Event tracked successfully" })
    }
    const batch = await post(`${running.url}${API}/events`, [EVENT, EVENT], { dnt: "1" })
    expect(await batch.json()).toMatchObject({ data: { accepted: 2, rejected: [] } })
    expect(running.world.accepted).toEqual([])
    expect(await metricValue(running.metrics, "events_rejected_total", { reason: "DO_NOT_TRACK" })).toBe(4)
    await post(`${running.url}${API}/event`, EVENT, { dnt: "0" })
    expect(running.world.accepted).toHaveLength(1)
  })
})

describe("what is refused", () => {
  const site = {
    ...{ name: null, hosts: ["shop.example"], otherHosts: "count" as const, archived: false, added: true },
    ...{ timeZone: null, retentionDays: null, excludedPaths: [], excludedAddresses: [] },
  }
  const SITES = [
    { ...site, slug: "shop", otherHosts: "refuse" as const },
    { ...site, slug: "copied", otherHosts: "mark" as const },
    { ...site, slug: "old", archived: true },
    // It has none to go by.
    { ...site, slug: "open", hosts: [], otherHosts: "refuse" as const },
    { ...site, slug: "pages", excludedPaths: ["/admin*", "*.pdf"] },
    { ...site, slug: "people", excludedAddresses: ["127.0.0.0/8"] },
  ]
  const browser = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "content-type": "text/plain",
  }

  test("is told by site, reason and host, and so is what is not counted", async () => {
    const config = { respectDnt: true, corsOrigins: ["https://shop.example"], writeKeys: [WRITE_KEY] }
    await using running = await serve(config, { siteRows: SITES })
    const url = `${running.url}${API}/event`
    const send = async (event: object, headers: object, status: number) =>
      expect((await post(url, { ...EVENT, ...event }, { ...browser, ...headers })).status).toBe(status)
    const shop = { site: "shop", page_url: "https://shop.example/" }
    const www = { origin: "https://www.shop.example" }
    // Taken, and nothing is told of it.
    await send(shop, { origin: "https://shop.example" }, 201)
    await send({ site: "shop" }, { origin: "https://shop.example" }, 201)
    await send({ site: "shop" }, { "x-write-key": WRITE_KEY }, 201)
    await send({ site: "open" }, {}, 201)
    const own = { origin: running.url, host: new URL(running.url).host }
    await send({ site: "main" }, own, 201)

    await send({ ...shop, page_url: "https://www.shop.example/" }, www, 400)
    await send({ site: "shop" }, {}, 400)
    // These are taken, and do not count; one of a server of the site's own does.
    await send({ ...shop, site: "copied", page_url: "https://copy.example/" }, www, 201)
    await send({ site: "copied" }, {}, 201)
    await send({ site: "copied" }, { ...www, "user-agent": "Googlebot/2.1" }, 201)
    await send({ ...shop, site: "copied" }, www, 201)
    await send({ site: "copied" }, { "x-write-key": WRITE_KEY }, 201)
    const ofCopied = running.world.accepted.filter((event) => event.site === "copied")
    expect(ofCopied.map(({ facts }) => [facts.bot, knownDimensions(facts).bot])).toEqual([
      ...[
        [true, "other_host"],
        [true, "other_host"],
        [true, "crawler"],
      ],
      ...[
        [false, undefined],
        [false, undefined],
      ],
    ])
    await send({ site: "old" }, { referer: "https://old.example/page" }, 400)
    await send({ site: "nowhere" }, www, 400)
    await send({ site: "blog" }, www, 201)
    await send({ site: "blog" }, { dnt: "1" }, 201)
    await send({ site: "blog" }, { "user-agent": "Googlebot/2.1" }, 201)
    await post(`${running.url}${API}/events?site=nowhere`, [EVENT], { ...browser, ...www })
    const batch = [{ ...EVENT, site: "old" }, { site: "old" }]
    await post(`${running.url}${API}/events`, batch, { ...browser, origin: "null" })
    await fetch(`${url}?visitor_id=${VISITOR}&site=old`, { headers: { referer: "https://old.example/" } })
    // A browser asks before it sends what a page may not send everywhere.
    const asks = async (path: string, origin: string) => {
      const headers = { origin, "access-control-request-method": "POST" }
      expect((await fetch(`${running.url}${path}`, { method: "OPTIONS", headers })).status).toBe(204)
    }
    await asks(`${API}/event`, "https://shop.example")
    await asks(`${API}/event`, "https://www.shop.example")
    await asks(`${API}/events?site=blog`, "https://www.shop.example")
    await asks("/hello", "https://www.shop.example")
    await asks(`${API}/stats`, "https://www.shop.example")

    const told = () => running.world.refused.map(({ site, code, host, events }) => [site, code, host, events])
    await eventually(() => {
      // One and the same reason may have been told in two parts.
      const sums = new Map<string, number>()
      for (const [named, code, host, events] of told()) {
        const key = `${named} ${code} ${host}`
        sums.set(key, (sums.get(key) ?? 0) + Number(events))
      }
      expect(Object.fromEntries(sums)).toEqual({
        "shop HOST_NOT_ALLOWED www.shop.example": 1,
        "shop HOST_NOT_ALLOWED null": 1,
        "copied HOST_NOT_ALLOWED www.shop.example": 1,
        "copied BOT www.shop.example": 1,
        "copied HOST_NOT_ALLOWED null": 1,
        "copied ORIGIN_NOT_ALLOWED www.shop.example": 1,
        "old SITE_ARCHIVED old.example": 2,
        "nowhere UNKNOWN_SITE www.shop.example": 2,
        "blog ORIGIN_NOT_ALLOWED www.shop.example": 1,
        "blog DO_NOT_TRACK null": 1,
        "blog BOT null": 1,
        "old SITE_ARCHIVED null": 1,
        "old INVALID_EVENT_TYPE null": 1,
        " CORS www.shop.example": 2,
        "blog CORS www.shop.example": 1,
      })
    })
  })

  test("is not what a site leaves out, by page or by address: its sender is told nothing, its owner is", async () => {
    await using running = await serve({ writeKeys: [WRITE_KEY] }, { siteRows: SITES })
    const url = `${running.url}${API}/event`
    const send = async (event: object, headers = {}) =>
      expect((await post(url, { ...EVENT, ...event }, { ...browser, ...headers })).status).toBe(201)
    const withKey = { "x-write-key": WRITE_KEY }
    await send({ site: "pages", page_url: "https://shop.example/admin/users?a=/x" })
    await send({ site: "pages", page_url: "/admin" }, withKey)
    await send({ site: "pages", page_url: "/cv.pdf#page" })
    await send({ site: "pages", page_url: "/kept?next=/admin" })
    await send({ site: "pages", page_url: null })
    await send({ site: "people" })
    // Of a server of the site's own: the address is its.
    await send({ site: "people" }, withKey)
    await send({ site: "main", page_url: "/admin" })
    expect(running.world.accepted.map((event) => [event.site, event.pageUrl])).toEqual([
      ["pages", "/kept"],
      ["pages", null],
      ["people", "/cv"],
      ["main", "/admin"],
    ])
    expect(await metricValue(running.metrics, "events_rejected_total", { reason: "EXCLUDED" })).toBe(4)
    await eventually(() =>
      expect(new Set(running.world.refused.map(({ site: named, code }) => `${named} ${code}`))).toEqual(
        new Set(["pages EXCLUDED", "people EXCLUDED"]),
      ),
    )
  })

  test("is told in bounds, whatever senders call their site", async () => {
    await using running = await serve()
    const events = Array.from({ length: 90 }, (_, i) => ({ ...EVENT, site: `${"x".repeat(100)}${i}` }))
    await post(`${running.url}${API}/events`, events)
    const others = Array.from({ length: 90 }, (_, i) => ({ ...EVENT, site: `${i}` }))
    await post(`${running.url}${API}/events`, others)
    await eventually(() => expect(running.world.refused.length).toBeGreaterThan(0))
    const { refused } = running.world
    // Two times at most: both batches may have come within one.
    expect(refused.length).toBeLessThanOrEqual(64)
    expect(refused[0]).toMatchObject({ site: "x".repeat(64), events: 90 })
  })
})

describe("a body that is packed", () => {
  const PACKERS: ReadonlyArray<readonly [string, (body: Buffer) => Buffer]> = [
    ["gzip", gzipSync],
    ["X-GZIP", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
    ["zstd", zstdCompressSync],
    ["identity", (body) => body],
  ]

  test.each(PACKERS)("is taken as %s, alone and in a batch", async (encoding, pack) => {
    await using running = await serve()
    const single = await post(`${running.url}${API}/event`, pack(Buffer.from(JSON.stringify(EVENT))), {
      "content-encoding": encoding,
    })
    expect(single.status).toBe(201)
    const lines = Array.from({ length: 900 }, (_, i) => JSON.stringify({ ...EVENT, page_url: `/${i}` })).join(
      "\n",
    )
    const batch = await post(`${running.url}${API}/events`, pack(Buffer.from(lines)), {
      "content-encoding": encoding,
    })
    expect(await batch.json()).toMatchObject({ data: { accepted: 900, rejected: [] } })
    expect(running.world.accepted).toHaveLength(901)
  })
})

describe("a batch in another form", () => {
  const form = async (body: string) => {
    await using running = await serve()
    const answer = await fetch(`${running.url}${API}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    })
    return { status: answer.status, answer: await answer.json() }
  }

  test.each(["events", "batch", "data"])(
    "is refused as a whole, when its array is in an object's %s",
    async (name) => {
      for (const indent of [0, 2]) {
        const { status, answer } = await form(JSON.stringify({ [name]: [EVENT, EVENT] }, null, indent))
        expect(status).toBe(400)
        expect(answer).toMatchObject({
          code: "INVALID_BODY",
          error: expect.stringMatching(`array.*"${name}"`),
        })
      }
    },
  )

  test("is taken on several lines, as an array or as one event", async () => {
    for (const body of [[EVENT], EVENT]) {
      const { answer } = await form(JSON.stringify(body, null, 2))
      expect(answer).toMatchObject({ data: { accepted: 1, rejected: [] } })
    }
  })
})

describe("the visitor of an event", () => {
  const event = { event_type: "page_view" }
  const cookie = `a=b; maicivy_session=${OTHER}; c=d`

  test("is the body's, else the header's, else the cookie's", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/event`
    const third = "99999999-2222-4333-8444-555555555555"
    await post(url, { ...event, visitor_id: VISITOR }, { "x-visitor-id": OTHER, cookie })
    await post(url, event, { "x-visitor-id": third.toUpperCase(), cookie })
    await post(url, event, { cookie })
    expect(running.world.accepted.map((each) => each.visitorId)).toEqual([VISITOR, third, OTHER])
  })

  test("is refused when the header is no UUID, and the cookie is ignored when it is none", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/event`
    const answer = await post(url, event, { "x-visitor-id": "me" })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code: "INVALID_VISITOR_ID" })
    expect((await post(url, event, { cookie: "maicivy_session=opaque" })).status).toBe(201)
  })

  test("is derived from the day's key, address and user agent, when nothing names it", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/event`
    await post(url, event, { "user-agent": "A" })
    await post(url, event, { "user-agent": "A" })
    await post(url, event, { "user-agent": "B" })
    const key = running.world.dayKey ?? Buffer.alloc(0)
    const [a, b] = ["A", "B"].map((agent) => deriveVisitorId(key, "127.0.0.1", agent))
    expect(running.world.accepted.map((each) => each.visitorId)).toEqual([a, a, b])
  })

  test("changes with the day's key", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/event`
    await post(url, event)
    running.world.dayKey = Buffer.alloc(32, 2)
    await post(url, event)
    const [first, second] = running.world.accepted
    expect(first?.visitorId).not.toBe(second?.visitorId)
  })

  test("cannot be derived without the day's key: 503", async () => {
    await using running = await serve()
    running.world.dayKey = null
    expect((await post(`${running.url}${API}/event`, event)).status).toBe(503)
    expect((await post(`${running.url}${API}/event`, EVENT)).status).toBe(201)
  })

  test("is required when so configured", async () => {
    await using running = await serve({ requireVisitor: true })
    const answer = await post(`${running.url}${API}/event`, event)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({
      success: false,
      error: "Missing visitor session",
      code: "MISSING_VISITOR",
    })
    expect((await post(`${running.url}${API}/event`, event, { cookie })).status).toBe(201)
  })
})

describe("POST /events", () => {
  test("keeps the valid events of an array and lists the others", async () => {
    await using running = await serve()
    const answer = await post(`${running.url}${API}/events`, [EVENT, { event_type: "NO" }, 7, EVENT])
    expect(answer.status).toBe(201)
    expect(await answer.json()).toMatchObject({
      success: true,
      data: {
        accepted: 2,
        rejected: [
          { index: 1, code: "INVALID_EVENT_TYPE" },
          { index: 2, code: "INVALID_BODY" },
        ],
      },
    })
    expect(running.world.accepted).toHaveLength(2)
  })

  test.each(["application/x-ndjson", "application/ndjson", "text/plain", "application/json"])(
    "reads NDJSON sent as %s",
    async (type) => {
      await using running = await serve()
      const body = `${JSON.stringify(EVENT)}\r\n\n{"event_type":\n${JSON.stringify(EVENT)}\n`
      const answer = await post(`${running.url}${API}/events`, body, { "content-type": type })
      expect(answer.status).toBe(201)
      expect(await answer.json()).toMatchObject({
        data: { accepted: 2, rejected: [{ index: 1, code: "INVALID_JSON" }] },
      })
    },
  )

  test("takes 1,000 events and refuses 1,001", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/events`
    const many = Array.from({ length: 1001 }, () => EVENT)
    expect((await post(url, many.slice(1))).status).toBe(201)
    expect(running.world.accepted).toHaveLength(1000)
    for (const body of [many, many.map((event) => JSON.stringify(event)).join("\n")]) {
      const answer = await post(url, body)
      expect(answer.status).toBe(413)
      expect(await answer.json()).toMatchObject({ code: "TOO_MANY_EVENTS" })
    }
    expect(running.world.accepted).toHaveLength(1000)
  })

  test("answers an empty array, and an array of nothing valid, with 201 and what was wrong", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/events`
    expect(await (await post(url, [])).json()).toEqual({ success: true, data: { accepted: 0, rejected: [] } })
    const answer = await post(url, [{}, {}])
    expect(answer.status).toBe(201)
    expect(await answer.json()).toMatchObject({
      data: { accepted: 0, rejected: [{ index: 0 }, { index: 1 }] },
    })
  })

  test.each([
    ["", "INVALID_JSON"],
    ["[", "INVALID_JSON"],
    ['"text"', "INVALID_BODY"],
    ["12", "INVALID_BODY"],
  ])("refuses the body %j as a whole", async (body, code) => {
    await using running = await serve()
    const answer = await post(`${running.url}${API}/events`, body)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ success: false, code })
  })

  test("is 503 when nothing could be made durable, and lists the failures when something was invalid", async () => {
    await using running = await serve()
    const url = `${running.url}${API}/events`
    running.world.failure = "STREAM_UNAVAILABLE"
    const whole = await post(url, [EVENT, EVENT])
    expect(whole.status).toBe(503)
    expect(whole.headers.has("retry-after")).toBe(true)
    const mixed = await post(url, [EVENT, {}])
    expect(mixed.status).toBe(201)
    expect(await mixed.json()).toMatchObject({
      data: { accepted: 0, rejected: [{ index: 0, code: "STREAM_UNAVAILABLE" }, { index: 1 }] },
    })
  })

  test("counts every refusal by its code", async () => {
    await using running = await serve()
    await post(`${running.url}${API}/events`, [{ event_type: "NO" }, { event_type: "NO" }, EVENT])
    const count = await metricValue(running.metrics, "events_rejected_total", {
      reason: "INVALID_EVENT_TYPE",
    })
    expect(count).toBe(2)
  })
})

describe("the rate limit", () => {
  test("allows an address its events per minute, says where it stands, and starts again", async () => {
    let now = Date.UTC(2025, 11, 8)
    await using running = await serve({ rateLimitPerMinute: 2 }, { now: () => now })
    const url = `${running.url}${API}/event`
    const first = await post(url, EVENT)
    expect(first.status).toBe(201)
    expect(first.headers.get("ratelimit-limit")).toBe("2")
    expect(first.headers.get("ratelimit-remaining")).toBe("1")
    expect(first.headers.get("ratelimit-reset")).toBe("60")
    now += 20_000
    expect((await post(url, EVENT)).status).toBe(201)
    const refused = await post(url, EVENT)
    expect(refused.status).toBe(429)
    expect(refused.headers.get("retry-after")).toBe("40")
    expect(refused.headers.get("ratelimit-remaining")).toBe("0")
    expect(await refused.json()).toMatchObject({ success: false, code: "RATE_LIMITED" })
    now += 40_000
    expect((await post(url, EVENT)).status).toBe(201)
  })

  test("refuses a batch of an address that has sent its events before it reads the body", async () => {
    await using running = await serve({ rateLimitPerMinute: 1 }, { bodyLimits: { silenceMs: 50 } })
    expect((await post(`${running.url}${API}/event`, EVENT)).status).toBe(201)
    const head = `POST ${API}/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`
    const refused = await raw(running.server.port, head)
    expect(refused.status).toBe(429)
    expect(refused.head).toMatch(/ratelimit-remaining: 0/i)
    expect(refused.head).toMatch(/retry-after: \d/i)
  })

  test("counts each event of a batch, takes what fits, and is 429 when none does", async () => {
    await using running = await serve({ rateLimitPerMinute: 3 })
    const url = `${running.url}${API}/events`
    const part = await post(url, [EVENT, EVENT, EVENT, EVENT])
    expect(part.status).toBe(201)
    expect(await part.json()).toMatchObject({
      data: { accepted: 3, rejected: [{ index: 3, code: "RATE_LIMITED" }] },
    })
    expect((await post(url, [EVENT])).status).toBe(429)
    expect(await metricValue(running.metrics, "events_rejected_total", { reason: "RATE_LIMITED" })).toBe(2)
  })

  test("is lifted by a write key; a wrong one is refused", async () => {
    await using running = await serve(
      { rateLimitPerMinute: 1, writeKeys: [WRITE_KEY] },
      { localWriteKey: "local-key-0123456789" },
    )
    const url = `${running.url}${API}/event`
    for (const headers of [
      { "x-write-key": WRITE_KEY },
      { authorization: `Bearer ${WRITE_KEY}` },
      { "x-write-key": "local-key-0123456789" },
    ])
      for (let i = 0; i < 3; i++) expect((await post(url, EVENT, headers)).status).toBe(201)
    for (const headers of [{ "x-write-key": "wrong" }, { authorization: "Bearer wrong" }]) {
      const answer = await post(url, EVENT, headers)
      expect(answer.status).toBe(401)
      expect(await answer.json()).toMatchObject({ code: "INVALID_WRITE_KEY" })
    }
    expect((await post(url, EVENT, { authorization: "Basic eDp5" })).status).toBe(201)
  })

  test("believes X-Forwarded-For of trusted proxies only", async () => {
    await using direct = await serve({ rateLimitPerMinute: 1 })
    const send = (url: string, from: string) =>
      post(`${url}${API}/event`, EVENT, { "x-forwarded-for": from }).then((answer) => answer.status)
    expect([await send(direct.url, "1.1.1.1"), await send(direct.url, "2.2.2.2")]).toEqual([201, 429])

    await using proxied = await serve({ rateLimitPerMinute: 1, trustedProxies: ["127.0.0.0/8"] })
    expect(await send(proxied.url, "1.1.1.1")).toBe(201)
    expect(await send(proxied.url, "2.2.2.2")).toBe(201)
    expect(await send(proxied.url, "9.9.9.9, 1.1.1.1")).toBe(429)
    const forged = ["X-Forwarded-For: 7.7.7.7", "X-Forwarded-For: 1.1.1.1", "Content-Length: 2"]
    expect((await raw(proxied.server.port, rawEvent(forged, "{}"))).status).toBe(429)
    expect(await send(proxied.url, "2001:db8:1:2::1")).toBe(201)
    expect(await send(proxied.url, "2001:db8:1:2::2")).toBe(429)
    expect(await send(proxied.url, "2001:db8:1:3::2")).toBe(201)
  })
})

describe("a client that leaves", () => {
  test("before its event is durable harms nobody", async () => {
    await using running = await serve()
    running.world.held = []
    const leaving = new AbortController()
    const lost = fetch(`${running.url}${API}/event`, {
      method: "POST",
      body: JSON.stringify(EVENT),
      signal: leaving.signal,
    }).catch(() => "left")
    await eventually(() => expect(running.world.held).toHaveLength(1))
    leaving.abort()
    expect(await lost).toBe("left")
    await eventually(async () => {
      expect(await requestCount(running.metrics, { status: "499" })).toBe(1)
    })
    running.world.release()
    expect((await post(`${running.url}${API}/event`, EVENT)).status).toBe(201)
    expect(running.world.accepted).toHaveLength(2)
  })
})

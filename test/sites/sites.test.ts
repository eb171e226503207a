/** Sites for real: two nodes over the same stores, and whose events each takes. */
import { randomUUID } from "node:crypto"
import { Redis } from "ioredis"
import pg from "pg"
import { expect, onTestFinished, test } from "vitest"
import { DAY_MS } from "../../src/domain/time.ts"
import { fingerprint } from "../../src/domain/visitor.ts"
import { MAX_SITES } from "../../src/sites/index.ts"
import { attempt } from "../support/commandLine.ts"
import { eventually } from "../support/index.ts"
import { runNode, settings, TOKEN } from "../support/node.ts"

const API = "/api/v1/analytics"

interface Said {
  readonly status: number
  readonly body: { readonly data?: unknown; readonly code?: string; readonly error?: string }
}

const ask = async (base: string, method: string, path: string, body?: unknown): Promise<Said> => {
  const answer = await fetch(`${base}${API}/${path}`, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: JSON.parse(await answer.text()) }
}

/** Two nodes of one deployment, of which the second has processed nothing. */
const deployment = async () => {
  const config = await settings()
  const [a, b] = [await runNode(config), await runNode({ ...config, roles: ["http"] })]
  const both = [a.base, b.base] as const
  return { a, b, both, config }
}

interface Sent {
  readonly id?: string
  readonly visitor_id?: string
}

/** Sends an event. One that is sent again with its id counts once. */
const send = (base: string, site: string, { id = randomUUID(), visitor_id = randomUUID() }: Sent = {}) =>
  ask(base, "POST", "event", { event_type: "page_view", page_url: "/", site, id, visitor_id })

/** Waits until each of the nodes answers an event of a site like that; it takes one of each. */
const answered = async (
  bases: ReadonlyArray<string>,
  site: string,
  said: { readonly status: number; readonly body: object },
  sent: Sent = {},
) => {
  for (const base of bases) {
    const event = { id: randomUUID(), ...sent }
    await eventually(async () => expect(await send(base, site, event)).toMatchObject(said))
  }
}

/** As it is told to whom may do everything. */
const NOTHING_CHOSEN = { time_zone: null, retention_days: null, excluded_paths: [], excluded_addresses: [] }
const EVERY_HOST = { other_hosts: "count", only_hosts: false }
const TAKEN = { status: 201, body: { success: true } }
const UNKNOWN = {
  status: 400,
  body: { code: "UNKNOWN_SITE", error: 'site "shop" is not declared in SITES.' },
}
const FOREIGN = { status: 400, body: { code: "HOST_NOT_ALLOWED" } }
const ARCHIVED = { status: 400, body: { code: "SITE_ARCHIVED" } }

/** Sends an event as a page of that origin does. */
const fromPage = (base: string, origin: string, event: object) =>
  fetch(`${base}${API}/event`, {
    method: "POST",
    headers: { Origin: origin, "Content-Type": "text/plain" },
    body: JSON.stringify({ event_type: "page_view", ...event }),
  })

/** A dashboard's connection, and what it has heard. */
const connect = (base: string, query = "") => {
  const socket = new WebSocket(`${base.replace("http", "ws")}/ws/analytics${query}`)
  onTestFinished(() => socket.close())
  const frames: Array<string> = []
  socket.onmessage = ({ data }) => {
    frames.push(String(data))
  }
  return { socket, frames }
}

/** Whether any of a site's keys holds a visitor. */
const isRemembered = async (redis: Redis, prefix: string, site: string, visitor: string) => {
  const keys = (await redis.keys(`${prefix}:*`)).filter((key) => key.includes(`:${site}`))
  const held = await Promise.all(
    keys.map(async (key) => {
      const type = await redis.type(key)
      if (type === "set") return (await redis.sismember(key, fingerprint(visitor))) === 1
      return type === "zset" && (await redis.zscore(key, fingerprint(visitor))) !== null
    }),
  )
  return held.includes(true)
}

test("a site that is added takes events on every node, also on those that run, and none before", async () => {
  const { a, b, both, config } = await deployment()
  const dashboard = connect(b.base)
  await eventually(() => expect(dashboard.frames.join("")).toContain("initial_stats"))
  for (const base of both) expect(await send(base, "shop")).toMatchObject(UNKNOWN)

  const site = { slug: "shop", name: " The shop ", hosts: ["Shop.example", "shop.example:8080"] }
  expect(await ask(a.base, "POST", "sites", site)).toMatchObject({ status: 200, body: { data: null } })
  const visitor_id = randomUUID()
  await answered(both, "shop", TAKEN, { visitor_id })
  // One that starts knows it from the first request on.
  const later = await runNode({ ...config, roles: ["http"] })
  const id = randomUUID()
  expect((await send(later.base, "shop", { id })).body.code).not.toBe("UNKNOWN_SITE")
  await answered([later.base], "shop", TAKEN, { id })

  const details = [
    { slug: "main", name: "main", hosts: [], ...EVERY_HOST, archived: false, ...NOTHING_CHOSEN },
    { slug: "blog", name: "blog", hosts: [], ...EVERY_HOST, archived: false, ...NOTHING_CHOSEN },
    {
      slug: "shop",
      name: "The shop",
      hosts: ["shop.example", "shop.example:8080"],
      other_hosts: "count",
      only_hosts: false,
      archived: false,
      ...NOTHING_CHOSEN,
    },
  ]
  for (const base of both) {
    const sites = ["main", "blog", "shop"]
    expect((await ask(base, "GET", "sites")).body.data).toEqual({
      ...{ sites, default: "main", details, time_zone: "UTC", retention_days: 90, script: "/hello.js" },
    })
    expect((await ask(base, "GET", "access")).body.data).toMatchObject({ sites, default: "main" })
    expect(await (await fetch(`${base}/openapi.json`)).text()).toContain(JSON.stringify(sites))
    await eventually(async () =>
      expect((await ask(base, "GET", "stats?site=shop")).body.data).toMatchObject({ total_events: 3 }),
    )
  }

  // Whoever was there before may listen to it, too.
  dashboard.socket.send(JSON.stringify({ type: "subscribe", topics: ["events", "stats"], site: "shop" }))
  await eventually(() => expect(dashboard.frames.join("")).toContain('"type":"subscribed","site":"shop"'))
  await answered([b.base], "shop", TAKEN)
  await eventually(() => expect(dashboard.frames.join("")).toContain('"type":"page_view","site":"shop"'))
  await eventually(() => expect(dashboard.frames.join("")).toContain('"type":"stats_update","site":"shop"'))

  // A visitor is erased of it, too.
  const redis = new Redis(config.redisUrl)
  onTestFinished(() => redis.disconnect())
  const remembered = () => isRemembered(redis, config.redisKeyPrefix, "shop", visitor_id)
  expect(await remembered()).toBe(true)
  await eventually(async () =>
    expect((await ask(a.base, "DELETE", `visitors/${visitor_id}`)).status).toBe(200),
  )
  expect(await remembered()).toBe(false)
})

test("an archived site refuses events and goes on answering questions, until it takes them again", async () => {
  const { a, b, both } = await deployment()
  expect((await ask(a.base, "POST", "sites", { slug: "shop" })).status).toBe(200)
  const change = async (base: string, slug: string, what: object) =>
    expect((await ask(base, "PATCH", `sites/${slug}`, what)).status).toBe(200)
  // One of SITES, too.
  for (const slug of ["shop", "blog"]) {
    await answered(both, slug, TAKEN)
    await change(b.base, slug, { archived: true })
    await answered(both, slug, ARCHIVED)
    // What is not named stays.
    await change(a.base, slug, { name: "Closed" })
    await answered(both, slug, ARCHIVED)
    const batch = [{ event_type: "page_view" }, { event_type: "page_view", site: slug }]
    for (const base of both) {
      expect(await ask(base, "POST", `event?site=${slug}`, { event_type: "page_view" })).toMatchObject(
        ARCHIVED,
      )
      await eventually(async () =>
        expect((await ask(base, "POST", "events", batch)).body.data).toMatchObject({
          ...{ accepted: 1, rejected: [{ index: 1, code: "SITE_ARCHIVED" }] },
        }),
      )
      const question = { site: slug, metrics: ["events"], date_range: "7d" }
      // One that a node took before it heard of the end is counted, too.
      await eventually(async () => {
        const { data } = (await ask(base, "POST", "query", question)).body
        expect(Object(data).results?.[0]?.metrics[0]).toBeGreaterThanOrEqual(2)
      })
    }
    await change(a.base, slug, { archived: false })
    await answered(both, slug, TAKEN)
  }
  for (const base of both)
    expect((await ask(base, "GET", "sites")).body.data).toMatchObject({
      details: [{ name: "main" }, { name: "Closed", archived: false }, { name: "Closed", archived: false }],
    })
})

test("several sites are one in every figure: a visitor of both counts once, and neither is left out", async () => {
  const node = await runNode(await settings({ sites: ["main", "blog", "other"] }))
  const [both, reader, writer] = [randomUUID(), randomUUID(), randomUUID()]
  const clicked = { event_type: "button_click", event_data: { x: 1, y: 2 } }
  const letter = { event_type: "letter_generate", event_data: { letter_type: "motivation" } }
  const theme = { event_type: "cv_theme_change", event_data: { theme: "dark" } }
  for (const [site, visitor_id, event] of [
    ...([
      ["main", both, { event_type: "page_view" }],
      ["main", both, clicked],
    ] as const),
    ...([
      ["main", writer, letter],
      ["main", writer, theme],
    ] as const),
    ...([
      ["blog", both, { event_type: "page_view" }],
      ["blog", both, clicked],
    ] as const),
    ...([
      ["blog", reader, theme],
      ["other", randomUUID(), { event_type: "page_view" }],
    ] as const),
  ])
    expect(await ask(node.base, "POST", "event", { ...event, site, visitor_id })).toMatchObject(TAKEN)
  /** Asked until the machine has had time for it. */
  const figures = (path: string, site: string) =>
    eventually(async () => {
      const said = await ask(node.base, "GET", `${path}${path.includes("?") ? "&" : "?"}site=${site}`)
      expect(said.status).toBe(200)
      return said.body.data
    })
  const stats = { total_events: 7, page_views: 2, letters_generated: 1, unique_visitors: 3 }
  // Events are counted soon, and the engine sees them a moment later.
  for (const site of ["blog,main", "main,blog"])
    await eventually(async () =>
      expect(await figures("stats", site)).toMatchObject({ period: "day", ...stats }),
    )
  await eventually(async () =>
    expect(await figures("realtime", "main,blog")).toMatchObject({
      ...{ current_visitors: 3, unique_today: 3, total_events: 7, letters_today: 1 },
    }),
  )
  expect(await figures("stats?period=week", "main,blog")).toMatchObject({ period: "week", ...stats })
  expect(await figures("stats", "all")).toMatchObject({ total_events: 8, unique_visitors: 4 })
  expect(await figures("stats?date_range=7d", "main,blog")).toMatchObject({ ...stats })
  expect(await figures("letters?period=month", "main,blog")).toMatchObject({ total: 1, unique_visitors: 3 })
  expect(await figures("themes", "main,blog")).toEqual([{ theme: "dark", views: 2, percentage: 100 }])
  expect(await figures("heatmap", "main,blog")).toEqual([{ x: 1, y: 2, count: 2 }])
  expect(await figures("yesterday", "main,blog")).toMatchObject({ total_events: expect.arrayContaining([0]) })
  const minutes = (await figures("history", "main,blog")) as ReadonlyArray<{
    events: number
    visitors: number
  }>
  expect(minutes.reduce((sum, { events }) => sum + events, 0)).toBe(7)
  expect(minutes.at(-1)?.visitors).toBe(3)
  const timeline = async (more: string) =>
    (await ask(node.base, "GET", `timeline?site=blog,main${more}`)).body as {
      data: ReadonlyArray<{ id: string; site: string }>
      meta: { next_cursor: string }
    }
  const first = await timeline("&limit=4")
  const rest = await timeline(`&limit=4&cursor=${first.meta.next_cursor}`)
  const rows = [...first.data, ...rest.data]
  expect(new Set(rows.map(({ id }) => id)).size).toBe(7)
  expect(rows.map(({ site }) => site).sort()).toEqual(
    [..."bbb", ..."mmmm"].map((s) => (s === "b" ? "blog" : "main")),
  )
  expect(await ask(node.base, "GET", "stats?site=main,nope")).toMatchObject({
    ...{ status: 400, body: { code: "UNKNOWN_SITE", error: 'site "nope" is not declared in SITES.' } },
  })
  expect(await ask(node.base, "GET", "export/letters?site=main,blog")).toMatchObject({
    ...{ status: 400, body: { error: 'site is "main,blog": it should be one site.' } },
  })

  // Of goals, those that both have with the same filters.
  const goal = (site: string, name: string, page: string) =>
    ask(node.base, "POST", "goals", { site, name, filters: [["is", "page", [page]]] })
  for (const site of ["main", "blog"]) expect(await goal(site, "Seen", "/cv")).toMatchObject({ status: 200 })
  await goal("main", "Other", "/a")
  await goal("blog", "Other", "/b")
  expect(await figures("goals", "blog,main")).toMatchObject([{ name: "Seen" }])

  // And on a dashboard, by their figures together and the events of each.
  const dashboard = connect(node.base, "?site=all")
  await eventually(() => expect(dashboard.frames.join("")).toContain('"site":"blog,main,other"'))
  await send(node.base, "other")
  await eventually(() => {
    expect(dashboard.frames.join("")).toMatch(/"type":"page_view","site":"other"/)
    expect(dashboard.frames.at(-1)).toMatch(/"site":"blog,main,other","data":\{.*"total_events":9/)
  })
})

test("who sets a site up is told on every node of what is refused on any, and nobody else is", async () => {
  const { a, b } = await deployment()
  const site = { slug: "shop", hosts: ["shop.example"], only_hosts: true }
  expect((await ask(a.base, "POST", "sites", site)).status).toBe(200)
  await answered([b.base], "shop", FOREIGN)
  const listen = async (query: string) => {
    const dashboard = connect(a.base, query)
    await eventually(() => expect(dashboard.frames.join("")).toContain("initial_stats"))
    dashboard.socket.send(JSON.stringify({ type: "subscribe", topics: ["refusals"], site: "shop" }))
    return dashboard
  }
  const nobody = await listen("")
  await eventually(() => expect(nobody.frames.join("")).toContain('"code":"UNKNOWN_TOPIC"'))
  const owner = await listen(`?share=${TOKEN}`)
  const told = (code: string, named: string, host: string | null) =>
    eventually(() => {
      const said = `"site":"${named}","code":"${code}","host":${JSON.stringify(host)}`
      expect(owner.frames.filter((frame) => frame.includes('"refusals"')).join("")).toContain(said)
    })
  // What was refused before, too.
  await told("HOST_NOT_ALLOWED", "shop", null)
  await fromPage(b.base, "https://www.shop.example", { site: "shop", page_url: "https://www.shop.example/" })
  await told("HOST_NOT_ALLOWED", "shop", "www.shop.example")
  await fromPage(b.base, "https://shop.example", { site: "shopp" })
  await told("UNKNOWN_SITE", "shopp", "shop.example")
  expect(nobody.frames.join("")).not.toContain('"refusals"')

  const taken = await fromPage(b.base, "https://shop.example", { site: "shop" })
  expect(taken.status).toBe(201)
  const change = { hosts: ["shop.example", "www.shop.example"] }
  expect((await ask(a.base, "PATCH", "sites/shop", change)).status).toBe(200)
  await eventually(async () =>
    expect((await fromPage(b.base, "https://www.shop.example", { site: "shop" })).status).toBe(201),
  )

  // Those that are marked are taken, and in nothing that does not ask for them.
  expect((await ask(a.base, "PATCH", "sites/shop", { other_hosts: "mark" })).status).toBe(200)
  owner.socket.send(JSON.stringify({ type: "subscribe", topics: ["events"], site: "shop" }))
  await eventually(() =>
    expect(owner.frames.join("")).toMatch(/"subscribed","site":"shop","topics":\[.*"events"/),
  )
  const copy = { site: "shop", title: "Copy", page_url: "https://copy.example/copied" }
  for (const { base } of [a, b])
    await eventually(async () =>
      expect((await fromPage(base, "https://copy.example", copy)).status).toBe(201),
    )
  await told("HOST_NOT_ALLOWED", "shop", "copy.example")
  const own = { site: "shop", page_url: "https://shop.example/own" }
  for (const { base } of [a, b]) await fromPage(base, "https://shop.example", own)
  const results = async (question: object) => {
    const asked = { site: "shop", metrics: ["events"], date_range: "7d", ...question }
    return Object((await ask(b.base, "POST", "query", asked)).body.data).results
  }
  await eventually(async () =>
    expect(await results({ bots: "include" })).toEqual([{ dimensions: [], metrics: [6] }]),
  )
  expect(await results({ bots: "only", dimensions: ["bot", "title"] })).toEqual([
    { dimensions: ["other_host", "Copy"], metrics: [2] },
  ])
  expect(await results({})).toEqual([{ dimensions: [], metrics: [4] }])
  // Redis has them a moment later than Postgres.
  for (const path of ["stats", "realtime"])
    await eventually(async () =>
      expect((await ask(b.base, "GET", `${path}?site=shop`)).body.data).toMatchObject({ total_events: 4 }),
    )
  expect((await ask(b.base, "GET", "timeline?site=shop")).body.data).toHaveLength(4)
  // Those of before may be among them, where they were counted late.
  const seen = (page: string) =>
    owner.frames.filter((frame) => frame.includes('"type":"page_view","site":"shop"') && frame.includes(page))
  await eventually(() => expect(seen("/own")).toHaveLength(2))
  expect(seen("/copied")).toEqual([])

  // Clients that know of counting and refusing only.
  const others = async (what: object) => {
    expect((await ask(b.base, "PATCH", "sites/shop", what)).status).toBe(200)
    const { details } = Object((await ask(b.base, "GET", "sites")).body.data)
    return [details[2].other_hosts, details[2].only_hosts]
  }
  expect(await others({ only_hosts: false })).toEqual(["mark", false])
  expect((await ask(b.base, "GET", "audit?limit=1")).body.data).toMatchObject([
    { what: "shop, events of other hosts marked" },
  ])
  expect(await others({ only_hosts: true })).toEqual(["refuse", true])
  expect(await others({ only_hosts: false })).toEqual(["count", false])
  expect(await others({ other_hosts: "mark", only_hosts: true })).toEqual(["mark", false])
})

test("a site's time zone is that of its questions, unless they name one, at once on every node", async () => {
  const { a, b, both } = await deployment()
  const shop = { slug: "shop", time_zone: "America/New_York" }
  expect((await ask(a.base, "POST", "sites", shop)).status).toBe(200)
  const asked = { metrics: ["events"], date_range: ["2026-01-05", "2026-01-05"] }
  /** What a node takes a question to be. */
  const taken = async (base: string, question: object, kind = "query") => {
    const { data } = (await ask(base, "POST", kind, question)).body
    return Object(data).query
  }
  const isOf = async (zone: string, question: object) => {
    for (const base of both)
      await eventually(async () => expect(await taken(base, question)).toMatchObject({ time_zone: zone }))
  }
  await isOf("America/New_York", { ...asked, site: "shop" })
  const day = ["2026-01-05T05:00:00.000Z", "2026-01-06T05:00:00.000Z"]
  expect(await taken(b.base, { ...asked, site: "shop" })).toMatchObject({ date_range: day })
  await isOf("UTC", { ...asked, site: "blog" })
  await isOf("Asia/Tokyo", { ...asked, site: "shop", time_zone: "Asia/Tokyo" })
  await isOf("UTC", { ...asked, sites: ["blog", "shop"] })

  // Dashboards hear of the change in the answer to a question that they follow.
  const dashboard = connect(b.base, `?share=${TOKEN}`)
  await eventually(() => expect(dashboard.frames.join("")).toContain("initial_stats"))
  dashboard.socket.send(
    JSON.stringify({ type: "subscribe", topics: ["query"], queries: { q: { ...asked, site: "blog" } } }),
  )
  await eventually(() => expect(dashboard.frames.join("")).toContain('"time_zone":"UTC"'))
  expect((await ask(a.base, "PATCH", "sites/blog", { time_zone: "America/New_York" })).status).toBe(200)
  await eventually(() => expect(dashboard.frames.join("")).toContain('"time_zone":"America/New_York"'))
  // One that the sites have in common.
  await isOf("America/New_York", { ...asked, sites: ["blog", "shop"] })

  const steps = [
    ["is", "page", ["/"]],
    ["is", "page", ["/cv"]],
  ]
  const funnel = { site: "shop", steps, date_range: "day" }
  expect(await taken(a.base, funnel, "query/funnel")).toMatchObject({ time_zone: "America/New_York" })
  const values = { site: "shop", dimension: "page" }
  expect(await taken(a.base, values, "query/values")).toMatchObject({ time_zone: "America/New_York" })
  const answer = await fetch(`${a.base}${API}/stats?site=shop&date_range=${JSON.stringify(asked.date_range)}`)
  expect(await answer.json()).toMatchObject({ meta: { time_zone: "America/New_York", date_range: day } })

  // What is not named stays; null is the deployment's again.
  expect((await ask(b.base, "PATCH", "sites/shop", { name: "Shop" })).status).toBe(200)
  await isOf("America/New_York", { ...asked, site: "shop" })
  expect((await ask(b.base, "PATCH", "sites/shop", { time_zone: null })).status).toBe(200)
  await isOf("UTC", { ...asked, site: "shop" })
})

test("what cannot be done to sites is refused, and what was done is told", async () => {
  const { a, b, config } = await deployment()
  const refusals: ReadonlyArray<readonly [method: string, path: string, body: unknown, code: string]> = [
    ["POST", "sites", {}, "INVALID_FIELD"],
    ["POST", "sites", { slug: "The shop" }, "INVALID_FIELD"],
    ["POST", "sites", { slug: "shop", name: "" }, "INVALID_FIELD"],
    ["POST", "sites", { slug: "shop", name: "x".repeat(101) }, "INVALID_FIELD"],
    ["POST", "sites", { slug: "shop", hosts: "shop.example" }, "INVALID_FIELD"],
    ["POST", "sites", { slug: "shop", hosts: ["https://shop.example/"] }, "INVALID_FIELD"],
    ["POST", "sites", { slug: "blog" }, "CONFLICT"],
    ["PATCH", "sites/shop", { name: "Shop" }, "NOT_FOUND"],
    ["PATCH", "sites/main", { archived: true }, "CONFLICT"],
    ["PATCH", "sites/blog", { archived: "yes" }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { only_hosts: 1 }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { other_hosts: "leave" }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { excluded_paths: "/admin" }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { excluded_paths: ["admin"] }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { excluded_paths: ["/\u0000"] }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { excluded_addresses: ["everybody"] }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { time_zone: "Europe" }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { time_zone: "+01:00" }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { retention_days: 91 }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { retention_days: 0 }, "INVALID_FIELD"],
    ["PATCH", "sites/blog", { retention_days: "30" }, "INVALID_FIELD"],
    ["POST", "sites", { slug: "shop", time_zone: 1 }, "INVALID_FIELD"],
  ]
  for (const [method, path, body, code] of refusals)
    expect((await ask(a.base, method, path, body)).body, JSON.stringify(body)).toMatchObject({ code })
  const audit = async (limit: number) => (await ask(b.base, "GET", `audit?limit=${limit}`)).body.data
  expect(await audit(10)).toEqual([])

  await ask(a.base, "POST", "sites", { slug: "shop", name: "Shop" })
  expect((await ask(b.base, "POST", "sites", { slug: "shop" })).body).toMatchObject({ code: "CONFLICT" })
  await ask(b.base, "PATCH", "sites/shop", { hosts: ["shop.example"], archived: true })
  expect(await audit(2)).toMatchObject([
    { who: "ADMIN_TOKEN", action: "site changed", what: "shop, at shop.example, archived" },
    { who: "ADMIN_TOKEN", action: "site added", what: "shop, called Shop, at no host" },
  ])

  // What it leaves out is told to whom may change it.
  const kept = async (days: number | null) => {
    expect((await ask(b.base, "PATCH", "sites/blog", { retention_days: days })).status).toBe(200)
    return await audit(1)
  }
  expect(await kept(30)).toMatchObject([{ what: "blog, keeps events for 30 days" }])
  expect(await kept(null)).toMatchObject([{ what: "blog, keeps events as the deployment does" }])
  const left = { excluded_paths: ["/admin/*"], excluded_addresses: ["192.0.2.0/24"] }
  expect((await ask(b.base, "PATCH", "sites/blog", left)).status).toBe(200)
  expect(await audit(1)).toMatchObject([{ what: "blog, leaves out /admin/*, leaves out 1 address" }])
  await eventually(async () =>
    expect((await ask(a.base, "GET", "sites")).body.data).toMatchObject({
      details: [{ slug: "main", excluded_paths: [] }, { slug: "blog", ...left }, { slug: "shop" }],
    }),
  )
  expect(await (await fetch(`${a.base}${API}/sites`)).text()).not.toContain("excluded")

  // As many as there may be, however many come at once.
  const client = new pg.Client({ connectionString: config.databaseUrl })
  await client.connect()
  await client.query(
    "INSERT INTO declared_sites (slug, added_at) SELECT 's' || i, now() FROM generate_series(1, $1) i",
    [MAX_SITES - 3],
  )
  await client.end()
  const many = await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      ask(i % 2 === 0 ? a.base : b.base, "POST", "sites", { slug: `more-${i}` }),
    ),
  )
  expect(many.map(({ status }) => status).sort()).toEqual([200, 200, 409, 409, 409, 409])
})

test("a site that is erased is one no more on every node, and what was its alone is gone", async () => {
  const { a, b, both } = await deployment()
  for (const slug of ["shop", "news"]) expect((await ask(a.base, "POST", "sites", { slug })).status).toBe(200)
  await answered(both, "shop", TAKEN)
  await answered(both, "news", TAKEN)
  const goal = { name: "Sold", filters: [["is", "page", ["/"]]], site: "shop" }
  expect((await ask(a.base, "POST", "goals", goal)).status).toBe(200)
  const key = async (sites: ReadonlyArray<string>) => {
    const made = await ask(a.base, "POST", "keys", { name: "a key", scopes: ["read"], sites })
    return String(Object(made.body.data).token)
  }
  const [its, both_] = [await key(["shop"]), await key(["shop", "news"])]
  const seenBy = async (base: string, token: string) => {
    const answer = await fetch(`${base}${API}/export/visitors?site=news`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    await answer.arrayBuffer()
    return answer.status
  }
  const news = async (base: string) => (await ask(base, "GET", "stats?site=news")).body.data
  await eventually(async () => expect(await news(b.base)).toMatchObject({ total_events: 2 }))
  const before = await news(a.base)
  const dashboard = connect(a.base, "?site=shop")
  await eventually(() => expect(dashboard.frames.join("")).toContain("initial_stats"))

  const erased = await ask(b.base, "DELETE", "sites/shop")
  expect(erased).toMatchObject({
    status: 200,
    body: { data: { site: "shop", by: "ADMIN_TOKEN", goals: 1, keys: 1, removed: true, complete: true } },
  })
  expect(await ask(b.base, "DELETE", "sites/shop")).toMatchObject({
    status: 404,
    body: { code: "NOT_FOUND" },
  })
  await answered(both, "shop", UNKNOWN)
  for (const base of both) {
    expect(await ask(base, "GET", "stats?site=shop")).toMatchObject({
      status: 400,
      body: { code: "UNKNOWN_SITE" },
    })
    await eventually(async () =>
      expect([await seenBy(base, its), await seenBy(base, both_)]).toEqual([401, 200]),
    )
    expect(await news(base)).toEqual(before)
  }
  const [note] = Object((await ask(a.base, "GET", "audit?limit=1")).body).data
  expect(note).toMatchObject({ who: "ADMIN_TOKEN", action: "site erased" })
  expect(String(note.what)).toContain(Object(erased.body.data).id)
})

test("sites are added, renamed, archived and erased by command, while nodes run", async () => {
  const { both, config } = await deployment()
  const environment = {
    ...{
      REDIS_URL: config.redisUrl,
      DATABASE_URL: config.databaseUrl,
      REDIS_KEY_PREFIX: config.redisKeyPrefix,
    },
    ...{ PARTITIONS: "2", SITES: "main,blog", LOG_LEVEL: "error" },
  }
  const run = async (...args: ReadonlyArray<string>) => {
    const { printed, failure } = await attempt(environment, "sites", ...args)
    return failure === null ? printed : String(Object(failure).message)
  }
  await answered(both, "shop", UNKNOWN)
  expect(await run("add", "shop", "--hosts", "shop.example")).toBe("shop is a site from now on.")
  await answered(both, "shop", TAKEN)
  expect(await run("add", "shop")).toBe("There is a site of this slug.")
  expect(await run("rename", "shop", "The shop")).toBe("shop is called The shop from now on.")
  expect(await run("archive", "blog")).toBe("blog takes no events any more.")
  await answered(both, "blog", ARCHIVED)
  expect(await run("list")).toBe(
    [
      "main\tmain\t\ttakes events\t\tevery host\t\t",
      "blog\tblog\t\tarchived\t\tevery host\t\t",
      "shop\tThe shop\tshop.example\ttakes events\t\tevery host\t\t",
    ].join("\n"),
  )
  expect(await run("archive", "blog", "--undo")).toBe("blog takes events again.")
  await answered(both, "blog", TAKEN)
  expect(await run("time-zone", "blog", "asia/tokyo")).toBe(
    "Days of blog are those of Asia/Tokyo from now on.",
  )
  expect(await run("list")).toContain("blog\tblog\t\ttakes events\tAsia/Tokyo\t")
  expect(await run("time-zone", "blog")).toBe("Days of blog are those of UTC from now on.")
  expect(await run("time-zone", "blog", "Mars/Phobos")).toContain('zone is "Mars/Phobos": it should be')
  expect(await run("retention", "blog", "91")).toBe(
    "days is 91, and RETENTION_DAYS is 90: a site keeps its events for no longer.",
  )
  const old = { event_type: "page_view", site: "blog", timestamp: Date.now() - 3 * DAY_MS }
  expect((await ask(both[0], "POST", "event", old)).status).toBe(201)
  const at = new Date(old.timestamp).toISOString()
  await eventually(async () =>
    expect(JSON.stringify((await ask(both[0], "GET", "timeline?site=blog")).body.data)).toContain(at),
  )
  expect(await run("retention", "blog", "2")).toBe(
    `1 events of blog that are kept now would go with the next retention, of 1 days from ${at.slice(0, 10)} on. Nothing was changed. If they shall go, add --yes.`,
  )
  expect(await run("list")).not.toContain("2 days")
  expect(await run("retention", "blog", "2", "--yes")).toBe("blog keeps events for 2 days from now on.")
  expect(await run("list")).toContain("blog\tblog\t\ttakes events\t\tevery host\t\t\t2 days")
  expect(await run("retention", "blog")).toBe("blog keeps events for 90 days from now on.")
  expect(await run("archive", "main")).toContain("The default site cannot be archived")
  expect(await run("rename", "nowhere", "Nowhere")).toBe("There is no site of this slug.")
  const shop = async () => (await run("list")).split("\n").at(-1)
  const excluded = ["--excluded-paths=/admin/*,*.pdf", "--excluded-addresses=192.0.2.0/24,::1"]
  expect(await run("change", "shop", "--only-hosts", ...excluded)).toBe("shop is changed from now on.")
  expect(await shop()).toBe(
    "shop\tThe shop\tshop.example\ttakes events\t\tits hosts only\t/admin/*,*.pdf\t192.0.2.0/24,::1",
  )
  await answered(both, "shop", FOREIGN)
  await run("change", "shop", "--name=Shop", "--only-hosts=false", "--hosts=none", "--excluded-paths=none")
  expect(await shop()).toBe("shop\tShop\t\ttakes events\t\tevery host\t\t192.0.2.0/24,::1")
  await run("change", "shop", "--other-hosts", "mark", "--time-zone", "Europe/Paris", "--hosts=shop.example")
  expect(await shop()).toBe(
    "shop\tShop\tshop.example\ttakes events\tEurope/Paris\tother hosts marked\t\t192.0.2.0/24,::1",
  )
  await run("change", "shop", "--other-hosts", "count", "--time-zone", "none", "--hosts=none")
  expect(await shop()).toBe("shop\tShop\t\ttakes events\t\tevery host\t\t192.0.2.0/24,::1")
  expect(await run("change", "shop", "--other-hosts", "leave")).toContain("one of count, refuse, mark")
  expect(await run("change", "shop", "--excluded-paths", "admin")).toContain("paths such as /admin/*")
  expect(await run("change", "shop")).toBe("Nothing of shop is to be changed: give a flag.")
  expect(await run("add", "other", "--hosts", "other.example", "--only-hosts")).toBe(
    "other is a site from now on.",
  )
  await answered(both, "other", FOREIGN)

  // A key may be of one that was added.
  const made = await attempt(environment, "keys", "add", "shop", "--sites", "shop")
  const key = /mak_\S+/.exec(made.printed)?.[0] ?? ""
  for (const base of both)
    await eventually(async () => {
      const answer = await fetch(`${base}${API}/audit`, { headers: { Authorization: `Bearer ${key}` } })
      // It is known, and does not suffice.
      expect(answer.status).toBe(403)
    })
  await eventually(async () => {
    const { printed } = await attempt(environment, "keys", "list")
    expect(printed).toMatch(/^\d+\tshop\tread\tshop\tused \d{4}-\S+:00\.000Z$/)
  })
  // What is not there is said before it goes.
  expect(await run("erase", "nowhere")).toBe("There is no site of this slug.")
  expect(await run("erase", "shop")).toMatch(/^shop has .* Nothing was erased\. .* add --yes\.$/)
  await answered(both, "shop", TAKEN)
  expect(await run("erase", "shop", "--yes")).toMatch(
    /^shop was erased: .*\nreceipt .*shop is no site any more\.$/s,
  )
  await answered(both, "shop", UNKNOWN)
  expect(await run("erase", "main", "--yes")).toContain(
    "main stands empty, for SITES has it, and takes events.",
  )

  const unknown = await attempt(environment, "keys", "add", "other", "--sites", "nowhere")
  expect(String(Object(unknown.failure).message)).toBe("There is no site nowhere.")
})

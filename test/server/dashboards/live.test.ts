import { afterEach, describe, expect, test } from "vitest"
import type { LiveEvent } from "../../../src/domain/frames.ts"
import { UUID } from "../../../src/domain/limits.ts"
import { decodeDelta, encodeDelta, type LiveDelta } from "../../../src/live/delta.ts"
import { eventually } from "../../support/index.ts"
import { RawConnection, raw } from "../../support/rawClient.ts"
import { metricValue, type Running, serve, VISITOR } from "../../support/server.ts"

type Frame = { readonly type: string; readonly [key: string]: unknown }

/** A dashboard that keeps what it is told. */
class Dashboard {
  readonly frames: Array<Frame> = []
  closed: CloseEvent | null = null
  readonly socket: WebSocket

  constructor(running: Running, query = "") {
    this.socket = new WebSocket(`ws://127.0.0.1:${running.server.port}/ws/analytics${query}`)
    this.socket.addEventListener("message", (message) => {
      const frame: unknown = JSON.parse(String(message.data))
      if (typeof frame === "object" && frame !== null && "type" in frame && typeof frame.type === "string")
        this.frames.push({ ...frame, type: frame.type })
    })
    this.socket.addEventListener("close", (event) => {
      this.closed = event
    })
    open.push(this.socket)
  }

  send(message: unknown): void {
    this.socket.send(
      typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message),
    )
  }

  of(type: string): ReadonlyArray<Frame> {
    return this.frames.filter((frame) => frame.type === type)
  }

  /** Waits for a frame that matches. */
  frame(expected: { readonly [key: string]: unknown }): Promise<void> {
    return eventually(() => expect(this.frames).toContainEqual(expect.objectContaining(expected)))
  }

  /** Everything sent before has been received once this resolves. */
  async settled(): Promise<void> {
    const pongs = this.of("pong").length
    this.send({ type: "ping" })
    await eventually(() => expect(this.of("pong").length).toBeGreaterThan(pongs))
  }
}

const isOmitted = (value: unknown): value is { readonly events: number } =>
  typeof value === "object" && value !== null && "events" in value && typeof value.events === "number"

const open: Array<WebSocket> = []
afterEach(() => {
  for (const socket of open.splice(0)) socket.close()
})

const connect = async (running: Running, query = ""): Promise<Dashboard> => {
  const dashboard = new Dashboard(running, query)
  await dashboard.frame({ type: "initial_stats" })
  return dashboard
}

const event = (more: Partial<LiveEvent> = {}): LiveEvent => ({
  site: "main",
  type: "page_view",
  visitor_id: VISITOR,
  timestamp: "2025-12-08T10:00:00.000Z",
  page_url: "/cv",
  data: { a: 1 },
  dimensions: { source: "Google", device: "mobile" },
  ...more,
})

const delta = (...events: ReadonlyArray<LiveEvent>): LiveDelta => {
  const counted: { [site: string]: number } = {}
  for (const { site } of events) counted[site] = (counted[site] ?? 0) + 1
  return { events, omitted: {}, counted }
}

describe("a dashboard", () => {
  test("is sent the figures on connecting, as a heartbeat, and when it asks", async () => {
    await using running = await serve({}, { heartbeatMs: 20 })
    const dashboard = await connect(running)
    expect(dashboard.frames[0]).toMatchObject({ type: "initial_stats", data: running.world.realtime })
    await dashboard.frame({ type: "heartbeat", data: running.world.realtime })
    running.world.realtime = { ...running.world.realtime, total_events: 99 }
    dashboard.send({ type: "refresh_stats" })
    await dashboard.frame({ type: "initial_stats", data: running.world.realtime })
  })

  test("is sent each event just counted, and the new figures", async () => {
    await using running = await serve()
    const dashboard = await connect(running)
    running.server.hub.receive(delta(event()))
    await dashboard.frame({
      type: "page_view",
      visitor_id: expect.stringMatching(UUID),
      timestamp: "2025-12-08T10:00:00.000Z",
      page_url: "/cv",
      data: { a: 1 },
      dimensions: { source: "Google", device: "mobile" },
    })
    await dashboard.frame({ type: "stats_update", data: running.world.realtime })
  })

  test("is sent figures at most once an interval, the last change included", async () => {
    await using running = await serve({}, { updateMs: 100 })
    const dashboard = await connect(running)
    for (let i = 1; i <= 20; i++) {
      running.world.realtime = { ...running.world.realtime, total_events: i }
      running.server.hub.receive(delta(event()))
    }
    await dashboard.frame({ type: "stats_update", data: running.world.realtime })
    expect(dashboard.of("stats_update").length).toBeLessThanOrEqual(3)
  })

  test("is sent the figures again when sites have changed: one may have been erased", async () => {
    await using running = await serve()
    const dashboard = await connect(running)
    running.world.realtime = { ...running.world.realtime, total_events: 0 }
    running.server.learnSites([])
    await dashboard.frame({ type: "stats_update", data: running.world.realtime })
  })

  test("sees its own site only, unless it subscribes to another", async () => {
    await using running = await serve()
    const blog = await connect(running, "?site=blog")
    const main = await connect(running)
    running.server.hub.receive(delta(event({ site: "blog", type: "one" })))
    await blog.frame({ type: "one" })
    await main.settled()
    expect(main.of("one")).toEqual([])
    main.send({ type: "subscribe", topics: ["events"], site: "blog" })
    await main.frame({ type: "subscribed", site: "blog", topics: ["events"] })
    running.server.hub.receive(delta(event({ site: "blog", type: "two" })))
    await main.frame({ type: "two", site: "blog" })
  })

  test("sees several sites as one: the events of each, within one budget, and their figures together", async () => {
    await using running = await serve(
      { liveEventsPerSecond: 1 },
      { now: () => 1_000, updateMs: 20, heartbeatMs: 20 },
    )
    running.world.queryRows = [{ dimensions: [], metrics: [7, 8, 9], comparison: null }]
    const several = await connect(running, "?site=main,blog")
    const figures = { current_visitors: 7, unique_today: 7, total_events: 8, letters_today: 9 }
    expect(several.frames[0]).toMatchObject({ type: "initial_stats", site: "blog,main", data: figures })
    running.server.hub.receive(delta(event({ type: "one" }), event({ site: "blog", type: "two" })))
    await several.frame({ type: "two", site: "blog" })
    const omitted = { events: 1, by_type: { one: 1 } }
    await several.frame({
      ...{ type: "stats_update", site: "blog,main", omitted, data: expect.objectContaining(figures) },
    })
    await several.frame({ type: "heartbeat", site: "blog,main" })
    several.send({ type: "subscribe", topics: ["week"] })
    await several.frame({ type: "subscribed", site: "blog,main", topics: ["stats", "events", "week"] })
    // When nobody is there, nothing more is asked.
    several.socket.close()
    await eventually(() => expect(several.closed).not.toBeNull())
    const one = await connect(running)
    await eventually(async () => {
      const asked = running.world.asked.length
      const beats = one.of("heartbeat").length
      await eventually(() => expect(one.of("heartbeat").length).toBeGreaterThan(beats + 3))
      expect(running.world.asked.length).toBe(asked)
    })
    const refused = new Dashboard(running, "?site=main,nope")
    await eventually(() => expect(refused.closed).not.toBeNull())
  })

  test("chooses its topics", async () => {
    await using running = await serve()
    const dashboard = await connect(running)
    dashboard.send({ type: "unsubscribe", topics: ["events", "stats"] })
    dashboard.send({ type: "subscribe", topics: ["themes", "letters"] })
    await dashboard.frame({ type: "themes" })
    await dashboard.frame({ type: "letters" })
    running.server.hub.receive(
      delta(event(), event({ type: "cv_theme_change" }), event({ type: "letter_generate" })),
    )
    await eventually(() => expect(dashboard.of("themes")).toHaveLength(2))
    await eventually(() => expect(dashboard.of("letters")).toHaveLength(2))
    expect(dashboard.of("page_view")).toEqual([])
    expect(dashboard.of("stats_update")).toEqual([])
  })

  test("follows all figures of a period", async () => {
    await using running = await serve()
    const dashboard = await connect(running)
    dashboard.send({ type: "subscribe", topics: ["week"] })
    await dashboard.frame({ type: "period", site: "main" })
    running.server.hub.receive(delta(event()))
    await eventually(() => expect(dashboard.of("period")).toHaveLength(2))
    expect(dashboard.of("period")[1]).toMatchObject({
      data: { stats: { period: "week", page_views: 5 }, letters: { period: "week", motivation: 1 } },
    })
    dashboard.send({ type: "unsubscribe", topics: ["week"] })
    await dashboard.frame({ type: "subscribed", topics: ["stats", "events"] })
    const { reads } = running.world
    running.server.hub.receive(delta(event({ type: "after" })))
    await dashboard.frame({ type: "after" })
    await dashboard.frame({ type: "stats_update" })
    expect(dashboard.of("period")).toHaveLength(2)
    expect(running.world.reads - reads).toBeLessThanOrEqual(2)
  })

  test("is told how many events it was not shown", async () => {
    await using running = await serve({ liveEventsPerSecond: 2 }, { now: () => 1_000, updateMs: 20 })
    const dashboard = await connect(running)
    running.server.hub.receive({
      ...delta(event(), event(), event({ type: "late" }), event({ type: "heartbeat" })),
      omitted: { main: { page_view: 5 } },
      counted: { main: 9 },
    })
    await dashboard.frame({
      type: "stats_update",
      omitted: { events: 7, by_type: { page_view: 6, heartbeat: 1 } },
    })
    // The latest that can be shown.
    expect([dashboard.of("page_view"), dashboard.of("late")]).toEqual([
      [expect.anything()],
      [expect.anything()],
    ])
    running.server.hub.receive({ events: [], omitted: {}, counted: { main: 1 } })
    await eventually(() => expect(dashboard.of("stats_update")).toHaveLength(2))
    expect(dashboard.of("stats_update")[1]).not.toHaveProperty("omitted")
    expect(await metricValue(running.metrics, "live_events_omitted_total")).toBe(7)
  })

  test("is shown or told of every event, whichever of them its group has seen", async () => {
    let now = 1_000_000
    await using running = await serve({ liveEventsPerSecond: 10 }, { now: () => now, updateMs: 20 })
    const dashboards = [await connect(running), await connect(running), await connect(running)]
    let sent = 0
    for (let i = 0; i < 60; i++) {
      running.server.hub.receive(
        delta(...["a", "b", "c", "d"].map((type) => event({ type, page_url: `/${sent++}` }))),
      )
      now += 25
    }
    const shown = (dashboard: Dashboard) =>
      dashboard.frames.flatMap(({ page_url }) => (typeof page_url === "string" ? [page_url] : []))
    const told = (dashboard: Dashboard) =>
      dashboard
        .of("stats_update")
        .reduce((sum, { omitted }) => sum + (isOmitted(omitted) ? omitted.events : 0), 0)
    await eventually(() =>
      expect(dashboards.map((each) => shown(each).length + told(each))).toEqual([sent, sent, sent]),
    )
    for (const dashboard of dashboards) {
      // Ten at once at first, then two every 200 ms of the clock.
      expect(shown(dashboard).length).toBeGreaterThanOrEqual(22)
      expect(shown(dashboard).length).toBeLessThanOrEqual(24)
    }
    expect(new Set(dashboards.map((each) => shown(each).join())).size).toBe(dashboards.length)
    const omitted = dashboards.reduce((sum, each) => sum + told(each), 0)
    expect(await metricValue(running.metrics, "live_events_omitted_total")).toBeCloseTo(omitted / 3)
  })

  test("that watches no events misses none", async () => {
    await using running = await serve({ liveEventsPerSecond: 0 }, { now: () => 1_000, updateMs: 20 })
    const [watcher, other] = [await connect(running), await connect(running)]
    other.send({ type: "unsubscribe", topics: ["events"] })
    await other.frame({ type: "subscribed", topics: ["stats"] })
    running.server.hub.receive(delta(event()))
    await watcher.frame({ type: "stats_update", omitted: { events: 1, by_type: { page_view: 1 } } })
    await other.frame({ type: "stats_update" })
    expect(other.of("stats_update")[0]).not.toHaveProperty("omitted")
  })

  test("gets an error while the figures cannot be read, and lives", async () => {
    await using running = await serve()
    const dashboard = await connect(running)
    running.world.storesUnavailable = true
    dashboard.send({ type: "refresh_stats" })
    await dashboard.frame({ type: "error", code: "STORE_UNAVAILABLE" })
    running.world.storesUnavailable = false
    dashboard.send({ type: "refresh_stats" })
    await eventually(() => expect(dashboard.of("initial_stats")).toHaveLength(2))
  })

  test("costs the stores nothing when there is none", async () => {
    await using running = await serve({}, { heartbeatMs: 10, updateMs: 1 })
    for (let i = 0; i < 10; i++)
      running.server.hub.receive(delta(event(), event({ type: "letter_generate" })))
    await fetch(`${running.url}/health`)
    expect(running.world.reads).toBe(0)
  })
})

describe("a question that is followed", () => {
  const question = { metrics: ["visitors"], date_range: "day" }
  const rows = (...metrics: ReadonlyArray<number>) => [{ dimensions: [], metrics, comparison: null }]
  const follow = (queries: unknown) => ({ type: "subscribe", topics: ["query"], queries })
  const results = (dashboard: Dashboard) =>
    dashboard
      .of("query")
      .map(({ id, answer }) => [id, JSON.stringify(answer).match(/"metrics":\[(\d+)/)?.[1]])

  test("is answered at once, and when its answer has changed, once for all who follow it", async () => {
    await using running = await serve({}, { updateMs: 1 })
    const { world } = running
    const [a, b, other] = [await connect(running), await connect(running), await connect(running)]
    a.send(follow({ one: question }))
    await a.frame({ type: "query", id: "one", answer: expect.objectContaining({ query: expect.anything() }) })
    b.send(follow({ two: { date_range: "day", metrics: ["visitors"] } }))
    await b.frame({ type: "query", id: "two" })
    expect(world.asked).toHaveLength(1)

    world.queryRows = rows(2)
    running.server.hub.receive(delta(event(), event()))
    await eventually(() =>
      expect(results(a)).toEqual([
        ["one", "1"],
        ["one", "2"],
      ]),
    )
    await eventually(() =>
      expect(results(b)).toEqual([
        ["two", "1"],
        ["two", "2"],
      ]),
    )
    expect(other.of("query")).toEqual([])

    // Asked again, and nothing has changed.
    const before = world.asked.length
    running.server.hub.receive(delta(event()))
    await eventually(() => expect(world.asked.length).toBeGreaterThan(before))
    await a.settled()
    expect(a.of("query")).toHaveLength(2)

    // Events of another site are no reason to ask.
    const asked = world.asked.length
    running.server.hub.receive(delta(event({ site: "blog" })))
    b.send({ type: "unsubscribe", topics: ["query"], queries: ["two"] })
    a.send(follow({ one: { ...question, site: "blog" } }))
    await eventually(() => expect(a.of("query")).toHaveLength(3))
    // It may be asked once more already, for an event of its site has just been counted.
    expect(new Set(world.asked.slice(asked).flatMap((each) => ("sites" in each ? each.sites : [])))).toEqual(
      new Set(["blog"]),
    )
  })

  test("that gets no answer says why under its id", async () => {
    await using running = await serve({}, { updateMs: 1 })
    const { world } = running
    const dashboard = await connect(running)
    dashboard.send(follow({ bad: { metrics: ["nothing"] }, good: question }))
    await dashboard.frame({ type: "error", code: "INVALID_QUERY", id: "bad" })
    await dashboard.frame({ type: "query", id: "good" })
    world.queryRows = Array.from({ length: 1000 }, (_, i) => ({
      ...{ dimensions: [`/${i}${"x".repeat(50)}`], metrics: [1], comparison: null },
    }))
    running.server.hub.receive(delta(event()))
    await dashboard.frame({ type: "error", code: "INVALID_QUERY", id: "good" })
    world.queryRows = rows(2)
    running.server.hub.receive(delta(event()))
    await eventually(() => expect(dashboard.of("query")).toHaveLength(2))
    world.queryFailure = "deadline"
    running.server.hub.receive(delta(event()))
    await dashboard.frame({ type: "error", code: "QUERY_TIMEOUT", id: "good" })
  })

  test("has bounds: in bytes, and in how many a connection may follow", async () => {
    let now = 0
    await using running = await serve({}, { now: () => now })
    const dashboard = await connect(running)
    const many = (from: number, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`q${from + i}`, question]))
    dashboard.send(follow(many(0, 32)))
    await eventually(() => expect(dashboard.of("query")).toHaveLength(32))
    expect(running.world.asked).toHaveLength(1)
    dashboard.send(follow({ more: question }))
    await dashboard.frame({ type: "error", code: "TOO_MANY_QUERIES", id: "more" })
    dashboard.send(follow({ long: { ...question, filters: [["is", "page", ["x".repeat(2000)]]] } }))
    await dashboard.frame({ type: "error", code: "TOO_MANY_QUERIES", id: "long" })
    now += 1000
    for (const message of [
      follow(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`q${i}`, 0]))),
      follow({}),
      follow([question]),
      follow({ "": question }),
      follow(undefined),
      { type: "subscribe", topics: ["query", "stats"], queries: { a: question } },
      { type: "unsubscribe", topics: ["query"] },
    ]) {
      const before = dashboard.of("error").length
      dashboard.send(message)
      await eventually(() => expect(dashboard.of("error")).toHaveLength(before + 1))
      expect(dashboard.of("error").at(-1)).toMatchObject({ code: "INVALID_MESSAGE" })
    }
    dashboard.send(follow({ long: "x".repeat(17_000) }))
    await eventually(() => expect(dashboard.closed?.code).toBe(1009))
  })
})

describe("a message", () => {
  test("ping is answered with the time", async () => {
    await using running = await serve()
    const dashboard = await connect(running)
    dashboard.send({ type: "ping" })
    await dashboard.frame({ type: "pong", time: expect.any(Number) })
  })

  test("that is bad gets an error, and the connection lives", async () => {
    let now = 0
    await using running = await serve({}, { now: () => now })
    const dashboard = await connect(running)
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      ["{", "INVALID_JSON"],
      ["[]", "INVALID_MESSAGE"],
      ["null", "INVALID_MESSAGE"],
      [{ type: "explode" }, "UNKNOWN_TYPE"],
      [{ type: "subscribe" }, "INVALID_MESSAGE"],
      [{ type: "subscribe", topics: ["secrets"] }, "UNKNOWN_TOPIC"],
      [{ type: "subscribe", topics: ["stats"], site: "nope" }, "UNKNOWN_SITE"],
      ["x".repeat(1025), "MESSAGE_TOO_LARGE"],
      [new Uint8Array([1, 2, 3]), "BINARY_MESSAGE"],
    ]
    for (const [message, code] of cases) {
      now += 1000
      const before = dashboard.of("error").length
      dashboard.send(message)
      await eventually(() => expect(dashboard.of("error")).toHaveLength(before + 1))
      expect(dashboard.of("error").at(-1)).toMatchObject({ code, error: expect.stringMatching(/\.$/) })
    }
    now += 1000
    await dashboard.settled()
  })

  test("beyond ten per second is refused; a flood is closed with 1008", async () => {
    let now = 0
    await using running = await serve({}, { now: () => now })
    const dashboard = await connect(running)
    for (let i = 0; i < 11; i++) dashboard.send({ type: "ping" })
    await dashboard.frame({ type: "error", code: "RATE_LIMITED" })
    expect(dashboard.of("pong")).toHaveLength(10)
    now += 1000
    await dashboard.settled()
    for (let i = 0; i < 120; i++) dashboard.send({ type: "ping" })
    await eventually(() => expect(dashboard.closed?.code).toBe(1008))
    expect(await metricValue(running.metrics, "websocket_dropped_total", { reason: "abusive" })).toBe(1)
  })

  test("that is far too large is closed with 1009", async () => {
    await using running = await serve()
    const dashboard = await connect(running)
    dashboard.send("x".repeat(20_000))
    await eventually(() => expect(dashboard.closed?.code).toBe(1009))
  })
})

describe("the upgrade", () => {
  const upgrade = (running: Running, query: string, ...lines: ReadonlyArray<string>) =>
    raw(
      running.server.port,
      `GET /ws/analytics${query} HTTP/1.1\r\n${["Host: own.example", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", ...lines].join("\r\n")}\r\n\r\n`,
    )

  test("is refused for an undeclared site", async () => {
    await using running = await serve()
    const answer = await upgrade(running, "?site=nope")
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({ success: false, code: "UNKNOWN_SITE" })
  })

  test("is refused beyond the limits of the node and of an address", async () => {
    await using running = await serve({
      wsMaxConnections: 2,
      wsMaxConnectionsPerIp: 1,
      trustedProxies: ["127.0.0.1"],
    })
    const first = await connect(running)
    const same = await upgrade(running, "")
    expect(same.status).toBe(429)
    expect(JSON.parse(same.body)).toMatchObject({ code: "CONNECTION_LIMIT" })
    using second = new RawConnection(running.server.port)
    second.write(
      "GET /ws/analytics HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    await eventually(() => expect(second.received).toContain("101"))
    const full = await upgrade(running, "", "X-Forwarded-For: 8.8.8.8")
    expect(full.status).toBe(503)
    first.socket.close()
    await eventually(async () => expect(await metricValue(running.metrics, "websocket_connections")).toBe(1))
    await connect(running)
  })

  test("is refused for pages of foreign origins when origins are listed", async () => {
    await using running = await serve({ corsOrigins: ["https://cv.example"] })
    expect((await upgrade(running, "", "Origin: https://evil.example")).status).toBe(403)
    for (const origin of ["https://cv.example", "http://own.example"]) {
      using connection = new RawConnection(running.server.port)
      connection.write(
        `GET /ws/analytics HTTP/1.1\r\nHost: own.example\r\nOrigin: ${origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      )
      await eventually(() => expect(connection.received).toContain("101 Switching Protocols"))
    }
  })

  test("knows its own pages by the host that a trusted proxy reports, and by no one else's word", async () => {
    const lines = ["Origin: https://stats.example", "X-Forwarded-Host: stats.example"]
    const answer = async (...trustedProxies: Array<string>) => {
      await using running = await serve({ corsOrigins: ["https://cv.example"], trustedProxies })
      using connection = new RawConnection(running.server.port)
      connection.write(
        `GET /ws/analytics HTTP/1.1\r\n${["Host: node:8080", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", ...lines].join("\r\n")}\r\n\r\n`,
      )
      return await eventually(() => {
        const [, status] = /^HTTP\/1.1 (\d+)/.exec(connection.received) ?? []
        if (status === undefined) throw new Error("no answer yet")
        return status
      })
    }
    expect([await answer("127.0.0.1"), await answer("10.0.0.0/8")]).toEqual(["101", "403"])
  })

  test("is what the path is for", async () => {
    await using running = await serve()
    const answer = await fetch(`${running.url}/ws/analytics`)
    expect(answer.status).toBe(426)
    expect(answer.headers.get("upgrade")).toBe("websocket")
  })
})

describe("a slow reader", () => {
  test("is dropped and counted, and nobody else notices", async () => {
    await using running = await serve({ liveEventsPerSecond: 100_000 }, { maxBackpressure: 16 * 1024 })
    const reader = await connect(running)
    using slow = new RawConnection(running.server.port)
    slow.write(
      "GET /ws/analytics HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    await eventually(() => expect(slow.received).toContain("101"))
    slow.socket.pause()
    const large = delta(event({ data: { text: "x".repeat(7000) } }))
    const dropped = () => metricValue(running.metrics, "websocket_dropped_total", { reason: "slow" })
    // The kernel takes a few megabytes before the server has anything to hold back.
    for (let sent = 0; (await dropped()) === 0; sent++) {
      expect(sent).toBeLessThan(10_000)
      running.server.hub.receive(large)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const before = reader.frames.length
    running.server.hub.receive(delta(event({ type: "after" })))
    await reader.frame({ type: "after" })
    expect(before).toBeGreaterThan(100)
    expect(await metricValue(running.metrics, "websocket_connections")).toBe(1)
  })
})

describe("a delta", () => {
  test("survives the channel, and anything else is no delta", () => {
    const sent: LiveDelta = { events: [event()], omitted: { main: { page_view: 3 } }, counted: { main: 4 } }
    expect(decodeDelta("own", encodeDelta("own", sent))).toEqual(sent)
    // A node of an earlier version does not say whose it is.
    expect(decodeDelta("own", JSON.stringify(sent))).toEqual(sent)
    expect(decodeDelta("own", encodeDelta("another", sent))).toBeNull()
    for (const other of [
      "",
      "{}",
      "[]",
      "null",
      '{"events":[{}],"omitted":{},"counted":{}}',
      '{"events":[],"omitted":{"a":1},"counted":{}}',
      '{"events":[],"omitted":{},"counted":{"a":-1}}',
    ])
      expect(decodeDelta("own", other)).toBeNull()
  })
})

import { PassThrough } from "node:stream"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { describe, expect, test } from "vitest"
import { Metrics } from "../../src/metrics/metrics.ts"
import { startServer } from "../../src/server/server.ts"
import { now } from "../support/clock.ts"
import { eventually, freePort } from "../support/index.ts"
import { RawConnection, rawEvent } from "../support/rawClient.ts"
import { ADMIN_TOKEN, API, DEFAULTS, type Running, serve, VISITOR, World } from "../support/server.ts"

const EVENT = JSON.stringify({ event_type: "page_view", visitor_id: VISITOR })
const REQUEST = rawEvent([`Content-Length: ${EVENT.length}`], EVENT)

/** Dashboards that have connected, and those of them that have been closed, with their codes. */
const dashboards = async (port: number, count: number) => {
  const codes: Array<number> = []
  for (let i = 0; i < count; i++) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/analytics`)
    socket.addEventListener("close", ({ code }) => codes.push(code))
    await new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }))
  }
  return codes
}

const LONG_MS = 60_000

describe("a drain", () => {
  test("is told by /ready and by every answer, and everything is served", async () => {
    await using running = await serve()
    const { port } = running.server
    using idle = new RawConnection(port)
    idle.write(REQUEST)
    expect((await idle.answer()).head).not.toMatch(/connection: close/i)
    const drain = Effect.runFork(running.server.drain(LONG_MS))

    await eventually(async () => {
      const ready = await fetch(`${running.url}/ready`)
      expect([ready.status, await ready.json()]).toMatchObject([
        503,
        {
          code: "NOT_READY",
          data: { ready: false, redis: "up", problems: [expect.stringMatching("about to stop")] },
        },
      ])
    })
    idle.write(REQUEST)
    const kept = await idle.answer()
    expect([kept.status, kept.head]).toEqual([201, expect.stringMatching(/connection: close/i)])
    await idle.whenClosed()
    using fresh = new RawConnection(port)
    fresh.write(REQUEST)
    expect((await fresh.answer()).status).toBe(201)
    const figures = await fetch(`${running.url}${API}/stats`)
    expect([figures.status, figures.headers.get("connection")]).toEqual([200, "close"])
    expect(await dashboards(port, 1)).toEqual([])
    await Effect.runPromise(Fiber.interrupt(drain))
  })

  test("closes dashboards with 1001, and not all of them at once", async () => {
    await using running = await serve()
    const codes = await dashboards(running.server.port, 20)
    const drain = Effect.runFork(running.server.drain(LONG_MS))
    await eventually(() => expect(codes).not.toEqual([]))
    expect(codes.length).toBeLessThan(20)
    await Effect.runPromise(Fiber.interrupt(drain))
    await Effect.runPromise(running.server.drain(300))
    await eventually(() => expect(codes).toEqual(Array.from({ length: 20 }, () => 1001)))
  })
})

/** An export whose rows are given one by one. */
const rowByRow = (running: Running) => {
  const rows = new PassThrough({ objectMode: true })
  running.world.exported = () => rows
  return {
    give: (count: number) => {
      for (let i = 0; i < count; i++) rows.write({ visitor_id: `${i}`.padStart(36, "0") })
    },
    end: () => rows.end(),
  }
}

const EXPORT = `GET ${API}/export/visitors HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`

const BEARER = { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } }

describe("a download under way", () => {
  test("ends whole when it ends within a drain", async () => {
    await using running = await serve({ adminToken: ADMIN_TOKEN })
    const rows = rowByRow(running)
    using client = new RawConnection(running.server.port)
    client.write(EXPORT)
    rows.give(1000)
    await eventually(() => expect(client.received.includes("0001,")).toBe(true))
    await Effect.runPromise(running.server.drain(1))
    rows.end()
    await eventually(() => expect(client.received.endsWith("\r\n0\r\n\r\n")).toBe(true))
    expect(client.received.match(/,,,,,/g)).toHaveLength(1000)
    expect(/connection: close/i.test(client.received)).toBe(false)
  })

  test("that begins in a drain closes its connection by a header line of its own", async () => {
    await using running = await serve({ adminToken: ADMIN_TOKEN })
    await Effect.runPromise(running.server.drain(1))
    const response = await fetch(`${running.url}${API}/export/visitors`, BEARER)
    expect(response.headers.get("connection")).toBe("close")
    expect((await response.text()).trimEnd().split("\r\n")).toHaveLength(1 + running.world.exportRows)
  })

  test("is visibly cut when it lasts longer than a stop", async () => {
    const running = await serve({ adminToken: ADMIN_TOKEN })
    const rows = rowByRow(running)
    const response = fetch(`${running.url}${API}/export/visitors`, BEARER)
    rows.give(1000)
    const { body } = await response
    await running.stop()
    rows.end()
    await expect(new Response(body).text()).rejects.toThrow()
  })
})

describe("a stop", () => {
  test("answers what is in flight, refuses what still comes, and closes the port", async () => {
    const running = await serve()
    const { port } = running.server
    using idle = new RawConnection(port)
    idle.write(REQUEST)
    expect((await idle.answer()).status).toBe(201)
    running.world.held = []
    using waiting = new RawConnection(port)
    waiting.write(REQUEST)
    await eventually(() => expect(running.world.held).toHaveLength(1))

    const stopped = running.stop()
    idle.write(REQUEST)
    const refused = await idle.answer()
    expect(refused.status).toBe(503)
    expect(refused.head).toMatch(/connection: close/i)
    expect(refused.head).toMatch(/retry-after: \d/i)
    await idle.whenClosed()
    await expect(fetch(`${running.url}/health`)).rejects.toThrow()

    running.world.release()
    expect((await waiting.answer()).status).toBe(201)
    await stopped
    expect(running.world.accepted).toHaveLength(2)
  })

  test("does not wait for bodies that are still arriving", async () => {
    const running = await serve()
    using slow = new RawConnection(running.server.port)
    slow.write(rawEvent(["Content-Length: 100"], "{"))
    using probe = new RawConnection(running.server.port)
    probe.write(REQUEST)
    expect((await probe.answer()).status).toBe(201)
    await running.stop()
    expect((await slow.answer()).status).toBe(503)
  })

  test("that cuts a read short does not take that for a fault", async () => {
    const faults: Array<unknown> = []
    const running = await serve({}, { onFault: (fault) => faults.push(fault) })
    running.world.gate = new Promise(() => undefined)
    const read = fetch(`${running.url}${API}/stats`)
    await eventually(() => expect(running.world.reads).toBe(1))
    await Promise.all([running.stop(), expect(read).rejects.toThrow()])
    expect(faults).toEqual([])
  })

  test("closes dashboards with 1001", async () => {
    const running = await serve()
    const socket = new WebSocket(`ws://127.0.0.1:${running.server.port}/ws/analytics`)
    await new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }))
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve))
    await running.stop()
    expect((await closed).code).toBe(1001)
  })
})

describe("a start", () => {
  const start = (config: { port: number; host?: string }) =>
    Effect.runPromise(
      startServer({ ...DEFAULTS, ...config }, new World().services, new Metrics("other_"), { now }).pipe(
        Effect.scoped,
        Effect.result,
      ),
    )

  test("on a taken port fails with one sentence that names PORT", async () => {
    await using running = await serve()
    const result = await start({ port: running.server.port })
    expect(Result.isFailure(result) && result.failure.message).toMatch(
      new RegExp(`^PORT is ${running.server.port}: it should be .*\\.$`),
    )
    expect((await fetch(`${running.url}${API}/stats`)).status).toBe(200)
  })

  test("takes the port of a server that has just stopped and closed its connections", async () => {
    const port = await freePort()
    const running = await serve({ port })
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/analytics`)
    await new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }))
    await running.stop()
    await using again = await serve({ port })
    expect((await fetch(`${again.url}${API}/stats`)).status).toBe(200)
  })

  test("on an address of another machine names HOST", async () => {
    const result = await start({ port: 0, host: "192.0.2.1" })
    expect(Result.isFailure(result) && result.failure.message).toMatch(
      /^HOST is "192\.0\.2\.1": it should be .*\.$/,
    )
  })
})

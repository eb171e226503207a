import { Effect, Result } from "effect"
import { describe, expect, test } from "vitest"
import { Metrics } from "../../src/metrics/metrics.ts"
import { startServer } from "../../src/server/server.ts"
import { now } from "../support/clock.ts"
import { eventually, freePort } from "../support/index.ts"
import { RawConnection, rawEvent } from "../support/rawClient.ts"
import { API, DEFAULTS, serve, VISITOR, World } from "../support/server.ts"

const EVENT = JSON.stringify({ event_type: "page_view", visitor_id: VISITOR })
const REQUEST = rawEvent([`Content-Length: ${EVENT.length}`], EVENT)

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

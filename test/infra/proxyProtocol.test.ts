/** The PROXY protocol, version 2: from HAProxy by its recipe, and from those who are not believed. */
import { readFileSync } from "node:fs"
import { describe, expect, onTestFinished, test } from "vitest"
import { CertificateAuthority } from "../support/certificates.ts"
import { Edge } from "../support/edge.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { wantsProxy } from "../support/proxies.ts"
import { RawConnection, rawEvent } from "../support/rawClient.ts"
import { startRecipe } from "../support/recipes.ts"
import { API, type Running, serve } from "../support/server.ts"

const trusting = { rateLimitPerMinute: 1, trustedProxies: ["127.0.0.1/32"], proxyProtocol: true }

const EVENT = {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: '{"event_type":"page_view"}',
}

/** The start of a connection for 203.0.113.x:1234, asking 127.0.0.1:80; `LOCAL` names nobody. */
const preamble = (last: number, command: "PROXY" | "LOCAL" = "PROXY"): Buffer => {
  const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
  const addresses = [203, 0, 113, last, 127, 0, 0, 1, 1234 >> 8, 1234 & 255, 0, 80]
  return command === "PROXY"
    ? Buffer.from([...signature, 0x21, 0x11, 0, addresses.length, ...addresses])
    : Buffer.from([...signature, 0x20, 0x00, 0, 0])
}

/** Statuses of events on one connection that begins so. */
const events = async (running: Running, start: Buffer, count: number, lines: ReadonlyArray<string> = []) => {
  using connection = new RawConnection(running.server.port)
  const statuses: Array<number> = []
  for (let i = 0; i < count; i++) {
    const length = `Content-Length: ${EVENT.body.length}`
    const request = rawEvent(["Content-Type: application/json", length, ...lines], EVENT.body)
    connection.write(Buffer.concat([i === 0 ? start : Buffer.alloc(0), Buffer.from(request)]))
    statuses.push((await connection.answer()).status)
  }
  return statuses
}

describe("the PROXY protocol", () => {
  test("names the visitor of every request of the connection, if the proxy is trusted", async () => {
    await using running = await serve(trusting)
    expect(await events(running, preamble(1), 2)).toEqual([201, 429])
    expect(await events(running, preamble(2), 1)).toEqual([201])
    expect(await events(running, preamble(2), 1)).toEqual([429])
    // A header is only read when the address is a proxy's.
    expect(await events(running, preamble(2), 1, ["X-Forwarded-For: 198.51.100.1"])).toEqual([429])
  })

  test("names nobody when the proxy asks on its own behalf, and need not be there", async () => {
    await using running = await serve(trusting)
    expect(await events(running, preamble(3, "LOCAL"), 1)).toEqual([201])
    expect(await events(running, Buffer.alloc(0), 1)).toEqual([429])
  })

  test.each([
    ["from others", { trustedProxies: ["10.0.0.0/8"] }],
    ["unasked", { proxyProtocol: false }],
  ])("is not believed %s", async (_, settings) => {
    await using running = await serve({ ...trusting, ...settings })
    expect(await events(running, preamble(1), 1)).toEqual([201])
    expect(await events(running, preamble(2), 1)).toEqual([429])
  })

  test("comes from HAProxy by its recipe, also for WebSockets", wantsProxy("haproxy"), async () => {
    await using running = await serve({ ...trusting, wsMaxConnectionsPerIp: 1 })
    const authority = new CertificateAuthority(temporaryFolder())
    const proxy = await startRecipe("haproxy", "infra/haproxy/proxy-protocol.cfg", {
      authority,
      node: `127.0.0.1:${running.server.port}`,
    })
    onTestFinished(proxy.stop)
    const edge = new Edge(proxy.port, readFileSync(authority.cert, "utf8"))
    const post = async (from: string) => (await edge.ask(`${API}/event`, { ...EVENT, from })).status
    expect([await post("127.0.0.2"), await post("127.0.0.2"), await post("127.0.0.3")]).toEqual([
      201, 429, 201,
    ])
    const dashboards = ["127.0.0.2", "127.0.0.3", "127.0.0.3"].map((from) =>
      edge.webSocket("/ws/analytics", edge.origin, from),
    )
    await eventually(() => {
      expect(dashboards[0]?.frames).toContain("initial_stats")
      expect(dashboards.slice(1).map(({ ended }) => ended)).toContain(429)
    })
    expect(dashboards.filter(({ ended }) => ended === null)).toHaveLength(2)
  })
})

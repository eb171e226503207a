/** A node behind each reverse proxy of infra, run from the very files. */
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { CertificateAuthority } from "../support/certificates.ts"
import { Edge } from "../support/edge.ts"
import { eventually, freePort } from "../support/index.ts"
import { listen } from "../support/listen.ts"
import { type ProxyName, wantsProxy } from "../support/proxies.ts"
import { PROXIES, RECIPES, startRecipe } from "../support/recipes.ts"
import { API, type Running, serve } from "../support/server.ts"
import { newFolder, removeFolder, temporaryFolder } from "../support/temporaryFolder.ts"

/** Milliseconds between heartbeats, and the seconds of silence that proxies bear: in proportion as by default, or shorter. */
const HEARTBEAT = 250
const PATIENCE = 3

const EVENT = {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: '{"event_type":"page_view"}',
}

/** A node that trusts the proxy, and a proxy with a recipe in front of it. */
const startEdge = async (name: ProxyName, file: string, settings: Parameters<typeof serve>[0]) => {
  const folder = newFolder()
  const authority = new CertificateAuthority(folder)
  const port = await freePort()
  const startNode = () =>
    serve(
      {
        port,
        rateLimitPerMinute: 1,
        trustedProxies: ["127.0.0.1/32"],
        corsOrigins: ["https://cv.example"],
        ...settings,
      },
      { heartbeatMs: HEARTBEAT },
    )
  let node: Running = await startNode()
  const proxy = await startRecipe(name, file, {
    authority,
    node: `127.0.0.1:${port}`,
    patience: PATIENCE,
  })
  return {
    edge: new Edge(proxy.port, readFileSync(authority.cert, "utf8")),
    node: () => node,
    restart: async () => {
      await node.stop()
      node = await startNode()
    },
    stop: async () => {
      await proxy.stop()
      await node.stop()
      removeFolder(folder)
    },
  }
}

/** What a visitor may write to pass for another. */
const CLAIMS = {
  "x-forwarded-for": "203.0.113.9",
  forwarded: "for=203.0.113.9",
  "x-real-ip": "203.0.113.9",
  "cf-connecting-ip": "203.0.113.9",
}

describe.each(PROXIES)("behind %s", (name) => {
  describe("by its recipe", wantsProxy(name), () => {
    let started: Awaited<ReturnType<typeof startEdge>>
    beforeAll(async () => {
      started = await startEdge(name, RECIPES[name].host, {})
    })
    afterAll(() => started.stop())
    const ask = (...args: Parameters<Edge["ask"]>) => started.edge.ask(...args)
    const post = (from: string, more: Parameters<Edge["ask"]>[1] = {}) =>
      ask(`${API}/event`, { ...EVENT, from, ...more, headers: { ...EVENT.headers, ...more.headers } })

    test.each([
      ["HTTP/1.1", false, "127.0.0.2"],
      ["HTTP/2", true, "127.0.0.3"],
    ] as const)("visitors over %s keep their addresses, whatever they claim", async (_, http2, from) => {
      expect((await post(from, { http2 })).status).toBe(201)
      expect((await post(from, { http2 })).status).toBe(429)
      expect((await post(from, { http2, headers: CLAIMS })).status).toBe(429)
    })

    test("bodies are refused by the node while it can say why, and by the proxy beyond", async () => {
      const batch = (bytes: number, http2: boolean) =>
        ask(`${API}/events`, { ...EVENT, http2, from: "127.0.0.4", body: `[${" ".repeat(bytes)}]` })
      const large = await batch(1.5e6, false)
      expect([large.status, JSON.parse(large.body)]).toMatchObject([413, { code: "BODY_TOO_LARGE" }])
      // Over HTTP/2, an answer before the body's end does not break the connection.
      expect((await batch(3e6, true)).status).toBe(413)
    })

    test("metrics are not for visitors", async () => {
      expect((await ask("/metrics")).status).toBe(403)
      expect((await ask("/ready")).status).toBe(200)
    })

    test("a WebSocket of the dashboard's own stays open with nothing but heartbeats", async () => {
      const { edge } = started
      expect((await ask("/")).body).toContain("<title>")
      const foreign = edge.webSocket("/ws/analytics", "https://elsewhere.example")
      await eventually(() => expect(foreign.ended).toBe(403))
      const twice = (2 * PATIENCE * 1000) / HEARTBEAT
      // One to which a busy machine has been silent for longer than the proxy bears is followed by another one.
      await eventually(async () => {
        const own = edge.webSocket("/ws/analytics", edge.origin)
        await eventually(() => {
          const heartbeats = own.frames.filter((type) => type === "heartbeat").length
          if (own.ended === null) expect(heartbeats).toBeGreaterThan(twice)
        })
        expect(own.ended).toBeNull()
      })
    })

    test("a node that is started again is found again, and dashboards hear that it stops", async () => {
      const { edge } = started
      const opened = () =>
        eventually(async () => {
          const socket = edge.webSocket("/ws/analytics", edge.origin)
          await eventually(() => {
            if (socket.ended === null) expect(socket.frames).toContain("initial_stats")
          })
          expect(socket.ended).toBeNull()
          return socket
        })
      // The last one that a busy machine has not let be silent for longer than the proxy bears.
      await eventually(async () => {
        const before = await opened()
        await started.restart()
        await eventually(() => expect(before.ended).not.toBeNull())
        expect(before.ended).toBe(1001)
      })
      await eventually(async () => expect((await post("127.0.0.5")).status).toBe(201))
      await opened()
    })
  })
})

/** A service at which readers log in: whoever has its cookie is who it says. */
const startAuthenticator = (): Promise<string> =>
  listen(
    createServer((incoming, outgoing) => {
      const who = /who=(\w+)/.exec(incoming.headers.cookie ?? "")?.[1]
      outgoing.writeHead(who === undefined ? 401 : 200, who === undefined ? {} : { "Remote-User": who })
      outgoing.end()
    }),
  )

describe.each([
  ["nginx", "infra/nginx/authenticated.conf"],
  ["caddy", "infra/caddy/authenticated.Caddyfile"],
] as const)("behind %s, where readers log in at a service", (name, file) => {
  test(
    "they are whom the service names, whatever they claim, and events need nobody",
    wantsProxy(name),
    async () => {
      await using node = await serve({
        ...{ access: "private", trustedProxies: ["127.0.0.1/32"] },
        ...{ authProxyHeader: "x-forwarded-user", authProxyRole: "viewer" },
      })
      node.server.learn({ version: 1, tokens: [], users: [{ name: "boss", role: "owner", sites: null }] })
      const authority = new CertificateAuthority(temporaryFolder())
      await using proxy = await startRecipe(name, file, {
        ...{ authority, node: `127.0.0.1:${node.server.port}` },
        authenticator: new URL(await startAuthenticator()).host,
      })
      const edge = new Edge(proxy.port, readFileSync(authority.cert, "utf8"))
      const claims = { "X-Forwarded-User": "boss", "Remote-User": "boss" }
      const ask = (path: string, headers = {}) => edge.ask(path, { headers })
      for (const path of ["/", "/settings", `${API}/access`])
        expect((await ask(path, claims)).status, path).toBe(401)
      const accessOf = async (headers: object) => JSON.parse((await ask(`${API}/access`, headers)).body).data
      expect(await accessOf({ ...claims, Cookie: "who=guest" })).toMatchObject({
        ...{ name: "guest", login: "proxy", may: ["figures", "read"] },
      })
      expect(await accessOf({ Cookie: "who=boss" })).toMatchObject({ name: "boss", login: "proxy" })
      expect((await ask(`${API}/users`, { Cookie: "who=boss" })).status).toBe(200)
      expect((await ask(`${API}/users`, { ...claims, Cookie: "who=guest" })).status).toBe(403)
      const sent = await edge.ask(`${API}/event`, { ...EVENT, headers: { ...EVENT.headers, ...claims } })
      expect(sent.status).toBe(201)
      expect((await ask("/tracker.js", claims)).status).toBe(200)
    },
  )
})

/** `BASE_PATH`: everything answers under it, for a proxy that passes the path on, and at the root, for one that strips it. */
import { describe, expect, test } from "vitest"
import { Analytics } from "../../src/sdk/index.ts"
import { served } from "../support/routes.ts"
import { ADMIN_TOKEN, API, post, type Running, serve } from "../support/server.ts"

const BASE = "/stats"
const configuration = { basePath: BASE, adminToken: ADMIN_TOKEN }
const EVENT = { event_type: "page_view" }

const answerOf = async (url: string, init: RequestInit = {}) => {
  const answer = await fetch(url, { redirect: "manual", ...init })
  return { status: answer.status, headers: answer.headers, body: await answer.text() }
}

/** The first frame of a WebSocket. */
const greeting = (running: Running, path: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = new WebSocket(`${running.url.replace("http", "ws")}${path}`)
    socket.onmessage = ({ data }) => {
      resolve(String(data))
      socket.close()
    }
    socket.onerror = () => reject(new Error(`${path} refuses`))
  })

describe("under BASE_PATH", () => {
  test("every endpoint answers as it does at the root", async () => {
    await using running = await serve(configuration)
    const paths = new Set(served().map((each) => each.slice(each.indexOf(" ") + 1).replace("{id}", "x")))
    expect(paths.size).toBeGreaterThan(10)
    for (const path of paths) {
      const [root, under] = [await answerOf(running.url + path), await answerOf(running.url + BASE + path)]
      expect([path, under.status, under.body]).toEqual([path, root.status, root.body])
      expect(root.status, path).not.toBe(404)
    }
    // `GET /event` counts as well.
    const before = running.world.accepted.length
    const event = await post(`${running.url}${BASE}${API}/event`, EVENT)
    expect([event.status, running.world.accepted.length - before]).toEqual([201, 1])
    expect(await greeting(running, `${BASE}/ws/analytics`)).toBe(await greeting(running, "/ws/analytics"))
  })

  test("without its slash the page is moved to where its addresses are right", async () => {
    await using running = await serve(configuration)
    const { status, headers } = await answerOf(`${running.url}${BASE}?site=blog`)
    expect([status, headers.get("location")]).toEqual([301, "/stats/?site=blog"])
    const page = await answerOf(`${running.url}${BASE}/`)
    expect(page.status).toBe(200)
    expect(
      [...page.body.matchAll(/(?:src|href)="(?!data:)([^"]*)"/g)].map(([, address]) => address?.slice(0, 2)),
    ).toEqual(["./", "./", "./"])
  })

  test("clients are told of it: the tracker where to send, the OpenAPI document where the server is", async () => {
    await using running = await serve(configuration)
    await using atRoot = await serve()
    for (const [url, tracked, server] of [
      [running.url, `/stats${API}`, "/stats"],
      [running.url + BASE, `/stats${API}`, "/stats"],
      [atRoot.url, API, "/"],
    ] as const) {
      expect((await answerOf(`${url}/tracker.js`)).body).toMatch(new RegExp(`["\`]${tracked}["\`]`))
      const door = url === atRoot.url ? "/hello" : "/stats/hello"
      expect((await answerOf(`${url}/hello.js`)).body).toMatch(new RegExp(`["\`]${door}["\`]`))
      expect(JSON.parse((await answerOf(`${url}/openapi.json`)).body)).toMatchObject({
        servers: [{ url: server }],
      })
    }
  })

  test("the SDK sends there by an address with that path", async () => {
    await using running = await serve(configuration)
    const analytics = new Analytics({ url: `${running.url}${BASE}/`, flushOnShutdown: false })
    analytics.track("page_view")
    await analytics.close()
    expect(running.world.accepted.map(({ type }) => type)).toEqual(["page_view"])
  })

  test("other paths are unknown, also those that only begin alike", async () => {
    await using running = await serve(configuration)
    for (const path of ["/statsx/health", "/stats/stats/health", "/stats/nowhere", "/other/health"])
      expect([path, (await answerOf(running.url + path)).status]).toEqual([path, 404])
    await using atRoot = await serve()
    expect((await answerOf(`${atRoot.url}${BASE}/health`)).status).toBe(404)
  })

  test("a path that the API begins with does no harm", async () => {
    await using running = await serve({ basePath: "/api" })
    for (const path of [`${API}/realtime`, `/api${API}/realtime`, "/api/", "/api/health", "/health"])
      expect([path, (await answerOf(running.url + path)).status]).toEqual([path, 200])
  })
})

/** A node behind Caddy, as docs/deployment.md has it. */
import { request } from "node:http"
import { describe, expect, onTestFinished, test } from "vitest"
import { ROOT, read } from "../support/documents.ts"
import { freshDatabase, freshKeyPrefix, redisUrl } from "../support/index.ts"
import { startProcess } from "../support/process.ts"
import { startProxy, wantsProxy } from "../support/proxies.ts"

/** Caddy with the project's file, but for the addresses and the certificate; its URL. */
const startCaddy = async (upstream: string): Promise<string> => {
  const caddy = await startProxy("caddy", (port) =>
    read("infra/caddy/Caddyfile")
      .replace("analytics.example", `http://127.0.0.1:${port}`)
      .replace("127.0.0.1:8080", upstream),
  )
  onTestFinished(caddy.stop)
  return caddy.url
}

/** The status of an event POSTed from an address of this machine, which may claim to forward another's. */
const postFrom = (url: string, localAddress: string, claimed = ""): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", ...(claimed && { "x-forwarded-for": claimed }) }
    const options = { method: "POST", localAddress, agent: false, headers }
    const sent = request(`${url}/api/v1/analytics/event`, options, (response) => {
      response.resume()
      response.once("end", () => resolve(response.statusCode))
    })
    sent.once("error", reject)
    sent.end('{"event_type":"page_view"}')
  })

describe("behind Caddy", wantsProxy("caddy"), () => {
  test("visitors keep their addresses, WebSockets work, and metrics are not for them", async () => {
    const node = await startProcess(["node", "src/main.ts"], {
      cwd: ROOT,
      env: {
        REDIS_URL: redisUrl(),
        DATABASE_URL: await freshDatabase(),
        REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
        RATE_LIMIT_PER_MINUTE: "1",
        TRUSTED_PROXIES: "127.0.0.1/32",
      },
    })
    const url = await startCaddy(new URL(node.url).host)

    expect(await postFrom(url, "127.0.0.2")).toBe(201)
    expect(await postFrom(url, "127.0.0.2")).toBe(429)
    expect(await postFrom(url, "127.0.0.2", "203.0.113.9")).toBe(429)
    expect(await postFrom(url, "127.0.0.3")).toBe(201)

    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/analytics`)
    onTestFinished(() => socket.close())
    const first = await new Promise<unknown>((resolve, reject) => {
      socket.addEventListener("message", ({ data }) => resolve(JSON.parse(String(data))))
      socket.addEventListener("error", () => reject(new Error("the WebSocket failed")))
    })
    expect(first).toMatchObject({ type: "initial_stats" })

    expect((await fetch(`${url}/metrics`)).status).toBe(403)
    const large = await fetch(`${url}/api/v1/analytics/events`, {
      method: "POST",
      body: `[${" ".repeat(1.5e6)}]`,
    })
    expect([large.status, await large.json()]).toMatchObject([413, { success: false }])
  })
})

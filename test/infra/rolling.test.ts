/** Two nodes that are restarted in turn behind each balancer of infra, run from the very files: no client sees an error. */
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { Agent, request } from "node:https"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { CertificateAuthority } from "../support/certificates.ts"
import { CLOCK_ENV } from "../support/clock.ts"
import { ROOT } from "../support/documents.ts"
import { Edge } from "../support/edge.ts"
import {
  eventually,
  freePort,
  freshDatabase,
  freshKeyPrefix,
  redisUrl,
  temporaryFolder,
} from "../support/index.ts"
import { dataOf, startProcess } from "../support/process.ts"
import { NODE } from "../support/program.ts"
import { type ProxyName, wantsProxy } from "../support/proxies.ts"
import { startRecipe } from "../support/recipes.ts"

const BALANCERS: ReadonlyArray<readonly [name: ProxyName, file: string]> = [
  ["nginx", "infra/nginx/balancer.conf"],
  ["haproxy", "infra/haproxy/balancer.cfg"],
  ["caddy", "infra/caddy/balancer.Caddyfile"],
]

/** Nodes of one deployment that keep their ports, and drain for as long as by default. */
const startNodes = async () => {
  const env = {
    REDIS_URL: redisUrl(),
    DATABASE_URL: await freshDatabase(),
    REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
    RATE_LIMIT_PER_MINUTE: "0",
    TRUSTED_PROXIES: "127.0.0.1/32",
    DRAIN_SECONDS: "2",
    ...CLOCK_ENV,
  }
  const start = async () => {
    const PORT = String(await freePort())
    const run = () => startProcess(NODE, { cwd: ROOT, env: { ...env, PORT } })
    let running = await run()
    return {
      url: running.url,
      address: `127.0.0.1:${PORT}`,
      restart: async () => {
        expect(await running.end("SIGTERM")).toBe(0)
        running = await run()
        // The next one is restarted when the balancer sends to this one again.
        await eventually(async () => {
          const metrics = await (await fetch(`${running.url}/metrics`)).text()
          expect(metrics).toMatch(/^maicivy_events_accepted_total [1-9]/m)
        })
      },
    }
  }
  return [await start(), await start()] as const
}

/** Clients that send events and read figures without a pause, each on a connection that it keeps. */
const startClients = (port: number, ca: string) => {
  const answers = new Map<string, number>()
  let stopped = false
  const count = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1)
  const client = async (method: "GET" | "POST") => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca, servername: "localhost" })
    const headers = { host: `localhost:${port}` }
    const path = `/api/v1/analytics/${method === "GET" ? "realtime" : "event"}`
    while (!stopped)
      await new Promise<void>((resolve) => {
        const sent = request({ host: "127.0.0.1", port, path, method, agent, headers }, (answer) => {
          let body = ""
          answer.setEncoding("utf8").on("data", (part: string) => {
            body += part
          })
          answer.once("end", () => {
            const { statusCode = 0 } = answer
            // Who has refused it, and why, is shown.
            count(`${method} ${statusCode}${statusCode < 300 ? "" : ` ${body}`}`)
            // A machine with two cores has nodes to start meanwhile.
            setTimeout(resolve, 5)
          })
        })
        sent.once("error", (cause) => {
          count(`${method} ${cause.message}`)
          resolve()
        })
        sent.end(
          method === "POST" ? JSON.stringify({ event_type: "page_view", id: randomUUID() }) : undefined,
        )
      })
    agent.destroy()
  }
  const all = [...Array.from({ length: 6 }, () => client("POST")), client("GET"), client("GET")]
  const stop = async () => {
    stopped = true
    await Promise.all(all)
    return Object.fromEntries(answers)
  }
  onTestFinished(async () => {
    await stop()
  })
  return { answers, stop }
}

describe.each(BALANCERS)("behind %s", (name, file) => {
  test("two nodes are restarted in turn, and no client sees an error", {
    ...wantsProxy(name),
  }, async () => {
    const [one, two] = await startNodes()
    const authority = new CertificateAuthority(join(temporaryFolder(), "ca"))
    const proxy = await startRecipe(name, file, { authority, node: one.address, secondNode: two.address })
    onTestFinished(proxy.stop)
    const ca = readFileSync(authority.cert, "utf8")
    const edge = new Edge(proxy.port, ca)
    const dashboards = Array.from({ length: 8 }, () => edge.webSocket("/ws/analytics", edge.origin))
    await eventually(() => {
      for (const { frames } of dashboards) expect(frames).toContain("initial_stats")
    })
    const clients = startClients(proxy.port, ca)
    const goOn = async () => {
      const before = clients.answers.get("POST 201") ?? 0
      // What else they are answered is shown if they do not.
      await eventually(() =>
        expect(
          (clients.answers.get("POST 201") ?? 0) - before,
          JSON.stringify([...clients.answers]),
        ).toBeGreaterThan(100),
      )
    }
    for (const node of [one, two]) {
      await goOn()
      await node.restart()
    }
    await goOn()
    const answers = await clients.stop()
    expect(Object.keys(answers).sort()).toEqual(["GET 200", "POST 201"])
    expect(dashboards.map(({ ended }) => ended)).toEqual(dashboards.map(() => 1001))
    await eventually(async () =>
      expect(await dataOf(one.url, "stats")).toMatchObject({ total_events: answers["POST 201"] }),
    )
  })
})

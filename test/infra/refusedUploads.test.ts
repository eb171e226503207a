/** Uploads that are refused, behind proxies that pass a body on while it arrives. */
import { execFile } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, onTestFinished, test } from "vitest"
import { CertificateAuthority } from "../support/certificates.ts"
import { Edge } from "../support/edge.ts"
import { temporaryFolder } from "../support/index.ts"
import { startProxy, wantsProxy } from "../support/proxies.ts"
import { API, serve } from "../support/server.ts"
import { wantsProgram } from "../support/wants.ts"

const ROUNDS = 10

/**
 * HAProxy without our recipe: nothing is limited, and connections to the node are shared. Over HTTP/2 it gives one to the next
 * client as soon as a request on it has been answered.
 */
const recipe = (port: number, certificate: string, node: string) => `
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s

frontend analytics
  bind 127.0.0.1:${port} ssl crt ${certificate} alpn h2,http/1.1
  default_backend analytics

backend analytics
  server node ${node}
`

const UPLOAD = " ".repeat(3_000_000)
const JSON_TYPE = { "content-type": "application/json" }

/** The status of a file's upload over HTTP/2. */
const curl = async (url: string, file: string): Promise<number> => {
  const args = ["-sk", "--http2", "-o", "/dev/null", "-w", "%{http_code}"]
  const { stdout } = await promisify(execFile)("curl", [
    ...args,
    ...["-H", "Content-Type: application/json", "-H", "Expect:", "--data-binary", `@${file}`, url],
  ])
  return Number(stdout)
}

/** HAProxy in front of a node, and a client of it. */
const startHaproxy = async (node: string) => {
  const authority = new CertificateAuthority(join(temporaryFolder(), "ca"))
  const proxy = await startProxy("haproxy", (port, folder) => {
    const { cert, key } = authority.issue("localhost", "DNS:localhost,IP:127.0.0.1")
    const both = join(folder, "both.pem")
    writeFileSync(both, readFileSync(cert, "utf8") + readFileSync(key, "utf8"))
    return recipe(port, both, new URL(node).host)
  })
  onTestFinished(proxy.stop)
  return new Edge(proxy.port, readFileSync(authority.cert, "utf8"))
}

describe("behind HAProxy", wantsProxy("haproxy"), () => {
  test(
    "over HTTP/2 one leaves nothing behind for the next client",
    wantsProgram("curl", "curl", "--version"),
    async () => {
      await using node = await serve()
      const edge = await startHaproxy(node.url)
      const file = join(temporaryFolder(), "upload")
      writeFileSync(file, UPLOAD)
      const event = { method: "POST", http2: true, headers: JSON_TYPE, body: '{"event_type":"page_view"}' }
      const statuses: Array<number> = []
      for (let i = 0; i < ROUNDS; i++) {
        // curl ends a request that is answered, and no more than that: HAProxy keeps the connection to the node.
        statuses.push(await curl(`${edge.origin}${API}/events`, file))
        for (let k = 0; k < 2; k++) statuses.push((await edge.ask(`${API}/event`, event)).status)
      }
      expect(statuses).toEqual(Array.from({ length: ROUNDS }, () => [413, 201, 201]).flat())
      expect(node.world.accepted).toHaveLength(2 * ROUNDS)
    },
  )

  test("the reason reaches a sender that has told no length", async () => {
    await using node = await serve()
    const edge = await startHaproxy(node.url)
    for (let i = 0; i < ROUNDS; i++) {
      const headers = { ...JSON_TYPE, "transfer-encoding": "chunked" }
      const answer = await edge.ask(`${API}/events`, { method: "POST", headers, body: UPLOAD })
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([413, { code: "BODY_TOO_LARGE" }])
    }
  })
})

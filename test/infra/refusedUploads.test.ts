/** HAProxy over HTTP/2 gives a connection to the next client as soon as a request on it has been answered. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { CertificateAuthority } from "../support/certificates.ts"
import { Edge } from "../support/edge.ts"
import { temporaryFolder } from "../support/index.ts"
import { startProxy, wantsProxy } from "../support/proxies.ts"
import { API, serve } from "../support/server.ts"

const ROUNDS = 10

/** HAProxy as it is without our recipe: nothing is limited, and connections to the node are shared. */
const recipe = (port: number, certificate: string, node: string) => `
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s

frontend analytics
  bind 127.0.0.1:${port} ssl crt ${certificate} alpn h2
  default_backend analytics

backend analytics
  server node ${node}
`

test("an upload that is refused leaves nothing behind for the next client", {
  ...wantsProxy("haproxy"),
  timeout: 60_000,
}, async () => {
  await using node = await serve()
  const authority = new CertificateAuthority(join(temporaryFolder(), "ca"))
  await using proxy = await startProxy("haproxy", (port, folder) => {
    const { cert, key } = authority.issue("localhost", "DNS:localhost,IP:127.0.0.1")
    const both = join(folder, "both.pem")
    writeFileSync(both, readFileSync(cert, "utf8") + readFileSync(key, "utf8"))
    return recipe(port, both, new URL(node.url).host)
  })
  const edge = new Edge(proxy.port, readFileSync(authority.cert, "utf8"))
  const post = async (path: string, body: string) =>
    (
      await edge.ask(path, {
        method: "POST",
        http2: true,
        headers: { "content-type": "application/json" },
        body,
      })
    ).status
  const upload = " ".repeat(3_000_000)
  const statuses: Array<number> = []
  for (let i = 0; i < ROUNDS; i++)
    for (const [path, body] of [
      [`${API}/events`, upload],
      [`${API}/event`, '{"event_type":"page_view"}'],
      [`${API}/event`, '{"event_type":"page_view"}'],
    ] as const)
      statuses.push(await post(path, body))
  expect(statuses).toEqual(Array.from({ length: ROUNDS }, () => [413, 201, 201]).flat())
  expect(node.world.accepted).toHaveLength(2 * ROUNDS)
})

/** How long proxies keep idle connections to a node: less than the node does, or requests meet closed ones. */
import { expect, test } from "vitest"
import { IDLE_CONNECTION_S } from "../../src/domain/limits.ts"
import { read } from "../support/documents.ts"

/** Seconds, at the place of each recipe that says them. */
const KEPT: ReadonlyArray<readonly [file: string, seconds: RegExp]> = [
  ["infra/nginx/analytics.conf", /^ *keepalive_timeout (\d+)s;/m],
  ["infra/nginx/sub-path.conf", /^ *keepalive_timeout (\d+)s;/m],
  ["infra/nginx/authenticated.conf", /^ *keepalive_timeout (\d+)s;/m],
  ["infra/haproxy/haproxy.cfg", /^ *timeout http-keep-alive (\d+)s$/m],
  ["infra/haproxy/sub-path.cfg", /^ *timeout http-keep-alive (\d+)s$/m],
  ["infra/caddy/Caddyfile", /^\t*keepalive (\d+)s$/m],
  ["infra/caddy/sub-path.Caddyfile", /^\t*keepalive (\d+)s$/m],
  ["infra/caddy/authenticated.Caddyfile", /^\t*keepalive (\d+)s$/m],
  ["infra/nginx/balancer.conf", /^ *keepalive_timeout (\d+)s;/m],
  ["infra/haproxy/balancer.cfg", /^ *timeout http-keep-alive (\d+)s$/m],
  ["infra/caddy/balancer.Caddyfile", /^\t*keepalive (\d+)s$/m],
  ["infra/apache/analytics.conf", /ProxyPass .* ttl=(\d+)/],
  ["infra/apache/sub-path.conf", /ProxyPass .* ttl=(\d+)/],
  ["infra/traefik/dynamic.yml", /^ *idleConnTimeout: (\d+)s$/m],
  ["docs/proxies.md", /AWS ALB \| Idle timeout (\d+) s/],
  ["docs/proxies.md", /`originRequest: \{ keepAliveTimeout: (\d+)s \}`/],
]

test.each(KEPT)("%s keeps them for less than a node", (file, seconds) => {
  const text = read(file)
  const kept = Number(seconds.exec(text)?.[1])
  expect(kept).toBeGreaterThan(0)
  // A few seconds for the way and for a machine that stands still.
  expect(kept).toBeLessThanOrEqual(IDLE_CONNECTION_S - 5)
  for (const [, said] of text.matchAll(/idle for (\d+) s|node: less than (\d+) s/g))
    if (said !== undefined) expect(Number(said)).toBe(IDLE_CONNECTION_S)
})

test("HAProxy's connections to a node belong to a client's, whose time is bounded", () => {
  for (const file of [
    "infra/haproxy/haproxy.cfg",
    "infra/haproxy/sub-path.cfg",
    "infra/haproxy/balancer.cfg",
  ])
    expect(read(file)).toMatch(/^ *http-reuse never$/m)
})

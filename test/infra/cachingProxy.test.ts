/** What a cache shared by all visitors makes of the answers: nginx' own, which keeps whatever says that it may be kept. */
import { describe, expect, onTestFinished, test } from "vitest"
import { startProxy, wantsProxy } from "../support/proxies.ts"
import { serve } from "../support/server.ts"

const cachingNginx = async (node: string): Promise<string> => {
  const proxy = await startProxy(
    "nginx",
    (port, folder) => `
      proxy_cache_path ${folder}/cache keys_zone=shared:1m;
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass ${node};
          proxy_http_version 1.1;
          proxy_set_header Host $http_host;
          proxy_cache shared;
          proxy_cache_valid any 0;
          add_header X-Cache $upstream_cache_status;
        }
      }`,
  )
  onTestFinished(proxy.stop)
  return proxy.url
}

describe("behind nginx' cache", wantsProxy("nginx"), () => {
  test("no origin gets what was meant for another, nor gzip who did not ask for it", async () => {
    await using running = await serve()
    const url = await cachingNginx(running.url)
    const hits: Array<string> = []
    // Each twice: the second answer may come out of the cache.
    for (const path of ["/tracker.js", "/tracker.js", "/openapi.json", "/", "/api/v1/analytics/realtime"])
      for (const origin of ["https://a.example", "https://b.example", ""])
        for (const encoding of ["identity", "gzip"]) {
          const answer = await fetch(url + path, {
            headers: { "accept-encoding": encoding, ...(origin && { origin }) },
          })
          await answer.arrayBuffer()
          const allowed = answer.headers.get("access-control-allow-origin")
          expect([null, origin], `${path} for ${origin}`).toContain(allowed)
          if (path === "/tracker.js") expect(allowed ?? "").toBe(origin)
          if (encoding === "identity") expect(answer.headers.get("content-encoding"), path).toBeNull()
          if (answer.headers.get("x-cache") === "HIT") hits.push(path)
        }
    // The cache works: otherwise this would prove nothing.
    expect(new Set(hits)).toEqual(new Set(["/tracker.js"]))
  })
})

/** What answers depend on: all of it in one line, because a cache that heeds one line only would mix up what differs. */
import { get } from "node:http"
import { expect, test } from "vitest"
import { served } from "../../support/routes.ts"
import { ADMIN_TOKEN, serve } from "../../support/server.ts"

interface Answer {
  /** Every line `Vary`. */
  readonly vary: ReadonlyArray<string>
  readonly headers: NodeJS.Dict<string | ReadonlyArray<string>>
}

const ask = (url: string, method: string, headers: Record<string, string>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = get(url, { method, headers, agent: false }, (answer) => {
      answer.resume()
      answer.once("error", reject)
      answer.once("end", () => {
        const { rawHeaders } = answer
        const vary = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === "vary")
        resolve({ vary, headers: answer.headers })
      })
    })
    sent.once("error", reject)
  })

test("every endpoint has one Vary at most, and names there what changes its answer", async () => {
  await using running = await serve({ adminToken: ADMIN_TOKEN })
  running.world.timelineRows = 100
  const differing = { "access-control-allow-origin": "origin", "content-encoding": "accept-encoding" }
  const seen = new Set<string>()
  for (const endpoint of [...served(), "GET /nowhere", "PUT /health", "OPTIONS /tracker.js"]) {
    const [method = "", path = ""] = endpoint.split(" ")
    const url = running.url + path.replace("{id}", "x")
    for (const origin of ["", "https://a.example"])
      for (const encoding of ["", "gzip"]) {
        const { vary, headers } = await ask(url, method, {
          ...(origin && { origin }),
          ...(encoding && { "accept-encoding": encoding }),
        })
        expect(vary.length, `${endpoint}: ${vary}`).toBeLessThanOrEqual(1)
        const named = (vary[0] ?? "").toLowerCase().split(", ")
        for (const [header, field] of Object.entries(differing))
          if (headers[header] !== undefined) {
            seen.add(header)
            expect(named, endpoint).toContain(field)
            // The other answer, which lacks the header, says so, too.
            const { vary: other } = await ask(url, method, {})
            expect(other, endpoint).toEqual(vary)
          }
      }
  }
  expect([...seen].sort()).toEqual(Object.keys(differing).sort())
})

test("a page that the browser has is said to depend on the same", async () => {
  await using running = await serve()
  const url = `${running.url}/tracker.js`
  const { headers, vary } = await ask(url, "GET", { origin: "https://a.example" })
  const known = await ask(url, "GET", { origin: "https://a.example", "if-none-match": String(headers.etag) })
  expect([known.vary, vary]).toEqual([["Origin, Accept-Encoding"], ["Origin, Accept-Encoding"]])
})

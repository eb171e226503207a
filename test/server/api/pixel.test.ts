import { describe, expect, test } from "vitest"
import { now } from "../../support/clock.ts"
import { API, serve, VISITOR } from "../../support/server.ts"

const CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

describe("GET /event", () => {
  test("takes an event whose fields are in the query", async () => {
    await using running = await serve()
    const createdAt = now() - 60_000
    const query = new URLSearchParams({
      ...{ event_type: "letter_generate", page_url: "https://example.org/cv?theme=x&key=1", site: "blog" },
      ...{ referrer: "https://a.example/", visitor_id: VISITOR, id: VISITOR, title: "CV", screen: "390" },
      ...{ event_data: '{"letter_type":"motivation"}', timestamp: String(createdAt) },
    })
    const answer = await fetch(`${running.url}${API}/event?${query}`)
    expect(answer.status).toBe(204)
    expect(answer.headers.get("cache-control")).toBe("no-store")
    expect(running.world.accepted).toMatchObject([
      {
        ...{
          site: "blog",
          id: VISITOR,
          visitorId: VISITOR,
          type: "letter_generate",
          createdAt,
        },
        ...{ pageUrl: "https://example.org/cv?theme=x", referrer: "https://a.example/" },
        data: { letter_type: "motivation" },
        facts: { label: '["CV"]' },
      },
    ])
  })

  test("is a page view of the page that its image is on, answered with a pixel", async () => {
    await using running = await serve()
    const headers = { Accept: "image/avif,image/webp,*/*;q=0.8", Referer: "https://example.org/plain.html" }
    const answer = await fetch(`${running.url}${API}/event`, { headers })
    expect(answer.status).toBe(200)
    expect(answer.headers.get("content-type")).toBe("image/gif")
    const body = Buffer.from(await answer.arrayBuffer())
    expect(body).toHaveLength(43)
    expect(body.toString("latin1", 0, 6)).toBe("GIF89a")
    expect(running.world.accepted).toMatchObject([
      { type: "page_view", pageUrl: "https://example.org/plain.html", referrer: null },
    ])
  })

  test("counts nothing where HEAD asks what it would answer", async () => {
    await using running = await serve()
    expect((await fetch(`${running.url}${API}/event`, { method: "HEAD" })).status).toBe(204)
    expect(running.world.accepted).toEqual([])
  })

  test.each([
    ["event_type=Bad!", "INVALID_EVENT_TYPE"],
    ["event_data=[1]", "INVALID_EVENT_DATA"],
    ["event_data={", "INVALID_EVENT_DATA"],
    ["timestamp=yesterday", "INVALID_TIMESTAMP"],
    ["site=nope", "UNKNOWN_SITE"],
    ["page_url=%zz", "INVALID_PARAMETER"],
  ])("refuses %s as a POST would", async (query, code) => {
    await using running = await serve()
    const answer = await fetch(`${running.url}${API}/event?${query}`)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code })
    expect(running.world.accepted).toEqual([])
  })

  test("is limited as a POST is", async () => {
    await using running = await serve({ rateLimitPerMinute: 2 })
    const statuses = []
    for (let i = 0; i < 3; i++) statuses.push((await fetch(`${running.url}${API}/event`)).status)
    expect(statuses).toEqual([204, 204, 429])
  })
})

describe("a bot", () => {
  const send = async (bots: "mark" | "drop" | "count") => {
    await using running = await serve({ bots })
    const statuses = [
      (await fetch(`${running.url}${API}/event`, { headers: { "User-Agent": CRAWLER } })).status,
      (await fetch(`${running.url}${API}/event`, { headers: { "Sec-Purpose": "prefetch" } })).status,
    ]
    const dropped = (await running.metrics.eventsRejected.get()).values.find(
      ({ labels }) => labels.reason === "BOT",
    )
    return { statuses, marked: running.world.accepted.map(({ facts }) => facts.bot), dropped: dropped?.value }
  }

  test("is acknowledged whatever becomes of its events", async () => {
    expect(await send("mark")).toEqual({ statuses: [204, 204], marked: [true, true], dropped: 0 })
    expect(await send("count")).toEqual({ statuses: [204, 204], marked: [false, false], dropped: 0 })
    expect(await send("drop")).toEqual({ statuses: [204, 204], marked: [], dropped: 2 })
  })
})

describe("the word of a proxy about the country", () => {
  test("is taken from a trusted one only", async () => {
    const countryFrom = async (trustedProxies: Array<string>) => {
      await using running = await serve({ trustedProxies })
      for (const [header, value] of [
        ["CF-IPCountry", "DE"],
        ["X-Vercel-IP-Country", "FR"],
        ["CloudFront-Viewer-Country", "PE"],
      ])
        await fetch(`${running.url}${API}/event`, { headers: { [header ?? ""]: value ?? "" } })
      return running.world.accepted.map(({ facts }) => /[A-Z]{2}/.exec(facts.client ?? "")?.[0] ?? null)
    }
    expect(await countryFrom(["127.0.0.0/8"])).toEqual(["DE", "FR", "PE"])
    expect(await countryFrom(["10.0.0.0/8"])).toEqual([null, null, null])
    expect(await countryFrom([])).toEqual([null, null, null])
  })
})

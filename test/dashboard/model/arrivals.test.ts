/** What the page shows of a site that is being set up. */
import { describe, expect, test } from "vitest"
import {
  type Arrivals,
  NO_ARRIVALS,
  stillRefused,
  withArrival,
  withStored,
} from "../../../src/dashboard/model/arrivals.ts"
import { decodeFrame } from "../../../src/dashboard/model/decode.ts"
import { hostsOf, slugFor } from "../../../src/dashboard/model/sites.ts"

const event = (type: string, site = "shop") => ({
  ...{ type, site, visitor_id: "v", timestamp: "2025-12-08T10:00:00.000Z", page_url: "/", data: null },
  dimensions: { source: "Google" },
})

const refusal = (code: string, host: string | null, events = 1, site = "shop") => ({
  ...{ site, code, host, events },
  timestamp: "2025-12-08T10:00:00.000Z",
})

const arrived = (frames: ReadonlyArray<object>, before: Arrivals = NO_ARRIVALS): Arrivals =>
  frames.reduce<Arrivals>((arrivals, each) => {
    const frame = decodeFrame(JSON.stringify(each))
    return frame === null ? arrivals : withArrival(arrivals, frame, "shop")
  }, before)

describe("of a site that is set up", () => {
  test("the first event is one that comes while the page waits for it, and others follow it", () => {
    const waiting = withStored(NO_ARRIVALS, null)
    expect(arrived([event("page_view")], waiting)).toMatchObject({
      first: true,
      event: { type: "page_view" },
    })
    // What was before is not known yet.
    expect(arrived([event("page_view")])).toMatchObject({ first: false, event: { type: "page_view" } })
    expect(arrived([event("page_view"), event("sign_up")], waiting)).toMatchObject({
      ...{ first: true, event: { type: "sign_up", dimensions: { source: "Google" } } },
    })
    const { event: stored } = arrived([event("page_view")])
    expect(arrived([event("sign_up")], withStored(NO_ARRIVALS, stored))).toMatchObject({ first: false })
  })

  test("an event that is read later is none that came, and takes no other's place", () => {
    const { event: stored } = arrived([event("page_view")])
    expect(withStored(NO_ARRIVALS, stored)).toMatchObject({ first: false, event: stored })
    expect(withStored(NO_ARRIVALS, null)).toEqual({ ...NO_ARRIVALS, looked: true })
    const seen = arrived([event("sign_up")])
    expect(withStored(seen, stored)).toBe(seen)
  })

  test("events of other sites are none", () => {
    expect(arrived([event("page_view", "main")])).toEqual(NO_ARRIVALS)
  })

  test("each reason stands once, the latest first, and not too many", () => {
    const data = [refusal("BOT", "a.example"), refusal("UNKNOWN_SITE", null, 1, "shopp")]
    const { refused } = arrived([
      { type: "refusals", site: "shop", data },
      { type: "refusals", site: "shop", data: [refusal("UNKNOWN_SITE", null, 3, "shopp")] },
    ])
    expect(refused.map(({ code, events }) => [code, events])).toEqual([
      ["UNKNOWN_SITE", 3],
      ["BOT", 1],
    ])
    const many = Array.from({ length: 16 }, (_, i) => refusal("BOT", `${i}.example`))
    expect(arrived([{ type: "refusals", site: "shop", data: many }]).refused).toHaveLength(5)
  })

  test("what was wrong before an event came is not any more, but for hosts that are no hosts of the site's", () => {
    const at = (timestamp: string, code: string, host: string | null) => ({
      ...refusal(code, host),
      timestamp,
    })
    const data = [
      at("2025-12-08T10:00:01.000Z", "BOT", "a.example"),
      at("2025-12-08T09:59:59.000Z", "UNKNOWN_SITE", "a.example"),
      at("2025-12-08T09:59:58.000Z", "HOST_NOT_ALLOWED", "b.example"),
      at("2025-12-08T09:59:57.000Z", "HOST_NOT_ALLOWED", "a.example"),
    ]
    const waiting = arrived([{ type: "refusals", site: "shop", data }])
    const shown = (arrivals: Arrivals) => stillRefused(arrivals, ["a.example"]).map(({ code }) => code)
    expect(shown(waiting)).toEqual(["BOT", "UNKNOWN_SITE", "HOST_NOT_ALLOWED"])
    expect(shown(arrived([event("page_view")], waiting))).toEqual(["BOT", "HOST_NOT_ALLOWED"])
  })

  test("what is no refusal is no frame", () => {
    for (const data of [null, {}, [{}], [refusal("BOT", null), { ...refusal("BOT", null), host: 1 }]])
      expect(decodeFrame(JSON.stringify({ type: "refusals", site: "shop", data }))).toBeNull()
  })
})

describe("what somebody types", () => {
  test.each([
    ["", []],
    ["example.org", ["example.org"]],
    [
      "https://Example.org/page?x  www.example.org:8080, a.example",
      ["example.org", "www.example.org:8080", "a.example"],
    ],
    ["not a host!", ["not", "a", "host!"]],
  ])("%j has the hosts %j", (text, hosts) => expect(hostsOf(text)).toEqual(hosts))

  test.each([
    ["The Shop", "the-shop"],
    ["  Été à Genève! ", "ete-a-geneve"],
    ["日本", ""],
    ["a".repeat(99), "a".repeat(64)],
  ])("%j is called %j by its senders", (name, slug) => expect(slugFor(name)).toBe(slug))
})

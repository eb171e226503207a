import { randomUUID } from "node:crypto"
import { expect, test } from "vitest"
import { encodeFact, NO_FACTS } from "../../src/domain/dimensions.ts"
import { decodeDelta } from "../../src/live/delta.ts"
import { LiveFeed } from "../../src/live/feed.ts"
import { liveChannel } from "../../src/stores/redisKeys.ts"

test("the latest events are shown within the budget, the others summed by type, whatever a type is called", () => {
  const feed = new LiveFeed({ prefix: "test", eventsPerSecond: 1, now: () => 0 })
  const types = ["page_view", "constructor", "__proto__", "constructor", "page_view"]
  const message = feed.messageOf(
    "a deployment",
    types.map((type, i) => ({
      streamId: `${i}-0`,
      event: {
        site: "main",
        id: null,
        visitorId: randomUUID(),
        type,
        createdAt: 0,
        pageUrl: "/",
        referrer: null,
        data: null,
        facts: {
          ...NO_FACTS,
          origin: encodeFact("origin", { source: "Google", medium: "organic" }),
          client: encodeFact("client", { browser: "Firefox", country: "FR" }),
        },
      },
    })),
  )
  expect(message?.channel).toBe(liveChannel("test"))
  const delta = decodeDelta("a deployment", message?.text ?? "")
  expect(delta?.events).toEqual([
    expect.objectContaining({
      ...{ type: "page_view", page_url: "/" },
      dimensions: { source: "Google", country: "FR" },
    }),
  ])
  expect(delta?.counted).toEqual({ main: 5 })
  expect(Object.entries(delta?.omitted.main ?? {})).toEqual([
    ["page_view", 1],
    ["constructor", 2],
    ["__proto__", 1],
  ])
})

import { randomUUID } from "node:crypto"
import { Redis } from "ioredis"
import { expect, onTestFinished, test } from "vitest"
import { decodeDelta, type LiveDelta } from "../../src/live/delta.ts"
import { makeLivePublisher } from "../../src/live/publisher.ts"
import { liveChannel } from "../../src/stream/keys.ts"
import { eventually, freshKeyPrefix, redisUrl } from "../support/index.ts"

test("the latest events are shown within the budget, the others summed by type, whatever a type is called", async () => {
  const prefix = freshKeyPrefix()
  const [redis, subscriber] = [new Redis(redisUrl()), new Redis(redisUrl())]
  onTestFinished(() => {
    redis.disconnect()
    subscriber.disconnect()
  })
  const received: Array<LiveDelta | null> = []
  subscriber.on("message", (_channel, message) => received.push(decodeDelta(message)))
  await subscriber.subscribe(liveChannel(prefix))
  const publisher = makeLivePublisher({ redis, prefix, eventsPerSecond: 1, now: () => 0 })
  const types = ["page_view", "constructor", "__proto__", "constructor", "page_view"]
  publisher.publish(
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
      },
    })),
  )
  const delta = await eventually(() => {
    expect(received).toHaveLength(1)
    return received[0]
  })
  expect(delta?.events).toEqual([expect.objectContaining({ type: "page_view", page_url: "/" })])
  expect(delta?.counted).toEqual({ main: 5 })
  expect(Object.entries(delta?.omitted.main ?? {})).toEqual([
    ["page_view", 1],
    ["constructor", 2],
    ["__proto__", 1],
  ])
})

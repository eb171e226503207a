import { randomUUID } from "node:crypto"
import { expect, test } from "vitest"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { listDeadLetters } from "../../src/stream/deadLetters.ts"
import { freshDeployment } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { rows } from "../support/events.ts"
import { eventually, privateRedis } from "../support/index.ts"

test("events of one turn are appended in order by one call, and answered when they are durable", async () => {
  const deployment = await freshDeployment()
  const outcomes = await Promise.all(
    ["a", "b", "c", "d"].map((payload, i) => deployment.appendPayload(i % 2, payload)),
  )
  expect(outcomes).toEqual([null, null, null, null])
  const entries = await deployment.redis.xrange(streamKeys(deployment.prefix, 0).events, "-", "+")
  expect(entries.map(([, fields]) => fields)).toEqual([
    ["e", "a", "f", ""],
    ["e", "c", "f", ""],
  ])
  const sizes = await deployment.metrics.appendBatchSize.get()
  expect(sizes.values.find((value) => value.metricName?.endsWith("_count"))?.value).toBe(1)
})

test("a full backlog refuses events, and takes them again when there is room", async () => {
  const deployment = await freshDeployment({ maxBacklog: 20 })
  const fill = await Promise.all(Array.from({ length: 10 }, () => deployment.appendPayload(0, "{}")))
  expect(fill).toEqual(fill.map(() => null))
  expect(await deployment.appendPayload(0, "{}")).toBe("BACKLOG_FULL")
  expect(await deployment.appendPayload(1, "{}")).toBeNull()
  await deployment.redis.xtrim(streamKeys(deployment.prefix, 0).events, "MAXLEN", 5)
  expect(await deployment.appendPayload(0, "{}")).toBeNull()
})

test("the fuller the streams, the longer events gather before they are sent", async () => {
  const deployment = await freshDeployment({ maxBacklog: 20 })
  const calls = async () => {
    const { values } = await deployment.metrics.appendBatchSize.get()
    return values.find((value) => value.metricName?.endsWith("_count"))?.value
  }
  /** Two events of different turns, neither of which waits for the other's answer. */
  const appendTwo = async () => {
    const first = deployment.appendPayload(0, "{}")
    await new Promise((resolve) => setImmediate(resolve))
    expect(await Promise.all([first, deployment.appendPayload(0, "{}")])).toEqual([null, null])
  }
  await appendTwo()
  expect(await calls()).toBe(2)
  await Promise.all(Array.from({ length: 6 }, () => deployment.appendPayload(0, "{}")))
  expect(await calls()).toBe(3)
  await appendTwo()
  expect(await calls()).toBe(4)
})

test("more events than one call may carry are all appended", async () => {
  const deployment = await freshDeployment()
  const outcomes = await Promise.all(
    Array.from({ length: 2500 }, (_, i) => deployment.appendPayload(0, String(i))),
  )
  expect(outcomes.every((outcome) => outcome === null)).toBe(true)
  await deployment.producer.settled()
  expect(await deployment.redis.xlen(streamKeys(deployment.prefix, 0).events)).toBe(2500)
})

test("a Redis that is killed refuses events at once, loses none that it took, and takes events again", async () => {
  const redis = await privateRedis({ fsync: "always" })
  const deployment = await freshDeployment({ redisUrl: redis.url })
  const accepted: Array<string> = []
  const append = async () => {
    const payload = randomUUID()
    const outcome = await deployment.appendPayload(0, payload)
    if (outcome === null) accepted.push(payload)
    return outcome
  }
  for (let i = 0; i < 100; i++) await append()
  redis.kill()
  await eventually(async () => expect(await append()).toBe("STREAM_UNAVAILABLE"))
  expect(deployment.failures.length).toBeGreaterThan(0)
  await eventually(async () => expect(await append()).toBeNull())
  const stored = await eventually(() =>
    deployment.redis.xrange(streamKeys(deployment.prefix, 0).events, "-", "+"),
  )
  const payloads = new Set(stored.map(([, fields]) => fields[1]))
  expect(accepted.filter((payload) => !payloads.has(payload))).toEqual([])
})

test("a Redis that hangs does not append afterwards what it had not read when it was refused", async () => {
  const redis = await privateRedis()
  const deployment = await freshDeployment({ redisUrl: redis.url })
  redis.pause()
  // Far more than the buffers between the two hold.
  const payload = "x".repeat(8000)
  const outcomes = await Promise.all(Array.from({ length: 5000 }, () => deployment.appendPayload(0, payload)))
  expect(new Set(outcomes)).toEqual(new Set(["STREAM_UNAVAILABLE"]))
  redis.resume()
  await eventually(async () => expect(await deployment.appendPayload(0, "{}")).toBeNull())
  const length = await eventually(() => deployment.redis.xlen(streamKeys(deployment.prefix, 0).events))
  expect(length).toBeLessThan(outcomes.length / 2)
})

test("a Redis that is out of memory refuses events, and actors free it again", async () => {
  const redis = await privateRedis({ maxMemoryBytes: 6 * 1024 * 1024 })
  const deployment = await freshDeployment({ redisUrl: redis.url })
  const taken = new Set<string>()
  const fill = async () => {
    const id = randomUUID()
    const outcome = await deployment.send({
      ...{ event_type: "page_view", id },
      event_data: { filler: "x".repeat(8000) },
    })
    if (outcome === null) taken.add(id)
    return outcome
  }
  await eventually(async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, fill))
    expect(outcomes).toContain("STREAM_UNAVAILABLE")
  })
  deployment.startNode()
  await deployment.drained()
  await eventually(async () => expect(await fill()).toBeNull())
  await deployment.drained()
  const found = await rows<{ id: string }>(deployment.postgres, "SELECT id FROM analytics_events")
  const ids = new Set(found.map(({ id }) => id))
  expect([...taken].filter((id) => !ids.has(id))).toEqual([])
  // One whose answer came too late may have been taken all the same.
  if (deployment.failures.every((message) => message.includes("OOM"))) expect(ids).toEqual(taken)
  expect(found).toHaveLength(ids.size)
  expect((await run(deployment.figures.stats("main", "day"))).total_events).toBe(ids.size)
  expect(await run(listDeadLetters({ ...deployment, partitions: 2 }, 1))).toEqual([])
})

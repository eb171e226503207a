import { randomUUID } from "node:crypto"
import { Effect, Fiber } from "effect"
import { expect, test } from "vitest"
import { periodKey } from "../../src/domain/period.ts"
import { fingerprint, partitionOf } from "../../src/domain/visitor.ts"
import { eraseVisitor } from "../../src/privacy/erase.ts"
import { figureKeys, REBUILD_TOKEN, streamKeys, VISITOR_BUCKETS } from "../../src/stores/redisKeys.ts"
import { eventually } from "../support/index.ts"
import { PARTITIONS, pipeline, run } from "../support/pipeline.ts"

test("a visitor whose figures are being rebuilt is forgotten when they have been", async () => {
  const each = await pipeline()
  const visitor = randomUUID()
  const partition = partitionOf(visitor, PARTITIONS)
  const node = each.startNode()
  await each.send({ event_type: "page_view", visitor_id: visitor })
  await each.drained()
  await node.stop()
  const month = figureKeys(each.prefix, partition, "main").period(
    periodKey("month", each.calendar.dayOf(Date.now())),
  )
  const set = month.visitors + (fingerprint(visitor) % VISITOR_BUCKETS)
  const isKnown = () => each.redis.sismember(set, fingerprint(visitor))
  const { lease } = streamKeys(each.prefix, partition)
  await each.redis.set(lease, `${REBUILD_TOKEN}one`)
  const erasing = Effect.runFork(
    eraseVisitor({ ...each, partitions: PARTITIONS, sites: ["main", "blog"], now: Date.now }, visitor),
  )
  await eventually(async () => expect(await each.rowCount()).toBe(0))
  expect(await isKnown()).toBe(1)
  await each.redis.del(lease)
  expect(await run(Fiber.join(erasing))).toEqual({ deleted: 1 })
  expect(await isKnown()).toBe(0)
  expect(await each.redis.hget(month.totals, "unique_visitors")).toBe("1")
})

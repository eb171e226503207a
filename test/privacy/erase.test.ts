import { randomUUID } from "node:crypto"
import { Effect, Fiber } from "effect"
import { expect, test } from "vitest"
import { periodKey } from "../../src/domain/period.ts"
import { fingerprint, partitionOf } from "../../src/domain/visitor.ts"
import { eraseVisitor } from "../../src/privacy/erase.ts"
import { figureKeys, streamKeys, VISITOR_BUCKETS } from "../../src/stores/redisKeys.ts"
import { REBUILD_TOKEN } from "../../src/stream/lease.ts"
import { freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"

test("a visitor whose figures are being rebuilt is forgotten when they have been", async () => {
  const deployment = await freshDeployment()
  const visitor = randomUUID()
  const partition = partitionOf(visitor, PARTITIONS)
  const node = deployment.startNode()
  await deployment.send({ event_type: "page_view", visitor_id: visitor })
  await deployment.drained()
  await node.stop()
  const month = figureKeys(deployment.prefix, partition, "main").period(
    periodKey("month", deployment.calendar.dayOf(deployment.now())),
  )
  const set = month.visitors + (fingerprint(visitor) % VISITOR_BUCKETS)
  const isKnown = () => deployment.redis.sismember(set, fingerprint(visitor))
  const { lease } = streamKeys(deployment.prefix, partition)
  await deployment.redis.set(lease, `${REBUILD_TOKEN}one`)
  const erasing = Effect.runFork(
    eraseVisitor({ ...deployment, partitions: PARTITIONS, sites: ["main", "blog"] }, visitor),
  )
  await eventually(async () => expect(await deployment.rowCount()).toBe(0))
  expect(await isKnown()).toBe(1)
  await deployment.redis.del(lease)
  expect(await run(Fiber.join(erasing))).toEqual({ deleted: 1 })
  expect(await isKnown()).toBe(0)
  expect(await deployment.redis.hget(month.totals, "unique_visitors")).toBe("1")
})

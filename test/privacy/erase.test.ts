import { randomUUID } from "node:crypto"
import { Effect, Fiber } from "effect"
import { expect, test } from "vitest"
import { periodKey } from "../../src/domain/period.ts"
import { fingerprint, partitionOf } from "../../src/domain/visitor.ts"
import { eraseVisitor } from "../../src/privacy/erase.ts"
import { erasures, visitorHash } from "../../src/privacy/journal.ts"
import { figureKeys, streamKeys, VISITOR_BUCKETS } from "../../src/stores/redisKeys.ts"
import { REBUILD_TOKEN } from "../../src/stream/lease.ts"
import { freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { rows } from "../support/events.ts"
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
  let tries = 0
  const erasing = Effect.runFork(
    Effect.suspend(() => {
      tries++
      return eraseVisitor({ ...deployment, partitions: PARTITIONS, sites: ["main", "blog"] }, visitor)
    }).pipe(Effect.retry({ while: ({ _tag }) => _tag === "ErasureMustWait" })),
  )
  await eventually(async () => expect(await deployment.rowCount()).toBe(0))
  expect(await isKnown()).toBe(1)
  await deployment.redis.del(lease)
  const found = await run(Fiber.join(erasing))
  // It waits for eight seconds; what it has deleted until then is deleted.
  expect(found).toMatchObject({ deleted: tries === 1 ? 1 : 0, deadLetters: 0 })
  expect(await isKnown()).toBe(0)
  expect(await deployment.redis.hget(month.totals, "unique_visitors")).toBe("1")
})

test("an erasure is noted in the journal, where only who knows the visitor finds it", async () => {
  const deployment = await freshDeployment()
  const visitor = randomUUID()
  const erase = (id: string) =>
    run(eraseVisitor({ ...deployment, partitions: PARTITIONS, sites: ["main"] }, id))
  const before = Date.now()
  // Once more, and one of whom nothing is left: a backup may have it all the same.
  for (const id of [visitor, visitor.toUpperCase(), randomUUID()]) await erase(id)
  const [found] = await rows<{ id: string }>(deployment.postgres, "SELECT id FROM deployment")
  const hash = visitorHash(found?.id ?? "", visitor)
  const journal = await run(erasures(deployment.postgres))
  expect(journal.map((each) => each.visitor === hash)).toEqual([true, true, false])
  for (const { erasedAt } of journal) expect(Date.parse(erasedAt)).toBeGreaterThanOrEqual(before - 1000)
  expect(JSON.stringify(journal)).not.toContain(visitor)
})

import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { expect, test } from "vitest"
import { noteIn } from "../../src/access/accounts.ts"
import { periodKey } from "../../src/domain/period.ts"
import { fingerprint, partitionOf } from "../../src/domain/visitor.ts"
import { eraseVisitor } from "../../src/privacy/erase.ts"
import { erasedAfter, erasures, visitorHash } from "../../src/privacy/journal.ts"
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
      return eraseVisitor({ ...deployment, note: noteIn }, "ada", visitor)
    }).pipe(Effect.retry({ while: ({ _tag }) => _tag === "ErasureMustWait" })),
  )
  await eventually(async () => expect(await deployment.rowCount()).toBe(0))
  expect(await isKnown()).toBe(1)
  // Whoever looks for who has erased the rows finds it, though the rest is not done yet.
  const notes = "SELECT who, what FROM audit_log WHERE action = 'erased' ORDER BY id"
  expect((await rows(deployment.postgres, notes))[0]).toMatchObject({
    who: "ada",
    what: expect.stringMatching(/^a visitor, receipt [0-9a-f-]{36}$/),
  })
  await deployment.redis.del(lease)
  const found = await run(Fiber.join(erasing))
  // It waits for eight seconds; what it has deleted until then is deleted.
  expect(found).toMatchObject({ events: tries === 1 ? 1 : 0, dead_letters: 0 })
  expect(await isKnown()).toBe(0)
  expect(await deployment.redis.hget(month.totals, "unique_visitors")).toBe("1")
})

test("an erasure is noted in the journal, where only who knows the visitor finds it", async () => {
  const deployment = await freshDeployment()
  const visitor = randomUUID()
  const erase = (id: string) => run(eraseVisitor({ ...deployment, note: noteIn }, "ada", id))
  const before = Date.now()
  // Once more, and one of whom nothing is left: a backup may have it all the same.
  for (const id of [visitor, visitor.toUpperCase(), randomUUID()]) await erase(id)
  const [found] = await rows<{ id: string }>(deployment.postgres, "SELECT id FROM deployment")
  const hash = visitorHash(found?.id ?? "", visitor)
  const journal = await run(erasures(deployment.postgres))
  expect(journal.map((each) => each.visitor === hash)).toEqual([true, true, false])
  for (const { erasedAt } of journal) expect(Date.parse(erasedAt)).toBeGreaterThanOrEqual(before - 1000)
  expect(JSON.stringify(journal)).not.toContain(visitor)
  // Archives and exports go by it; a site's erasure is in it by its name.
  const at = Date.parse("2026-01-02T10:00:00Z")
  await run(
    deployment.postgres.query(
      "test",
      "INSERT INTO site_erasures (id, site, erased_at) VALUES ($1, 'blog', $2)",
      [...[randomUUID(), new Date(at)]],
    ),
  )
  const isErased = await run(erasedAfter(deployment.postgres))
  const ofBlog = [isErased(randomUUID(), "blog", at), isErased(randomUUID(), "blog", at + 1)]
  expect([...ofBlog, isErased(randomUUID(), "main", at), isErased(visitor, "main", before - 1000)]).toEqual([
    ...[true, false, false, true],
  ])
})

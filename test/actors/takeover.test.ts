/** Partitions that change hands when nobody asked for it: versions, stores that forgot, owners that froze. */
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { describe, expect, test } from "vitest"
import { partitionOf } from "../../src/domain/visitor.ts"
import { acquireEpoch } from "../../src/events/write/batchWriter.ts"
import { connectRedis } from "../../src/stores/redis.ts"
import { GROUP, nodesKey, streamKeys } from "../../src/stores/redisKeys.ts"
import { makePartitionLog } from "../../src/stream/partitionLog.ts"
import { eventually, privateRedis } from "../support/index.ts"
import { PARTITIONS, type Pipeline, pipeline, run } from "../support/pipeline.ts"

const sql = (each: Pipeline, statement: string) => run(each.postgres.query("test", statement))

const pageView = (each: Pipeline) => each.send({ event_type: "page_view", visitor_id: randomUUID() })

test("a node that is older than the schema leaves its partitions to newer ones, and nothing is lost", async () => {
  const each = await pipeline()
  each.startNode("old")
  await pageView(each)
  await each.drained()
  // What a newer version does when it migrates.
  await sql(
    each,
    `WITH fenced AS (UPDATE stream_partitions SET epoch = epoch + 1)
     INSERT INTO schema_migrations (version, name) VALUES (999, '999_next')`,
  )
  for (let i = 0; i < 20; i++) await pageView(each)
  // It still takes events, but no partition.
  await eventually(async () =>
    expect(await each.redis.zrange(nodesKey(each.prefix), "0", "-1")).toEqual(["http/old"]),
  )
  expect(await each.backlog()).toBe(20)
  expect(await each.rowCount()).toBe(1)
  // Now this program is the newer one.
  await sql(each, "DELETE FROM schema_migrations WHERE version = 999")
  each.startNode("new")
  await each.drained()
  expect(await each.rowCount()).toBe(21)
  expect(await run(each.figures.stats("main", "day"))).toMatchObject({ total_events: 21 })
})

/** Everything that Redis has, to be put back later: what a Redis comes back with that was killed before it wrote the rest. */
const snapshot = async ({ redis, prefix }: Pipeline) => {
  const keys = await redis.keys(`${prefix}:*`)
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)))
  return async () => {
    const back = redis.multi()
    for (const key of await redis.keys(`${prefix}:*`)) back.del(key)
    keys.forEach((key, i) => {
      const dump = dumps[i]
      if (dump) back.restore(key, 0, dump)
    })
    // As a restart does.
    await back.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").exec()
  }
}

test("a Redis that comes back without its last writes is caught up with, though no event arrives", async () => {
  const store = await privateRedis()
  const each = await pipeline({ redisUrl: store.url })
  for (let i = 0; i < 10; i++) await pageView(each)
  const comeBack = await snapshot(each)
  each.startNode()
  await each.drained()
  await comeBack()
  await eventually(async () => expect((await run(each.figures.stats("main", "day"))).total_events).toBe(10))
  await each.drained()
  expect(await each.rowCount()).toBe(10)
})

describe("a takeover", () => {
  const takeOver = async (each: Pipeline, lastStreamId: string) => {
    const reader = await each.scoped(connectRedis(each.redisSettings, "read", "test"))
    const log = makePartitionLog({ ...each, partition: 0, reader })
    const { epoch } = await run(acquireEpoch(each.postgres, 0))
    await each.redis.set(streamKeys(each.prefix, 0).lease, "token")
    return { log, epoch, takeover: await run(log.takeOver("token", epoch, lastStreamId)) }
  }

  test("says that figures are lost when Redis is behind Postgres and no longer has what is missing", async () => {
    const each = await pipeline()
    const { events, state } = streamKeys(each.prefix, 0)
    await each.redis.xadd(events, "5-0", "e", "{}")
    await each.redis.hset(state, "applied", "4-0")
    // Written to Postgres, not applied, and still here: the next owner applies it.
    expect((await takeOver(each, "5-0")).takeover).toMatchObject({ applied: "4-0", lost: false })
    // Appends after the loss have made the ids high enough, but the entry is gone.
    await each.redis.xadd(events, "9-0", "e", "{}")
    expect((await takeOver(each, "7-0")).takeover).toMatchObject({ applied: "4-0", lost: true })
    // Ids have to be moved on.
    expect((await takeOver(each, "12-0")).takeover).toMatchObject({ applied: "4-0", lost: true })
    await expect(each.redis.xadd(events, "11-0", "e", "{}")).rejects.toThrow(/equal or smaller/)
    // All of it.
    await each.redis.del(events, state)
    expect((await takeOver(each, "12-0")).takeover).toMatchObject({ applied: "0-0", lost: true })
  })

  test("leaves a partition whose dead letters are whole, even when its group was destroyed meanwhile", async () => {
    const each = await pipeline()
    const { events, dead, state } = streamKeys(each.prefix, 0)
    const id = (await each.redis.xadd(events, "*", "e", "{}")) ?? ""
    const { log, epoch } = await takeOver(each, "0-0")
    await each.redis.xgroup("DESTROY", events, GROUP)
    const letter = log.deadLetter(epoch, "0-0", { id, payload: "{}" }, "a reason")
    expect(await run(Effect.flip(letter))).toMatchObject({ _tag: "StoreError" })
    expect(await each.redis.hget(state, "applied")).toBe(id)
    // The next try finds it done.
    await run(letter)
    expect(await each.redis.xlen(dead)).toBe(1)
    expect(await each.redis.xlen(events)).toBe(0)
  })
})

describe("entries that may end their actor", () => {
  /** A hundred events of one visitor, and what owners left that ended while they tried the first so many of them. */
  const tried = async (entries: number, attempts: number) => {
    const each = await pipeline()
    const visitor = randomUUID()
    for (let i = 0; i < 100; i++) await each.send({ event_type: "page_view", visitor_id: visitor })
    const keys = streamKeys(each.prefix, partitionOf(visitor, PARTITIONS))
    const ids = (await each.redis.xrange(keys.events, "-", "+")).map(([id]) => id)
    const [first = ""] = ids
    await each.redis.hset(keys.state, {
      ...{ head: first, deliveries: 1, tried_from: first, tried_to: ids[entries - 1] ?? "", attempts },
    })
    each.startNode()
    await each.drained()
    return { each, keys }
  }

  const batches = async (each: Pipeline) =>
    (await each.metrics.batchSize.get()).values.find(({ metricName }) => metricName?.endsWith("_count"))
      ?.value

  test("are tried singly where an owner has ended, and a few at a time beyond", async () => {
    const { each } = await tried(10, 1)
    expect(await each.rowCount()).toBe(100)
    // 10 and, of the other 90, three times 32 at most.
    expect(await batches(each)).toBe(13)
  })

  test("are not suspected when it was a store that kept an owner waiting", async () => {
    const { each } = await tried(10, 0)
    expect(await each.rowCount()).toBe(100)
    expect(await batches(each)).toBe(1)
  })

  test("are dead-lettered after three owners, and the others go on", async () => {
    const { each, keys } = await tried(1, 3)
    expect(await each.rowCount()).toBe(99)
    const [letter] = await each.redis.xrange(keys.dead, "-", "+")
    expect(letter?.[1]).toEqual(
      expect.arrayContaining(["reason", expect.stringContaining("ended 3 times while processing it")]),
    )
  })
})

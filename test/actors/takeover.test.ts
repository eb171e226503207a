/** Partitions that change hands when nobody asked for it: versions, stores that forgot, owners that froze. */
import { randomUUID } from "node:crypto"
import { describe, expect, test } from "vitest"
import { partitionOf } from "../../src/domain/visitor.ts"
import { connectRedis } from "../../src/stores/redis.ts"
import { GROUP, nodesKey, streamKeys } from "../../src/stores/redisKeys.ts"
import { readBacklog } from "../../src/stream/backlog.ts"
import { makePartitionLog } from "../../src/stream/partitionLog.ts"
import { now } from "../support/clock.ts"
import { type Deployment, freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { eventually, privateRedis } from "../support/index.ts"
import { metricValue } from "../support/server.ts"

const sql = (deployment: Deployment, statement: string) => run(deployment.postgres.query("test", statement))

const backlogs = ({ redis, prefix, metrics }: Deployment) =>
  run(readBacklog(redis, prefix, PARTITIONS, metrics, now))

const pageView = (deployment: Deployment) =>
  deployment.send({ event_type: "page_view", visitor_id: randomUUID() })

test("a node that is older than the schema leaves its partitions to newer ones, and nothing is lost", async () => {
  const deployment = await freshDeployment()
  deployment.startNode("old")
  await pageView(deployment)
  await deployment.drained()
  // What a newer version does when it migrates.
  await sql(
    deployment,
    `WITH fenced AS (UPDATE stream_partitions SET epoch = epoch + 1)
     INSERT INTO schema_migrations (version, name) VALUES (999, '999_next')`,
  )
  for (let i = 0; i < 20; i++) await pageView(deployment)
  // It still takes events, but no partition.
  await eventually(async () =>
    expect(await deployment.redis.zrange(nodesKey(deployment.prefix), "0", "-1")).toEqual(["http/old"]),
  )
  expect(await deployment.backlog()).toBe(20)
  expect(await deployment.rowCount()).toBe(1)
  // Now this program is the newer one.
  await sql(deployment, "DELETE FROM schema_migrations WHERE version = 999")
  deployment.startNode("new")
  await deployment.drained()
  expect(await deployment.rowCount()).toBe(21)
  expect(await run(deployment.figures.stats("main", "day"))).toMatchObject({ total_events: 21 })
})

/** Everything that Redis has, to be put back later: what a Redis comes back with that was killed before it wrote the rest. */
const snapshot = async ({ redis, prefix }: Deployment) => {
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
  const deployment = await freshDeployment({ redisUrl: store.url })
  for (let i = 0; i < 10; i++) await pageView(deployment)
  const comeBack = await snapshot(deployment)
  deployment.startNode()
  await deployment.drained()
  await comeBack()
  await eventually(async () =>
    expect((await run(deployment.figures.stats("main", "day"))).total_events).toBe(10),
  )
  await deployment.drained()
  expect(await deployment.rowCount()).toBe(10)
})

test("figures that Redis has lost are restored from Postgres, though no event arrives", async () => {
  const deployment = await freshDeployment()
  deployment.startNode()
  for (let i = 0; i < 10; i++)
    await deployment.send({
      ...{ event_type: "cv_theme_change", event_data: { theme: "dark" }, visitor_id: randomUUID() },
    })
  await deployment.drained()
  const figures = async () => [
    await run(deployment.figures.stats("main", "day")),
    await run(deployment.figures.themes("main", 5, null)),
  ]
  const before = await figures()
  expect(before[0]).toMatchObject({ total_events: 10, unique_visitors: 10 })
  await deployment.redis.unlink(...(await deployment.redis.keys(`${deployment.prefix}:{*`)))
  await eventually(async () => expect(await figures()).toEqual(before))
  expect(await metricValue(deployment.metrics, "figure_losses_total")).toBeGreaterThan(0)
  await eventually(async () =>
    expect((await backlogs(deployment)).map(({ lost }) => lost)).toEqual([false, false]),
  )
  await pageView(deployment)
  await deployment.drained()
  expect(await run(deployment.figures.stats("main", "day"))).toMatchObject({ total_events: 11 })
  expect(await deployment.rowCount()).toBe(11)
})

describe("a takeover", () => {
  const takeOver = async (deployment: Deployment, lastStreamId: string) => {
    const reader = await deployment.scoped(connectRedis(deployment.redisSettings, "read", "test"))
    const log = makePartitionLog({ ...deployment, partition: 0, reader })
    const acquired = await run(deployment.writer.acquireEpoch(0))
    await deployment.redis.set(streamKeys(deployment.prefix, 0).lease, "token")
    const takeover = await run(log.takeOver("token", { ...acquired, lastStreamId }))
    return { log, epoch: acquired.epoch, takeover }
  }

  test("says that figures are lost when Redis is behind Postgres and no longer has what is missing", async () => {
    const deployment = await freshDeployment()
    const { events, state } = streamKeys(deployment.prefix, 0)
    await deployment.redis.xadd(events, "5-0", "e", "{}")
    await deployment.redis.hset(state, "applied", "4-0")
    // Written to Postgres, not applied, and still here: the next owner applies it.
    expect((await takeOver(deployment, "5-0")).takeover).toMatchObject({ applied: "4-0", lost: false })
    // Appends after the loss have made the ids high enough, but the entry is gone.
    await deployment.redis.xadd(events, "9-0", "e", "{}")
    expect((await takeOver(deployment, "7-0")).takeover).toMatchObject({ applied: "4-0", lost: true })
    // Ids have to be moved on.
    expect((await takeOver(deployment, "12-0")).takeover).toMatchObject({ applied: "4-0", lost: true })
    await expect(deployment.redis.xadd(events, "11-0", "e", "{}")).rejects.toThrow(/equal or smaller/)
    const lost = async () => (await backlogs(deployment))[0]?.lost
    expect(await lost()).toBe(true)
    // All of it.
    await deployment.redis.del(events, state)
    expect(await lost()).toBe(false)
    expect((await takeOver(deployment, "12-0")).takeover).toMatchObject({ applied: "0-0", lost: true })
  })

  test("leaves a partition whose dead letters are whole, even when its group was destroyed meanwhile", async () => {
    const deployment = await freshDeployment()
    const { events, dead, state } = streamKeys(deployment.prefix, 0)
    const id = (await deployment.redis.xadd(events, "*", "e", "{}")) ?? ""
    const { log, epoch } = await takeOver(deployment, "0-0")
    await deployment.redis.xgroup("DESTROY", events, GROUP)
    await run(log.deadLetter(epoch, "0-0", { id, payload: "{}" }, "a reason"))
    expect(await deployment.redis.hget(state, "applied")).toBe(id)
    expect(await deployment.redis.xlen(dead)).toBe(1)
    expect(await deployment.redis.xlen(events)).toBe(0)
  })
})

describe("the consumer group", () => {
  const lastDelivered = async ({ redis, prefix }: Deployment) => {
    const groups = await redis.xinfo("GROUPS", streamKeys(prefix, 0).events)
    const [group]: ReadonlyArray<unknown> = Array.isArray(groups) ? groups : []
    if (!Array.isArray(group)) return null
    return String(group[group.indexOf("last-delivered-id") + 1])
  }

  const payload = () => `[1,"main",null,"${randomUUID()}","page_view",${now()},null,null,null]`

  test("shows how far the actors are, dead letters included, and one that was destroyed holds nothing up", async () => {
    const deployment = await freshDeployment()
    const { events, state } = streamKeys(deployment.prefix, 0)
    const node = deployment.startNode()
    for (const text of [payload(), "{}"]) {
      await deployment.appendPayload(0, text)
      await deployment.drained()
      expect(await lastDelivered(deployment)).toBe(await deployment.redis.hget(state, "applied"))
    }
    await deployment.redis.xgroup("DESTROY", events, GROUP)
    for (const text of [payload(), "{}"]) await deployment.appendPayload(0, text)
    await deployment.drained()
    expect(await lastDelivered(deployment)).toBeNull()
    expect((await deployment.metrics.batchRetries.get()).values.filter(({ value }) => value > 0)).toEqual([])
    // The next owner makes it again.
    await node.stop()
    deployment.startNode()
    await eventually(async () => expect(await lastDelivered(deployment)).not.toBeNull())
    await deployment.appendPayload(0, payload())
    await deployment.drained()
    expect(await lastDelivered(deployment)).toBe(await deployment.redis.hget(state, "applied"))
    expect(await deployment.rowCount()).toBe(3)
  })
})

describe("entries that may end their actor", () => {
  /** A hundred events of one visitor, and what owners leave behind that ended while they tried the first N of them. */
  const tried = async (entries: number, attempts: number) => {
    const deployment = await freshDeployment()
    const visitor = randomUUID()
    for (let i = 0; i < 100; i++) await deployment.send({ event_type: "page_view", visitor_id: visitor })
    const keys = streamKeys(deployment.prefix, partitionOf(visitor, PARTITIONS))
    const ids = (await deployment.redis.xrange(keys.events, "-", "+")).map(([id]) => id)
    const [first = ""] = ids
    await deployment.redis.hset(keys.state, {
      ...{ head: first, deliveries: 1, tried_from: first, tried_to: ids[entries - 1] ?? "", attempts },
    })
    deployment.startNode()
    await deployment.drained()
    return { deployment, keys }
  }

  const batches = async (deployment: Deployment) =>
    (await deployment.metrics.batchSize.get()).values.find(({ metricName }) => metricName?.endsWith("_count"))
      ?.value

  test("are tried singly where an owner has ended, and a few at a time beyond", async () => {
    const { deployment } = await tried(10, 1)
    expect(await deployment.rowCount()).toBe(100)
    // 10 and, of the other 90, three times 32 at most; each is counted after it has left the stream.
    await eventually(async () => expect(await batches(deployment)).toBe(13))
  })

  test("are not suspected when it was a store that kept an owner waiting", async () => {
    const { deployment } = await tried(10, 0)
    expect(await deployment.rowCount()).toBe(100)
    await eventually(async () => expect(await batches(deployment)).toBe(1))
  })

  test("are dead-lettered after three owners, and the others go on", async () => {
    const { deployment, keys } = await tried(1, 3)
    expect(await deployment.rowCount()).toBe(99)
    const [letter] = await deployment.redis.xrange(keys.dead, "-", "+")
    expect(letter?.[1]).toEqual(
      expect.arrayContaining(["reason", expect.stringContaining("ended 3 times while processing it")]),
    )
  })
})

/** A Redis Cluster whose nodes die: the ones that REDIS_URL names are no more important than the others. */
import { randomUUID } from "node:crypto"
import { describe, expect, onTestFinished, test } from "vitest"
import { checkRedis } from "../../src/stores/checkRedis.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { type Deployment, freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run, testScope } from "../support/effects.ts"
import { eventually } from "../support/index.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const started = async (replicasEach: number) => {
  const cluster = await RedisCluster.start({ folder: temporaryFolder(), replicasEach })
  onTestFinished(() => cluster.stop())
  return cluster
}

/** Sends event after event, each until it is durable, on several connections until told to stop. */
const sending = (deployment: Deployment) => {
  let stopped = false
  let sent = 0
  const senders = Array.from({ length: 8 }, async () => {
    while (!stopped) {
      const body = { event_type: "page_view", visitor_id: randomUUID(), id: randomUUID() }
      await eventually(async () => expect(await deployment.send(body)).toBeNull(), { timeout: 30_000 })
      sent++
    }
  })
  return {
    sent: () => sent,
    stop: async () => {
      stopped = true
      await Promise.all(senders)
      return sent
    },
  }
}

const figures = async (deployment: Deployment) => {
  const stats = await run(deployment.figures.stats("main", "day"))
  return { rows: await deployment.rowCount(), events: stats.total_events, visitors: stats.unique_visitors }
}

describe("the node that REDIS_URL names", () => {
  test("may be killed under load: its replica takes over, and every event is counted once", async () => {
    // One replica takes over, the other one is what ACK_REPLICAS wants of it.
    const cluster = await started(2)
    const [named] = cluster.servers
    if (named === undefined) throw new Error("the cluster has no server")
    const deployment = await freshDeployment({ redisUrl: named.url, cluster: true, ackReplicas: 1 })
    for (let partition = 0; partition < PARTITIONS; partition++)
      await cluster.moveSlot(await cluster.slotOf(streamKeys(deployment.prefix, partition).events), named)
    deployment.startNode()
    const senders = sending(deployment)
    await eventually(() => expect(senders.sent()).toBeGreaterThan(200), { timeout: 30_000 })

    await named.kill()
    await cluster.whole()
    const before = senders.sent()
    await eventually(() => expect(senders.sent()).toBeGreaterThan(before + 200), { timeout: 30_000 })
    const sent = await senders.stop()
    await deployment.drained()
    expect(await figures(deployment)).toEqual({ rows: sent, events: sent, visitors: sent })

    // Whoever comes later asks those that are alive, although nobody was told of them.
    const later = await testScope().run(connectRedis(deployment.redisSettings, "command", "later"))
    await run(awaitReady(later))
    expect(await run(checkRedis(`${named.url},127.0.0.1:${cluster.servers[1]?.port}`))).toMatchObject({
      cluster: true,
    })
  }, 120_000)
})

test("a client that is ready is so for every master", async () => {
  const cluster = await started(0)
  const url = `redis://${cluster.servers.map(({ host, port }) => `${host}:${port}`).join(",")}`
  const keys = await Promise.all(
    (await cluster.masters()).map(async (master) => {
      for (let i = 0; ; i++)
        if ((await cluster.masterOf(await cluster.slotOf(`key${i}`))) === master) return `key${i}`
    }),
  )
  for (let i = 0; i < 10; i++) {
    const client = await testScope().run(connectRedis({ url, cluster: true }, "append", "test"))
    await run(awaitReady(client))
    await Promise.all(keys.flatMap((key) => [client.incr(key), client.incr(key)]))
  }
})

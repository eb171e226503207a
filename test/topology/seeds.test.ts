/** A Redis Cluster whose nodes die: the ones that REDIS_URL names are no more important than the others. */
import { describe, expect, onTestFinished, test } from "vitest"
import { checkRedis } from "../../src/stores/checkRedis.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run, testScope } from "../support/effects.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { expectCounted, sending } from "../support/sending.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const started = async (replicasEach: number) => {
  const cluster = await RedisCluster.start({ folder: temporaryFolder(), replicasEach })
  onTestFinished(() => cluster.stop())
  return cluster
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
    await senders.goesOn()

    await named.kill()
    await cluster.whole()
    await senders.goesOn()
    await expectCounted(deployment, await senders.stop())

    // Whoever comes later asks those that are alive, although nobody was told of them.
    const later = await testScope().run(connectRedis(deployment.redisSettings, "command", "later"))
    await run(awaitReady(later))
    expect(await run(checkRedis(`${named.url},127.0.0.1:${cluster.servers[1]?.port}`))).toMatchObject({
      cluster: true,
    })
  })
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

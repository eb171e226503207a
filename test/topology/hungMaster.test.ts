/** A cluster one of whose masters hangs: what lies with the others goes on, and what waits for it is neither lost nor doubled. */
import { randomUUID } from "node:crypto"
import pg from "pg"
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest"
import { partitionOf } from "../../src/domain/visitor.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { type Deployment, freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { eventually } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import type { RedisServer } from "../support/redisServer.ts"
import { newFolder, removeFolder } from "../support/temporaryFolder.ts"

const folder = newFolder()
let cluster: RedisCluster

beforeAll(async () => {
  // The others wait for a master that hangs, rather than to take the cluster for broken.
  cluster = await RedisCluster.start({ folder, replicasEach: 0, nodeTimeoutMs: 120_000 })
})

afterAll(async () => {
  await cluster.stop()
  removeFolder(folder)
})

/** Gives the first partition a master without any other one. Returns a function that makes this master hang until the test's end. */
const masterOfFirst = async (prefix: string, partitions: number) => {
  const slot = (partition: number) => cluster.slotOf(streamKeys(prefix, partition).events)
  const master = await cluster.masterOf(await slot(0))
  const [other] = (await cluster.masters()).filter((each) => each !== master)
  if (other === undefined) throw new Error("there is one master only")
  for (let partition = 1; partition < partitions; partition++)
    if ((await cluster.masterOf(await slot(partition))) === master)
      await cluster.moveSlot(await slot(partition), other)
  return master
}

const hang = (server: RedisServer) => {
  onTestFinished(() => server.signal("SIGCONT"))
  server.signal("SIGSTOP")
}

const visitorOf = (partition: number, partitions: number): string => {
  for (;;) {
    const id = randomUUID()
    if (partitionOf(id, partitions) === partition) return id
  }
}

/** Waits until appends to either partition are acknowledged. */
const isUsed = async ({ appendPayload }: Deployment) => {
  for (const partition of [0, 1])
    await eventually(async () => expect(await appendPayload(partition, "{}")).toBeNull())
}

test("events of a partition are appended while calls wait for the master of another one", async () => {
  const deployment = await freshDeployment({ redisUrl: cluster.servers[0]?.url ?? "", cluster: true })
  const master = await masterOfFirst(deployment.prefix, PARTITIONS)
  const calls = async () => {
    const { values } = await deployment.metrics.appendBatchSize.get()
    return values.find(({ metricName }) => metricName?.endsWith("_count"))?.value ?? 0
  }
  await isUsed(deployment)
  hang(master)
  // A machine that stands still for so long that Redis' answer is not waited for any more is given another try.
  await eventually(async () => {
    const before = await calls()
    const waiting: Array<Promise<unknown>> = []
    let answered = 0
    // As many as are let go without an answer, and one that has to wait for theirs.
    for (const sent of [1, 2, 2]) {
      waiting.push(deployment.appendPayload(0, "{}").then(() => answered++))
      await eventually(async () => expect(await calls()).toBeGreaterThanOrEqual(before + sent))
    }
    expect(await deployment.appendPayload(1, "{}")).toBeNull()
    const early = answered
    await Promise.all(waiting)
    expect(early).toBe(0)
  })
})

test("what waits for a master that hangs is bounded, and leaves the others room", async () => {
  const deployment = await freshDeployment({ redisUrl: cluster.servers[0]?.url ?? "", cluster: true })
  const master = await masterOfFirst(deployment.prefix, PARTITIONS)
  await isUsed(deployment)
  hang(master)
  const payload = "x".repeat(1024 * 1024)
  // Again, on a machine on which the other master's answer comes too late.
  await eventually(async () => {
    const outcomes: Array<unknown> = []
    const waiting = Array.from({ length: 80 }, async () => {
      outcomes.push(await deployment.appendPayload(0, payload))
    })
    // What there is no room for is refused before anything is sent.
    await new Promise((resolve) => setImmediate(resolve))
    const atOnce = [...outcomes]
    const other = await deployment.appendPayload(1, payload)
    await Promise.all(waiting)
    expect(atOnce).toEqual(Array.from({ length: 15 }, () => "STREAM_UNAVAILABLE"))
    expect(other).toBeNull()
    expect(new Set(outcomes)).toEqual(new Set(["STREAM_UNAVAILABLE"]))
  })
})

test("while a master hangs, events of the other partitions are acknowledged, and all of them are counted once", async () => {
  const config = await settings({ redisUrl: cluster.servers[0]?.url ?? "", partitions: 3 })
  const master = await masterOfFirst(config.redisKeyPrefix, config.partitions)
  const node = await runNode(config)
  const acknowledged = Array.from({ length: config.partitions }, () => 0)
  const refused = Array.from({ length: config.partitions }, () => 0)
  let sending = true
  const senders = Array.from({ length: 12 }, async (_, i) => {
    const partition = i % config.partitions
    while (sending) {
      const event = {
        event_type: "page_view",
        id: randomUUID(),
        visitor_id: visitorOf(partition, config.partitions),
      }
      while ((await node.post(event)) !== 201) refused[partition] = (refused[partition] ?? 0) + 1
      acknowledged[partition] = (acknowledged[partition] ?? 0) + 1
    }
  })
  const goesOn = (...partitions: ReadonlyArray<number>) => {
    const before = [...acknowledged]
    return eventually(() => {
      for (const each of partitions) expect(acknowledged[each]).toBeGreaterThan((before[each] ?? 0) + 50)
    })
  }
  await goesOn(0, 1, 2)
  hang(master)
  // Each of its senders is refused more than once before it goes on. Those of the others are so by nothing but a machine that stands still.
  for (let times = 1; times <= 3; times++)
    await eventually(async () => {
      const before = [...refused]
      await goesOn(1, 2)
      await eventually(() => expect(refused[0]).toBeGreaterThanOrEqual((before[0] ?? 0) + 4))
      expect(refused.slice(1)).toEqual(before.slice(1))
    })
  master.signal("SIGCONT")
  await goesOn(0, 1, 2)
  sending = false
  await Promise.all(senders)

  const all = acknowledged.reduce((sum, each) => sum + each, 0)
  await eventually(async () =>
    expect(await node.data("stats")).toMatchObject({
      total_events: all,
      page_views: all,
      unique_visitors: all,
    }),
  )
  const database = new pg.Client({ connectionString: config.databaseUrl })
  await database.connect()
  onTestFinished(() => database.end())
  const { rows } = await database.query("SELECT count(*)::int AS events FROM analytics_events")
  expect(rows).toEqual([{ events: all }])
})

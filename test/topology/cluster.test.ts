/** A Redis Cluster whose slots are moved while events are counted. */
import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { partitionOf } from "../../src/domain/visitor.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { type Deployment, freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { newFolder, removeFolder } from "../support/temporaryFolder.ts"

const folder = newFolder()
let cluster: RedisCluster

beforeAll(async () => {
  cluster = await RedisCluster.start({ folder, replicasEach: 0 })
})

afterAll(async () => {
  await cluster.stop()
  removeFolder(folder)
})

const onCluster = () => freshDeployment({ redisUrl: cluster.servers[0]?.url ?? "", cluster: true })

/** A visitor of the first partition, and its slot with the master that has it and another one. */
const placeOf = async (deployment: Deployment) => {
  const slot = await cluster.slotOf(streamKeys(deployment.prefix, 0).events)
  const from = await cluster.masterOf(slot)
  const to = (await cluster.masters()).find((master) => master !== from)
  if (to === undefined) throw new Error("there is one master only")
  return { slot, from, to }
}

const visitor = (): string => {
  for (;;) {
    const id = randomUUID()
    if (partitionOf(id, PARTITIONS) === 0) return id
  }
}

/** Sends an event as a persistent sender would: with the same id until it is durable. */
const sendUntilDurable = async (deployment: Deployment, visitorId: string): Promise<void> => {
  const body = {
    ...{ event_type: "cv_theme_change", event_data: { theme: "dark" } },
    ...{ visitor_id: visitorId, id: randomUUID() },
  }
  await eventually(async () => {
    const failure = await deployment.send(body)
    if (failure !== null) throw new Error(failure)
  })
}

const retries = async (deployment: Deployment) =>
  (await deployment.metrics.batchRetries.get()).values.reduce((sum, { value }) => sum + value, 0)

const figures = async (deployment: Deployment) => {
  const stats = await run(deployment.figures.stats("main", "day"))
  const [theme] = await run(deployment.figures.themes("main", 1, null))
  return { events: stats.total_events, visitors: stats.unique_visitors, themes: theme?.views ?? 0 }
}

describe("while a slot is being moved", () => {
  test("an event is counted once, however long the slot is left half moved", async () => {
    const deployment = await onCluster()
    const { slot, from, to } = await placeOf(deployment)
    deployment.startNode()
    await sendUntilDurable(deployment, visitor())
    await deployment.drained()

    await cluster.openSlot(slot, from, to)
    await sendUntilDurable(deployment, visitor())
    // A new visitor needs a key that is missing here: the cluster refuses, and the batch is tried again and again.
    await eventually(async () => expect(await retries(deployment)).toBeGreaterThan(3))
    expect(await figures(deployment)).toEqual({ events: 1, visitors: 1, themes: 1 })

    await cluster.moveSlot(slot, to)
    await deployment.drained()
    expect(await figures(deployment)).toEqual({ events: 2, visitors: 2, themes: 2 })
    expect(await deployment.rowCount()).toBe(2)
  })

  test("events that keep coming are all counted once, with the slot moved back and forth", async () => {
    const deployment = await onCluster()
    const { slot, from, to } = await placeOf(deployment)
    deployment.startNode()
    let sending = true
    let sent = 0
    const senders = Array.from({ length: 8 }, async () => {
      while (sending) {
        await sendUntilDurable(deployment, visitor())
        sent++
      }
    })
    for (const master of [to, from, to, from]) {
      const before = sent
      await cluster.moveSlot(slot, master)
      await eventually(() => expect(sent).toBeGreaterThan(before + 50))
    }
    sending = false
    await Promise.all(senders)
    await deployment.drained()
    expect(await deployment.rowCount()).toBe(sent)
    expect(await figures(deployment)).toEqual({ events: sent, visitors: sent, themes: sent })
  })

  test("figures that were lost are rebuilt whole, though their keys are on their way", async () => {
    const deployment = await onCluster()
    const { slot, from, to } = await placeOf(deployment)
    deployment.startNode()
    for (let i = 0; i < 200; i++) await sendUntilDurable(deployment, visitor())
    await deployment.drained()
    expect(await figures(deployment)).toEqual({ events: 200, visitors: 200, themes: 200 })

    let moving = true
    const mover = async () => {
      for (let i = 0; moving; i++) await cluster.moveSlot(slot, i % 2 === 0 ? to : from)
    }
    const moved = mover()
    const { state } = streamKeys(deployment.prefix, 0)
    await eventually(() => deployment.redis.unlink(state))
    await sendUntilDurable(deployment, visitor())
    await deployment.drained()
    moving = false
    await moved
    await eventually(async () =>
      expect(await figures(deployment)).toEqual({ events: 201, visitors: 201, themes: 201 }),
    )
    expect(await deployment.rowCount()).toBe(201)
  })
})

/** ACK_REPLICAS: an event is acknowledged when N replicas have it, so that a failover loses none that was. */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { type Deployment, freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { eventually } from "../support/index.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { RedisServer } from "../support/redisServer.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const started = async (folder: string, ...settings: ReadonlyArray<string>) => {
  const server = await RedisServer.start({ folder, settings })
  onTestFinished(() => server.kill())
  return server
}

/** A master, and a replica that follows it. */
const pair = async () => {
  const folder = temporaryFolder()
  const master = await started(join(folder, "master"))
  const replica = await started(join(folder, "replica"), "--replicaof", `127.0.0.1 ${master.port}`)
  await eventually(async () => {
    const info = await replica.ask((redis) => redis.info("replication"))
    if (!info.includes("master_link_status:up")) throw new Error(info)
  })
  return { master, replica }
}

const event = () => ({ event_type: "page_view", visitor_id: randomUUID(), id: randomUUID() })

/** Sends an event until it is acknowledged. */
const acknowledged = ({ send }: Deployment) => {
  const body = event()
  return eventually(async () => expect(await send(body)).toBeNull())
}

const lengthOn = (server: RedisServer, deployment: Deployment) =>
  server.ask(async (redis) => {
    let length = 0
    for (let partition = 0; partition < PARTITIONS; partition++)
      length += await redis.xlen(streamKeys(deployment.prefix, partition).events)
    return length
  })

describe("with ACK_REPLICAS=1", () => {
  test("a replica has every event that was acknowledged", async () => {
    const { master, replica } = await pair()
    const deployment = await freshDeployment({ redisUrl: master.url, ackReplicas: 1 })
    for (let i = 1; i <= 20; i++) {
      await acknowledged(deployment)
      // More, where a busy machine has answered too late.
      expect(await lengthOn(replica, deployment)).toBeGreaterThanOrEqual(i)
    }
  })

  test("nothing is acknowledged while the replica does not answer, and all again when it does", async () => {
    const { master, replica } = await pair()
    const deployment = await freshDeployment({ redisUrl: master.url, ackReplicas: 1 })
    replica.signal("SIGSTOP")
    const refused = async () => {
      const found = await Promise.all(Array.from({ length: 10 }, () => deployment.send(event())))
      expect(new Set(found)).toEqual(new Set(["STREAM_UNAVAILABLE"]))
    }
    // On a busy machine Redis itself may answer too late at first.
    await eventually(async () => {
      await refused()
      expect(deployment.failures.join()).toContain("NOREPLICAS 0 of the 1 replicas")
    })
    // What could not be acknowledged is not appended while it is known that it could not, which is for a while.
    await eventually(async () => {
      await refused()
      const held = await lengthOn(master, deployment)
      expect(await deployment.send(event())).toBe("STREAM_UNAVAILABLE")
      expect(await lengthOn(master, deployment)).toBe(held)
    })
    replica.signal("SIGCONT")
    await eventually(async () => expect(await deployment.send(event())).toBeNull())
  })

  test("nothing is processed that no replica has, for a failover would take it away", async () => {
    const { master, replica } = await pair()
    const deployment = await freshDeployment({ redisUrl: master.url, ackReplicas: 1 })
    deployment.startNode()
    await acknowledged(deployment)
    await deployment.drained()
    replica.signal("SIGSTOP")
    expect(await deployment.send(event())).toBe("STREAM_UNAVAILABLE")
    // It is in the stream, has been read, and waits.
    const waits = async () => {
      const { values } = await deployment.metrics.actorModes.get()
      expect(values.find(({ labels }) => labels.mode === "waiting")?.value).toBe(1)
    }
    await eventually(waits)
    expect(await deployment.rowCount()).toBe(1)
    replica.signal("SIGCONT")
    await deployment.drained()
    expect(await deployment.rowCount()).toBe(2)
  })

  test("a cluster's master that is killed takes no acknowledged event with it", async () => {
    const folder = temporaryFolder()
    const cluster = await RedisCluster.start({ folder })
    onTestFinished(() => cluster.stop())
    const deployment = await freshDeployment({
      ...{ redisUrl: cluster.servers[0]?.url ?? "", cluster: true, ackReplicas: 1 },
    })
    const slot = await cluster.slotOf(streamKeys(deployment.prefix, 0).events)
    const master = await cluster.masterOf(slot)
    const acknowledged = new Set<string>()
    let sending = true
    const senders = Array.from({ length: 16 }, async () => {
      while (sending) {
        const body = event()
        if ((await deployment.send(body)) === null) acknowledged.add(body.id)
      }
    })
    await eventually(() => expect(acknowledged.size).toBeGreaterThan(500))
    // A slot on its way must not be taken for one whose events a replica has.
    const others = (await cluster.masters()).filter((each) => each !== master)
    if (others[0] !== undefined) await cluster.moveSlot(slot, others[0])
    const moved = acknowledged.size
    await eventually(() => expect(acknowledged.size).toBeGreaterThan(moved + 300))
    const killed = await cluster.masterOf(slot)
    await killed.kill()
    await cluster.whole()
    // Its replica leads now, and has none of its own until the other one is back.
    await killed.start()
    await cluster.whole()
    const restarted = acknowledged.size
    await eventually(() => expect(acknowledged.size).toBeGreaterThan(restarted + 300))
    sending = false
    await Promise.all(senders)

    const held = new Set<string>()
    const read = async () => {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const { events } = streamKeys(deployment.prefix, partition)
        for (const [, fields] of await deployment.redis.xrange(events, "-", "+"))
          for (const [id] of (fields[1] ?? "").matchAll(/[0-9a-f-]{36}/g)) held.add(id)
      }
    }
    // This client may not have heard yet who leads.
    await eventually(read)
    expect([...acknowledged].filter((id) => !held.has(id))).toEqual([])
  })
})

/** Slots of a cluster that are moved from master to master, as when it grows or shrinks. */
import { setTimeout as sleep } from "node:timers/promises"
import { mastersOf } from "../../../src/stores/redis.ts"
import type { RedisCluster } from "../../support/redisCluster.ts"
import type { RedisServer } from "../../support/redisServer.ts"
import { again, PREFIX, type World } from "../world.ts"
import type { Fault } from "./fault.ts"

const clusterOf = ({ stores }: World): RedisCluster => {
  if (stores.redis.topology !== "cluster") throw new Error("only a cluster has slots")
  return stores.redis.set
}

/** The slots that hold anything of the deployment's: those of its partitions, and of what belongs to none. */
const usedSlots = (world: World): Promise<ReadonlyArray<number>> =>
  world.stores.redis.use(async (redis) => {
    const slots = new Set<number>()
    for (const master of mastersOf(redis))
      for await (const keys of master.scanStream({ match: `${PREFIX}*`, count: 1000 }))
        for (const key of keys as ReadonlyArray<string>)
          slots.add(Number(await master.call("CLUSTER", "KEYSLOT", key)))
    return [...slots]
  })

const anotherMaster = async (world: World, than: RedisServer): Promise<RedisServer> => {
  const others = (await clusterOf(world).masters()).filter((master) => master !== than)
  const drawn = others[world.random.integer(0, others.length - 1)]
  if (drawn === undefined) throw new Error("there is no other master")
  return drawn
}

/** Moves every slot that holds a key to another master. Returns how many were moved. */
const moveSlots = async (world: World): Promise<number> => {
  const cluster = clusterOf(world)
  const slots = await usedSlots(world)
  for (const slot of slots)
    await cluster.moveSlot(slot, await anotherMaster(world, await cluster.masterOf(slot)))
  return slots.length
}

/** One of the strikes of `all-at-once`; what was failing over before is waited for. */
export const moveEverySlot = async (world: World): Promise<void> => {
  await clusterOf(world).whole()
  await moveSlots(world)
}

export const SLOT_FAULTS: ReadonlyArray<Fault> = [
  {
    name: "slots-moved",
    topologies: ["cluster"],
    what: "every slot that holds a key is moved to another master, key by key, repeatedly",
    strike: async ({ world, milliseconds, note }) => {
      let moves = 0
      await again(world, milliseconds, [100, 500], async () => {
        moves += await moveSlots(world)
        world.log("every slot was moved")
      })
      note(`${moves} moves`)
    },
  },
  {
    name: "slot-half-moved",
    topologies: ["cluster"],
    what: "a slot is left half moved for 2 to 5 s: some keys here, others there, and new ones refused",
    strike: async ({ world, milliseconds, note }) => {
      const cluster = clusterOf(world)
      let moves = 0
      await again(world, milliseconds, [200, 1000], async () => {
        const slots = await usedSlots(world)
        const slot = slots[world.random.integer(0, slots.length - 1)] ?? 0
        const from = await cluster.masterOf(slot)
        const to = await anotherMaster(world, from)
        await cluster.openSlot(slot, from, to)
        const keys = await cluster.moveKeys(slot, from, to, world.random.integer(0, 30))
        world.log(`slot ${slot} is half moved, with ${keys} keys`)
        await sleep(world.random.integer(2000, 5000))
        await cluster.moveSlot(slot, to)
        world.log(`slot ${slot} is moved`)
        moves++
      })
      note(`${moves} moves`)
    },
  },
]

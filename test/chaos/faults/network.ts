/** Nodes that are far away from their stores, or cut off. */
import { setTimeout as sleep } from "node:timers/promises"
import { again, seatOf } from "../world.ts"
import { type Fault, SINGLE } from "./fault.ts"

export const NETWORK_FAULTS: ReadonlyArray<Fault> = [
  {
    name: "latency",
    topologies: SINGLE,
    what: "200 ms more latency each way between a node and its stores, on and off",
    between: "networks",
    strike: async ({ world, milliseconds, note }) => {
      note(world.seats[0]?.redis?.how ?? "")
      await again(world, milliseconds, [500, 1500], async () => {
        const seat = seatOf(world)
        for (const wire of [seat.redis, seat.postgres]) wire?.delay(200)
        world.log(`${seat.node.name} is far from its stores`)
        await sleep(world.random.integer(2000, 5000))
        for (const wire of [seat.redis, seat.postgres]) wire?.delay(0)
        world.log(`${seat.node.name} is near again`)
      })
    },
  },
  {
    name: "cut",
    topologies: SINGLE,
    what: "a node is cut off from Redis, Postgres or both: packets are dropped, connections stay open; for 3 to 9 s",
    between: "networks",
    milliseconds: 18_000,
    strike: async ({ world, milliseconds, note }) => {
      note(world.seats[0]?.redis?.how ?? "")
      await again(world, milliseconds, [500, 2000], async () => {
        const seat = seatOf(world)
        const from = world.random.pick(["Redis", "Postgres", "both stores"])
        const wires = [
          ...(from !== "Postgres" ? [seat.redis] : []),
          ...(from !== "Redis" ? [seat.postgres] : []),
        ]
        for (const wire of wires) wire?.cut(true)
        world.log(`cut ${seat.node.name} off from ${from}`)
        await sleep(world.random.integer(3000, 9000))
        for (const wire of wires) wire?.cut(false)
        world.log(`${seat.node.name} has its network again`)
      })
    },
  },
]

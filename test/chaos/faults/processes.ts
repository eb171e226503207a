/** Nodes and stores that are killed, stopped or frozen. */
import { setTimeout as sleep } from "node:timers/promises"
import type { ChaosStore } from "../store.ts"
import { again, seatOf, type World } from "../world.ts"
import { type Fault, PAUSE_MS, restart, SINGLE } from "./fault.ts"

const hang = (name: string, of: string, which: (world: World) => ChaosStore): Fault => ({
  name,
  ...(of === "Redis" ? { mayLoseBelow: 1 } : { topologies: SINGLE }),
  what: `SIGSTOP of ${of} for ${PAUSE_MS / 1000} s, longer than leases live, then SIGCONT`,
  milliseconds: 12_000,
  strike: ({ world, milliseconds }) =>
    again(world, milliseconds, [1000, 3000], async () => {
      world.log(`stopped ${of}`)
      which(world).pause()
      await sleep(PAUSE_MS)
      which(world).resume()
      world.log(`resumed ${of}`)
    }),
})

const killStore = (name: string, of: string, which: (world: World) => ChaosStore): Fault => ({
  name,
  mayLoseBelow: of === "Redis" ? 1 : 0,
  what: `kill -9 of ${of} at random moments; it is restarted with its data`,
  strike: async ({ world, milliseconds, note }) => {
    let kills = 0
    await again(world, milliseconds, [700, 4000], async () => {
      await which(world).kill()
      kills++
      world.log(`killed ${of}`)
    })
    note(`${kills} kills`)
  },
})

export const PROCESS_FAULTS: ReadonlyArray<Fault> = [
  {
    name: "node-kill",
    what: "kill -9 of a node at random moments; it is restarted",
    strike: async ({ world, milliseconds, note }) => {
      let kills = 0
      await again(world, milliseconds, [300, 3500], async () => {
        const seat = seatOf(world)
        await seat.node.end("SIGKILL")
        kills++
        world.log(`killed ${seat.node.name}`)
        await restart(world, seat)
      })
      note(`${kills} kills`)
    },
  },
  killStore("redis-kill", "Redis", (world) => world.stores.redis),
  killStore("postgres-kill", "Postgres", (world) => world.stores.postgres),
  {
    name: "node-pause",
    what: `SIGSTOP of a node for ${PAUSE_MS / 1000} s, longer than leases live, then SIGCONT: a zombie`,
    milliseconds: 12_000,
    strike: ({ world, milliseconds }) =>
      again(world, milliseconds, [1000, 3000], async () => {
        const { node } = seatOf(world)
        world.log(`stopped ${node.name}`)
        node.signal("SIGSTOP")
        await sleep(PAUSE_MS)
        node.signal("SIGCONT")
        world.log(`resumed ${node.name}`)
      }),
  },
  hang("redis-pause", "Redis", (world) => world.stores.redis),
  hang("postgres-pause", "Postgres", (world) => world.stores.postgres),
  {
    name: "node-stop",
    what: "SIGTERM under load, then a restart; it must exit with code 0 within 10 s",
    strike: ({ world, milliseconds, broken }) =>
      again(world, milliseconds, [800, 3000], async () => {
        const seat = seatOf(world)
        const began = performance.now()
        const code = await seat.node.end("SIGTERM")
        const seconds = (performance.now() - began) / 1000
        world.log(`${seat.node.name} stopped in ${seconds.toFixed(2)} s with exit code ${code}`)
        if (code !== 0) broken(`SIGTERM ended ${seat.node.name} with exit code ${code}`)
        if (seconds > 10) broken(`SIGTERM took ${seconds.toFixed(1)} s`)
        await restart(world, seat)
      }),
  },
]

/** Nodes and stores that are killed, stopped or frozen. */
import { setTimeout as sleep } from "node:timers/promises"
import { again, seatOf } from "../world.ts"
import { type Fault, PAUSE_MS, restart, SINGLE } from "./fault.ts"

type Store = "redis" | "postgres"

const NAMES: { readonly [S in Store]: string } = { redis: "Redis", postgres: "Postgres" }
const PROCESSES: { readonly [S in Store]: string } = {
  redis: "Redis, all of its servers at once,",
  postgres: "Postgres",
}

const hang = (store: Store): Fault => ({
  name: `${store}-pause`,
  ...(store === "redis" ? { replacesMaster: true } : { topologies: SINGLE }),
  what: `SIGSTOP of ${PROCESSES[store]} for ${PAUSE_MS / 1000} s, longer than leases live, then SIGCONT`,
  milliseconds: 12_000,
  strike: ({ world, milliseconds }) =>
    again(world, milliseconds, [1000, 3000], async () => {
      world.log(`stopped ${NAMES[store]}`)
      world.stores[store].pause()
      await sleep(PAUSE_MS)
      world.stores[store].resume()
      world.log(`resumed ${NAMES[store]}`)
    }),
})

const killStore = (store: Store): Fault => ({
  name: `${store}-kill`,
  ...(store === "redis" && { replacesMaster: true }),
  what: `kill -9 of ${PROCESSES[store]} at random moments; it is restarted with its data`,
  strike: async ({ world, milliseconds, note }) => {
    let kills = 0
    await again(world, milliseconds, [700, 4000], async () => {
      await world.stores[store].kill()
      kills++
      world.log(`killed ${NAMES[store]}`)
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
  killStore("redis"),
  killStore("postgres"),
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
  hang("redis"),
  hang("postgres"),
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

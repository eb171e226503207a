/** What operators do while events arrive, and what happens to clocks. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { HOUR_MS } from "../../../src/domain/time.ts"
import { nextVersion, previousVersion, whyNoPreviousVersion } from "../versions.ts"
import { again, type Strike, seatOf } from "../world.ts"
import { command, type Fault, PAUSE_MS, restart, SINGLE } from "./fault.ts"
import { serverStrikes } from "./servers.ts"
import { moveEverySlot } from "./slots.ts"

const clockFile = (folder: string) => join(folder, "clock")

/** Replaces the nodes one by one, with pauses: SIGTERM, then a start from the sources in `root`. */
const replaceNodes = async ({ world, broken }: Strike, root: string, milliseconds: number) => {
  for (const seat of world.seats) {
    await sleep(2000)
    const code = await seat.node.end("SIGTERM")
    if (code !== 0) broken(`SIGTERM ended ${seat.node.name} with exit code ${code}`)
    seat.node.root = root
    await seat.node.start()
    world.log(`${seat.node.name} is the new version`)
    await sleep(milliseconds / world.seats.length)
  }
}

/** Runs retention and rebuild alternately until told to stop. Failures are only noted: stores and nodes may be down. */
const operate = async ({ world, note }: Strike, signal: AbortSignal) => {
  const results = { done: 0, failed: 0 }
  while (!signal.aborted) {
    const args = world.random.chance(0.5) ? ["rebuild"] : ["retention", "--days", "3", "--yes"]
    try {
      world.log(await command(world, args))
      results.done++
    } catch {
      world.log(`${args[0]} failed`)
      results.failed++
    }
    await sleep(500)
  }
  note(`${results.done} commands done, ${results.failed} failed`)
}

export const OPERATION_FAULTS: ReadonlyArray<Fault> = [
  {
    name: "retention",
    what: "the retention command runs repeatedly, by cursor and by day table, with a retention of 3 days",
    counters: true,
    retentionDays: 3,
    strike: ({ world, milliseconds, broken }) =>
      again(world, milliseconds, [200, 1000], async () => {
        const cursor = world.random.chance(0.5) ? ["--cursor"] : []
        try {
          world.log(await command(world, ["retention", "--days", "3", "--yes", ...cursor]))
        } catch (error) {
          broken(`retention failed: ${error instanceof Error ? error.message : error}`)
        }
      }),
  },
  {
    name: "rebuild",
    what: "the rebuild command runs repeatedly",
    strike: ({ world, milliseconds, broken }) =>
      again(world, milliseconds, [200, 1500], async () => {
        try {
          world.log(await command(world, ["rebuild"]))
        } catch (error) {
          broken(`rebuild failed: ${error instanceof Error ? error.message : error}`)
        }
      }),
  },
  {
    name: "clock",
    topologies: SINGLE,
    what: "the nodes' clock jumps by an hour, forward and back",
    env: (folder) => ({
      CHAOS_CLOCK_FILE: clockFile(folder),
      NODE_OPTIONS: `--import=${new URL("../clock.mjs", import.meta.url).href}`,
    }),
    load: { atLeastAgo: 2 * HOUR_MS },
    strike: async ({ world, milliseconds }) => {
      const file = clockFile(world.options.folder)
      await again(world, milliseconds, [1000, 3000], async () => {
        const hours = world.random.pick([-1, 1])
        writeFileSync(file, String(hours * HOUR_MS))
        world.log(`the nodes' clock jumped by ${hours} h`)
        await sleep(world.random.integer(1000, 3000))
        writeFileSync(file, "0")
        world.log("the nodes' clock jumped back")
      })
    },
  },
  {
    name: "upgrade",
    topologies: SINGLE,
    what: "nodes of the version before the newest migration are replaced one by one by this version, which migrates",
    root: previousVersion,
    missing: whyNoPreviousVersion,
    strike: (strike) => replaceNodes(strike, strike.world.options.newRoot, strike.milliseconds),
  },
  {
    name: "upgrade-to-next",
    what: "nodes of this version are replaced one by one by a version with one more migration; old ones process nothing after it",
    strike: (strike) => {
      const { newRoot, folder } = strike.world.options
      return replaceNodes(strike, nextVersion(newRoot, folder), strike.milliseconds)
    },
  },
  {
    name: "all-at-once",
    replacesMaster: true,
    what: "kills, pauses and cuts of nodes and stores, failovers and moved slots in any order, while retention and rebuild run",
    between: "proxies",
    retentionDays: 3,
    load: { idsBeyondDays: 2 },
    milliseconds: 40_000,
    strike: async (strike) => {
      const { world, milliseconds } = strike
      const over = new AbortController()
      const operating = operate(strike, over.signal)
      const { redis, postgres } = world.stores
      const faults: Readonly<Record<string, () => Promise<void>>> = {
        "kill a node": async () => {
          const seat = seatOf(world)
          await seat.node.end("SIGKILL")
          await restart(world, seat)
        },
        "stop a node": async () => {
          const seat = seatOf(world)
          await seat.node.end("SIGTERM")
          await restart(world, seat)
        },
        "freeze a node": async () => {
          const { node } = seatOf(world)
          node.signal("SIGSTOP")
          await sleep(world.random.integer(500, PAUSE_MS))
          node.signal("SIGCONT")
        },
        "kill Redis": redis.kill,
        "kill Postgres": postgres.kill,
        "freeze Redis": async () => {
          redis.pause()
          await sleep(world.random.integer(500, 4000))
          redis.resume()
        },
        "freeze Postgres": async () => {
          postgres.pause()
          await sleep(world.random.integer(500, 4000))
          postgres.resume()
        },
        "cut a node off": async () => {
          const seat = seatOf(world)
          const wire = world.random.chance(0.5) ? seat.redis : seat.postgres
          wire?.cut(true)
          await sleep(world.random.integer(500, 6000))
          wire?.cut(false)
        },
        ...(redis.topology !== "single" && serverStrikes(world)),
        ...(redis.topology === "cluster" && { "move every slot": () => moveEverySlot(world) }),
      }
      await again(world, milliseconds, [200, 2500], async () => {
        const [first = "", ...others] = Object.keys(faults)
        const drawn = world.random.pick([first, ...others])
        world.log(drawn)
        await faults[drawn]?.()
      })
      over.abort()
      await operating
    },
  },
]

/** The type of a fault, and what several faults share. */
import { execFile } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { programOf } from "../nodes.ts"
import type { SingleRedis, Topology } from "../redis.ts"
import type { SendersOptions } from "../senders.ts"
import { type Between, PARTITIONS, PREFIX, type Seat, type Strike, seatOf, type World } from "../world.ts"

export interface Fault {
  readonly name: string
  /** What strikes, for the table. */
  readonly what: string
  /** Strikes for a while and leaves everything as it was: repaired, restarted, connected. */
  readonly strike: (strike: Strike) => Promise<void>
  /** Where it can strike; in every topology by default. */
  readonly topologies?: ReadonlyArray<Topology>
  /** A replica may become the master while the old one goes on or comes back: what not every replica had may be lost. */
  readonly replacesMaster?: true
  /** What is between nodes and stores; nothing by default. */
  readonly between?: Between
  /** No process of the deployment ends and no batch changes its owner, so the counters must be exact. */
  readonly counters?: boolean
  readonly env?: (folder: string) => Readonly<Record<string, string>>
  readonly load?: Partial<SendersOptions>
  /** Redis' appendfsync, if the run's own will not do. */
  readonly fsync?: "everysec"
  readonly postgresMegabytes?: number
  /** It needs a Postgres with a synchronous standby. */
  readonly postgresPair?: true
  /** The sources that nodes start with, if not the run's. */
  readonly root?: (root: string, folder: string) => string
  /** Days after which retention deletes during the run. */
  readonly retentionDays?: number
  /** How long to strike, milliseconds, if the default is too short. */
  readonly milliseconds?: number
  /** The most memory a node may use, MiB. */
  readonly memoryLimit?: number
  /** What this machine lacks to run it, in a sentence; `null` if nothing. */
  readonly missing?: (root: string) => string | null
}

/** For a fault to which it is the same how many servers Redis has, or that needs what only one of them has. */
export const SINGLE = ["single"] as const

/** For a fault that needs replicas. */
export const REPLICATED = ["cluster", "sentinel"] as const

/** What only a single Redis has. */
export const singleRedis = ({ stores }: World): SingleRedis => {
  if (stores.redis.topology !== "single") throw new Error("this fault is for a single Redis")
  return stores.redis
}

/** Longer than a lease lives. */
export const PAUSE_MS = 8500

/** Why a fault can only be run by root. */
export const needsRoot = (): string | null => (process.getuid?.() === 0 ? null : "it needs root")

export const restart = async (world: World, { node }: Seat) => {
  await sleep(world.random.integer(0, 800))
  await node.start()
}

/** Ends a killed node's leases immediately, so that more crashes fit into a run. */
export const endLeases = (world: World) =>
  world.stores.redis.use(async (redis) => {
    for (let p = 0; p < PARTITIONS; p++) await redis.del(`${PREFIX}:{${p}}:lease`)
    await redis.del(`${PREFIX}:nodes`)
  })

/** How long the oldest waiting event has waited, milliseconds; 0 if none is waiting. */
export const oldestWaiting = (world: World): Promise<number> =>
  world.stores.redis.use(async (redis) => {
    const [seconds, micros] = await redis.time()
    const now = Number(seconds) * 1000 + Number(micros) / 1000
    let oldest = 0
    for (let p = 0; p < PARTITIONS; p++) {
      const [first] = await redis.xrange(`${PREFIX}:{${p}}:events`, "-", "+", "COUNT", 1)
      if (first !== undefined) oldest = Math.max(oldest, now - Number.parseInt(first[0], 10))
    }
    return oldest
  })

const run = promisify(execFile)

/** Runs a command alongside the nodes. Returns its last line; rejects if it fails. */
export const command = async (world: World, args: ReadonlyArray<string>): Promise<string> => {
  const { stdout } = await run(process.execPath, [programOf(world.options.root), ...args], {
    cwd: world.options.root,
    timeout: 240_000,
    env: {
      PATH: process.env.PATH,
      ...world.env,
      REDIS_URL: world.stores.redis.url,
      DATABASE_URL: world.stores.postgres.url,
    },
  })
  return stdout.trim().split("\n").at(-1) ?? ""
}

/** Sends one event until it is acknowledged. */
export const post = async (world: World, body: object): Promise<void> => {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      const response = await fetch(`${seatOf(world).node.url}/api/v1/analytics/event`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(5000),
      })
      await response.arrayBuffer()
      if (response.status === 201) return
    } catch {
      // The node is being killed.
    }
    await sleep(200)
  }
  throw new Error("an event could not be sent")
}

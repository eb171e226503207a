/** What a fault is, and what several of them share. */
import { execFile } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import type { SendersOptions } from "../senders.ts"
import { onRedis } from "../stores.ts"
import { PARTITIONS, PREFIX, type Seat, type Strike, seatOf, type World } from "../world.ts"

export interface Fault {
  readonly name: string
  /** One sentence for the table. */
  readonly what: string
  /** Strikes for a while and leaves everything as it was: mended, restarted, connected. */
  readonly strike: (strike: Strike) => Promise<void>
  /** What lies between nodes and stores; nothing by default. */
  readonly between?: "proxies" | "networks"
  /** No process of the deployment ends, and no batch changes hands: the counters must be exact. */
  readonly counters?: boolean
  readonly env?: (folder: string) => Readonly<Record<string, string>>
  readonly load?: Partial<SendersOptions>
  /** Redis' appendfsync, where the run's own would not do. */
  readonly fsync?: "everysec"
  readonly postgresMegabytes?: number
  /** The sources that nodes start with, where those are not the run's. */
  readonly root?: (root: string, folder: string) => string
  /** Days after which retention deletes during the run. */
  readonly retentionDays?: number
  /** Milliseconds of striking, where the default is too short. */
  readonly milliseconds?: number
  /** Memory of a node that must not be passed, MiB. */
  readonly memoryLimit?: number
  /** What this machine lacks for it, in a sentence; `null` when it can be run. */
  readonly missing?: (root: string) => string | null
}

/** Longer than a lease lives. */
export const PAUSE_MS = 8500

/** Why a fault cannot be run by anybody but root. */
export const needsRoot = (): string | null => (process.getuid?.() === 0 ? null : "it needs root")

export const restart = async (world: World, { node }: Seat) => {
  await sleep(world.random.integer(0, 800))
  await node.start()
}

/** Lets a killed node's leases end at once, so that more crashes fit into a run. */
export const endLeases = (world: World) =>
  onRedis(world.stores.redis.url, async (redis) => {
    for (let p = 0; p < PARTITIONS; p++) await redis.del(`${PREFIX}:{${p}}:lease`)
    await redis.del(`${PREFIX}:nodes`)
  })

/** Milliseconds that the oldest waiting event has waited; 0 when none waits. */
export const oldestWaiting = (world: World): Promise<number> =>
  onRedis(world.stores.redis.url, async (redis) => {
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

/** A command of the command line, beside the running nodes; gives its last line, and rejects when it fails. */
export const command = async (world: World, args: ReadonlyArray<string>): Promise<string> => {
  const { stdout } = await run(process.execPath, ["src/main.ts", ...args], {
    cwd: world.options.root,
    timeout: 60_000,
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

/** What an experiment strikes at: private stores, proxies before them, one node or several, and the dice. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Random } from "../traffic/random.ts"
import type { Journal } from "./journal.ts"
import { ChaosNode } from "./nodes.ts"
import { SITES } from "./senders.ts"
import { type ChaosStores, startStores } from "./stores.ts"
import { TcpProxy } from "./tcpProxy.ts"

export const PARTITIONS = 4
export const TIME_ZONE = "Pacific/Auckland"
export const PREFIX = "maicivy"

export interface WorldOptions {
  readonly folder: string
  /** Whose `src` runs. */
  readonly root: string
  readonly nodes: number
  readonly random: Random
  readonly env: Readonly<Record<string, string>>
  readonly proxied: boolean
  readonly fsync: "always" | "everysec"
  readonly postgresMegabytes: number | null
}

/** A node and the proxies through which it reaches the stores, where there are any. */
export interface Seat {
  readonly node: ChaosNode
  readonly redisProxy: TcpProxy | null
  readonly postgresProxy: TcpProxy | null
}

export interface World {
  readonly stores: ChaosStores
  readonly seats: ReadonlyArray<Seat>
  readonly random: Random
  readonly options: WorldOptions
  readonly env: Readonly<Record<string, string>>
  /** What was done, when: seconds since the start of the faults. */
  readonly log: (what: string) => void
  readonly schedule: ReadonlyArray<string>
  readonly stop: () => Promise<void>
}

const through = (url: string, proxy: TcpProxy | null): string => {
  if (proxy === null) return url
  const changed = new URL(url)
  changed.port = String(proxy.port)
  return changed.href
}

/** Starts stores, proxies and nodes. */
export const startWorld = async (options: WorldOptions, print: (line: string) => void): Promise<World> => {
  mkdirSync(options.folder, { recursive: true })
  const stores = await startStores(options)
  const seats: Array<Seat> = []
  const schedule: Array<string> = []
  const began = performance.now()
  const stop = async () => {
    stores.redis.resume()
    stores.postgres.resume()
    for (const { node } of seats) node.signal("SIGCONT")
    await Promise.all(seats.map(({ node }) => node.end("SIGKILL")))
    for (const { redisProxy, postgresProxy } of seats) {
      await redisProxy?.stop()
      await postgresProxy?.stop()
    }
    await stores.stop()
  }
  const env = {
    REDIS_KEY_PREFIX: PREFIX,
    SITES: SITES.join(","),
    TIME_ZONE,
    PARTITIONS: String(PARTITIONS),
    RATE_LIMIT_PER_MINUTE: "0",
    WS_MAX_CONNECTIONS_PER_IP: "1000",
    DATA_DIR: join(options.folder, "data"),
    ...options.env,
  }
  try {
    for (let i = 0; i < options.nodes; i++) {
      const redisProxy = options.proxied ? await TcpProxy.start(() => stores.redis.port) : null
      const postgresProxy = options.proxied ? await TcpProxy.start(() => stores.postgres.port) : null
      const name = String.fromCharCode(65 + i)
      const node = await ChaosNode.make({
        name,
        root: options.root,
        env: {
          ...env,
          REDIS_URL: through(stores.redis.url, redisProxy),
          DATABASE_URL: through(stores.postgres.url, postgresProxy),
        },
        logFile: join(options.folder, `node-${name}.log`),
      })
      seats.push({ node, redisProxy, postgresProxy })
      await node.start()
    }
  } catch (error) {
    await stop()
    throw error
  }
  const log = (what: string) => {
    const line = `${((performance.now() - began) / 1000).toFixed(2)} s  ${what}`
    schedule.push(line)
    print(line)
  }
  return { stores, seats, random: options.random, options, env, log, schedule, stop }
}

/** Strikes again and again, between `min` and `max` milliseconds apart, until a time has passed. */
export const again = async (
  world: World,
  milliseconds: number,
  [min, max]: readonly [number, number],
  strike: () => Promise<void>,
): Promise<void> => {
  const end = performance.now() + milliseconds
  do {
    await sleep(world.random.integer(min, max))
    await strike()
  } while (performance.now() < end)
}

export const seatOf = (world: World): Seat => {
  const seat = world.seats[world.random.integer(0, world.seats.length - 1)]
  if (seat === undefined) throw new Error("there is no node")
  return seat
}

/** What a fault may want to know and say, beside the world. */
export interface Strike {
  readonly world: World
  readonly journal: Journal
  /** How long to go on striking, milliseconds. */
  readonly milliseconds: number
  /** Marks of events that must end as dead letters. */
  readonly poison: Set<number>
  /** Reports a promise, other than the figures, that was not kept. */
  readonly broken: (sentence: string) => void
  /** Notes for the table: what was seen. */
  readonly note: (text: string) => void
  /** Dead letters that no sender sent. */
  otherDeadLetters: number
}

/** What an experiment strikes at: private stores, proxies in front of them, one or several nodes, and the dice. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Random } from "../../src/tools/traffic/random.ts"
import type { Journal, Loss } from "./journal.ts"
import {
  canUseNamespaces,
  type Island,
  namespacePlace,
  type Place,
  plainPlace,
  startIsland,
  type Targets,
  type Wire,
} from "./network.ts"
import { ChaosNode } from "./nodes.ts"
import type { Topology } from "./redis.ts"
import { SITES } from "./senders.ts"
import { type ChaosStores, startStores } from "./stores.ts"
import type { TcpProxy } from "./tcpProxy.ts"

export const PARTITIONS = 4
export const TIME_ZONE = "Pacific/Auckland"
export const PREFIX = "maicivy"

export interface WorldOptions {
  readonly folder: string
  /** The folder whose `src` runs at first. */
  readonly root: string
  /** The version under test; an upgrade starts with another one. */
  readonly newRoot: string
  readonly nodes: number
  readonly random: Random
  readonly env: Readonly<Record<string, string>>
  readonly topology: Topology
  /** How many replicas a master has. */
  readonly replicas: number
  /** Whether a master is soon replaced. */
  readonly replacesMaster?: boolean
  /** What lies between nodes and stores. */
  readonly between: Between
  readonly fsync: "always" | "everysec"
  readonly postgresMegabytes: number | null
  readonly postgresPair: boolean
}

/**
 * Nothing, proxies, or networks of their own where the machine allows it. With an island, the last node shares a network with
 * the first master.
 */
export type Between = "nothing" | "proxies" | "networks" | "island"

/** A node, and the wires to its stores, if there are any. */
export interface Seat {
  readonly node: ChaosNode
  readonly redis: Wire | null
  readonly postgres: Wire | null
}

export interface World {
  readonly stores: ChaosStores
  readonly seats: ReadonlyArray<Seat>
  readonly island: Island | null
  readonly random: Random
  readonly options: WorldOptions
  readonly env: Readonly<Record<string, string>>
  /** What was done when, in seconds since the start of the fault. */
  readonly log: (what: string) => void
  readonly schedule: ReadonlyArray<string>
  readonly stop: () => Promise<void>
}

const through = (url: string, proxy: TcpProxy | undefined): string => {
  // A URL of several hosts is none to `URL`.
  if (proxy === undefined) return url
  const changed = new URL(url)
  changed.hostname = proxy.host
  changed.port = String(proxy.port)
  return changed.href
}

const placesOf = ({ here, there, command }: Island) => ({
  first: { host: here, command },
  others: { host: there },
})

const placeFor = async (between: Between, targets: Targets, seat: number): Promise<Place | null> => {
  if (between === "proxies" || (between === "networks" && !canUseNamespaces())) return plainPlace(targets)
  return between === "networks" ? namespacePlace(targets, seat) : null
}

/** Starts stores, proxies and nodes. */
export const startWorld = async (options: WorldOptions, print: (line: string) => void): Promise<World> => {
  mkdirSync(options.folder, { recursive: true })
  const seats: Array<Seat> = []
  const ends: Array<() => Promise<void>> = []
  const schedule: Array<string> = []
  const stop = async () => {
    for (const end of ends.toReversed()) await end()
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
    let postgresPort = 0
    const postgres = () => postgresPort
    const island =
      options.between === "island" ? await startIsland({ redis: null, postgres }, options.nodes - 1) : null
    if (island !== null) ends.push(island.stop)
    const stores = await startStores({ ...options, places: island === null ? null : placesOf(island) })
    postgresPort = stores.postgres.port
    ends.push(async () => {
      stores.redis.resume()
      stores.postgres.resume()
      await stores.stop()
    })
    const { redis } = stores
    const targets = { redis: redis.topology === "single" ? () => redis.port : null, postgres }
    for (let i = 0; i < options.nodes; i++) {
      const own = i === options.nodes - 1 ? island : null
      const place = own ?? (await placeFor(options.between, targets, i))
      if (place !== null && place !== island) ends.push(place.stop)
      const name = String.fromCharCode(65 + i)
      const node = await ChaosNode.make(
        {
          name,
          host: place?.host ?? "127.0.0.1",
          command: place?.command ?? [],
          env: {
            ...env,
            REDIS_URL: through(redis.url, place?.redis?.proxy),
            DATABASE_URL: through(stores.postgres.nodesUrl, place?.postgres.proxy),
          },
          logFile: join(options.folder, `node-${name}.log`),
        },
        options.root,
      )
      ends.push(async () => {
        node.signal("SIGCONT")
        await node.end("SIGKILL")
      })
      seats.push({ node, redis: place?.redis ?? null, postgres: place?.postgres ?? null })
      await node.start()
    }
    const began = performance.now()
    const log = (what: string) => {
      const line = `${((performance.now() - began) / 1000).toFixed(2)} s  ${what}`
      schedule.push(line)
      print(line)
    }
    return { stores, seats, island, random: options.random, options, env, log, schedule, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Strikes repeatedly, `min` to `max` milliseconds apart, until a time has passed. */
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

/** What a fault gets besides the world. */
export interface Strike {
  readonly world: World
  readonly journal: Journal
  /** How long to strike, milliseconds. */
  readonly milliseconds: number
  /** Marks of events that must end as dead letters. */
  readonly poison: Set<number>
  /** Reports a broken promise other than figures. */
  readonly broken: (sentence: string) => void
  /** Notes for the table: what was seen. */
  readonly note: (text: string) => void
  /** Dead letters that no sender sent. */
  otherDeadLetters: number
  /** What may be lost, as documented. */
  readonly mayBeLost: Array<Loss>
}

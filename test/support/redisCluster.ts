/** A Redis Cluster of real processes on the loopback: masters, their replicas, and its slots, which can be moved. */
import { join } from "node:path"
import { eventually } from "./eventually.ts"
import { freePorts } from "./freePort.ts"
import {
  type Credentials,
  QUICK_REPLICATION,
  RedisServer,
  type RedisServerOptions,
  redisBinary,
} from "./redisServer.ts"

const SLOTS = 16_384

/** Servers forget who they are to meet when that takes longer than it may be silent: they are told again after this. */
const MEET_AGAIN_MS = 3000

export interface ClusterOptions {
  readonly folder: string
  readonly binary?: RedisServerOptions["binary"]
  readonly masters?: number
  readonly replicasEach?: number
  /** Milliseconds of silence after which a master is failed over. Where there is no replica to do it, it is waited for by default. */
  readonly nodeTimeoutMs?: number
  readonly settings?: ReadonlyArray<string>
  readonly client?: Credentials
  /** Where a server runs, by its number; by default on the loopback. */
  readonly place?: (server: number) => Pick<RedisServerOptions, "host" | "command">
}

/** One server as `CLUSTER NODES` has it. */
export interface ClusterNode {
  readonly id: string
  readonly port: number
  readonly isMaster: boolean
  readonly hasFailed: boolean
  /** Of the master; `null` for a master. */
  readonly masterId: string | null
  readonly linked: boolean
  readonly slots: ReadonlyArray<readonly [from: number, to: number]>
}

const parseNode = (line: string): ClusterNode => {
  const [id = "", address = "", flags = "", master = "-", , , , link = "", ...slots] = line.split(" ")
  return {
    id,
    port: Number(/:(\d+)@/.exec(address)?.[1]),
    isMaster: flags.includes("master"),
    hasFailed: /\bfail\b/.test(flags.replaceAll("fail?", "")),
    masterId: master === "-" ? null : master,
    linked: link === "connected",
    // What is being moved stands in brackets.
    slots: slots
      .filter((range) => !range.startsWith("["))
      .map((range) => {
        const [from = "", to = from] = range.split("-")
        return [Number(from), Number(to)] as const
      }),
  }
}

export class RedisCluster {
  readonly servers: ReadonlyArray<RedisServer>

  /** How many masters there are when none is missing. */
  readonly shards: number

  constructor(servers: ReadonlyArray<RedisServer>, shards: number) {
    this.servers = servers
    this.shards = shards
  }

  /** Starts the servers, makes them a cluster, and waits until all of them say that it is whole. */
  static async start({
    masters = 3,
    replicasEach = 1,
    nodeTimeoutMs = replicasEach === 0 ? 120_000 : 2000,
    ...options
  }: ClusterOptions): Promise<RedisCluster> {
    const binary = options.binary ?? (await redisBinary())
    const count = masters * (1 + replicasEach)
    // Two for each: the second one is for the cluster's own traffic.
    const ports = await freePorts(2 * count)
    const servers = await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const [port = 0, busPort = 0] = ports.slice(2 * i, 2 * i + 2)
        return new RedisServer({
          ...{ binary, port, folder: join(options.folder, `redis-${i}`) },
          ...options.place?.(i),
          settings: [
            ...["--cluster-enabled", "yes", "--cluster-node-timeout", String(nodeTimeoutMs)],
            // By default it is the port plus 10,000, which may be taken.
            ...["--cluster-port", String(busPort)],
            // A replica whose master is down takes over at once, however long its link was broken.
            ...["--cluster-replica-validity-factor", "0", ...QUICK_REPLICATION],
            ...(options.settings ?? []),
          ],
          ...(options.client !== undefined && { client: options.client }),
        })
      }),
    )
    const cluster = new RedisCluster(servers, masters)
    try {
      await Promise.all(servers.map((server) => server.start()))
      await cluster.#form()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  async #form(): Promise<void> {
    const masters = this.shards
    const share = Math.ceil(SLOTS / masters)
    for (const [i, server] of this.servers.slice(0, masters).entries())
      await server.ask((redis) =>
        redis.call(
          "CLUSTER",
          "ADDSLOTSRANGE",
          String(i * share),
          String(Math.min((i + 1) * share, SLOTS) - 1),
        ),
      )
    let met = Number.NEGATIVE_INFINITY
    await eventually(async () => {
      if (performance.now() - met > MEET_AGAIN_MS) {
        await this.#meet()
        met = performance.now()
      }
      for (const server of this.servers) {
        const known = (await this.nodes(server)).filter(({ linked }) => linked).length
        if (known < this.servers.length) throw new Error(`${known} nodes are known to ${server.port}`)
      }
    })
    for (const [i, server] of this.servers.slice(masters).entries()) {
      const master = this.servers[i % masters]
      const id = await master?.ask((redis) => redis.call("CLUSTER", "MYID"))
      await server.ask((redis) => redis.call("CLUSTER", "REPLICATE", String(id)))
    }
    await this.whole()
  }

  /** Tells the first server of all others that it does not know. */
  async #meet(): Promise<void> {
    const [first, ...others] = this.servers
    if (first === undefined) return
    const known = new Set((await this.nodes(first)).map(({ port }) => port))
    for (const other of others) {
      if (known.has(other.port)) continue
      const busPort = await other.ask((redis) => redis.config("GET", "cluster-port"))
      await first.ask((redis) =>
        redis.call("CLUSTER", "MEET", other.host, String(other.port), String(Array.from(busPort)[1])),
      )
    }
  }

  /** The cluster as one of its servers sees it; by default the first one that runs. */
  async nodes(seenBy: RedisServer = this.#alive()): Promise<ReadonlyArray<ClusterNode>> {
    const text = String(await seenBy.ask((redis) => redis.call("CLUSTER", "NODES")))
    return text.trim().split("\n").map(parseNode)
  }

  #alive(): RedisServer {
    const alive = this.servers.find(({ running }) => running)
    if (alive === undefined) throw new Error("no server of the cluster runs")
    return alive
  }

  /** Waits until every server that runs says that the cluster takes commands, and its replicas follow their masters. */
  async whole(): Promise<void> {
    await eventually(async () => {
      for (const server of this.servers.filter(({ running }) => running))
        await server.ask(async (redis) => {
          const info = String(await redis.call("CLUSTER", "INFO"))
          if (!info.includes("cluster_state:ok")) throw new Error(`${server.port}: ${info}`)
          const replication = await redis.info("replication")
          if (replication.includes("role:slave") && !replication.includes("master_link_status:up"))
            throw new Error(`${server.port} does not follow its master yet`)
        })
    })
  }

  /** The slot of a key. */
  async slotOf(key: string): Promise<number> {
    return Number(await this.#alive().ask((redis) => redis.call("CLUSTER", "KEYSLOT", key)))
  }

  /** The master that has a slot now. */
  async masterOf(slot: number): Promise<RedisServer> {
    const owner = (await this.nodes()).find(
      ({ isMaster, hasFailed, slots }) =>
        isMaster && !hasFailed && slots.some(([from, to]) => from <= slot && slot <= to),
    )
    return this.serverOf(owner?.port)
  }

  serverOf(port: number | undefined): RedisServer {
    const server = this.servers.find((each) => each.port === port)
    if (server === undefined) throw new Error(`no server of the cluster has port ${port}`)
    return server
  }

  /** The masters that have slots. */
  async masters(): Promise<ReadonlyArray<RedisServer>> {
    const nodes = await this.nodes()
    return nodes
      .filter(({ isMaster, hasFailed, slots }) => isMaster && !hasFailed && slots.length > 0)
      .map(({ port }) => this.serverOf(port))
  }

  /** The replicas that follow a master, as it knows itself: the others hear of them later. */
  async replicasOf(master: RedisServer): Promise<ReadonlyArray<RedisServer>> {
    return (await master.replicaPorts()).map((port) => this.serverOf(port))
  }

  /** Makes a replica the master of its shard by hand, which loses nothing. Resolves once it is one. */
  async failOver(replica: RedisServer): Promise<void> {
    await eventually(async () => {
      if (await replica.isMaster()) return
      await replica.ask((redis) => redis.call("CLUSTER", "FAILOVER"))
      // A failover that comes to nothing, for the master has no time, ends by itself after five seconds.
      await eventually(async () => expectMaster(await replica.isMaster()), { timeout: 6000 })
    })
  }

  /** Opens a slot for its move: from here on keys that are missing are asked for at the new master. */
  async openSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    const [fromId, toId] = [await idOf(from), await idOf(to)]
    await to.ask((redis) => redis.call("CLUSTER", "SETSLOT", String(slot), "IMPORTING", fromId))
    await from.ask((redis) => redis.call("CLUSTER", "SETSLOT", String(slot), "MIGRATING", toId))
  }

  /** Moves up to `most` keys of an open slot. Returns how many were moved. */
  async moveKeys(slot: number, from: RedisServer, to: RedisServer, most: number): Promise<number> {
    return from.ask(async (redis) => {
      const found = await redis.call("CLUSTER", "GETKEYSINSLOT", String(slot), String(most))
      const keys = Array.isArray(found) ? found.map(String) : []
      if (keys.length > 0)
        await redis.call("MIGRATE", to.host, String(to.port), "", "0", "20000", "REPLACE", "KEYS", ...keys)
      return keys.length
    })
  }

  /** Ends a move: the slot is the new master's. */
  async closeSlot(slot: number, to: RedisServer): Promise<void> {
    const id = await idOf(to)
    // First the new master, so that no one is told of it before it knows.
    for (const server of [to, ...(await this.masters()).filter((each) => each !== to)])
      await server.ask((redis) => redis.call("CLUSTER", "SETSLOT", String(slot), "NODE", id))
  }

  /** Moves a slot with all its keys, as `redis-cli --cluster reshard` does. */
  async moveSlot(slot: number, to: RedisServer): Promise<void> {
    const from = await this.masterOf(slot)
    if (from === to) return
    await this.openSlot(slot, from, to)
    while ((await this.moveKeys(slot, from, to, 10)) > 0);
    await this.closeSlot(slot, to)
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.kill()))
  }
}

const expectMaster = (isMaster: boolean) => {
  if (!isMaster) throw new Error("the replica did not become the master")
}

const idOf = async (server: RedisServer): Promise<string> =>
  String(await server.ask((redis) => redis.call("CLUSTER", "MYID")))

/** A master, its replicas, and the Sentinels that watch them and make a replica the master: real processes. */
import { join } from "node:path"
import { eventually } from "./eventually.ts"
import { freePort } from "./freePort.ts"
import {
  type Credentials,
  QUICK_REPLICATION,
  RedisServer,
  type RedisServerOptions,
  redisBinary,
} from "./redisServer.ts"

export interface SentinelOptions {
  readonly folder: string
  readonly binary?: RedisServerOptions["binary"]
  readonly replicas?: number
  readonly sentinels?: number
  /** What the Sentinels call the master. */
  readonly name?: string
  /** Milliseconds of silence after which a Sentinel takes the master for dead. */
  readonly downAfterMs?: number
  /** Further settings of the servers with data, and of the Sentinels. */
  readonly settings?: ReadonlyArray<string>
  readonly sentinelSettings?: ReadonlyArray<string>
  readonly client?: Credentials
  /** Where a process runs, by its kind and number; by default on the loopback. */
  readonly place?: (
    kind: "server" | "sentinel",
    number: number,
  ) => Pick<RedisServerOptions, "host" | "command">
}

/** An attempt that comes to nothing is followed by the next after twice as long. */
const FAILOVER_TIMEOUT_MS = 3000

/** Longer than it takes to replace a master. */
const PAUSE_MS = 30_000

export class RedisSentinel {
  readonly name: string
  /** Those with data; the first is the master in the beginning. */
  readonly servers: ReadonlyArray<RedisServer>
  readonly sentinels: ReadonlyArray<RedisServer>
  /** One master has all the data. */
  readonly shards = 1

  constructor(name: string, servers: ReadonlyArray<RedisServer>, sentinels: ReadonlyArray<RedisServer>) {
    this.name = name
    this.servers = servers
    this.sentinels = sentinels
  }

  /** Starts the servers, then the Sentinels, and waits until all of them agree. */
  static async start({
    replicas = 1,
    sentinels = 3,
    name = "main",
    downAfterMs = 2000,
    ...options
  }: SentinelOptions): Promise<RedisSentinel> {
    const binary = options.binary ?? (await redisBinary())
    const make = async (kind: "server" | "sentinel", i: number, rest: Partial<RedisServerOptions>) =>
      new RedisServer({
        ...{ binary, port: await freePort(), folder: join(options.folder, `${kind}-${i}`) },
        ...options.place?.(kind, i),
        ...(options.client !== undefined && { client: options.client }),
        ...rest,
      })
    const settings = [...QUICK_REPLICATION, ...(options.settings ?? [])]
    const servers = await Promise.all(
      Array.from({ length: 1 + replicas }, (_, i) => make("server", i, { settings })),
    )
    const [master] = servers
    if (master === undefined) throw new Error("there is no master")
    const sentinelSettings = [
      ...["--sentinel", "monitor", name, master.host, String(master.port)],
      String(Math.floor(sentinels / 2) + 1),
      ...["--sentinel", "down-after-milliseconds", name, String(downAfterMs)],
      ...["--sentinel", "failover-timeout", name, String(FAILOVER_TIMEOUT_MS)],
      ...(options.sentinelSettings ?? []),
    ]
    const watching = await Promise.all(
      Array.from({ length: sentinels }, (_, i) =>
        make("sentinel", i, { sentinel: true, settings: sentinelSettings }),
      ),
    )
    const all = new RedisSentinel(name, servers, watching)
    try {
      await all.#form(master)
      return all
    } catch (error) {
      await all.stop()
      throw error
    }
  }

  async #form(master: RedisServer): Promise<void> {
    await Promise.all(this.servers.map((server) => server.start()))
    for (const replica of this.servers.filter((server) => server !== master))
      await replica.ask(async (redis) => {
        await redis.replicaof(master.host, master.port)
        await redis.config("REWRITE")
      })
    await Promise.all(this.sentinels.map((sentinel) => sentinel.start()))
    await this.whole()
  }

  /** `redis+sentinel://…` of all Sentinels. */
  get url(): string {
    return `redis+sentinel://${this.sentinels.map(({ host, port }) => `${host}:${port}`).join(",")}/${this.name}`
  }

  /** The master as one of the Sentinels sees it; by default the first one that runs. */
  async master(seenBy: RedisServer = this.#alive()): Promise<RedisServer> {
    const address = await seenBy.ask((redis) => redis.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", this.name))
    const port = Array.isArray(address) ? Number(address[1]) : Number.NaN
    const server = this.servers.find((each) => each.port === port)
    if (server === undefined) throw new Error(`no server has port ${port}`)
    return server
  }

  #alive(): RedisServer {
    const alive = this.sentinels.find(({ running }) => running)
    if (alive === undefined) throw new Error("no Sentinel runs")
    return alive
  }

  /** The only one, as a list: what a cluster has several of. */
  async masters(): Promise<ReadonlyArray<RedisServer>> {
    return [await this.master()]
  }

  async replicasOf(master: RedisServer): Promise<ReadonlyArray<RedisServer>> {
    return this.servers.filter((server) => server !== master)
  }

  /**
   * Replaces the master by hand so that nothing is lost: it takes no writes from before its successor is chosen until it follows
   * that one, which Sentinels would make it do seconds later. Resolves once it does.
   */
  async failOver(): Promise<void> {
    const before = await this.master()
    await before.ask((redis) => redis.call("CLIENT", "PAUSE", String(PAUSE_MS), "WRITE"))
    await eventually(async () => {
      const offset = await before.replicationOffset()
      for (const replica of await this.replicasOf(before))
        if (replica.running && (await replica.replicationOffset()) < offset)
          throw new Error(`${replica.port} has not all that its master has`)
    })
    await this.replaceMaster()
    const { host, port } = await this.master()
    await before.ask(async (redis) => {
      await redis.replicaof(host, port)
      await redis.config("REWRITE")
      await redis.call("CLIENT", "UNPAUSE")
    })
  }

  /** Has the Sentinels replace the master by hand at once. Resolves once they name another one. */
  async replaceMaster(): Promise<void> {
    const before = await this.master()
    await eventually(async () => {
      const sentinel = this.#alive()
      await sentinel
        .ask((redis) => redis.call("SENTINEL", "FAILOVER", this.name))
        .catch((error) => {
          // Another one is under way.
          if (!String(error).includes("INPROG")) throw error
        })
      await eventually(async () => {
        if ((await this.master(sentinel)) === before) throw new Error("the master is still the same")
      })
    })
  }

  /** Waits until the Sentinels that run agree on a master, which takes itself for one, and the others follow it. */
  async whole(): Promise<void> {
    await eventually(async () => {
      const master = await this.master()
      for (const sentinel of this.sentinels.filter(({ running }) => running)) {
        if ((await this.master(sentinel)) !== master) throw new Error("the Sentinels are of two minds")
        const known = await sentinel.ask((redis) => redis.call("SENTINEL", "CKQUORUM", this.name))
        if (!String(known).includes(`${this.sentinels.length} usable`)) throw new Error(String(known))
      }
      if (!(await master.isMaster())) throw new Error(`${master.port} is no master`)
      for (const replica of this.servers.filter((each) => each !== master && each.running)) {
        const info = await replica.ask((redis) => redis.info("replication"))
        if (!info.includes(`master_port:${master.port}\r`) || !info.includes("master_link_status:up"))
          throw new Error(`${replica.port} does not follow its master yet`)
      }
    })
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.kill()))
  }
}

/** The faults, each a function that strikes for a while and leaves everything as it was: mended, restarted, connected. */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import pg from "pg"
import { silentDashboard } from "./dashboards.ts"
import type { SendersOptions } from "./senders.ts"
import { type ChaosStore, fillDisk, onPostgres, onRedis } from "./stores.ts"
import type { Link, Watcher } from "./tcpProxy.ts"
import { again, PARTITIONS, PREFIX, type Seat, type Strike, seatOf, type World } from "./world.ts"

export interface Fault {
  readonly name: string
  /** One sentence for the table. */
  readonly what: string
  readonly strike: (strike: Strike) => Promise<void>
  /** Nodes reach their stores through proxies. */
  readonly proxied?: boolean
  /** No process of the deployment ends, and no batch changes hands: the counters must be exact. */
  readonly counters?: boolean
  readonly env?: (folder: string) => Readonly<Record<string, string>>
  readonly load?: Partial<SendersOptions>
  readonly postgresMegabytes?: number
  /** Days after which retention deletes during the run. */
  readonly retentionDays?: number
  /** Milliseconds of striking, where the default is too short. */
  readonly milliseconds?: number
  /** Memory of a node that must not be passed, MiB. */
  readonly memoryLimit?: number
}

/** Longer than a lease lives. */
const PAUSE_MS = 8500

const restart = async (world: World, { node }: Seat) => {
  await sleep(world.random.integer(0, 800))
  await node.start()
}

/** Lets a killed node's leases end at once, so that more crashes fit into a run. */
const endLeases = (world: World) =>
  onRedis(world.stores.redis.url, async (redis) => {
    for (let p = 0; p < PARTITIONS; p++) await redis.del(`${PREFIX}:{${p}}:lease`)
    await redis.del(`${PREFIX}:nodes`)
  })

/** How Redis names a script: of the sources that run, which may be a copy with a mistake in it. */
const shaOf = (root: string, script: string) =>
  createHash("sha1")
    .update(readFileSync(join(root, "src", script), "utf8"))
    .digest("hex")

/** A moment in a batch's or an append's life, recognised from the bytes between node and store. */
type Moment = "commit" | "figures" | "append"

const MOMENTS: { readonly [M in Moment]: string } = {
  commit: "after Postgres' commit, before the figures",
  figures: "after the figures, before their reply",
  append: "after an append, before its reply",
}

/** Calls `strike` once at the next such moment; the store's reply of that moment never arrives. */
const atMoment = (root: string, seat: Seat, moment: Moment, strike: (link: Link) => void): Promise<boolean> =>
  new Promise((resolve) => {
    const proxy = moment === "commit" ? seat.postgresProxy : seat.redisProxy
    if (proxy === null) return resolve(false)
    const apply = shaOf(root, "aggregates/lua/apply.lua")
    const asked = new Set<Link>()
    const timer = setTimeout(() => done(false), 12_000)
    const done = (struck: boolean) => {
      clearTimeout(timer)
      proxy.watcher = {}
      resolve(struck)
    }
    const reply = (link: Link, chunk: Buffer): boolean => {
      const here =
        moment === "commit"
          ? link.hello.includes("maicivy actors") && chunk.includes("COMMIT\0")
          : moment === "figures"
            ? asked.has(link)
            : link.hello.includes("maicivy-append")
      if (!here) return false
      strike(link)
      done(true)
      return true
    }
    const watcher: Watcher = {
      reply,
      request: (link, chunk) => {
        if (moment === "figures" && chunk.includes(apply)) asked.add(link)
      },
    }
    proxy.watcher = watcher
  })

const killAt = (name: string, moment: Moment): Fault => ({
  name,
  what: `kill -9 of a node ${MOMENTS[moment]}, again and again (leases are ended by hand, so that more crashes fit)`,
  proxied: true,
  milliseconds: 22_000,
  strike: async ({ world, milliseconds, note }) => {
    let kills = 0
    await again(world, milliseconds, [300, 900], async () => {
      const seat = seatOf(world)
      const struck = await atMoment(world.options.root, seat, moment, () => seat.node.signal("SIGKILL"))
      if (!struck) return
      kills++
      await seat.node.end("SIGKILL")
      world.log(`killed ${seat.node.name} ${MOMENTS[moment]}`)
      await endLeases(world)
      await restart(world, seat)
    })
    note(`${kills} kills`)
  },
})

const hang = (name: string, of: string, which: (world: World) => ChaosStore): Fault => ({
  name,
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
  what: `kill -9 of ${of} at random moments; it is started again with its data`,
  strike: async ({ world, milliseconds, note }) => {
    let kills = 0
    await again(world, milliseconds, [700, 4000], async () => {
      which(world).kill()
      kills++
      world.log(`killed ${of}`)
    })
    note(`${kills} kills`)
  },
})

const run = promisify(execFile)

/** A command of the command line, beside the running nodes; its failure is noted, since stores may be away. */
const command = async (world: World, args: ReadonlyArray<string>): Promise<string> => {
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

const clockFile = (folder: string) => join(folder, "clock")
const KILLER = "custom:killer"

const deadLetters = (world: World) =>
  onRedis(world.stores.redis.url, async (redis) => {
    let sum = 0
    for (let p = 0; p < PARTITIONS; p++) sum += await redis.xlen(`${PREFIX}:{${p}}:dead`)
    return sum
  })

/** Sends one event until it is acknowledged. */
const post = async (world: World, body: object): Promise<void> => {
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

export const FAULTS: ReadonlyArray<Fault> = [
  {
    name: "none",
    what: "nothing: the measure of the others",
    counters: true,
    strike: ({ milliseconds }) => sleep(milliseconds),
  },
  {
    name: "node-kill",
    what: "kill -9 of a node at random moments, started again",
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
  killAt("kill-between-stores", "commit"),
  killAt("kill-after-figures", "figures"),
  killAt("kill-after-append", "append"),
  {
    name: "lost-replies",
    what: "the connection breaks after a commit, a figures script or an append, before the reply arrives",
    proxied: true,
    strike: async ({ world, milliseconds, note }) => {
      let cuts = 0
      await again(world, milliseconds, [20, 200], async () => {
        const moment = world.random.pick(["commit", "figures", "append"])
        const seat = seatOf(world)
        if (await atMoment(world.options.root, seat, moment, (link) => link.cut())) {
          cuts++
          world.log(`lost a reply of ${seat.node.name} ${MOMENTS[moment]}`)
        }
      })
      note(`${cuts} replies lost`)
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
    what: "SIGTERM under load, started again; it must end with exit code 0 within 10 s",
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
  {
    name: "latency",
    what: "200 ms more each way between a node and its stores, on and off",
    proxied: true,
    strike: ({ world, milliseconds }) =>
      again(world, milliseconds, [500, 1500], async () => {
        const seat = seatOf(world)
        for (const proxy of [seat.redisProxy, seat.postgresProxy]) if (proxy !== null) proxy.delay = 200
        world.log(`${seat.node.name} is far from its stores`)
        await sleep(world.random.integer(2000, 5000))
        for (const proxy of [seat.redisProxy, seat.postgresProxy]) if (proxy !== null) proxy.delay = 0
        world.log(`${seat.node.name} is near again`)
      }),
  },
  {
    name: "cut",
    what: "a node is cut off from Redis, Postgres or both: packets vanish, connections stand; for 3 to 9 s",
    proxied: true,
    milliseconds: 18_000,
    strike: ({ world, milliseconds }) =>
      again(world, milliseconds, [500, 2000], async () => {
        const seat = seatOf(world)
        const from = world.random.pick(["Redis", "Postgres", "both stores"])
        const proxies = [
          ...(from !== "Postgres" ? [seat.redisProxy] : []),
          ...(from !== "Redis" ? [seat.postgresProxy] : []),
        ].filter((proxy) => proxy !== null)
        for (const proxy of proxies) proxy.cut = true
        world.log(`cut ${seat.node.name} off from ${from}`)
        await sleep(world.random.integer(3000, 9000))
        for (const proxy of proxies) proxy.cut = false
        world.log(`${seat.node.name} has its network again`)
      }),
  },
  {
    name: "redis-oom",
    what: "Redis reaches its maxmemory for 2 to 4 s at a time",
    counters: true,
    strike: ({ world, milliseconds }) =>
      onRedis(world.stores.redis.url, async (redis) => {
        await again(world, milliseconds, [1000, 2500], async () => {
          await redis.config("SET", "maxmemory", "1mb")
          world.log("Redis is out of memory")
          await sleep(world.random.integer(2000, 4000))
          await redis.config("SET", "maxmemory", "1gb")
          world.log("Redis has memory again")
        })
      }),
  },
  {
    name: "postgres-readonly",
    what: "Postgres is read-only for 2 to 5 s at a time, as after a failover",
    counters: true,
    strike: ({ world, milliseconds }) =>
      onPostgres(world.stores.postgres.url, async (client) => {
        await client.query("SET default_transaction_read_only = off")
        await again(world, milliseconds, [1000, 2500], async () => {
          await client.query("ALTER SYSTEM SET default_transaction_read_only = on")
          await client.query("SELECT pg_reload_conf()")
          world.log("Postgres is read-only")
          await sleep(world.random.integer(2000, 5000))
          await client.query("ALTER SYSTEM RESET default_transaction_read_only")
          await client.query("SELECT pg_reload_conf()")
          world.log("Postgres can be written again")
        })
      }),
  },
  {
    name: "postgres-disk-full",
    what: "Postgres' disk, a small tmpfs, is full for 2 to 5 s at a time",
    postgresMegabytes: 256,
    milliseconds: 18_000,
    strike: ({ world, milliseconds }) =>
      again(world, milliseconds, [1000, 2500], async () => {
        const ballast = fillDisk(world.stores.postgresFolder, 64 * 1024)
        world.log("Postgres' disk is full")
        await sleep(world.random.integer(2000, 5000))
        rmSync(ballast, { force: true })
        world.log("Postgres' disk has room again")
      }),
  },
  {
    name: "postgres-connections",
    what: "another client holds every connection of Postgres for 3 to 6 s, and the nodes' are broken",
    milliseconds: 14_000,
    strike: ({ world, milliseconds, note }) =>
      again(world, milliseconds, [1000, 2000], async () => {
        const held: Array<pg.Client> = []
        await onPostgres(world.stores.postgres.url, async (chief) => {
          const end = performance.now() + world.random.integer(3000, 6000)
          world.log("Postgres' connections are taken")
          while (performance.now() < end) {
            await chief.query(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'maicivy%'",
            )
            const client = new pg.Client({ connectionString: world.stores.postgres.url })
            client.on("error", () => {})
            try {
              await client.connect()
              held.push(client)
            } catch {
              await client.end().catch(() => {})
              await sleep(20)
            }
          }
          note(`${held.length} connections held`)
        })
        await Promise.all(held.map((client) => client.end().catch(() => {})))
        world.log("Postgres' connections are free again")
      }),
  },
  {
    name: "poison",
    what: "entries that cannot be decoded, and entries that Postgres refuses, among the others",
    counters: true,
    strike: (strike) =>
      onRedis(strike.world.stores.redis.url, async (redis) => {
        const { world } = strike
        await again(world, strike.milliseconds, [200, 1500], async () => {
          const partition = world.random.integer(0, PARTITIONS - 1)
          const payload = world.random.pick([
            "{}",
            "\u0000",
            "[2]",
            `[1,"main",null,"${world.random.uuid()}","page_view",9007199254740991,null,null,null]`,
            `[1,"main",null,"${world.random.uuid()}","page_view",${Date.now()},"\\u0000",null,null]`,
          ])
          await redis.xadd(`${PREFIX}:{${partition}}:events`, "*", "e", payload)
          strike.otherDeadLetters++
          world.log(`poisoned partition ${partition} with ${JSON.stringify(payload)}`)
        })
      }),
  },
  {
    name: "fatal-event",
    what: "an event that kills the node which processes it, each time, until it is dead-lettered",
    proxied: true,
    strike: async ({ world, journal, poison, broken, note }) => {
      const line = journal.add({
        id: world.random.uuid(),
        site: "main",
        visitor: world.random.uuid(),
        type: KILLER,
        theme: null,
        letter: null,
        at: Date.now(),
      })
      line.acknowledged = true
      line.sends = 1
      poison.add(line.event.mark)
      let kills = 0
      const tails = new WeakMap<Link, string>()
      for (const { node, postgresProxy } of world.seats) {
        if (postgresProxy === null) continue
        postgresProxy.watcher = {
          request: (link, chunk) => {
            const text = (tails.get(link) ?? "") + chunk.toString("latin1")
            tails.set(link, text.slice(-20))
            if (!text.includes(KILLER)) return
            node.signal("SIGKILL")
            link.cut()
            kills++
          },
        }
      }
      await post(world, {
        event_type: KILLER,
        id: line.event.id,
        visitor_id: line.event.visitor,
        timestamp: line.event.at,
        event_data: { k: line.event.mark },
      })
      world.log("sent the event that kills")
      const end = performance.now() + 80_000
      while ((await deadLetters(world)) === 0 && performance.now() < end) {
        for (const seat of world.seats) {
          if (seat.node.pid !== null) continue
          world.log(`${seat.node.name} has died`)
          await endLeases(world)
          await seat.node.start()
        }
        await sleep(50)
      }
      if ((await deadLetters(world)) === 0)
        broken(`the fatal event is not dead-lettered after ${kills} kills`)
      note(`dead-lettered after ${kills} kills`)
      for (const { postgresProxy } of world.seats) if (postgresProxy !== null) postgresProxy.watcher = {}
      for (const { node } of world.seats) if (node.pid === null) await node.start()
    },
  },
  {
    name: "silent-dashboard",
    what: "dashboards that connect and never read; the others and the events go on, memory stays bounded",
    counters: true,
    env: () => ({ LIVE_EVENTS_PER_SECOND: "5000" }),
    load: { pause: 10 },
    memoryLimit: 450,
    strike: async ({ world, milliseconds, note }) => {
      const silent = world.seats.flatMap(({ node }) => [
        silentDashboard(node.port),
        silentDashboard(node.port),
      ])
      await sleep(milliseconds)
      const dropped = await Promise.all(
        silent.map((each) => Promise.race([each.dropped.then(() => 1), sleep(100).then(() => 0)])),
      )
      const count = dropped.reduce<number>((sum, each) => sum + each, 0)
      for (const { socket } of silent) socket.destroy()
      note(`${count} of ${silent.length} dropped`)
      // The system's buffers take some megabytes before the server has to decide.
      for (const { node } of world.seats) {
        const text = await (await fetch(`${node.url}/metrics`)).text()
        const slow = Number(/websocket_dropped_total\{reason="slow"\} (\d+)/.exec(text)?.[1] ?? 0)
        note(`${node.name}: ${slow} slow`)
      }
    },
  },
  {
    name: "overload",
    what: "Postgres hangs while senders push as fast as answers come, against a backlog bound of 4,000",
    env: () => ({ MAX_BACKLOG: "4000" }),
    load: { senders: 16, pause: 5, batch: 60 },
    memoryLimit: 400,
    milliseconds: 12_000,
    strike: async ({ world, journal, broken, note }) => {
      for (let round = 0; round < 2; round++) {
        await sleep(1000)
        world.stores.postgres.pause()
        world.log("Postgres hangs")
        await sleep(5000)
        world.stores.postgres.resume()
        world.log("Postgres goes on")
      }
      const refused = journal.answers.get("503") ?? 0
      note(`${refused} answers 503`)
      if (refused === 0) broken("overload was never answered with 503")
    },
  },
  {
    name: "retention",
    what: "the retention command runs through it, by cursor and by table, with a retention of 3 days",
    counters: true,
    retentionDays: 3,
    strike: ({ world, milliseconds, broken }) =>
      again(world, milliseconds, [200, 1000], async () => {
        const cursor = world.random.chance(0.5) ? ["--cursor"] : []
        try {
          world.log(await command(world, ["retention", "--days", "3", ...cursor]))
        } catch (error) {
          broken(`retention failed: ${error instanceof Error ? error.message : error}`)
        }
      }),
  },
  {
    name: "rebuild",
    what: "the rebuild command runs through it, again and again",
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
    what: "the nodes' clock jumps by an hour, forth and back",
    env: (folder) => ({
      CHAOS_CLOCK_FILE: clockFile(folder),
      NODE_OPTIONS: `--import=${new URL("./clock.mjs", import.meta.url).href}`,
    }),
    load: { atLeastAgo: 2 * 3_600_000 },
    strike: async ({ world, milliseconds }) => {
      const file = clockFile(world.options.folder)
      await again(world, milliseconds, [1000, 3000], async () => {
        const hours = world.random.pick([-1, 1])
        writeFileSync(file, String(hours * 3_600_000))
        world.log(`the nodes' clock jumped by ${hours} h`)
        await sleep(world.random.integer(1000, 3000))
        writeFileSync(file, "0")
        world.log("the nodes' clock jumped back")
      })
    },
  },
]

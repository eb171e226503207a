/** Stores that are full, read-only, out of connections, or lose their last seconds. */
import { readdirSync, rmSync, statSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import pg from "pg"
import { fillDisk } from "../../support/smallDisk.ts"
import { onRedis } from "../redis.ts"
import { onPostgres } from "../stores.ts"
import { again } from "../world.ts"
import { type Fault, needsRoot, SINGLE, singleRedis } from "./fault.ts"

/** The append-only file that Redis is writing to, the last one. */
const appendOnlyFile = (folder: string): string =>
  join(
    folder,
    readdirSync(folder)
      .filter((file) => file.endsWith(".incr.aof"))
      .sort()
      .at(-1) ?? "",
  )

export const STORE_FAULTS: ReadonlyArray<Fault> = [
  {
    name: "redis-oom",
    topologies: SINGLE,
    what: "Redis reaches its maxmemory for 2 to 4 s at a time",
    counters: true,
    strike: ({ world, milliseconds }) =>
      onRedis(singleRedis(world).url, async (redis) => {
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
    name: "redis-connections",
    topologies: SINGLE,
    what: "Redis accepts no connections for 2 to 5 s, and the nodes' are broken",
    strike: ({ world, milliseconds }) =>
      onRedis(singleRedis(world).url, async (redis) => {
        await again(world, milliseconds, [1000, 2500], async () => {
          await redis.config("SET", "maxclients", "1")
          for (const type of ["NORMAL", "PUBSUB"])
            await redis.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes")
          world.log("Redis' connections are taken")
          await sleep(world.random.integer(2000, 5000))
          await redis.config("SET", "maxclients", "10000")
          world.log("Redis' connections are free again")
        })
      }),
  },
  {
    name: "redis-lost-tail",
    topologies: SINGLE,
    what: "Redis is killed and comes back without its last 1 to 2 s, as with appendfsync everysec",
    fsync: "everysec",
    strike: async ({ world, milliseconds, mayBeLost, note }) => {
      const redis = singleRedis(world)
      let losses = 0
      await again(world, milliseconds, [1000, 4000], async () => {
        const file = appendOnlyFile(redis.logFolder)
        // Redis writes to the file before it replies, but may delay that by two seconds while a flush is running.
        const from = performance.now() - 2000
        const { size } = statSync(file)
        await sleep(world.random.integer(1000, 2000))
        redis.pause()
        // Redis has rewritten the file in the meantime, so there is no old tail to lose.
        if (appendOnlyFile(redis.logFolder) !== file) return redis.resume()
        truncateSync(file, size)
        mayBeLost.push({ from, until: performance.now() })
        await redis.kill()
        losses++
        world.log("Redis was killed and has lost its last seconds")
      })
      note(`${losses} times`)
    },
  },
  {
    name: "postgres-readonly",
    topologies: SINGLE,
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
    topologies: SINGLE,
    what: "Postgres' disk, a small tmpfs, is full for 2 to 5 s at a time",
    missing: needsRoot,
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
    topologies: SINGLE,
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
    name: "postgres-failover",
    topologies: SINGLE,
    what: "kill -9 or SIGSTOP of the primary; its synchronous standby is promoted after up to 2 s, and the old primary becomes its standby",
    postgresPair: true,
    milliseconds: 24_000,
    strike: async ({ world, milliseconds, note }) => {
      const { pair } = world.stores.postgres
      if (pair === null) throw new Error("Postgres has no standby")
      let failovers = 0
      await again(world, milliseconds, [500, 3000], async () => {
        const { primary } = pair
        const hangs = world.random.chance(0.3)
        if (hangs) primary.freeze()
        else await primary.kill()
        world.log(`the primary ${primary.port} ${hangs ? "hangs" : "was killed"}`)
        await sleep(world.random.integer(0, 2000))
        await pair.promote()
        world.log(`${pair.primary.port} was promoted`)
        await sleep(world.random.integer(500, 6000))
        await pair.join()
        failovers++
        world.log(`${primary.port} follows it`)
      })
      note(`${failovers} failovers`)
    },
  },
]

/** Ready means that an event would be taken and applied; if not, the answer says what the store has said, and what to do. */
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import pg from "pg"
import { describe, expect, onTestFinished, test } from "vitest"
import { eventually, freshDatabase } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { PostgresServer } from "../support/postgresServer.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { RedisServer } from "../support/redisServer.ts"
import { fillDisk, mountSmallDisk, wantsSmallDisk } from "../support/smallDisk.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

/** Waits for no disk, which may be busy for longer than a node waits for an answer. */
const HASTE = ["--appendfsync", "no"]

const started = async (...given: ReadonlyArray<string>) => {
  const server = await RedisServer.start({
    folder: join(temporaryFolder(), "redis"),
    settings: [...HASTE, ...given],
  })
  onTestFinished(() => server.kill())
  return server
}

/** Whatever is called here may be called again. */
const call = (server: RedisServer, command: string, ...args: ReadonlyArray<string>) =>
  eventually(() => server.ask((redis) => redis.call(command, ...args)))

type Node = Awaited<ReturnType<typeof runNode>>

/** What a node says of itself. Of no test here is that a Postgres, which it gives two seconds, has no time: it is asked again. */
const ready = (node: Node) =>
  eventually(async () => {
    const { status, text } = await node.get("/ready")
    expect(text).not.toContain("Postgres (CONNECTION)")
    return { status, ...JSON.parse(text).data }
  })

const becomesReady = (node: Node) =>
  eventually(async () => expect(await ready(node)).toMatchObject({ status: 200, problems: [] }))

/** What befalls a Redis under a running node, how it ends, and what the node says of it. */
const TROUBLES: ReadonlyArray<{
  readonly what: string
  readonly code: string
  readonly begin: (server: RedisServer) => Promise<unknown>
  readonly end: (server: RedisServer) => Promise<unknown>
}> = [
  {
    what: "a master that has become a replica",
    code: "READONLY",
    begin: (server) => call(server, "REPLICAOF", "127.0.0.1", "1"),
    end: (server) => call(server, "REPLICAOF", "NO", "ONE"),
  },
  {
    what: "a memory that is full",
    code: "OOM",
    begin: (server) => call(server, "CONFIG", "SET", "maxmemory", "1mb"),
    end: (server) => call(server, "CONFIG", "SET", "maxmemory", "0"),
  },
  {
    what: "replicas that Redis itself misses",
    code: "NOREPLICAS",
    begin: (server) => call(server, "CONFIG", "SET", "min-replicas-to-write", "1"),
    end: (server) => call(server, "CONFIG", "SET", "min-replicas-to-write", "0"),
  },
  {
    what: "a user who may not append",
    code: "NOPERM",
    begin: (server) => call(server, "ACL", "SETUSER", "default", "-xadd"),
    end: (server) => call(server, "ACL", "SETUSER", "default", "+xadd"),
  },
  {
    what: "a user who may append, and may not count visitors",
    code: "NOPERM",
    begin: (server) => call(server, "ACL", "SETUSER", "default", "-pfadd"),
    end: (server) => call(server, "ACL", "SETUSER", "default", "+pfadd"),
  },
  {
    what: "a disk that cannot be written",
    code: "MISCONF",
    begin: async (server) => {
      // A snapshot cannot be put where a folder is.
      mkdirSync(join(server.folder, "dump.rdb", "folder"), { recursive: true })
      await call(server, "CONFIG", "SET", "save", "3600 1")
      await call(server, "BGSAVE")
    },
    end: async (server) => {
      rmSync(join(server.folder, "dump.rdb"), { recursive: true })
      await call(server, "BGSAVE")
    },
  },
]

describe("a node is not ready on", () => {
  test.each(TROUBLES)("$what, says so, and is ready again afterwards", async ({ code, begin, end }) => {
    const server = await started()
    const node = await runNode(await settings({ redisUrl: server.url }))
    await eventually(async () =>
      expect(await ready(node)).toMatchObject({ status: 200, ready: true, redis: "up", problems: [] }),
    )
    await begin(server)
    await eventually(async () =>
      expect(await ready(node)).toMatchObject({
        status: 503,
        ready: false,
        redis: "refusing",
        postgres: "up",
        problems: [expect.stringContaining(`Redis (${code}): `)],
      }),
    )
    await end(server)
    await becomesReady(node)
  })

  test("replicas that ACK_REPLICAS asks for", async () => {
    const server = await started()
    const node = await runNode(await settings({ redisUrl: server.url, ackReplicas: 1 }))
    await eventually(async () =>
      expect(await ready(node)).toMatchObject({
        status: 503,
        redis: "refusing",
        problems: [expect.stringContaining("Redis (NOREPLICAS): ")],
      }),
    )
    const replica = await started("--replicaof", `127.0.0.1 ${server.port}`)
    await becomesReady(node)
    // It hangs, and its master does not know yet.
    replica.signal("SIGSTOP")
    await eventually(async () => expect(await ready(node)).toMatchObject({ status: 503, redis: "refusing" }))
    replica.signal("SIGCONT")
    await becomesReady(node)
  })

  test("a Redis that does not answer, or is not there", async () => {
    const server = await started()
    const node = await runNode(await settings({ redisUrl: server.url }))
    const down = {
      status: 503,
      redis: "down",
      backlog: null,
      problems: [expect.stringContaining("Redis (CONNECTION): ")],
    }
    server.signal("SIGSTOP")
    expect(await ready(node)).toMatchObject(down)
    server.signal("SIGCONT")
    await becomesReady(node)
    await server.kill()
    expect(await ready(node)).toMatchObject(down)
    await server.start()
    await becomesReady(node)
  })

  test("the Redis of another database, which it was not when the node started", async () => {
    const server = await started()
    const config = await settings({ redisUrl: server.url })
    const node = await runNode(config)
    // The actors make them, which may begin later.
    await eventually(() =>
      server.ask(async (redis) => {
        const states = await redis.keys("*:state")
        expect(states).toHaveLength(config.partitions)
        for (const key of states) await redis.hset(key, "deployment", "another")
      }),
    )
    await eventually(async () =>
      expect(await ready(node)).toMatchObject({
        status: 503,
        redis: "refusing",
        problems: [expect.stringContaining("Redis (FOREIGN): ")],
      }),
    )
  })

  test("a Postgres that is read-only, as a standby is", async () => {
    const databaseUrl = await freshDatabase()
    const node = await runNode(await settings({ databaseUrl }))
    const name = new URL(databaseUrl).pathname.slice(1)
    const alter = async (statement: string) => {
      const admin = new URL(databaseUrl)
      admin.pathname = "/postgres"
      const client = new pg.Client({ connectionString: admin.href })
      await client.connect()
      await client.query(statement)
      await client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
        [name],
      )
      await client.end()
    }
    await alter(`ALTER DATABASE ${name} SET default_transaction_read_only = on`)
    await eventually(async () =>
      expect(await ready(node)).toMatchObject({
        status: 503,
        redis: "up",
        postgres: "refusing",
        problems: [expect.stringContaining("Postgres (25006): ")],
      }),
    )
    await alter(`ALTER DATABASE ${name} RESET default_transaction_read_only`)
    await becomesReady(node)
  })
})

test("a node is not ready on a Postgres whose disk is full, takes events all the same, and has applied all when there is room", {
  ...wantsSmallDisk,
}, async () => {
  const disk = temporaryFolder()
  const unmount = mountSmallDisk(disk, 192)
  onTestFinished(unmount)
  const folder = join(disk, "server")
  // Without files of its log to use again, and to be kept.
  const settingsOfServer = { max_wal_size: "64MB", min_wal_size: "32MB", autovacuum: "off" }
  const server = await PostgresServer.start({ folder, settings: settingsOfServer })
  onTestFinished(() => server.kill())
  const node = await runNode(await settings({ databaseUrl: server.url() }))
  const view = { event_type: "page_view" }
  await becomesReady(node)
  expect(await node.post(view)).toBe(201)
  const ballast = fillDisk(disk, 32 * 1024)
  await eventually(async () =>
    expect(await ready(node)).toMatchObject({
      ...{ status: 503, ready: false, redis: "up", postgres: "refusing" },
      problems: [expect.stringContaining("Postgres (53100): Postgres' disk is full")],
    }),
  )
  expect(await node.post(view)).toBe(201)
  rmSync(ballast)
  await becomesReady(node)
  await eventually(async () => expect(await node.data("timeline")).toHaveLength(2))
})

test("a role that may write no temporary files has nothing to do with a full disk", async () => {
  const databaseUrl = await freshDatabase()
  const name = new URL(databaseUrl).pathname.slice(1)
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`ALTER DATABASE ${name} SET temp_file_limit = 0`)
  await client.end()
  await becomesReady(await runNode(await settings({ databaseUrl })))
})

test("the first who asks a node that has just started on a cluster is told that it is ready", async () => {
  const cluster = await RedisCluster.start({
    ...{ folder: temporaryFolder(), replicasEach: 0, settings: HASTE },
    // A master without time is not taken for dead.
    nodeTimeoutMs: 60_000,
  })
  onTestFinished(() => cluster.stop())
  const config = await settings({ redisUrl: cluster.servers[0]?.url ?? "", partitions: 8 })
  for (let start = 0; start < 4; start++) {
    const node = await runNode(config)
    expect(await ready(node)).toMatchObject({ status: 200, problems: [] })
    expect(await node.post({ event_type: "page_view" })).toBe(201)
    await node.stop()
  }
})

/** An experiment's own Redis and PostgreSQL, which it may kill, stop, starve and fill. */
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Exit, Logger, Scope } from "effect"
import { Redis } from "ioredis"
import pg from "pg"
import { embeddedPostgres, embeddedRedis, type RunningStore } from "../../src/embedded/index.ts"

export interface ChaosStore {
  readonly url: string
  readonly port: number
  /** The pid of the server's main process, which changes with every restart. */
  readonly pid: () => number
  /** Kills it. It is restarted on the same port with its data, as by a supervisor. */
  readonly kill: () => void
  /** Freezes it, with its connections open, until `resume`. */
  readonly pause: () => void
  readonly resume: () => void
}

export interface ChaosStores {
  readonly redis: ChaosStore
  readonly postgres: ChaosStore
  /** Redis' append-only files. */
  readonly redisLogFolder: string
  /** Postgres' data folder: a small file system of its own if requested. */
  readonly postgresFolder: string
  readonly stop: () => Promise<void>
}

export interface StoresOptions {
  readonly folder: string
  /** `always` is what the promises require; `everysec` shows the price of the alternative. */
  readonly fsync: "always" | "everysec"
  /** Puts Postgres on a tmpfs of this size, which needs root. */
  readonly postgresMegabytes: number | null
}

/** A server's main process and its children: PostgreSQL has one per connection, each in a group of its own. */
const processesOf = (pid: number): ReadonlyArray<number> => [
  pid,
  ...readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => {
      try {
        const stat = readFileSync(`/proc/${other}/stat`, "utf8")
        // The parent is the second field after the name, which may contain spaces and parentheses.
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid
      } catch {
        return false
      }
    }),
]

const signals = (running: RunningStore): ChaosStore => {
  const send = (signal: NodeJS.Signals) => {
    for (const pid of processesOf(running.pid())) {
      try {
        process.kill(pid, signal)
      } catch {
        // It has ended in the meantime, or is being restarted.
      }
    }
  }
  return {
    ...running,
    kill: () => send("SIGKILL"),
    pause: () => send("SIGSTOP"),
    resume: () => send("SIGCONT"),
  }
}

const mountTmpfs = (folder: string, megabytes: number) => {
  const done = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder])
  if (done.status !== 0) throw new Error(`no tmpfs on ${folder}: ${done.stderr}`)
}

/** Starts both; `stop` stops them and unmounts the small file system. */
export const startStores = async (options: StoresOptions): Promise<ChaosStores> => {
  const redisFolder = join(options.folder, "redis-data")
  const postgresFolder = join(options.folder, "postgres-data")
  for (const folder of [redisFolder, postgresFolder]) mkdirSync(folder, { recursive: true })
  if (options.postgresMegabytes !== null) mountTmpfs(postgresFolder, options.postgresMegabytes)
  const scope = Effect.runSync(Scope.make())
  const stop = async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void).pipe(Effect.provide(Logger.layer([]))))
    if (options.postgresMegabytes !== null) spawnSync("umount", ["-l", postgresFolder])
  }
  const both = Effect.all(
    [
      embeddedRedis({ dataDir: redisFolder, fsync: options.fsync, maxMemoryBytes: 1024 ** 3 }),
      embeddedPostgres({ dataDir: postgresFolder }),
    ],
    { concurrency: "unbounded" },
  )
  try {
    const [redis, postgres] = await Effect.runPromise(
      both.pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(Logger.layer([]))),
    )
    const redisLogFolder = join(redisFolder, "redis", "appendonlydir")
    return { redis: signals(redis), postgres: signals(postgres), redisLogFolder, postgresFolder, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Fills a file system with one file, except for `keep` bytes. */
export const fillDisk = (folder: string, keep: number): string => {
  const { bavail, bsize } = statfsSync(folder)
  const ballast = join(folder, "ballast")
  try {
    writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - keep)))
  } catch (error) {
    // Postgres took the last bytes in the meantime: full is full.
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
  }
  return ballast
}

/** A connection to Redis for one use; waits for a server that is just starting. */
export const onRedis = async <A>(url: string, use: (redis: Redis) => Promise<A>): Promise<A> => {
  const redis = new Redis(url, { maxRetriesPerRequest: null, connectTimeout: 2000 })
  redis.on("error", () => {})
  try {
    return await use(redis)
  } finally {
    redis.disconnect()
  }
}

/** A connection to Postgres for one use. */
export const onPostgres = async <A>(url: string, use: (client: pg.Client) => Promise<A>): Promise<A> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5000,
    query_timeout: 30_000,
  })
  client.on("error", () => {})
  await client.connect()
  try {
    return await use(client)
  } finally {
    client.end().catch(() => {})
  }
}

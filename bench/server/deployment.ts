/** Several nodes on stores of their own: a PostgreSQL, and one Redis or a cluster of three masters. */
import { spawn } from "node:child_process"
import { createWriteStream, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import pg from "pg"
import { bundle } from "../../scripts/bundle.ts"
import { embeddedPostgres } from "../../src/embedded/index.ts"
import { openRedis } from "../../src/stores/redisClient.ts"
import { RedisCluster } from "../../test/support/redisCluster.ts"
import { RedisServer } from "../../test/support/redisServer.ts"
import type { Context } from "../scenario.ts"
import { DEFAULTS } from "./defaults.ts"
import { bannerOf, LOAD_ENV, ROOT } from "./node.ts"
import { cpuSeconds, family } from "./processes.ts"
import type { ByPart } from "./sampler.ts"
import { type Counts, countsIn } from "./stores.ts"

export const REDIS_KINDS = ["one Redis", "a cluster"] as const
export type RedisKind = (typeof REDIS_KINDS)[number]

const BALANCED_MS = 300_000

export interface SharedStores {
  readonly counts: Counts
  readonly urls: Readonly<Record<"REDIS_URL" | "DATABASE_URL", string>>
  /** Bytes of write-ahead log that Postgres has written so far. */
  readonly walBytes: () => Promise<number>
  /** CPU that the stores have used so far, seconds. */
  readonly cpu: () => Omit<ByPart, "node">
}

export interface DeployedNode {
  readonly port: number
  readonly pid: number
  /** Sends SIGTERM and waits until it has ended. */
  readonly stop: () => Promise<void>
}

/** A PostgreSQL that the scenario's deployments share, each with a database of its own. */
export interface SharedPostgres {
  readonly pid: number
  /** The URL of a new database. */
  readonly database: (name: string) => Promise<string>
}

/** Starts a PostgreSQL, which ends with the scenario. */
export const startPostgres = async (context: Context): Promise<SharedPostgres> => {
  const scope = Scope.makeUnsafe()
  context.onEnd(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const dataDir = join(context.folder, "postgres")
  const { url } = await Effect.runPromise(embeddedPostgres({ dataDir }).pipe(Scope.provide(scope)))
  const { pid }: { pid: number } = JSON.parse(readFileSync(join(dataDir, "postgres.json"), "utf8"))
  return {
    pid,
    database: async (name) => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`)
      await client.end()
      const own = new URL(url)
      own.pathname = `/${name}`
      return own.href
    },
  }
}

const startRedis = async (context: Context, kind: RedisKind) => {
  const folder = join(context.folder, kind.replaceAll(" ", "-"))
  if (kind === "one Redis") {
    const server = await RedisServer.start({ folder })
    return { servers: [server], stop: () => server.kill() }
  }
  const cluster = await RedisCluster.start({ folder, replicasEach: 0 })
  return { servers: cluster.servers, stop: () => cluster.stop() }
}

/** Starts a Redis, which ends with the scenario and flushes each append, as the embedded one does, and makes it a database. */
export const startStores = async (
  context: Context,
  kind: RedisKind,
  server: SharedPostgres,
): Promise<SharedStores> => {
  const { servers, stop } = await startRedis(context, kind)
  context.onEnd(stop)
  const databaseUrl = await server.database(kind.replaceAll(" ", "_").toLowerCase())
  const redisUrl = `redis://${servers.map(({ host, port }) => `${host}:${port}`).join(",")}`
  const redis = openRedis({ url: redisUrl, cluster: kind === "a cluster" }, "command", "bench")
  const postgres = new pg.Pool({ connectionString: databaseUrl, max: 4 })
  const sum = (pids: ReadonlyArray<number>) => pids.reduce((total, pid) => total + cpuSeconds(pid), 0)
  return {
    counts: countsIn(context, redis, postgres),
    urls: { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl },
    walBytes: async () => {
      const { rows } = await postgres.query<{ bytes: string }>(
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS bytes",
      )
      return Number(rows[0]?.bytes)
    },
    cpu: () => ({ redis: sum(servers.map(({ pid }) => pid)), postgres: sum(family(server.pid)) }),
  }
}

const startOne = async (
  context: Context,
  { urls }: SharedStores,
  httpThreads: number,
  number: number,
): Promise<DeployedNode> => {
  const logFile = join(context.folder, `node-${number}.log`)
  const child = spawn(process.execPath, ["scripts/start.mjs"], {
    cwd: ROOT,
    env: { ...process.env, ...LOAD_ENV, ...urls, DRAIN_SECONDS: "0", HTTP_THREADS: String(httpThreads) },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const stop = async () => {
    child.kill("SIGTERM")
    await exited
  }
  context.onEnd(stop)
  child.stderr.pipe(createWriteStream(logFile, { flags: "a" }))
  const url = await bannerOf(child, logFile)
  return { port: Number(new URL(url).port), pid: child.pid ?? 0, stop }
}

/** Sums of a node's metrics, each by what its series begin with, without the prefix. */
export const metricsOf = async (
  { port }: Pick<DeployedNode, "port">,
  series: ReadonlyArray<string>,
): Promise<ReadonlyArray<number>> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const lines = text.split("\n")
  return series.map((name) =>
    lines
      .filter((line) => line.startsWith(DEFAULTS.metricsPrefix + name))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0),
  )
}

const partitionsOf = async (node: DeployedNode): Promise<number> =>
  (await metricsOf(node, ["partitions_owned "]))[0] ?? 0

/** Waits until every node has its even share of the partitions. */
const balanced = async (nodes: ReadonlyArray<DeployedNode>): Promise<void> => {
  const share = DEFAULTS.partitions / nodes.length
  const deadline = performance.now() + BALANCED_MS
  for (;;) {
    const owned = await Promise.all(nodes.map(partitionsOf))
    if (owned.every((each) => each === share)) return
    if (performance.now() > deadline) throw new Error(`the nodes own ${owned} partitions, not ${share} each`)
    await sleep(100)
  }
}

/** Starts nodes, each with so many HTTP threads, and waits until each has its share of the partitions. */
export const startNodes = async (
  context: Context,
  stores: SharedStores,
  count: number,
  httpThreads: number,
): Promise<ReadonlyArray<DeployedNode>> => {
  const failure = await bundle(ROOT)
  if (failure !== null) throw new Error(failure)
  const nodes = await Promise.all(
    Array.from({ length: count }, (_, i) => startOne(context, stores, httpThreads, i)),
  )
  await balanced(nodes)
  return nodes
}

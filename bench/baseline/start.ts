/** Starts the baseline with the same embedded stores as the product: same versions, same settings. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import pg from "pg"
import { embeddedPostgres, embeddedRedis } from "../../src/embedded/index.ts"
import type { Context } from "../scenario.ts"
import { type Child, numberOf, startChild } from "../server/child.ts"

export interface Baseline {
  readonly port: () => number
  readonly pid: () => number
  /** SIGKILL, and a new process on the same stores. */
  readonly killAndRestart: () => Promise<void>
  readonly rows: () => Promise<number>
  /** Events that Redis has counted. */
  readonly counted: () => Promise<number>
}

const startStores = async (context: Context) => {
  const dataDir = join(context.folder, "baseline")
  const scope = Scope.makeUnsafe()
  const starting = Effect.runFork(
    Effect.all([embeddedRedis({ dataDir, fsync: "always" }), embeddedPostgres({ dataDir })], {
      concurrency: 2,
    }).pipe(Scope.provide(scope), Effect.provide(Logger.layer([]))),
  )
  context.onEnd(() =>
    Effect.runPromise(
      Fiber.interrupt(starting).pipe(
        Effect.andThen(Scope.close(scope, Exit.void)),
        Effect.provide(Logger.layer([])),
      ),
    ),
  )
  const [redis, postgres] = await Effect.runPromise(Fiber.join(starting))
  return { redisUrl: redis.url, databaseUrl: postgres.url }
}

/** Starts it; it ends with the scenario. */
export const startBaseline = async (context: Context): Promise<Baseline> => {
  const { redisUrl, databaseUrl } = await startStores(context)
  const launch = async (): Promise<{ readonly child: Child; readonly port: number }> => {
    const child = startChild(context, new URL("./server.ts", import.meta.url), [], {
      REDIS_URL: redisUrl,
      DATABASE_URL: databaseUrl,
      PORT: "0",
    })
    return { child, port: await child.next((message) => numberOf(message, "port")) }
  }
  let running = await launch()
  const redis = new Redis(redisUrl)
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  context.onEnd(async () => {
    redis.disconnect()
    await pool.end()
  })
  return {
    port: () => running.port,
    pid: () => running.child.pid,
    killAndRestart: async () => {
      running.child.end()
      running = await launch()
    },
    rows: async () => {
      const { rows } = await pool.query<{ rows: string }>("SELECT count(*) AS rows FROM events")
      return Number(rows[0]?.rows)
    },
    counted: async () => {
      const counts = await Promise.all(
        (await redis.keys("stats:*")).map(async (key) => Number((await redis.hget(key, "events")) ?? 0)),
      )
      return counts.reduce((sum, count) => sum + count, 0)
    },
  }
}

/** Stores run for a while, alone or by a program that is killed. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import pg from "pg"
import { expect, onTestFinished } from "vitest"
import { type EmbeddedStoreError, embeddedRedis, type RunningStore } from "../../src/embedded/index.ts"
import { isAlive } from "../../src/embedded/process.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"

export const use = <A>(
  store: Effect.Effect<RunningStore, EmbeddedStoreError, Scope.Scope>,
  body: (store: RunningStore) => Promise<A>,
): Promise<A> => run(Effect.scoped(Effect.flatMap(store, (running) => Effect.promise(() => body(running)))))

export const inRedis = async <A>(url: string, body: (redis: Redis) => Promise<A>): Promise<A> => {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  let refusal: Error | undefined
  redis.on("error", (error) => {
    refusal = error
  })
  try {
    await redis.connect()
    return await body(redis)
  } catch (error) {
    throw refusal ?? error
  } finally {
    redis.disconnect()
  }
}

export const inPostgres = async <A>(url: string, body: (client: pg.Client) => Promise<A>): Promise<A> => {
  const client = new pg.Client({ connectionString: url })
  client.on("error", () => undefined)
  await client.connect()
  try {
    return await body(client)
  } finally {
    await client.end()
  }
}

export const redisIn = (dataDir: string) => embeddedRedis({ dataDir, fsync: "everysec" })
export const note = (client: pg.Client) =>
  client.query("CREATE TABLE note (text text)").then(() => client.query("INSERT INTO note VALUES ('kept')"))
export const noted = (client: pg.Client) =>
  client.query<{ text: string }>("SELECT text FROM note").then(({ rows }) => rows.map(({ text }) => text))

/** Waits until processes have ended: one that was made to exit may have to wait for its disk. */
export const ended = (...pids: ReadonlyArray<number>): Promise<void> =>
  eventually(() => expect(pids.filter(isAlive)).toEqual([]))

interface OwnerReport {
  readonly redis: string
  readonly postgres: string
  readonly pids: { readonly redis: number; readonly postgres: number }
}

/** Starts `owner.ts` and waits until its stores run. They are ended after the test, if the test did not. */
export const startOwner = async (
  dataDir: string,
): Promise<OwnerReport & { readonly pid: number | undefined; readonly kill: () => Promise<void> }> => {
  const program = fileURLToPath(new URL("owner.ts", import.meta.url))
  const child = spawn(process.execPath, [program, dataDir], { stdio: ["ignore", "pipe", "inherit"] })
  const exited = once(child, "exit")
  const kill = async () => {
    child.kill("SIGKILL")
    await exited
  }
  const lines = createInterface(child.stdout)
  const [line] = (await Promise.race([
    once(lines, "line"),
    exited.then(([code]) => Promise.reject(new Error(`the owner ended with ${code}`))),
  ])) as [string]
  const report = JSON.parse(line) as OwnerReport
  onTestFinished(async () => {
    await kill()
    for (const pid of [report.pids.redis, report.pids.postgres])
      if (isAlive(pid)) process.kill(pid, pid === report.pids.redis ? "SIGKILL" : "SIGQUIT")
    await ended(report.pids.redis, report.pids.postgres)
  })
  return { ...report, pid: child.pid, kill }
}

/** Nodes within the test's process, with a part of the run's stores of their own. */
import { Effect, Exit, Logger, Scope } from "effect"
import { onTestFinished } from "vitest"
import { type AppConfig, loadConfig, nodeUrl } from "../../src/config/settings.ts"
import { type RunningNode, startNode } from "../../src/node/node.ts"
import { freshDatabase, freshKeyPrefix, redisUrl } from "./index.ts"

export const TOKEN = "0123456789abcdef"

/** The settings of a node of this test's own. */
export const settings = async (given: Partial<AppConfig> = {}): Promise<AppConfig> => ({
  ...(await Effect.runPromise(loadConfig)),
  port: 0,
  redisUrl: redisUrl(),
  databaseUrl: await freshDatabase(),
  redisKeyPrefix: freshKeyPrefix().replace(":", ""),
  sites: ["main", "blog"],
  partitions: 2,
  rateLimitPerMinute: 0,
  adminToken: TOKEN,
  logLevel: "error",
  ...given,
})

export const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.provide(Logger.layer([])))

/** A node within this process, stopped after the test. */
export const runNode = async (config: AppConfig) => {
  const scope = Effect.runSync(Scope.make())
  let stopped: Promise<void> | null = null
  const stop = () => {
    stopped ??= Effect.runPromise(quietly(Scope.close(scope, Exit.void)))
    return stopped
  }
  onTestFinished(stop)
  const running: RunningNode = await Effect.runPromise(
    quietly(startNode(config, { actorsIn: "main" })).pipe(Effect.provideService(Scope.Scope, scope)),
  )
  const base = nodeUrl(config.host, running.port)
  const get = async (path: string) => {
    const response = await fetch(`${base}${path}`)
    return { status: response.status, text: await response.text() }
  }
  return {
    base,
    stop,
    get,
    data: async (path: string) => JSON.parse((await get(`/api/v1/analytics/${path}`)).text).data,
    post: async (body: unknown) =>
      (await fetch(`${base}/api/v1/analytics/event`, { method: "POST", body: JSON.stringify(body) })).status,
    admin: async (method: string, visitor: string) => {
      const response = await fetch(`${base}/api/v1/analytics/visitors/${visitor}`, {
        method,
        headers: { Authorization: `Bearer ${TOKEN}` },
      })
      const body: { data: ReadonlyArray<unknown> } = JSON.parse(await response.text())
      return { status: response.status, body }
    },
  }
}

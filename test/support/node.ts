/** Nodes within the test's process, with a part of the run's stores of their own. */
import { type AppConfig, loadConfig } from "../../src/config/settings.ts"
import { nodeUrl } from "../../src/domain/paths.ts"
import { startNode } from "../../src/node/node.ts"
import { now } from "./clock.ts"
import { run, testScope } from "./effects.ts"
import { freshKeyPrefix, migratedDatabase, redisUrl, temporaryFolder } from "./index.ts"

export const TOKEN = "0123456789abcdef"

/** Settings that name their stores. */
type Settings = AppConfig & { readonly redisUrl: string; readonly databaseUrl: string }

/** Half a year from now, in every zone: no night comes in between in which a node deletes by itself. */
const RETENTION_CRON = `0 2 1 ${((new Date().getUTCMonth() + 6) % 12) + 1} *`

/** The settings of a node of this test's own. */
export const settings = async (given: Partial<Settings> = {}): Promise<Settings> => ({
  ...(await run(loadConfig)),
  port: 0,
  dataDir: temporaryFolder(),
  redisUrl: redisUrl(),
  databaseUrl: given.databaseUrl ?? (await migratedDatabase()),
  redisKeyPrefix: freshKeyPrefix().replace(":", ""),
  sites: ["main", "blog"],
  partitions: 2,
  rateLimitPerMinute: 0,
  adminToken: TOKEN,
  retentionCron: RETENTION_CRON,
  logLevel: "error",
  ...given,
})

/** A node within this process, stopped after the test. It goes by the tests' clock unless told otherwise. */
export const runNode = async (config: AppConfig, clock: () => number = now) => {
  const scope = testScope()
  const { port, setupToken } = await scope.run(startNode(config, { actorsIn: "main", now: clock }))
  const base = nodeUrl(config.host, port)
  const get = async (path: string) => {
    // As somebody who may see visitors.
    const response = await fetch(`${base}${path}`, { headers: { Authorization: `Bearer ${TOKEN}` } })
    return { status: response.status, text: await response.text() }
  }
  return {
    base,
    stop: scope.close,
    setupToken,
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

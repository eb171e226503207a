/**
 * The stores of a command: those of the node that runs in the data folder, or else opened as a node opens them. Only a node begins
 * a deployment: a command that is pointed at the wrong place must neither create one there nor say that all is well.
 */
import * as Effect from "effect/Effect"
import type { AppConfig } from "../config/settings.ts"
import { hasStore } from "../embedded/index.ts"
import { hasDeployment } from "../events/schema/index.ts"
import { Metrics } from "../metrics/metrics.ts"
import { isUsed } from "../node/belonging.ts"
import { notedStoreUrls } from "../node/dataFolder.ts"
import { checkStores, openStores } from "../node/openStores.ts"
import { makePostgres, type Postgres } from "../stores/postgres.ts"
import { awaitReady, connectRedis, type RedisConnection } from "../stores/redis.ts"
import { CommandError } from "./error.ts"

/**
 * What has to be there: a `deployment` in both stores; its `events` in Postgres, whatever has become of Redis; no more than the
 * `database`, which may be a new one; or `nothing`, not even the data folder.
 */
export type Needed = "deployment" | "events" | "database" | "nothing"

/** Why the data folder cannot be the one of a deployment that these settings name; `null` when it can, or there need be none. */
export const missingFolder = ({ dataDir, redisUrl, databaseUrl }: AppConfig): string | null => {
  if (databaseUrl !== null && redisUrl !== null) return null
  try {
    return hasStore(dataDir, databaseUrl === null ? "postgres" : "redis")
      ? null
      : `There is no deployment in ${dataDir}: DATA_DIR should be the folder in which its node was started, or REDIS_URL and DATABASE_URL its stores.`
  } catch (cause) {
    return `DATA_DIR ${dataDir} cannot be looked into (${cause instanceof Error ? cause.message : String(cause)}): the command should be run by the user whose node it is.`
  }
}

/** Fails where no node has been started. */
const requireNeeded = (
  config: AppConfig,
  needed: Needed,
  stores: { readonly postgres: Postgres; readonly redis: RedisConnection; readonly metrics: Metrics },
) =>
  Effect.gen(function* () {
    if (needed === "database" || needed === "nothing") return
    if (!(yield* hasDeployment(stores.postgres)))
      return yield* new CommandError({
        message:
          "There is no deployment in this database: DATABASE_URL should be the one of its nodes. A new database is prepared by the first start of a node, or by `migrate`.",
      })
    const prefix = config.redisKeyPrefix
    if (needed === "deployment" && !(yield* isUsed({ ...stores, prefix })))
      return yield* new CommandError({
        message: `There is no deployment in this Redis under the prefix ${prefix}: REDIS_URL and REDIS_KEY_PREFIX should be those of its nodes. If Redis has lost everything, start a node, or run \`rebuild\`.`,
      })
  })

/**
 * Opens and checks the stores, with a pool that has no statement timeout. They close with the scope. Fails, having created nothing,
 * where what is needed is missing.
 */
export const withStores = (config: AppConfig, needed: Needed = "nothing") =>
  Effect.gen(function* () {
    const missing = needed === "nothing" ? null : missingFolder(config)
    if (missing !== null) return yield* new CommandError({ message: missing })
    const metrics = new Metrics(config.metricsPrefix)
    const opened = yield* openStores(config, metrics).pipe(
      Effect.catchTag("DataDirInUse", (inUse) =>
        Effect.gen(function* () {
          // A running node holds the folder: its stores are what the command is about.
          const urls = notedStoreUrls(config.dataDir)
          if (urls === null) return yield* Effect.fail(inUse)
          return yield* checkStores(config, metrics, urls)
        }),
      ),
    )
    const postgres = yield* makePostgres(
      { url: opened.stores.databaseUrl, max: 4, name: "maicivy command", statementTimeoutMs: 0 },
      metrics,
    )
    const redis = yield* connectRedis(opened.stores.redis, "command", "command")
    yield* awaitReady(redis)
    const stores = { metrics, opened, postgres, redis }
    yield* requireNeeded(config, needed, stores)
    return stores
  })

export type CommandStores = Effect.Success<ReturnType<typeof withStores>>

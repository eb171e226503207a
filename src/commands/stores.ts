/** The stores of a command: those of the node that runs in the data folder, or else opened as a node opens them. */
import * as Effect from "effect/Effect"
import type { AppConfig } from "../config/settings.ts"
import { Metrics } from "../metrics/metrics.ts"
import { notedStoreUrls } from "../node/dataFolder.ts"
import { checkStores, openStores } from "../node/openStores.ts"
import { makePostgres } from "../stores/postgres.ts"
import { awaitReady, connectRedis } from "../stores/redis.ts"

/** Opens and checks the stores, with a pool that has no statement timeout. They close with the scope. */
export const withStores = (config: AppConfig) =>
  Effect.gen(function* () {
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
    return { metrics, opened, postgres, redis }
  })

export type CommandStores = Effect.Success<ReturnType<typeof withStores>>

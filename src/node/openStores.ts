/** The stores of a node or a command: found or started, checked, and prepared. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { AppConfig } from "../config/settings.ts"
import { type CopyDatabase, embeddedPostgres, embeddedRedis, lockDataDir } from "../embedded/index.ts"
import { ensureDeployment, migrate } from "../events/schema/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { forgetEventFiles } from "../query/engine/index.ts"
import { redisExpectations, type StoreAddresses } from "../stores/addresses.ts"
import { checkRedis } from "../stores/checkRedis.ts"
import { checkPostgres } from "../stores/checks.ts"
import { makePostgres } from "../stores/postgres.ts"
import { CONNECT_MS } from "../stores/redis.ts"
import { type BothStores, ensureOwnRedis } from "./belonging.ts"
import { localWriteKey, noteStoreUrls, type StoreUrls } from "./dataFolder.ts"

/** What {@link openStores} found or started. */
export interface OpenStores {
  readonly stores: StoreAddresses
  /** Lifts the rate limit for tools on this machine; `null` when both stores are the operator's own. */
  readonly localWriteKey: string | null
  /** `embedded redis 8.0.2`, … for the banner. */
  readonly description: string
}

/** A scope whose parts end in parallel, so that their time limits do not add up when nothing answers. */
export const endingTogether = Effect.acquireRelease(Scope.make("parallel"), (scope, exit) =>
  Scope.close(scope, exit),
)

/** Copies a database into the one of a new server in the data folder. Loaded when it is needed, which is once in years. */
const copyInto =
  (dataDir: string): CopyDatabase =>
  (from, to) =>
    Effect.gen(function* () {
      const { copyDatabase } = yield* Effect.promise(() => import("../backup/transfer.ts"))
      yield* copyDatabase(from, to)
      forgetEventFiles(dataDir)
    })

/** Starts an embedded store for each that no URL names, checks them all, and logs what endangers data. */
export const openStores = (config: AppConfig, metrics: Metrics) =>
  Effect.gen(function* () {
    const embedded = config.redisUrl === null || config.databaseUrl === null
    if (embedded) yield* lockDataDir(config.dataDir)
    const together = yield* endingTogether
    const [redisUrl, databaseUrl] = yield* Effect.all(
      [
        config.redisUrl !== null
          ? Effect.succeed(config.redisUrl)
          : embeddedRedis({ dataDir: config.dataDir, fsync: config.embeddedRedisFsync }).pipe(
              Effect.map(({ url }) => url),
            ),
        config.databaseUrl !== null
          ? Effect.succeed(config.databaseUrl)
          : embeddedPostgres({ dataDir: config.dataDir, copyDatabase: copyInto(config.dataDir) }).pipe(
              Effect.map(({ url }) => url),
            ),
      ],
      { concurrency: 2 },
    ).pipe(Scope.provide(together))
    if (embedded) yield* noteStoreUrls(config.dataDir, { redisUrl, databaseUrl })
    return yield* checkStores(config, metrics, { redisUrl, databaseUrl })
  })

/** Checks running stores, and logs what endangers data. */
export const checkStores = (config: AppConfig, metrics: Metrics, { redisUrl, databaseUrl }: StoreUrls) =>
  Effect.gen(function* () {
    const embedded = config.redisUrl === null || config.databaseUrl === null
    const expectations = redisExpectations(config)
    const redis = yield* checkRedis(redisUrl, expectations)
    const postgres = yield* Effect.scoped(
      makePostgres(
        { url: databaseUrl, max: 1, name: "maicivy check", statementTimeoutMs: CONNECT_MS },
        metrics,
      ).pipe(Effect.flatMap((pool) => checkPostgres(pool, databaseUrl))),
    )
    for (const warning of [...redis.warnings, ...postgres.warnings]) yield* Effect.logWarning(warning.text)
    const opened: OpenStores = {
      stores: {
        redis: { url: redisUrl, cluster: redis.cluster, certificates: expectations.certificates },
        databaseUrl,
      },
      localWriteKey: embedded ? localWriteKey(config.dataDir) : null,
      description: `${config.redisUrl === null ? "embedded " : ""}${redis.server}, ${config.databaseUrl === null ? "embedded " : ""}${postgres.server}`,
    }
    return opened
  })

/**
 * Brings Postgres' schema up to date, and makes sure that this node's settings match the deployment's and that its Redis is the
 * deployment's. Returns which deployment it is.
 */
export const prepareStores = (config: AppConfig, stores: Omit<BothStores, "prefix">) =>
  Effect.gen(function* () {
    const { postgres } = stores
    const applied = yield* migrate(postgres)
    if (applied.length > 0) {
      yield* Effect.logInfo("migrations applied").pipe(
        Effect.annotateLogs({ migrations: applied.join(", ") }),
      )
    }
    yield* ensureDeployment(postgres, config)
    return yield* ensureOwnRedis({ ...stores, prefix: config.redisKeyPrefix }).pipe(
      // A cluster that is ready may still have nodes that this client has to connect to.
      Effect.retry({
        schedule: Schedule.spaced("200 millis"),
        times: 25,
        while: (error) => error._tag === "StoreError" && error.unavailable,
      }),
    )
  })

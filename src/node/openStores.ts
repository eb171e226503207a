/** The stores of a node or a command: found or started, checked, prepared. */
import { randomBytes } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Stores } from "../actors/runActors.ts"
import type { AppConfig } from "../config/settings.ts"
import { embeddedPostgres, embeddedRedis, lockDataDir } from "../embedded/index.ts"
import { ensureDeployment, migrate } from "../events/schema/index.ts"
import { Metrics } from "../metrics/metrics.ts"
import { checkPostgres, checkRedis } from "../stores/checks.ts"
import { makePostgres, type Postgres } from "../stores/postgres.ts"
import { awaitReady, connectRedis } from "../stores/redis.ts"

/** What the start waits for a store, milliseconds. */
export const CONNECT_MS = 10_000

/** Where the embedded stores of a data folder keep the key that lifts the rate limit for local tools. */
const localWriteKeyPath = (dataDir: string) => join(dataDir, "write-key")

/** The data folder's own write key, made at the first start; local tools read it from the same place. */
const localWriteKey = (dataDir: string): string => {
  const path = localWriteKeyPath(dataDir)
  if (!existsSync(path)) {
    mkdirSync(dataDir, { recursive: true })
    writeFileSync(path, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 })
    chmodSync(path, 0o600)
  }
  return readFileSync(path, "utf8").trim()
}

/** What {@link openStores} found or started. */
export interface OpenStores {
  readonly stores: Stores
  readonly redisUrl: string
  /** Lifts the rate limit for tools on this machine; `null` when both stores are the operator's own. */
  readonly localWriteKey: string | null
  /** `embedded redis 8.0.2`, … for the banner. */
  readonly description: string
}

/** Where a running node notes its embedded stores' URLs, for commands that work beside it. */
const storeUrlsPath = (dataDir: string) => join(dataDir, "stores.json")

interface StoreUrls {
  readonly redisUrl: string
  readonly databaseUrl: string
}

const noteStoreUrls = (dataDir: string, urls: StoreUrls) =>
  Effect.acquireRelease(
    Effect.sync(() => writeFileSync(storeUrlsPath(dataDir), JSON.stringify(urls), { mode: 0o600 })),
    () => Effect.sync(() => rmSync(storeUrlsPath(dataDir), { force: true })),
  )

/** The URLs that the node which holds the data folder has noted; `null` when it has not come so far. */
export const notedStoreUrls = (dataDir: string): StoreUrls | null => {
  if (!existsSync(storeUrlsPath(dataDir))) return null
  const noted: unknown = JSON.parse(readFileSync(storeUrlsPath(dataDir), "utf8"))
  return typeof noted === "object" &&
    noted !== null &&
    "redisUrl" in noted &&
    "databaseUrl" in noted &&
    typeof noted.redisUrl === "string" &&
    typeof noted.databaseUrl === "string"
    ? { redisUrl: noted.redisUrl, databaseUrl: noted.databaseUrl }
    : null
}

/** A scope whose parts end side by side, so that what each may take does not add up when none gets an answer. */
export const endingTogether = Effect.acquireRelease(Scope.make("parallel"), (scope, exit) =>
  Scope.close(scope, exit),
)

/** Starts the embedded stores for those that no URL names, checks all of them, and says what endangers data. */
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
          : embeddedPostgres({ dataDir: config.dataDir }).pipe(Effect.map(({ url }) => url)),
      ],
      { concurrency: 2 },
    ).pipe(Scope.provide(together))
    if (embedded) yield* noteStoreUrls(config.dataDir, { redisUrl, databaseUrl })
    return yield* checkStores(config, metrics, { redisUrl, databaseUrl })
  })

/** Checks stores that run, and says what endangers data. */
const checkStores = (config: AppConfig, metrics: Metrics, { redisUrl, databaseUrl }: StoreUrls) =>
  Effect.gen(function* () {
    const embedded = config.redisUrl === null || config.databaseUrl === null
    const redis = yield* checkRedis(redisUrl)
    const postgres = yield* Effect.scoped(
      makePostgres(
        { url: databaseUrl, max: 1, name: "maicivy check", statementTimeoutMs: CONNECT_MS },
        metrics,
      ).pipe(Effect.flatMap((pool) => checkPostgres(pool, databaseUrl))),
    )
    for (const warning of [...redis.warnings, ...postgres.warnings]) yield* Effect.logWarning(warning.text)
    const opened: OpenStores = {
      stores: { redis: { url: redisUrl, cluster: redis.cluster }, databaseUrl },
      redisUrl,
      localWriteKey: embedded ? localWriteKey(config.dataDir) : null,
      description: `${config.redisUrl === null ? "embedded " : ""}${redis.server}, ${config.databaseUrl === null ? "embedded " : ""}${postgres.server}`,
    }
    return opened
  })

/** Brings Postgres' schema up to date and makes sure that this node's settings are the deployment's. */
export const prepareStores = (config: AppConfig, postgres: Postgres) =>
  Effect.gen(function* () {
    const applied = yield* migrate(postgres)
    if (applied.length > 0) {
      yield* Effect.logInfo("migrations applied").pipe(
        Effect.annotateLogs({ migrations: applied.join(", ") }),
      )
    }
    yield* ensureDeployment(postgres, config)
  })

/** For commands: opened stores, checked and prepared, with a pool that has no statement timeout. */
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
    yield* awaitReady(redis, CONNECT_MS)
    return { metrics, opened, postgres, redis }
  })

export type CommandStores = Effect.Success<ReturnType<typeof withStores>>

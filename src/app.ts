/** A node, whole: finds or starts its stores, prepares them, and runs its roles until the scope ends. */
import { randomBytes } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { type ActorsThread, startActorsThread } from "./actors/actorsThread.ts"
import { runActors, type Stores } from "./actors/node.ts"
import { announceHttpNode } from "./actors/ownership.ts"
import { makeFigures } from "./aggregates/figures.ts"
import type { AppConfig } from "./config.ts"
import { Calendar } from "./domain/period.ts"
import { embeddedPostgres, embeddedRedis, lockDataDir } from "./embedded/index.ts"
import { ensureDeployment } from "./events/deployment.ts"
import { migrate } from "./events/migrate.ts"
import { makeEventQueries } from "./events/queries.ts"
import { requireKnownSchema, SCHEMA_TOO_NEW } from "./events/schemaVersion.ts"
import { decodeDelta } from "./live/delta.ts"
import { syncLog } from "./logging.ts"
import { Metrics } from "./metrics/metrics.ts"
import { collectProcessMetrics, scrape } from "./metrics/scrape.ts"
import { startServer } from "./server/server.ts"
import type { ReadinessReport } from "./server/services.ts"
import { checkPostgres, checkRedis } from "./stores/checks.ts"
import { makePostgres, type Postgres } from "./stores/postgres.ts"
import { awaitReady, connectRedis } from "./stores/redis.ts"
import { type PartitionBacklog, readBacklog } from "./stream/backlog.ts"
import { liveChannel } from "./stream/keys.ts"
import { Producer } from "./stream/producer.ts"
import { makeVisitorKeys } from "./visitors/dayKeys.ts"
import { eraseVisitor } from "./visitors/erase.ts"

/** The statements that answer requests end after this, milliseconds. */
const QUERY_TIMEOUT_MS = 15_000
/** What the start waits for a store, milliseconds. */
const CONNECT_MS = 10_000

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
const endingTogether = Effect.acquireRelease(Scope.make("parallel"), (scope, exit) =>
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

/** A running node. */
export interface RunningNode {
  /** Where it answers. */
  readonly port: number
  readonly stores: OpenStores
}

export interface StartOptions {
  /** In the same thread the actors are easier to follow for a debugger and for coverage; answers then wait for batches. */
  readonly actorsIn: "thread" | "main"
}

const onMainThread = (config: AppConfig, stores: Stores, node: string, metrics: Metrics) =>
  Effect.forkScoped(
    runActors(config, stores, node, metrics).pipe(
      Effect.scoped,
      Effect.tapCause((cause) => Effect.logError("the actors ended", cause)),
    ),
  ).pipe(Effect.as<ActorsThread>({ metrics: Effect.succeed([]) }))

/** Starts a node; it runs until the scope ends, and ends by finishing what it has. */
export const startNode = (config: AppConfig, options: StartOptions) =>
  Effect.gen(function* () {
    const metrics = new Metrics(config.metricsPrefix)
    collectProcessMetrics(metrics)
    const opened = yield* openStores(config, metrics)
    const { stores } = opened
    const postgres = yield* makePostgres(
      { url: stores.databaseUrl, max: 6, name: "maicivy http", statementTimeoutMs: QUERY_TIMEOUT_MS },
      metrics,
    )
    yield* prepareStores(config, postgres)

    const calendar = new Calendar(config.timeZone)
    const prefix = config.redisKeyPrefix
    const redis = yield* connectRedis(stores.redis, "command", "http")
    const appends = yield* connectRedis(stores.redis, "append", "append")
    const subscriber = yield* connectRedis(stores.redis, "subscribe", "subscribe")
    yield* Effect.all([awaitReady(redis, CONNECT_MS), awaitReady(appends, CONNECT_MS)])

    const node = `${hostname()}/${process.pid}/${randomBytes(4).toString("hex")}`
    const together = yield* endingTogether
    const none: ActorsThread = { metrics: Effect.succeed([]) }
    const actors = !config.roles.includes("actors")
      ? none
      : yield* (options.actorsIn === "thread" ? startActorsThread : onMainThread)(
          config,
          stores,
          node,
          metrics,
        ).pipe(Scope.provide(together))

    const log = syncLog(config.logLevel)
    const logAppendFailure = atMostOnceASecond((reason: string) =>
      log("events refused: the stream does not take them", { reason }),
    )
    const producer = new Producer({
      redis: appends,
      prefix,
      partitions: config.partitions,
      maxBacklog: config.maxBacklog,
      metrics,
      onFailure: logAppendFailure,
    })
    const figures = makeFigures({
      redis,
      prefix,
      partitions: config.partitions,
      calendar,
      metrics,
      now: Date.now,
    })
    const backlog = readBacklog(redis, prefix, config.partitions, metrics, Date.now)
    if (!config.roles.includes("actors")) yield* announceHttpNode(redis, prefix, node, metrics)
    const server = yield* startServer(
      config,
      {
        appender: producer,
        visitorKeys: yield* makeVisitorKeys({ redis, prefix, calendar, metrics, now: Date.now }),
        figures,
        queries: {
          ...makeEventQueries({ postgres, calendar, now: Date.now }),
          eraseVisitor: (visitorId) =>
            eraseVisitor(
              {
                redis,
                postgres,
                prefix,
                partitions: config.partitions,
                sites: config.sites,
                metrics,
                calendar,
                now: Date.now,
              },
              visitorId,
            ),
        },
        readiness: { check: readiness(config, postgres, backlog) },
        metricsText: {
          scrape: scrape({ metrics, sites: config.sites, figures, backlog, otherThreads: actors.metrics }),
        },
      },
      metrics,
      {
        localWriteKey: opened.localWriteKey,
        onFault: (cause) =>
          log("a request failed for a reason that is not the client's", {
            error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
          }),
      },
    ).pipe(Scope.provide(together))
    subscriber.on("message", (_channel: string, message: string) => {
      const delta = decodeDelta(message)
      if (delta !== null) server.hub.receive(delta)
    })
    yield* Effect.tryPromise(() => subscriber.subscribe(liveChannel(prefix))).pipe(
      Effect.catch(() =>
        Effect.logWarning("not subscribed to live events yet; it is tried again on connecting"),
      ),
    )
    const running: RunningNode = { port: server.port, stores: opened }
    return running
  })

/** `migrated`: by a newer version than this one. */
const schemaState = (postgres: Postgres) =>
  requireKnownSchema(postgres, "ping").pipe(
    Effect.as("up" as const),
    Effect.catch((error) =>
      error.code === SCHEMA_TOO_NEW ? Effect.succeed("migrated" as const) : Effect.fail(error),
    ),
  )

/** Whether this node can do its work: both stores answer, and the streams have room. */
const readiness = (
  config: AppConfig,
  postgres: Postgres,
  backlog: ReturnType<typeof readBacklog>,
): Effect.Effect<ReadinessReport> =>
  Effect.gen(function* () {
    const limit = Effect.timeout("2 seconds")
    const [partitions, database] = yield* Effect.all(
      [
        Effect.option(backlog.pipe(limit)),
        schemaState(postgres).pipe(
          limit,
          Effect.orElseSucceed(() => "down" as const),
        ),
      ],
      { concurrency: 2 },
    )
    const streams = partitions._tag === "Some" ? partitions.value : null
    const waiting = streams?.reduce((sum, each) => sum + each.waiting, 0) ?? null
    // As the append script sees it: a partition has its share, and dead letters take room, too.
    const share = Math.ceil(config.maxBacklog / config.partitions)
    const hasRoom = (each: PartitionBacklog) => each.waiting + each.deadLetters < share
    const oldest = streams === null ? null : Math.max(...streams.map((each) => each.oldestAgeMs)) / 1000
    const report: ReadinessReport = {
      ready: (streams?.every(hasRoom) ?? false) && database === "up",
      redis: streams === null ? "down" : "up",
      postgres: database,
      backlog: waiting,
      oldest_event_age_seconds: oldest,
    }
    return report
  })

/** Thousands of refusals a second say nothing that one does not. */
const atMostOnceASecond = (log: (reason: string) => void) => {
  let last = 0
  return (reason: string) => {
    const at = performance.now()
    if (at - last < 1000) return
    last = at
    log(reason)
  }
}

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

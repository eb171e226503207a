/** A node, whole: opens its stores and runs its roles until the scope ends. */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { announceHttpNode } from "../actors/ownership.ts"
import { runActors, type Stores } from "../actors/runActors.ts"
import { type ActorsThread, startActorsThread } from "../actors/thread/parent.ts"
import { makeFigures } from "../aggregates/figures.ts"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import { makeEventQueries } from "../events/read/index.ts"
import { decodeDelta } from "../live/delta.ts"
import { Metrics } from "../metrics/metrics.ts"
import { makeVisitorKeys } from "../privacy/dayKeys.ts"
import { eraseVisitor } from "../privacy/erase.ts"
import { syncLog } from "../runtime/logging.ts"
import { startServer } from "../server/server.ts"
import { makePostgres } from "../stores/postgres.ts"
import { awaitReady, connectRedis } from "../stores/redis.ts"
import { liveChannel } from "../stores/redisKeys.ts"
import { readBacklog } from "../stream/backlog.ts"
import { Producer } from "../stream/producer.ts"
import { CONNECT_MS, endingTogether, type OpenStores, openStores, prepareStores } from "./openStores.ts"
import { readiness } from "./readiness.ts"
import { collectProcessMetrics, scrape } from "./scrape.ts"

/** The statements that answer requests end after this, milliseconds. */
const QUERY_TIMEOUT_MS = 15_000

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

/** A whole node: opens its stores and runs its roles until the scope closes. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { announceHttpNode, nodeName } from "../actors/membership.ts"
import { runActors } from "../actors/runActors.ts"
import { type ActorsThread, startActorsThread } from "../actors/thread/parent.ts"
import { makeFigures } from "../aggregates/figures.ts"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import { makeEventQueries } from "../events/read/index.ts"
import { decodeDelta } from "../live/delta.ts"
import { followChannel } from "../live/subscription.ts"
import { Metrics } from "../metrics/metrics.ts"
import { makeVisitorKeys } from "../privacy/dayKeys.ts"
import { eraseVisitor } from "../privacy/erase.ts"
import { syncLog } from "../runtime/logging.ts"
import { type Server, startServer } from "../server/server.ts"
import type { Services } from "../server/services/services.ts"
import type { StoreAddresses } from "../stores/addresses.ts"
import { detailsOf } from "../stores/advice.ts"
import { StoreError } from "../stores/errors.ts"
import { makePostgres } from "../stores/postgres.ts"
import { awaitReady, connectRedis } from "../stores/redis.ts"
import { liveChannel } from "../stores/redisKeys.ts"
import { readBacklog } from "../stream/backlog.ts"
import { makeProbe } from "../stream/probe.ts"
import { Producer } from "../stream/producer.ts"
import { awaitHealth, health, PROBE_EVERY } from "./health.ts"
import { endingTogether, type OpenStores, openStores, prepareStores } from "./openStores.ts"
import { readiness } from "./readiness.ts"
import { collectProcessMetrics, scrape } from "./scrape.ts"

/** Statements that answer requests are cancelled after this, milliseconds. */
const QUERY_TIMEOUT_MS = 15_000

/** A running node. */
export interface RunningNode {
  /** Where it answers. */
  readonly port: number
  readonly stores: OpenStores
  /** Serves for `DRAIN_SECONDS` more, and says that it will stop. */
  readonly drain: Effect.Effect<void>
}

export interface StartOptions {
  /** On the main thread the actors are easier to follow for a debugger and for coverage, but answers wait for batches. */
  readonly actorsIn: "thread" | "main"
  /** Unix milliseconds. An actors' thread of its own takes the machine's clock: a function cannot be handed to it. */
  readonly now: () => number
}

const onMainThread = (
  config: AppConfig,
  stores: StoreAddresses,
  node: string,
  metrics: Metrics,
  now: () => number,
) =>
  Effect.forkScoped(
    runActors(config, stores, node, metrics, now).pipe(
      Effect.scoped,
      Effect.tapCause((cause) => Effect.logError("actors ended", cause)),
    ),
  ).pipe(Effect.as<ActorsThread>({ metrics: Effect.succeed([]) }))

/** Postgres and Redis as the HTTP side uses them, connected and prepared. */
const connectStores = (config: AppConfig, stores: StoreAddresses, metrics: Metrics) =>
  Effect.gen(function* () {
    const postgres = yield* makePostgres(
      { url: stores.databaseUrl, max: 6, name: "maicivy http", statementTimeoutMs: QUERY_TIMEOUT_MS },
      metrics,
    )
    const redis = yield* connectRedis(stores.redis, "command", "http")
    const appends = yield* connectRedis(stores.redis, "append", "append")
    const subscriber = yield* connectRedis(stores.redis, "subscribe", "subscribe")
    yield* Effect.all([awaitReady(redis), awaitReady(appends)])
    const deployment = yield* prepareStores(config, { postgres, redis, metrics })
    return { postgres, redis, appends, subscriber, deployment }
  })

type Connected = Effect.Success<ReturnType<typeof connectStores>>

/** What the server needs of the rest of the node. */
const makeServices = (
  config: AppConfig,
  { postgres, redis, appends, deployment }: Connected,
  metrics: Metrics,
  actors: ActorsThread,
  log: ReturnType<typeof syncLog>,
  now: () => number,
) =>
  Effect.gen(function* () {
    const { partitions, sites } = config
    const calendar = new Calendar(config.timeZone)
    const shared = {
      redis,
      prefix: config.redisKeyPrefix,
      partitions,
      metrics,
      calendar,
      now,
    }
    const figures = makeFigures(shared)
    const backlog = readBacklog(redis, shared.prefix, partitions, metrics, now)
    const stream = {
      redis: appends,
      prefix: shared.prefix,
      partitions,
      replicas: config.ackReplicas,
      metrics,
    }
    const appender = new Producer({
      ...stream,
      maxBacklog: config.maxBacklog,
      onFailure: atMostOnceASecond((error) =>
        log("events refused: the stream does not accept them", detailsOf(error)),
      ),
    })
    const probe = makeProbe({ ...stream, deployment: deployment.id })
    const ask = health({ postgres, backlog, probe, appender, metrics })
    yield* awaitHealth(ask)
    const ready = readiness(config, ask)
    yield* Effect.forkScoped(Effect.repeat(ready, Schedule.spaced(PROBE_EVERY)))
    const services: Services = {
      appender,
      visitorKeys: yield* makeVisitorKeys(shared),
      figures,
      queries: makeEventQueries({ postgres, calendar, now }),
      privacy: { erase: (visitorId) => eraseVisitor({ ...shared, postgres, sites }, visitorId) },
      readiness: ready,
      metricsText: scrape({ metrics, sites, figures, backlog, otherThreads: actors.metrics }),
    }
    return services
  })

/** Passes on what any node of the deployment has counted to the dashboards of this one. */
const followLiveEvents = (
  { subscriber, deployment }: Connected,
  prefix: string,
  metrics: Metrics,
  { hub }: Server,
) =>
  followChannel({
    redis: subscriber,
    channel: liveChannel(prefix),
    metrics,
    onMessage: (message) => {
      const delta = decodeDelta(deployment.id, message)
      if (delta !== null) hub.receive(delta)
    },
  })

/** Starts a node. It runs until the scope closes, and then finishes the work it has. */
export const startNode = (config: AppConfig, options: StartOptions) =>
  Effect.gen(function* () {
    const metrics = new Metrics(config.metricsPrefix)
    collectProcessMetrics(metrics)
    const opened = yield* openStores(config, metrics)
    const { stores } = opened
    const connected = yield* connectStores(config, stores, metrics)

    const node = nodeName(connected.deployment.place)
    const together = yield* endingTogether
    const none: ActorsThread = { metrics: Effect.succeed([]) }
    const actors = !config.roles.includes("actors")
      ? none
      : yield* (
          options.actorsIn === "thread"
            ? startActorsThread(config, stores, node, metrics)
            : onMainThread(config, stores, node, metrics, options.now)
        ).pipe(Scope.provide(together))

    const log = syncLog(config.logLevel)
    const services = yield* makeServices(config, connected, metrics, actors, log, options.now)
    if (!config.roles.includes("actors"))
      yield* announceHttpNode(connected.redis, config.redisKeyPrefix, node, metrics).pipe(
        Scope.provide(together),
      )
    const server = yield* startServer(config, services, metrics, {
      now: options.now,
      localWriteKey: opened.localWriteKey,
      onFault: (cause) => log("request failed: internal error", { error: stackOf(cause) }),
    }).pipe(
      // Its own parts end one after another: what answers requests is there until they have been answered.
      Scope.provide(yield* Scope.fork(together, "sequential")),
    )
    yield* followLiveEvents(connected, config.redisKeyPrefix, metrics, server)
    const running: RunningNode = {
      port: server.port,
      stores: opened,
      // Nobody sends requests to a node of actors only.
      drain: server.drain(config.roles.includes("http") ? config.drainSeconds * 1000 : 0),
    }
    return running
  })

/** Where a fault comes from: what was thrown within a store's call, if that is what has failed. */
const stackOf = (fault: unknown): string => {
  const thrown = fault instanceof StoreError ? (fault.cause ?? fault) : fault
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
}

/** Thousands of refusals a second tell no more than one does. */
const atMostOnceASecond = (log: (error: StoreError) => void) => {
  let last = 0
  return (error: StoreError) => {
    const at = performance.now()
    if (at - last < 1000) return
    last = at
    log(error)
  }
}

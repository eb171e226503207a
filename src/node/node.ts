/** A whole node: opens its stores and runs its roles until the scope closes. */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Accounts, noteIn } from "../access/accounts.ts"
import { makeAttempts } from "../access/attempts.ts"
import { type Known, loadKnown, NOBODY_KNOWN } from "../access/known.ts"
import { announceHttpNode, nodeName } from "../actors/membership.ts"
import { runActors } from "../actors/runActors.ts"
import { startActorsThread } from "../actors/thread/parent.ts"
import { makeFigures } from "../aggregates/figures.ts"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import { makeEventQueries } from "../events/read/index.ts"
import { retentionTimes } from "../events/retention/index.ts"
import { Goals } from "../goals/goals.ts"
import { announce, announceChange, changedBy, type Kind, type Watch, watch } from "../live/changes.ts"
import { decodeDelta } from "../live/delta.ts"
import { decodeRefusals, encodeRefusals } from "../live/refusals.ts"
import { followChannel } from "../live/subscription.ts"
import { Metrics } from "../metrics/metrics.ts"
import { makeVisitorKeys } from "../privacy/dayKeys.ts"
import { eraseVisitor } from "../privacy/erase.ts"
import { earliestEvents, queryEngine } from "../query/engine/index.ts"
import { syncLog } from "../runtime/logging.ts"
import type { Thread } from "../runtime/thread/parent.ts"
import { FOLLOWED_AGAIN_MS } from "../server/dashboards/liveQuestions.ts"
import { type Server, startServer } from "../server/server.ts"
import type { AccountsService, Services } from "../server/services/services.ts"
import type { Told } from "../server/threads/messages.ts"
import { SharedPlaces } from "../server/threads/sharedPlaces.ts"
import { tableMemory } from "../server/threads/sharedTable.ts"
import { SharedWindows } from "../server/threads/sharedWindows.ts"
import {
  allSites,
  type EraseSiteOptions,
  eraseSite,
  loadSites,
  NO_SITES_STORED,
  Sites,
  type StoredSites,
} from "../sites/index.ts"
import type { StoreAddresses } from "../stores/addresses.ts"
import { logFault } from "../stores/faults.ts"
import { makePostgres } from "../stores/postgres.ts"
import { awaitReady, connectRedis } from "../stores/redis.ts"
import { liveChannel } from "../stores/redisKeys.ts"
import { makeAppender } from "../stream/appender.ts"
import { readBacklog } from "../stream/backlog.ts"
import { makeProbe } from "../stream/probe.ts"
import { connectionName } from "./belonging.ts"
import { awaitHealth, health, PROBE_EVERY } from "./health.ts"
import { startHttpThreads } from "./httpThread/parent.ts"
import { endingTogether, type OpenStores, openStores, prepareStores } from "./openStores.ts"
import { readiness } from "./readiness.ts"
import { collectProcessMetrics, followRetention, scrape } from "./scrape.ts"

/** Statements that answer requests are cancelled after this, milliseconds. */
const QUERY_TIMEOUT_MS = 15_000

/** A running node. */
export interface RunningNode {
  /** Where it answers. */
  readonly port: number
  readonly stores: OpenStores
  /** What makes the first owner, where there is no user yet. */
  readonly setupToken: Effect.Effect<string | null>
  /** Serves for `DRAIN_SECONDS` more, and says that it will stop. */
  readonly drain: Effect.Effect<void>
}

export interface StartOptions {
  /** On the main thread the actors are easier to follow for a debugger and for coverage, but answers wait for batches. */
  readonly actorsIn: "thread" | "main"
  /** Unix milliseconds. An actors' thread of its own takes the machine's clock: a function cannot be handed to it. */
  readonly now: () => number
}

type Measured = Pick<Thread, "metrics">
const NO_THREAD: Measured = { metrics: Effect.succeed([]) }

/** The metrics of threads, of those that have been started by then. */
const metricsOf = (threads: ReadonlyArray<Measured>): Thread["metrics"] =>
  Effect.suspend(() =>
    Effect.all(
      threads.map((thread) => thread.metrics),
      { concurrency: "unbounded" },
    ),
  ).pipe(Effect.map((each) => each.flat()))

/**
 * The query engine ends when nobody has asked for so long, milliseconds. Questions that a dashboard follows are asked more often, so it
 * stays for as long as there is one.
 */
const QUERY_IDLE_MS = 5 * FOLLOWED_AGAIN_MS

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
  ).pipe(Effect.as(NO_THREAD))

/** Postgres and Redis as the HTTP side uses them, connected and prepared. */
const connectStores = (config: AppConfig, stores: StoreAddresses, metrics: Metrics) =>
  Effect.gen(function* () {
    const pool = { url: stores.databaseUrl, statementTimeoutMs: QUERY_TIMEOUT_MS }
    const redis = yield* connectRedis(stores.redis, "command", "http")
    const appends = yield* connectRedis(stores.redis, "append", "append")
    const subscriber = yield* connectRedis(stores.redis, "subscribe", "subscribe")
    yield* Effect.all([awaitReady(redis), awaitReady(appends)])
    const deployment = yield* Effect.scoped(
      makePostgres({ ...pool, max: 2, name: "maicivy start" }, metrics).pipe(
        Effect.flatMap((starting) => prepareStores(config, { postgres: starting, redis, metrics })),
      ),
    )
    const postgres = yield* makePostgres({ ...pool, max: 6, name: connectionName(deployment.mark) }, metrics)
    return { postgres, redis, appends, subscriber, deployment }
  })

type Connected = Effect.Success<ReturnType<typeof connectStores>>

/** What a node has in memory of Postgres, and keeps up to date. */
interface Watches {
  readonly access: Watch<Known>
  readonly sites: Watch<StoredSites>
}

const watchChanges = ({ postgres }: Connected) =>
  Effect.all({
    access: watch((since) => loadKnown(postgres, since), NOBODY_KNOWN),
    sites: watch((since) => loadSites(postgres, since), NO_SITES_STORED),
  })

const sitesService = (
  config: AppConfig,
  stores: Pick<EraseSiteOptions, "redis" | "postgres" | "prefix" | "metrics"> & {
    readonly now: () => number
  },
  changed: (kind: Kind) => Effect.Effect<void>,
): Services["sites"] => {
  const sites = new Sites(stores.postgres, config.sites, stores, changed("sites"))
  const erasing: EraseSiteOptions = {
    ...stores,
    settings: config.sites,
    changed: Effect.andThen(changed("sites"), changed("access")),
  }
  return {
    add: (who, site) => sites.add(who, site),
    change: (who, slug, change) => sites.change(who, slug, change),
    erase: (who, site) => eraseSite(erasing, who, site, stores.now()),
  }
}

/** What the server needs of the rest of the node. */
const makeServices = (
  config: AppConfig,
  stores: StoreAddresses,
  { postgres, redis, appends, deployment }: Connected,
  metrics: Metrics,
  otherThreads: ReadonlyArray<Measured>,
  log: ReturnType<typeof syncLog>,
  now: () => number,
  watches: Watches,
) =>
  Effect.gen(function* () {
    const { partitions } = config
    const slugs = () => [...allSites(config.sites, watches.sites.known().rows).declared]
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
    const visitorKeys = yield* makeVisitorKeys(shared)
    const backlog = readBacklog(redis, shared.prefix, partitions, metrics, now)
    const appender = makeAppender(config, appends, metrics, log)
    const probe = makeProbe({
      redis: appends,
      prefix: shared.prefix,
      partitions,
      replicas: config.ackReplicas,
      metrics,
      deployment: deployment.id,
    })
    const ask = health({ postgres, backlog, probe, appender, metrics })
    yield* awaitHealth(ask)
    const ready = readiness(config, ask)
    yield* Effect.forkScoped(Effect.repeat(ready, Schedule.spaced(PROBE_EVERY)))
    yield* followRetention(metrics, retentionTimes(postgres, config))
    // This node knows at once, and the others a moment later.
    const changed = (kind: Kind) =>
      Effect.andThen(
        Effect.ignore(watches[kind].look),
        announceChange(redis, metrics, shared.prefix, deployment.id, kind),
      )
    const services: Services = {
      appender,
      visitorKeys,
      figures,
      queries: makeEventQueries({ postgres, calendar, now }),
      questions: {
        ...(yield* queryEngine({ config, stores, postgres, idleMs: QUERY_IDLE_MS })),
        earliest: earliestEvents(postgres, calendar),
      },
      accounts: new Accounts(postgres, changed("access")),
      goals: new Goals(postgres),
      sites: sitesService(config, { ...shared, postgres }, changed),
      attempts: makeAttempts({ ...shared, keys: visitorKeys }),
      privacy: {
        erase: (who, visitorId) =>
          eraseVisitor({ ...shared, postgres, sites: slugs(), note: noteIn }, who, visitorId),
      },
      tellRefusals: (refusals) =>
        announce(redis, metrics, shared.prefix, encodeRefusals(deployment.id, refusals)),
      readiness: ready,
      metricsText: scrape({ metrics, slugs, figures, backlog, otherThreads: metricsOf(otherThreads), now }),
    }
    return services
  })

/** Passes on what any node of the deployment has counted to the dashboards of this one. */
const followLiveEvents = (
  { subscriber, deployment }: Connected,
  prefix: string,
  metrics: Metrics,
  { hub }: Server,
  watches: Watches,
) =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime()
    yield* followChannel({
      redis: subscriber,
      channel: liveChannel(prefix),
      metrics,
      onMessage: (message) => {
        const changed = changedBy(deployment.id, message)
        if (changed !== null) return void run(Effect.ignore(watches[changed].look))
        const refused = decodeRefusals(deployment.id, message)
        if (refused !== null) return hub.refused(refused)
        const delta = decodeDelta(deployment.id, message)
        if (delta !== null) hub.receive(delta)
      },
    })
  })

/** Tells threads what the node knows, now and after every change. */
const tellChanges = ({ access, sites }: Watches, threads: ReadonlyArray<Pick<Thread<Told>, "tell">>) => {
  access.onKnown((known) => {
    for (const { tell } of threads) tell({ type: "known", known })
  })
  sites.onKnown(({ rows }) => {
    for (const { tell } of threads) tell({ type: "sites", rows })
  })
}

/** Whether other threads take requests, too. */
const hasHttpThreads = ({ roles, httpThreads }: AppConfig): boolean =>
  httpThreads > 1 && roles.includes("http")

/** A token for the link by which the first owner makes an account; `null` where none is needed, or none could be made. */
const setupToken = ({ roles }: AppConfig, accounts: AccountsService, now: () => number) =>
  roles.includes("http")
    ? Effect.suspend(() => accounts.setupToken(now())).pipe(
        Effect.tapError(() =>
          Effect.logWarning(
            "access: no link for the first owner could be made: start again, or add a user by the command",
          ),
        ),
        Effect.orElseSucceed(() => null),
      )
    : Effect.succeed(null)

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
    const actors = !config.roles.includes("actors")
      ? NO_THREAD
      : yield* (
          options.actorsIn === "thread"
            ? startActorsThread({ config, stores, node }, metrics)
            : onMainThread(config, stores, node, metrics, options.now)
        ).pipe(Scope.provide(together))

    const log = syncLog(config.logLevel)
    const otherThreads: Array<Measured> = [actors]
    const watches = yield* watchChanges(connected)
    const services = yield* makeServices(
      ...([config, stores, connected, metrics, otherThreads, log, options.now, watches] as const),
    )
    if (!config.roles.includes("actors"))
      yield* announceHttpNode(connected.redis, config.redisKeyPrefix, node, metrics).pipe(
        Scope.provide(together),
      )
    const { localWriteKey } = opened
    const memories = hasHttpThreads(config) ? { windows: tableMemory(), places: tableMemory() } : null
    const server = yield* startServer(config, services, metrics, {
      now: options.now,
      siteRows: watches.sites.known().rows,
      localWriteKey,
      ...(memories !== null && {
        windows: new SharedWindows(memories.windows, 0),
        places: new SharedPlaces(config, memories.places, 0),
      }),
      onFault: logFault(log),
    }).pipe(
      // Its own parts end one after another: what answers requests is there until they have been answered.
      Scope.provide(yield* Scope.fork(together, "sequential")),
    )
    watches.access.onKnown(server.learn)
    watches.sites.onKnown(({ rows }) => server.learnSites(rows))
    yield* followLiveEvents(connected, config.redisKeyPrefix, metrics, server, watches)
    const httpThreads =
      memories === null
        ? []
        : yield* startHttpThreads(
            { config, stores, localWriteKey, ...memories },
            server.forThreads,
            metrics,
          ).pipe(Scope.provide(together))
    otherThreads.push(...httpThreads)
    tellChanges(watches, httpThreads)
    // Nobody sends requests to a node of actors only.
    const drainMs = config.roles.includes("http") ? config.drainSeconds * 1000 : 0
    const running: RunningNode = {
      port: server.port,
      stores: opened,
      setupToken: setupToken(config, services.accounts, options.now),
      drain: Effect.suspend(() => {
        for (const { tell } of httpThreads) tell({ type: "drain", milliseconds: drainMs })
        return server.drain(drainMs)
      }),
    }
    return running
  })

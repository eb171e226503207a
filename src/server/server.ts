/**
 * The HTTP and WebSocket server: its parts, and its life from listening to the last answer.
 *
 * A stop goes through these steps:
 *
 * 1. **drain**, for `DRAIN_SECONDS`: `/ready` says 503, so that balancers choose other nodes; everything is served, and
 *    answers close their connections; dashboards are closed with 1001 a few at a time, so that they do not all come to
 *    another node at once
 * 2. **stop**, within its part of {@link STOP_BUDGET}: the port is closed; requests that still come on kept-alive
 *    connections get 503; bodies that are still arriving are refused, everything else is answered; appends settle;
 *    dashboards that are left are closed with 1001; what is left then is cut off
 */

import type { HttpResponse, TemplatedApp, us_listen_socket } from "uWebSockets.js"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { Known } from "../access/known.ts"
import type { AppConfig, InvalidSettings } from "../config/settings.ts"
import { STOP_BUDGET } from "../config/stopBudget.ts"
import type { Refusal } from "../domain/frames.ts"
import { BODY_SILENCE_MS, BODY_TOTAL_MS } from "../domain/limits.ts"
import { PageQuery } from "../domain/pageQuery.ts"
import { WEBSOCKET_PATH } from "../domain/paths.ts"
import { Calendar } from "../domain/period.ts"
import { Enricher } from "../enrichment/enricher.ts"
import { openPlaces } from "../enrichment/geoDatabase.ts"
import type { Places } from "../enrichment/place.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { SiteDirectory, type SiteRow } from "../sites/index.ts"
import { Gate, type GateOptions } from "./access/gate.ts"
import { Ingest } from "./api/ingest.ts"
import { Refusals } from "./api/refusals.ts"
import { apiRoutes, EVENT_PATH } from "./api/routes.ts"
import { Visitors } from "./api/visitorOf.ts"
import { type ConnectionOptions, Connections } from "./dashboards/connections.ts"
import { FanOut } from "./dashboards/fanOut.ts"
import { Hub } from "./dashboards/hub.ts"
import type { Places as DashboardPlaces } from "./dashboards/places.ts"
import { type ArrivalLimits, Arrivals } from "./http/arrivals.ts"
import { Bodies } from "./http/body.ts"
import { TrustedProxies } from "./http/clientAddress.ts"
import { Cors } from "./http/cors.ts"
import { Exchange, Traffic } from "./http/exchange.ts"
import { RequestHeaders } from "./http/headers.ts"
import { type ListenError, listen } from "./http/listen.ts"
import { RateLimit, type Windows } from "./http/rateLimit.ts"
import { Router } from "./http/router.ts"
import { Secrets } from "./http/secrets.ts"
import { uws } from "./http/uws.ts"
import { openApiDocument } from "./openapi/document.ts"
import { type ChoiceFigures, makeChoiceFigures } from "./services/choiceFigures.ts"
import { Pseudonyms } from "./services/pseudonyms.ts"
import { Questions } from "./services/questions.ts"
import type { Runner } from "./services/readCache.ts"
import type { Services } from "./services/services.ts"
import { AllFanOuts } from "./threads/allFanOuts.ts"
import { Acceptor, type ForThreads } from "./threads/attached.ts"
import { SharedPlaces } from "./threads/sharedPlaces.ts"
import { tableMemory } from "./threads/sharedTable.ts"

/** The clock, and what tests and the embedded setup change. */
export interface ServerOptions {
  /** Unix milliseconds. */
  readonly now: () => number
  /** What Postgres knows of sites at the start; nothing by default. */
  readonly siteRows?: ReadonlyArray<SiteRow>
  /** An additional write key, known on this machine only. */
  readonly localWriteKey?: string | null
  /** Where the rate limit remembers addresses; by default in the thread's own memory. */
  readonly windows?: Windows
  /** Room for dashboards; by default no other thread takes of it. */
  readonly places?: DashboardPlaces
  /** How long a body may take to arrive. */
  readonly bodyLimits?: Partial<ArrivalLimits>
  /** Bytes that unfinished bodies may take together. */
  readonly maxWaitingBytes?: number
  /** Milliseconds that a download may take. */
  readonly exportDeadlineMs?: number
  /** Milliseconds between heartbeats. */
  readonly heartbeatMs?: number
  /** Minimum milliseconds between two figures frames of one kind and site. */
  readonly updateMs?: number
  /** Bytes that may wait for a slow dashboard. */
  readonly maxBackpressure?: number
  /** Called with errors that should not happen, for the log. */
  readonly onFault?: (cause: unknown) => void
}

/** The settings that the server reads. */
export type ServerConfig = Pick<
  AppConfig,
  | "port"
  | "host"
  | "basePath"
  | "scriptPath"
  | "eventPath"
  | "sites"
  | "partitions"
  | "rateLimitPerMinute"
  | "writeKeys"
  | "adminToken"
  | "access"
  | "metricsToken"
  | "authProxyHeader"
  | "authProxyRole"
  | "trustedProxies"
  | "clientAddressHeader"
  | "proxyProtocol"
  | "corsOrigins"
  | "requireVisitor"
  | "respectDnt"
  | "bots"
  | "pageQuery"
  | "geoDatabase"
  | "wsMaxConnections"
  | "wsMaxConnectionsPerIp"
  | "liveEventsPerSecond"
  | "timeZone"
  | "retentionDays"
  | "roles"
>

export interface Server {
  /** The port it listens on; the system's choice if 0 was given. */
  readonly port: number
  /** Takes what a node has just counted, for the dashboards. */
  readonly hub: Pick<Hub, "receive" | "refused">
  /** Takes who has access from now on; dashboards whose access is revoked are closed. */
  readonly learn: (known: Known) => void
  /** Takes what is known of sites from now on. */
  readonly learnSites: (rows: ReadonlyArray<SiteRow>) => void
  /** Serves for so many milliseconds more, and says that it will stop: the first step at the file's head. */
  readonly drain: (milliseconds: number) => Effect.Effect<void>
  readonly forThreads: ForThreads
}

/** Listens and serves until the scope closes; the file's head says how it stops. */
export const startServer = (
  config: ServerConfig,
  services: Services,
  metrics: Metrics,
  options: ServerOptions,
): Effect.Effect<Server, ListenError | InvalidSettings, Scope.Scope> =>
  Effect.gen(function* () {
    const { accounts } = services
    const shared = yield* makeShared(config, services, metrics, options, (key, minute) =>
      // What a store does not take now, the next minute's use tells.
      Effect.ignore(accounts.used(key, minute)),
    )
    const app = uws.App()
    const { now } = shared
    const { questions: queries, goals } = services
    const questions = new Questions({
      ...{ queries, goals, now },
      ...{ timeZone: config.timeZone, sites: shared.sites },
    })
    const calendar = new Calendar(config.timeZone)
    const asking = { questions, figures: makeChoiceFigures({ ...services, questions, calendar, now }) }
    const { hub, fanOuts, places, dashboards } = makeDashboards(shared, asking, app)
    const router = serveRequests(shared, services, asking, app)
    const socket = yield* Effect.acquireRelease(listen(app, config.host, config.port), (listening) =>
      stop(shared, app, dashboards, listening),
    )
    yield* reviewing(dashboards.connections)
    return {
      port: uws.us_socket_local_port(socket),
      hub,
      learn: (known) => learn(shared.gate, dashboards.connections, known),
      learnSites: (rows) => {
        learnSites(shared.sites, dashboards.connections, rows)
        hub.sitesChanged()
      },
      drain: (milliseconds) => drain(shared.traffic, dashboards.connections, milliseconds),
      forThreads: {
        acceptor: new Acceptor(app),
        router,
        hub,
        fanOuts,
        places,
        gate: shared.gate,
        sites: shared.sites,
        refused: telling(shared, services),
      },
    }
  })

/** Who has access from now on, and what follows for the dashboards of a thread. */
export const learn = (gate: Gate, connections: Connections, known: Known): void => {
  gate.learn(known)
  connections.review()
}

/** What is known of sites from now on: dashboards that may see them all may see new ones, too. */
export const learnSites = (
  sites: SiteDirectory,
  connections: Connections,
  rows: ReadonlyArray<SiteRow>,
): void => {
  sites.learn(rows)
  connections.review()
}

/** Access may also end by the clock. */
export const reviewing = (connections: Connections): Effect.Effect<unknown, never, Scope.Scope> =>
  Effect.forkScoped(
    Effect.forever(
      Effect.andThen(
        Effect.sleep("30 seconds"),
        Effect.sync(() => connections.review()),
      ),
    ),
  )

/** What the parts of a server share. */
export interface Shared {
  readonly config: ServerConfig
  readonly services: SendingServices
  readonly metrics: Metrics
  readonly options: ServerOptions
  readonly run: Runner
  readonly now: () => number
  readonly traffic: Traffic
  readonly cors: Cors
  readonly proxies: TrustedProxies
  readonly sites: SiteDirectory
  readonly gate: Gate
  readonly pseudonyms: Pseudonyms
  readonly bodies: Bodies
  readonly pageQuery: PageQuery
  /** The present database of places. */
  readonly geo: () => Places
}

/** What it takes to take events. */
export type SendingServices = Pick<Services, "appender" | "visitorKeys">

/** Who may have what, by the settings. */
const makeGate = (
  config: ServerConfig,
  options: ServerOptions,
  parts: Pick<Shared, "proxies" | "sites" | "run"> & Pick<GateOptions, "onUsed">,
): Gate => {
  const localKey = options.localWriteKey ?? null
  return new Gate({ ...config, localKey, ...parts, now: options.now })
}

/** @param used takes note of an API key that is used, once a minute at most */
export const makeShared = (
  config: ServerConfig,
  services: SendingServices,
  metrics: Metrics,
  options: ServerOptions,
  used: (key: number, minute: number) => Effect.Effect<void>,
): Effect.Effect<Shared, InvalidSettings, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, unknown, unknown>()
    const proxies = new TrustedProxies(config)
    const sites = new SiteDirectory(config.sites, options.siteRows)
    return {
      config,
      services,
      metrics,
      options,
      run,
      now: options.now,
      traffic: new Traffic(
        metrics,
        options.onFault ?? (() => {}),
        new Arrivals({ silenceMs: BODY_SILENCE_MS, totalMs: BODY_TOTAL_MS, ...options.bodyLimits }),
      ),
      cors: new Cors(config.corsOrigins),
      proxies,
      sites,
      gate: makeGate(config, options, {
        ...{ proxies, sites, run },
        onUsed: (key, minute) => run(used(key, minute)),
      }),
      pseudonyms: new Pseudonyms(services.visitorKeys, options.now),
      bodies: new Bodies(options.maxWaitingBytes),
      pageQuery: new PageQuery(config.pageQuery),
      geo: yield* openPlaces(config.geoDatabase, {
        onRead: ({ builtAt }) => metrics.geoDatabaseBuilt.set(builtAt),
      }),
    }
  })

/** Whether events and dashboards are served, in addition to what operators ask of every node. */
const isServing = ({ roles }: ServerConfig): boolean => roles.includes("http")

/** Where a path answers: at the root, and under `BASE_PATH`, whether the proxy strips that or passes it on. */
export const pathsOf = ({ basePath }: ServerConfig, path: string): ReadonlyArray<string> =>
  basePath === "" ? [path] : [path, basePath + path]

/** A thread's dashboards, as far as its stop concerns them. */
export interface Dashboards {
  /** Sends nothing more. */
  readonly stop: () => void
  readonly connections: Connections
}

/** The connections of a thread's dashboards. */
export const makeConnections = (
  { metrics, options, now, traffic, cors, proxies, gate }: Shared,
  parts: Pick<ConnectionOptions, "hub" | "fanOut" | "places">,
): Connections =>
  new Connections({
    ...parts,
    metrics,
    cors,
    proxies,
    gate,
    refuse: (res: HttpResponse, problem) =>
      new Exchange(traffic, res, "websocket", "GET", new RequestHeaders(), "", false).refuse(problem),
    now,
    ...(options.maxBackpressure !== undefined && { maxBackpressure: options.maxBackpressure }),
  })

/** What is asked for figures. */
interface Asking {
  readonly questions: Questions
  readonly figures: ChoiceFigures
}

/** The WebSocket side. */
const makeDashboards = (shared: Shared, asking: Asking, app: TemplatedApp) => {
  const { config, metrics, options, run, now, pseudonyms, sites } = shared
  const fanOut = new FanOut(app, metrics)
  const fanOuts = new AllFanOuts(fanOut)
  const hub = new Hub({
    sites,
    ...asking,
    metrics,
    run,
    fanOut: fanOuts,
    pseudonyms,
    eventsPerSecond: config.liveEventsPerSecond,
    now,
    heartbeatMs: options.heartbeatMs ?? 5000,
    updateMs: options.updateMs ?? 1000,
  })
  const places = options.places ?? new SharedPlaces(config, tableMemory(), 0)
  const connections = makeConnections(shared, { hub, fanOut, places })
  if (isServing(config)) connections.attach(app, pathsOf(config, WEBSOCKET_PATH))
  const dashboards: Dashboards = {
    stop: () => {
      hub.stop()
      fanOut.stop()
    },
    connections,
  }
  return { hub, fanOuts, places, dashboards }
}

/** Tells all nodes of refused events. */
const telling =
  ({ run }: Shared, { tellRefusals }: Services) =>
  (refusals: ReadonlyArray<Refusal>): void =>
    void run(tellRefusals(refusals))

/** @param tell told of the events that are refused */
export const makeIngest = (shared: Shared, tell: (refusals: ReadonlyArray<Refusal>) => void): Ingest => {
  const { config, services, metrics, options, now, cors, proxies, sites, bodies, pageQuery, geo } = shared
  return new Ingest({
    appender: services.appender,
    visitors: new Visitors(services.visitorKeys, config.requireVisitor),
    bodies,
    cors,
    proxies,
    rateLimit:
      config.rateLimitPerMinute === 0 ? null : new RateLimit(config.rateLimitPerMinute, options.windows),
    writeKeys: new Secrets([...config.writeKeys, ...(options.localWriteKey ? [options.localWriteKey] : [])]),
    sites,
    partitions: config.partitions,
    respectDnt: config.respectDnt,
    pageQuery,
    enricher: new Enricher({ places: geo, locates: config.geoDatabase !== null, bots: config.bots }),
    metrics,
    refusals: new Refusals(tell, now),
    now,
  })
}

/** The HTTP side. */
const serveRequests = (
  shared: Shared,
  services: Services,
  { questions, figures }: Asking,
  app: TemplatedApp,
): Router => {
  const { config, options, run, now, traffic, cors, gate } = shared
  const routes = apiRoutes({
    ingest: makeIngest(shared, telling(shared, services)),
    services,
    gate,
    sites: shared.sites,
    pageQuery: shared.pageQuery,
    pseudonyms: shared.pseudonyms,
    proxies: shared.proxies,
    basePath: config.basePath,
    timeZone: config.timeZone,
    retentionDays: config.retentionDays,
    scriptPath: config.scriptPath,
    eventPath: config.eventPath,
    serving: isServing(config),
    bodies: shared.bodies,
    questions,
    choiceFigures: figures,
    traffic,
    run,
    now,
    openApiDocument: ({ declared }) =>
      openApiDocument({
        // What there is would be told to whom it is closed.
        sites: gate.isPublic ? [...declared] : null,
        basePath: config.basePath,
        scriptPath: config.scriptPath,
        eventPath: config.eventPath,
      }),
    exportDeadlineMs: options.exportDeadlineMs,
  })
  const router = new Router(routes, traffic, cors, config.basePath, gate)
  const eventRoute = routes.exact.get(EVENT_PATH)
  // The hot route goes past the router's lookups.
  for (const path of pathsOf(config, EVENT_PATH))
    app.post(path, (res, req) => {
      traffic.taken()
      router.handle(res, req, eventRoute, EVENT_PATH)
    })
  app.any("/*", (res, req) => {
    traffic.taken()
    router.dispatch(res, req)
  })
  return router
}

/** Milliseconds between two groups of dashboards that are closed. */
const DRAIN_STEP_MS = 50

/** The first step at the head of the file. */
export const drain = (
  traffic: Traffic,
  connections: Connections,
  milliseconds: number,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    traffic.draining = true
    const end = performance.now() + milliseconds
    for (let left = milliseconds; left > 0; left = end - performance.now()) {
      yield* Effect.sleep(Math.min(left, DRAIN_STEP_MS))
      connections.close(Math.ceil((connections.size * DRAIN_STEP_MS) / left))
    }
  })

/** The second step at the head of the file. Only the main thread has a port. */
export const stop = (
  { traffic, services }: Shared,
  app: TemplatedApp,
  dashboards: Dashboards,
  socket: us_listen_socket | null,
): Effect.Effect<void> =>
  Effect.promise(async () => {
    traffic.draining = true
    traffic.closing = true
    if (socket !== null) uws.us_listen_socket_close(socket)
    dashboards.stop()
    traffic.arrivals.stop()
    await traffic.whenIdle()
    await services.appender.settled()
  }).pipe(
    Effect.timeoutOption(STOP_BUDGET.answers),
    Effect.andThen(Effect.sync(() => dashboards.connections.closeAll())),
    Effect.andThen((closed) => (closed > 0 ? Effect.sleep(STOP_BUDGET.linger) : Effect.void)),
    Effect.andThen(Effect.sync(() => app.close())),
  )

/**
 * The HTTP and WebSocket server: its routes, and its life from listening to the last answer.
 *
 * A stop goes through these steps, within their part of {@link STOP_BUDGET}: the port is closed; requests that still come
 * on kept-alive connections get 503 and `Connection: close`; bodies that are still arriving are refused, everything else is
 * answered; appends drain; dashboards are closed with 1001; what is left is cut off.
 */

import type { HttpResponse, TemplatedApp, us_listen_socket } from "uWebSockets.js"
import { createServer } from "node:net"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { AppConfig } from "../config/settings.ts"
import { STOP_BUDGET } from "../config/stopBudget.ts"
import { BODY_TIMEOUT_MS } from "../domain/limits.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { Ingest } from "./api/ingest.ts"
import { apiRoutes, EVENT_PATH } from "./api/routes.ts"
import { Visitors } from "./api/visitorOf.ts"
import { Connections } from "./dashboards/connections.ts"
import { FanOut } from "./dashboards/fanOut.ts"
import { Hub } from "./dashboards/hub.ts"
import { Bodies } from "./http/body.ts"
import { TrustedProxies } from "./http/clientAddress.ts"
import { Cors } from "./http/cors.ts"
import { Exchange, Traffic } from "./http/exchange.ts"
import { RequestHeaders } from "./http/headers.ts"
import type { Sites } from "./http/query.ts"
import { RateLimit } from "./http/rateLimit.ts"
import { Router } from "./http/router.ts"
import { Secrets } from "./http/secrets.ts"
import { uws } from "./http/uws.ts"
import { openApiDocument } from "./openapi/document.ts"
import type { Services } from "./services/services.ts"

/** The server could not start. The message is one sentence: the setting, its value and what it should be. */
export class ServerError extends TaggedError("ServerError")<{ readonly message: string }> {}

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`: without it a second server on the same port starts, and takes half of the connections. */
const EXCLUSIVE_PORT = 1

/** What tests and the embedded set-up change. */
export interface ServerOptions {
  /** A further write key, of this machine only. */
  readonly localWriteKey?: string | null
  /** Unix milliseconds. */
  readonly now?: () => number
  /** Milliseconds from a body's first part to its last. */
  readonly bodyTimeoutMs?: number
  /** Bytes that bodies which are still arriving may take together. */
  readonly maxWaitingBytes?: number
  /** Milliseconds that a download may take. */
  readonly exportDeadlineMs?: number
  /** Milliseconds between heartbeats. */
  readonly heartbeatMs?: number
  /** Least milliseconds between two figures frames of one kind and site. */
  readonly updateMs?: number
  /** Bytes that may wait for a slow dashboard. */
  readonly maxBackpressure?: number
  /** Told about errors that should not happen, for the log. */
  readonly onFault?: (cause: unknown) => void
}

/** The settings that the server reads. */
export type ServerConfig = Pick<
  AppConfig,
  | "port"
  | "host"
  | "sites"
  | "partitions"
  | "rateLimitPerMinute"
  | "writeKeys"
  | "adminToken"
  | "trustedProxies"
  | "corsOrigins"
  | "requireVisitor"
  | "respectDnt"
  | "wsMaxConnections"
  | "wsMaxConnectionsPerIp"
  | "liveEventsPerSecond"
  | "roles"
>

export interface Server {
  /** The port it listens on; the system's choice when 0 was asked for. */
  readonly port: number
  /** Takes what a node has just counted, for the dashboards. */
  readonly hub: Pick<Hub, "receive">
}

/** Why a port cannot be listened on, which uWebSockets.js does not say. */
const listenFailure = (host: string, port: number): Promise<string> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once("error", (cause) => {
      const code = "code" in cause ? String(cause.code) : cause.message
      resolve(
        code === "EADDRINUSE"
          ? `PORT is ${port}: it should be a port that nothing else listens on at ${host}.`
          : code === "EACCES"
            ? `PORT is ${port}: it should be a port that this user may listen on.`
            : `HOST is ${JSON.stringify(host)}: it should be an address of this machine (${code}).`,
      )
    })
    probe.listen({ host, port, exclusive: true }, () =>
      probe.close(() =>
        resolve(`PORT is ${port}: it should be a port that nothing else listens on at ${host}.`),
      ),
    )
  })

const listen = (
  app: TemplatedApp,
  host: string,
  port: number,
): Effect.Effect<us_listen_socket, ServerError> =>
  Effect.callback<us_listen_socket | null>((resume) => {
    const listening = (socket: us_listen_socket | false) => resume(Effect.succeed(socket || null))
    // The library takes host and option together; its types know no such overload.
    Reflect.apply(app.listen, app, [host, port, EXCLUSIVE_PORT, listening])
  }).pipe(
    Effect.flatMap((socket) =>
      socket === null
        ? Effect.flatMap(
            Effect.promise(() => listenFailure(host, port)),
            (message) => new ServerError({ message }),
          )
        : Effect.succeed(socket),
    ),
  )

/** Listens and serves until the scope closes; see the file's head for how that ends. */
export const startServer = (
  config: ServerConfig,
  services: Services,
  metrics: Metrics,
  options: ServerOptions = {},
): Effect.Effect<Server, ServerError, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, unknown, unknown>()
    const now = options.now ?? Date.now
    const traffic = new Traffic(metrics, options.onFault ?? (() => {}))
    const cors = new Cors(config.corsOrigins)
    const proxies = new TrustedProxies(config.trustedProxies)
    const sites: Sites = { declared: new Set(config.sites), default: config.sites[0] }
    const bodies = new Bodies(options.bodyTimeoutMs ?? BODY_TIMEOUT_MS, options.maxWaitingBytes)
    const ingest = new Ingest({
      appender: services.appender,
      visitors: new Visitors(services.visitorKeys, config.requireVisitor),
      bodies,
      proxies,
      rateLimit: config.rateLimitPerMinute === 0 ? null : new RateLimit(config.rateLimitPerMinute),
      writeKeys: new Secrets([
        ...config.writeKeys,
        ...(options.localWriteKey ? [options.localWriteKey] : []),
      ]),
      sites,
      partitions: config.partitions,
      respectDnt: config.respectDnt,
      metrics,
      now,
    })
    const serving = config.roles.includes("http")
    const app = uws.App()
    const fanOut = new FanOut(app, metrics)
    const hub = new Hub({
      sites: config.sites,
      figures: services.figures,
      metrics,
      run,
      fanOut,
      eventsPerSecond: config.liveEventsPerSecond,
      now,
      heartbeatMs: options.heartbeatMs ?? 5000,
      updateMs: options.updateMs ?? 1000,
    })
    const connections = new Connections({
      hub,
      fanOut,
      metrics,
      cors,
      proxies,
      sites,
      maxConnections: config.wsMaxConnections,
      maxConnectionsPerAddress: config.wsMaxConnectionsPerIp,
      refuse: (res: HttpResponse, problem) =>
        new Exchange(traffic, res, "websocket", "GET", new RequestHeaders(), "").refuse(problem),
      now,
      ...(options.maxBackpressure !== undefined && { maxBackpressure: options.maxBackpressure }),
    })
    const routes = apiRoutes({
      ingest,
      services,
      sites,
      adminToken: config.adminToken,
      serving,
      run,
      openApiDocument: () =>
        openApiDocument({ sites: config.sites, administration: config.adminToken !== null }),
      exportDeadlineMs: options.exportDeadlineMs,
    })
    const router = new Router(routes, traffic, cors)
    const eventRoute = routes.exact.get(EVENT_PATH)
    if (serving) connections.attach(app)
    // The hot route goes past the router's lookups.
    app.post(EVENT_PATH, (res, req) => router.handle(res, req, eventRoute, EVENT_PATH))
    app.any("/*", router.dispatch)

    const stop = async (socket: us_listen_socket): Promise<void> => {
      traffic.closing = true
      uws.us_listen_socket_close(socket)
      hub.stop()
      fanOut.stop()
      bodies.stop()
      await traffic.whenIdle()
      await services.appender.drain()
    }
    const socket = yield* Effect.acquireRelease(listen(app, config.host, config.port), (listening) =>
      Effect.promise(() => stop(listening)).pipe(
        Effect.timeoutOption(STOP_BUDGET.answers),
        Effect.andThen(Effect.sync(() => connections.close())),
        Effect.andThen((closed) => (closed > 0 ? Effect.sleep(STOP_BUDGET.linger) : Effect.void)),
        Effect.andThen(Effect.sync(() => app.close())),
      ),
    )
    return { port: uws.us_socket_local_port(socket), hub }
  })

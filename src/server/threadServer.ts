/**
 * What an HTTP thread serves: it answers the senders of events, and has dashboards of its own. Everything else, which is asked rarely
 * or has to be one for the node (reads and their answers that are kept, downloads, administration, what operators ask), it hands over
 * to the main thread. It stops as the server does.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { InvalidSettings } from "../config/settings.ts"
import { WEBSOCKET_PATH } from "../domain/paths.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { sendingRoutes } from "./api/routes.ts"
import { FanOut } from "./dashboards/fanOut.ts"
import type { Places } from "./dashboards/places.ts"
import { Router } from "./http/router.ts"
import { uws } from "./http/uws.ts"
import {
  drain,
  learn,
  learnSites,
  makeConnections,
  makeIngest,
  makeShared,
  pathsOf,
  reviewing,
  type SendingServices,
  type ServerConfig,
  type ServerOptions,
  stop,
} from "./server.ts"
import { descriptorOf } from "./threads/attached.ts"
import { HandOver } from "./threads/handOver.ts"
import { MainThread } from "./threads/mainThread.ts"
import type { Asked, Told } from "./threads/messages.ts"

export interface ThreadServerOptions extends ServerOptions {
  /** Those of the node. */
  readonly places: Places
}

/** Serves connections that the main thread gives it, until the scope closes. Returns what takes that thread's answers. */
export const startThreadServer = (
  config: ServerConfig,
  services: SendingServices,
  metrics: Metrics,
  { places, ...options }: ThreadServerOptions,
  ask: (message: Asked) => void,
): Effect.Effect<
  (message: Exclude<Told, { readonly type: "unlisted" }>) => void,
  InvalidSettings,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const shared = yield* makeShared(config, services, metrics, options, (key) =>
      Effect.sync(() => ask({ type: "used", key })),
    )
    const { traffic, cors } = shared
    const app = uws.App()
    const handOver = new HandOver(traffic, ask)
    const mainThread = new MainThread(ask, places)
    const fanOut = new FanOut(app, metrics, (topic, group, change) =>
      ask({ type: "listeners", topic, group, change }),
    )
    const connections = makeConnections(shared, { hub: mainThread, fanOut, places: mainThread })
    connections.attach(app, pathsOf(config, WEBSOCKET_PATH))
    const ingest = makeIngest(shared, (refusals) => ask({ type: "refused", refusals }))
    const router = new Router({ exact: new Map(), prefixes: [] }, traffic, cors, config.basePath, shared.gate)
    for (const [path, route] of sendingRoutes(ingest, config.eventPath, shared.now))
      for (const each of pathsOf(config, path))
        app.any(each, (res, req) => {
          traffic.taken()
          router.handle(res, req, route, path)
        })
    app.any("/*", (res, req) => {
      traffic.taken()
      handOver.dispatch(res, req)
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => ask({ type: "listening", descriptor: descriptorOf(app) })),
      () => stop(shared, app, { stop: () => fanOut.stop(), connections }, null),
    )
    yield* reviewing(connections)
    return (message) => {
      if (message.type === "known") learn(shared.gate, connections, message.known)
      else if (message.type === "sites") learnSites(shared.sites, connections, message.rows)
      else if (message.type === "publish") fanOut.publish(message.topic, message.frame, message.options)
      else if (message.type === "drain") shared.run(drain(traffic, connections, message.milliseconds))
      else if (message.type === "frame") mainThread.answered(message)
      else handOver.answer(message)
    }
  })

/** Every path of the HTTP API, once. */

import type { PageQuery } from "../../domain/pageQuery.ts"
import { API_PATH, WEBSOCKET_PATH } from "../../domain/paths.ts"
import type { Bodies } from "../http/body.ts"
import type { TrustedProxies } from "../http/clientAddress.ts"
import { JSON_TYPE, type Traffic } from "../http/exchange.ts"
import { Problem } from "../http/problem.ts"
import { Parameters, type Sites } from "../http/query.ts"
import type { Handler, Method, Route, Routes } from "../http/router.ts"
import type { Questions } from "../services/questions.ts"
import type { Runner } from "../services/readCache.ts"
import type { Services } from "../services/services.ts"
import { Administration, type AdministrationOptions } from "./administration.ts"
import { assets, Prepared } from "./assets.ts"
import { EXPORT_KINDS, Exports } from "./exports.ts"
import type { Ingest } from "./ingest.ts"
import { Operations } from "./operations.ts"
import { QueryEndpoint } from "./queries.ts"
import { type ReadEndpoint, Reads } from "./reads.ts"

export const EVENT_PATH = `${API_PATH}/event`
const VISITORS_PREFIX = `${API_PATH}/visitors/`

const READS: ReadonlyArray<ReadEndpoint> = [
  "sites",
  "realtime",
  "stats",
  "themes",
  "letters",
  "timeline",
  "heatmap",
  "history",
  "yesterday",
]

const UPGRADE_REQUIRED = Problem.of("UPGRADE_REQUIRED", "Upgrade: websocket\r\n")

export interface RouteOptions {
  readonly ingest: Ingest
  readonly services: Services
  readonly sites: Sites
  readonly pageQuery: PageQuery
  readonly adminToken: string | null
  /** Empty, or where everything answers, too. */
  readonly basePath: string
  readonly scriptPath: string
  readonly eventPath: string
  /** `false` leaves only what operators ask of every node: health, readiness, metrics. */
  readonly serving: boolean
  readonly proxies: TrustedProxies
  readonly bodies: Bodies
  readonly questions: Questions
  readonly traffic: Pick<Traffic, "draining">
  readonly run: Runner
  /** Unix milliseconds. */
  readonly now: () => number
  /** What `/openapi.json` returns. */
  readonly openApiDocument: () => object
  /** Milliseconds that a download may take. */
  readonly exportDeadlineMs?: number | undefined
}

/** Where events are sent to: what every HTTP thread answers on its own. */
export const sendingRoutes = (
  ingest: Ingest,
  eventPath: string,
  now: () => number,
): ReadonlyArray<readonly [path: string, route: Route]> => {
  const events: Handler = (exchange, req) => ingest.events(exchange, req)
  // What a tracker whose events had to wait goes by.
  const time: Handler = (exchange) =>
    exchange.json({ success: true, data: { timestamp: Math.floor(now() / 1000) } })
  return [
    [
      EVENT_PATH,
      {
        name: "event",
        cors: true,
        handlers: {
          POST: (exchange, req) => ingest.event(exchange, req),
          GET: (exchange, req) => ingest.pixel(exchange, req),
        },
      },
    ],
    [`${API_PATH}/events`, { name: "events", cors: true, handlers: { POST: events } }],
    [eventPath, { name: "events", cors: true, handlers: { GET: time, POST: events } }],
  ]
}

/** The routes of a server. */
export const apiRoutes = ({
  ingest,
  services,
  sites,
  pageQuery,
  adminToken,
  basePath,
  scriptPath,
  eventPath,
  serving,
  proxies,
  bodies,
  questions,
  traffic,
  run,
  now,
  openApiDocument,
  exportDeadlineMs,
}: RouteOptions): Routes => {
  const { figures, queries } = services
  const reads = new Reads(figures, queries, sites, pageQuery, run)
  const asked = new QueryEndpoint({ questions, bodies, run })
  const exports = new Exports(figures, queries, exportDeadlineMs)
  const operations = new Operations(services, run, traffic)

  const exact = new Map<string, Route>()
  const add = (path: string, name: string, cors: boolean, handlers: { [method in Method]?: Handler }) => {
    exact.set(path, { name, cors, handlers })
  }

  add("/health", "health", true, { GET: (exchange) => operations.health(exchange) })
  add("/ready", "ready", true, { GET: (exchange) => operations.ready(exchange) })
  add("/metrics", "metrics", false, { GET: (exchange, req) => operations.metrics(exchange, req) })
  if (!serving) return { exact, prefixes: [] }

  const document = () => Buffer.from(JSON.stringify(openApiDocument()))
  const openApi = new Prepared(document, JSON_TYPE, "no-cache", false)
  add("/openapi.json", "openapi", true, { GET: (exchange, req) => openApi.answer(exchange, req) })

  for (const [path, route] of sendingRoutes(ingest, eventPath, now)) exact.set(path, route)
  for (const endpoint of READS)
    add(`${API_PATH}/${endpoint}`, endpoint, true, {
      GET: (exchange, req) => reads.answer(endpoint, exchange, req),
    })
  exact.set(`${API_PATH}/query`, questionRoute(asked))
  for (const kind of EXPORT_KINDS)
    add(`${API_PATH}/export/${kind}`, "export", true, {
      GET: (exchange, req) => {
        const parameters = new Parameters(req.getQuery() ?? "")
        exports.download(kind, exchange, parameters, parameters.site(sites))
      },
    })
  add(WEBSOCKET_PATH, "websocket", false, { GET: (exchange) => exchange.refuse(UPGRADE_REQUIRED) })
  // Pages of other origins load the tracker.
  for (const { path, name, file } of assets({ basePath, scriptPath, eventPath })) {
    // At the start, so that an upgrade in place cannot mix versions.
    file.ready()
    add(path, name, name === "tracker", { GET: (exchange, req) => file.answer(exchange, req) })
  }

  // The page's addresses are relative to it.
  if (basePath !== "" && !exact.has(basePath))
    add(basePath, "dashboard", false, { GET: redirectTo(`${basePath}/`) })

  // Without a token these paths do not exist.
  if (adminToken === null) return { exact, prefixes: [] }
  const { privacy } = services
  const visitors = visitorsRoute({ token: adminToken, privacy, exports, proxies, run, now })
  return { exact, prefixes: [[VISITORS_PREFIX, visitors]] }
}

const questionRoute = (asked: QueryEndpoint): Route => ({
  name: "query",
  cors: true,
  handlers: {
    GET: (exchange, req) => asked.get(exchange, req),
    POST: (exchange) => asked.post(exchange),
  },
})

const redirectTo =
  (path: string): Handler =>
  (exchange, req) => {
    const query = req.getQuery()
    const lines = `Location: ${path}${query ? `?${query}` : ""}\r\nCache-Control: no-cache\r\n`
    exchange.answer("301 Moved Permanently", "text/plain", "", { lines })
  }

const visitorsRoute = (options: AdministrationOptions): Route => {
  const administration = new Administration(options)
  const visitorOf = (path: string) => path.slice(VISITORS_PREFIX.length)
  return {
    name: "visitors",
    cors: false,
    handlers: {
      GET: (exchange, req, path) => administration.exportVisitor(exchange, req, visitorOf(path)),
      DELETE: (exchange, req, path) => administration.eraseVisitor(exchange, req, visitorOf(path)),
    },
  }
}

/** Every path of the HTTP API, once. */

import type { PageQuery } from "../../domain/pageQuery.ts"
import { API_PATH, WEBSOCKET_PATH } from "../../domain/paths.ts"
import type { AllSites, SiteDirectory } from "../../sites/index.ts"
import type { Gate } from "../access/gate.ts"
import { CHOSEN, needOf } from "../access/needs.ts"
import { METHODS, type Method, type Row } from "../http/access.ts"
import type { Bodies } from "../http/body.ts"
import type { TrustedProxies } from "../http/clientAddress.ts"
import { type Exchange, JSON_TYPE, type Traffic } from "../http/exchange.ts"
import { Problem } from "../http/problem.ts"
import { Parameters } from "../http/query.ts"
import { askingOf, type Handler, type Route, type Routes } from "../http/router.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { ChoiceFigures } from "../services/choiceFigures.ts"
import { HeatmapTickets } from "../services/heatmapTickets.ts"
import type { Pseudonyms } from "../services/pseudonyms.ts"
import type { Questions } from "../services/questions.ts"
import type { Runner } from "../services/readCache.ts"
import type { Services } from "../services/services.ts"
import { AccessEndpoint } from "./accessEndpoint.ts"
import { AccountsEndpoint } from "./accounts.ts"
import { Administration, type AdministrationOptions } from "./administration.ts"
import { assets, DASHBOARD_SCRIPT, Prepared } from "./assets.ts"
import { EXPORT_KINDS, Exports } from "./exports.ts"
import { GoalsEndpoint } from "./goals.ts"
import { HeatmapTicketsEndpoint, type HeatmapTicketsOptions } from "./heatmapTickets.ts"
import type { Ingest } from "./ingest.ts"
import { Operations } from "./operations.ts"
import { EXPORT_FORMATS } from "./parameters.ts"
import { QueryEndpoint } from "./queries.ts"
import { RangedReads } from "./ranged.ts"
import { type ReadEndpoint, Reads } from "./reads.ts"
import { SitesEndpoint, type SitesOptions } from "./sites.ts"

export const EVENT_PATH = `${API_PATH}/event`
const EVENTS_PATH = `${API_PATH}/events`
const VISITORS_PREFIX = `${API_PATH}/visitors/`

const READS: ReadonlyArray<Exclude<ReadEndpoint, "sites">> = [
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
  readonly gate: Gate
  readonly sites: Pick<SiteDirectory, "current">
  readonly pageQuery: PageQuery
  readonly pseudonyms: Pseudonyms
  readonly proxies: TrustedProxies
  /** Empty, or where everything answers, too. */
  readonly basePath: string
  /** The deployment's. */
  readonly timeZone: string
  readonly retentionDays: number
  readonly scriptPath: string
  readonly eventPath: string
  /** `false` leaves only what operators ask of every node: health, readiness, metrics. */
  readonly serving: boolean
  readonly bodies: Bodies
  readonly questions: Questions
  readonly choiceFigures: ChoiceFigures
  readonly traffic: Pick<Traffic, "draining">
  readonly run: Runner
  /** Unix milliseconds. */
  readonly now: () => number
  /** What `/openapi.json` returns, where there are these sites. */
  readonly openApiDocument: (sites: AllSites) => object
  /** Milliseconds that a download may take. */
  readonly exportDeadlineMs?: number | undefined
}

/** A route whose needs are those of the table, in which a path that the deployment chooses has another name. */
const routeOf = (path: string, route: Omit<Route, "needs">): Route => {
  const needs: Row = Object.fromEntries(
    METHODS.filter((method) => route.handlers[method] !== undefined).map((method) => [
      method,
      needOf(path, method),
    ]),
  )
  return { ...route, needs }
}

/** Where events are sent to: what every HTTP thread answers on its own. */
export const sendingRoutes = (
  ingest: Ingest,
  eventPath: string,
  now: () => number,
): ReadonlyArray<readonly [path: string, route: Route]> => {
  const events: Handler = (exchange, req) => ingest.events(exchange, req)
  const kept: Route["kept"] = (exchange, req) => ingest.kept(exchange, req)
  // What trackers of earlier versions go by whose events had to wait: pages may have one in their cache.
  const time: Handler = (exchange) =>
    exchange.json({ success: true, data: { timestamp: Math.floor(now() / 1000) } })
  return [
    [
      EVENT_PATH,
      routeOf(EVENT_PATH, {
        name: "event",
        cors: true,
        kept,
        handlers: {
          POST: (exchange, req) => ingest.event(exchange, req),
          GET: (exchange, req) => ingest.pixel(exchange, req),
        },
      }),
    ],
    [EVENTS_PATH, routeOf(EVENTS_PATH, { name: "events", cors: true, kept, handlers: { POST: events } })],
    [
      eventPath,
      routeOf(CHOSEN.eventPath, { name: "events", cors: true, kept, handlers: { GET: time, POST: events } }),
    ],
  ]
}

/** Adds a route. `row`: where the table of access has it, if that is not its path. */
type Add = (
  path: string,
  name: string,
  cors: boolean,
  handlers: { readonly [method in Method]?: Handler },
  row?: string,
) => void

const newRoutes = () => {
  const exact = new Map<string, Route>()
  const add: Add = (path, name, cors, handlers, row = path) => {
    exact.set(path, routeOf(row, { name, cors, handlers }))
  }
  return { exact, add }
}

/** What operators ask of every node. */
const addOperations = (add: Add, operations: Operations): void => {
  add("/health", "health", true, { GET: (exchange) => operations.health(exchange) })
  add("/ready", "ready", true, { GET: (exchange) => operations.ready(exchange) })
  add("/metrics", "metrics", false, { GET: (exchange, req) => operations.metrics(exchange, req) })
}

/** Who has access. */
const addAccounts = (add: Add, accounts: AccountsEndpoint): void => {
  const path = (name: string) => `${API_PATH}/${name}`
  add(path("login"), "login", false, { POST: (exchange, req) => accounts.logIn(exchange, req) })
  add(path("logout"), "logout", false, { POST: (exchange, req) => accounts.logOut(exchange, req) })
  add(path("password"), "password", false, {
    POST: (exchange, req) => accounts.changePassword(exchange, req),
  })
  add(path("setup"), "setup", false, { POST: (exchange) => accounts.setUp(exchange) })
  add(path("share"), "share", false, { POST: (exchange) => accounts.openShare(exchange) })
  add(path("users"), "users", false, {
    GET: (exchange) => accounts.users(exchange),
    POST: (exchange) => accounts.addUser(exchange),
  })
  add(path("keys"), "keys", false, {
    GET: (exchange) => accounts.tokens(exchange, "key"),
    POST: (exchange) => accounts.addKey(exchange),
  })
  add(path("shares"), "shares", false, {
    GET: (exchange) => accounts.tokens(exchange, "share"),
    POST: (exchange) => accounts.addShare(exchange),
  })
  add(path("audit"), "audit", false, { GET: (exchange, req) => accounts.audit(exchange, req) })
}

type OfId = (exchange: Exchange, id: string) => void

/** What is removed, and maybe changed, by its id. */
const ofId = (name: string, remove: OfId, change?: OfId) => {
  const prefix = `${API_PATH}/${name}/`
  const by =
    (act: OfId): Handler =>
    (exchange, _req, path) =>
      act(exchange, path.slice(prefix.length))
  const handlers: Route["handlers"] = {
    ...(change !== undefined && { PATCH: by(change) }),
    DELETE: by(remove),
  }
  return [prefix, routeOf(`${prefix}{id}`, { name, cors: false, handlers })] as const
}

const changes = (accounts: AccountsEndpoint, goals: GoalsEndpoint): Routes["prefixes"] => [
  ofId(
    "users",
    (exchange, id) => accounts.removeUser(exchange, id),
    (exchange, id) => accounts.changeUser(exchange, id),
  ),
  ofId("keys", (exchange, id) => accounts.revoke(exchange, "key", id)),
  ofId("shares", (exchange, id) => accounts.revoke(exchange, "share", id)),
  ofId(
    "goals",
    (exchange, id) => goals.remove(exchange, id),
    (exchange, id) => goals.change(exchange, id),
  ),
]

/** The origins whose pages may show the dashboard in a frame: those of the share link in its address. */
const embedOn = (gate: Gate, req: IncomingRequest): ReadonlyArray<string> => {
  const query = req.getQuery() ?? ""
  const token = query.includes("share=") ? new Parameters(query).text("share") : null
  return token === null ? [] : (gate.shareOf(token)?.embedOn ?? [])
}

/**
 * Whether whoever loads a file of the dashboard is about to ask questions. Only browsers load its script: what looks at times whether the
 * page is there loads the document alone.
 */
const isAboutToAsk = (gate: Gate, path: string, exchange: Exchange, req: IncomingRequest): boolean => {
  if (path !== DASHBOARD_SCRIPT) return false
  const { grant, sites } = gate.look(askingOf(exchange, req))
  return gate.suffices(grant, "figures") && sites.declared.size > 0
}

type ChosenPath = "basePath" | "scriptPath" | "eventPath"

/** What browsers load. */
const addPages = (
  add: Add,
  { gate, services, run, ...paths }: Pick<RouteOptions, "gate" | "services" | "run" | ChosenPath>,
): void => {
  const { basePath, scriptPath } = paths
  const files = assets(paths)
  // Pages of other origins load the tracker.
  for (const { path, name, file } of files) {
    const answer: Handler = (exchange, req) => {
      if (isAboutToAsk(gate, path, exchange, req)) run(services.questions.prepare)
      file.answer(exchange, req, name === "dashboard" ? embedOn(gate, req) : [])
    }
    // At the start, so that an upgrade in place cannot mix versions.
    file.ready()
    const row = path === scriptPath ? CHOSEN.scriptPath : path
    add(path, name, name === "tracker", { GET: answer }, row)
  }
  // The page's addresses are relative to it.
  if (basePath !== "" && !files.some(({ path }) => path === basePath))
    add(basePath, "dashboard", false, { GET: redirectTo(`${basePath}/`) }, CHOSEN.basePath)
}

/** The routes of a server. */
export const apiRoutes = ({
  ingest,
  services,
  gate,
  sites,
  pageQuery,
  pseudonyms,
  proxies,
  basePath,
  timeZone,
  retentionDays,
  scriptPath,
  eventPath,
  serving,
  bodies,
  questions,
  choiceFigures,
  traffic,
  run,
  now,
  openApiDocument,
  exportDeadlineMs,
}: RouteOptions): Routes => {
  const { figures, queries } = services
  const reads = new Reads({
    ...{ figures: choiceFigures, queries, sites, timeZone, retentionDays, scriptPath },
    ...{ pageQuery, pseudonyms, run },
  })
  const exports = new Exports(figures, queries, exportDeadlineMs)
  const asked = new QueryEndpoint({ questions, exports, bodies, run })
  const access = new AccessEndpoint(gate)

  const { exact, add } = newRoutes()
  addOperations(add, new Operations(services, run, traffic))
  if (!serving) return { exact, prefixes: [] }

  const openApi = preparedOf(sites, openApiDocument)
  add("/openapi.json", "openapi", true, { GET: (exchange, req) => openApi().answer(exchange, req) })

  for (const [path, route] of sendingRoutes(ingest, eventPath, now)) exact.set(path, route)
  addReads(add, reads, new RangedReads({ questions, pageQuery, run, now }))
  addHeatmapTickets(add, {
    tickets: new HeatmapTickets(services.visitorKeys, now),
    ...{ questions, pageQuery, gate, bodies, run },
  })
  add(`${API_PATH}/access`, "access", true, { GET: (exchange, req) => access.get(exchange, req) })
  addQuestions(add, asked)
  for (const kind of EXPORT_KINDS)
    add(`${API_PATH}/export/${kind}`, "export", true, {
      GET: (exchange, req) => {
        const parameters = new Parameters(req.getQuery() ?? "")
        exports.download(kind, exchange, parameters, parameters.site(exchange.access.sites))
      },
    })
  add(WEBSOCKET_PATH, "websocket", false, { GET: (exchange) => exchange.refuse(UPGRADE_REQUIRED) })
  addPages(add, { gate, services, run, basePath, scriptPath, eventPath })

  const accounts = new AccountsEndpoint({ ...services, gate, bodies, proxies, basePath, run, now })
  addAccounts(add, accounts)
  const goals = new GoalsEndpoint({ ...services, bodies, run })
  add(`${API_PATH}/goals`, "goals", false, {
    GET: (exchange, req) => goals.list(exchange, req),
    POST: (exchange) => goals.add(exchange),
  })
  const visitors = visitorsRoute({ ...services, exports, run })
  const oneSite = addSites(add, reads, { sites: services.sites, retentionDays, bodies, run })
  return { exact, prefixes: [[VISITORS_PREFIX, visitors], ...changes(accounts, goals), ...oneSite] }
}

/** Figures: those of the endpoint's own time, or of any. */
const addReads = (add: Add, reads: Reads, ranged: RangedReads): void => {
  for (const endpoint of READS)
    add(`${API_PATH}/${endpoint}`, endpoint, true, {
      GET: (exchange, req) =>
        ranged.isAsked(endpoint, req)
          ? ranged.answer(endpoint, exchange, req)
          : reads.answer(endpoint, exchange, req),
    })
}

/** The heatmap over a page, for that page's own script. */
const addHeatmapTickets = (add: Add, options: HeatmapTicketsOptions): void => {
  const heatmap = new HeatmapTicketsEndpoint(options)
  add(`${API_PATH}/heatmap/tickets`, "heatmap", false, { POST: (exchange) => heatmap.make(exchange) })
  add(`${API_PATH}/heatmap/page`, "heatmap", true, { POST: (exchange) => heatmap.show(exchange) })
}

/** The document, made again when there are other sites. */
const preparedOf = (sites: RouteOptions["sites"], make: RouteOptions["openApiDocument"]) => {
  const prepare = (of: AllSites) => {
    const document = () => Buffer.from(JSON.stringify(make(of)))
    return { of, prepared: new Prepared(document, JSON_TYPE, { cacheControl: "no-cache", page: false }) }
  }
  let newest = prepare(sites.current)
  return (): Prepared => {
    if (newest.of !== sites.current) newest = prepare(sites.current)
    return newest.prepared
  }
}

/** The sites: read by everybody who may see figures of them, added and changed by who may do everything. */
const addSites = (add: Add, reads: Reads, options: SitesOptions): Routes["prefixes"] => {
  const sites = new SitesEndpoint(options)
  const prefix = `${API_PATH}/sites/`
  add(`${API_PATH}/sites`, "sites", true, {
    GET: (exchange, req) => reads.answer("sites", exchange, req),
    POST: (exchange) => sites.add(exchange),
  })
  const handlers: Route["handlers"] = {
    PATCH: (exchange, _req, path) => sites.change(exchange, path.slice(prefix.length)),
    DELETE: (exchange, _req, path) => sites.erase(exchange, path.slice(prefix.length)),
  }
  return [[prefix, routeOf(`${prefix}{id}`, { name: "sites", cors: false, handlers })]]
}

/** Questions, and their answers as files. */
const addQuestions = (add: Add, asked: QueryEndpoint): void => {
  add(`${API_PATH}/query`, "query", true, {
    GET: (exchange, req) => asked.get(exchange, req),
    POST: (exchange) => asked.post("query", exchange),
  })
  for (const kind of ["values", "funnel"] as const)
    add(`${API_PATH}/query/${kind}`, `query_${kind}`, true, {
      POST: (exchange) => asked.post(kind, exchange),
    })
  for (const format of EXPORT_FORMATS)
    add(`${API_PATH}/query.${format}`, "export", true, {
      GET: (exchange, req) => asked.download(format, exchange, req),
    })
}

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
  return routeOf(`${VISITORS_PREFIX}{id}`, {
    name: "visitors",
    cors: false,
    handlers: {
      GET: (exchange, req, path) => administration.ofVisitor(exchange, req, visitorOf(path)),
      DELETE: (exchange, _req, path) => administration.eraseVisitor(exchange, visitorOf(path)),
    },
  })
}

/**
 * The OpenAPI 3.1 document of a deployment, served at `/openapi.json`. Limits, patterns, ranges, codes and columns are the
 * same constants that requests are decoded with, and the compiler checks shapes of answers against their types.
 */
import packageJson from "../../../package.json" with { type: "json" }
import { SETTINGS } from "../../config/settings.ts"
import { API_PATH, SETTINGS_PATH, SETTINGS_PATHS, WEBSOCKET_PATH } from "../../domain/paths.ts"
import { ENDPOINTS } from "../access/needs.ts"
import type { Need } from "../http/access.ts"
import { PROBLEMS } from "../http/problemCodes.ts"
import { ACCESS_CODES, UPGRADE_CODES } from "../http/refusalCodes.ts"
import { accountPaths } from "./accounts.ts"
import { goalPaths } from "./goals.ts"
import { heatmapTicketPaths } from "./heatmapTickets.ts"
import { batchPath, eventSchema, ingestionPaths } from "./ingestion.ts"
import { clientMessage, serverFrame } from "./live.ts"
import { content, get, json, type Parameter, type PathItem, query, sitesOf } from "./operation.ts"
import { problemOf, refusal, refusals } from "./problems.ts"
import { otherQuestionPaths, questionDownloadPaths, questionPath } from "./questions.ts"
import { accessPath, administrationPaths, exportPaths, figurePaths } from "./reading.ts"
import { count, shape, text } from "./schema.ts"
import { enveloped, readiness } from "./shapes.ts"

export type { Operation, Parameter, PathItem } from "./operation.ts"

export interface OpenApiOptions {
  /** The declared sites, the default one first; `null` where they are not for everybody to know. */
  readonly sites: ReadonlyArray<string> | null
  /** Empty, or where clients reach the paths. */
  readonly basePath?: string
  /** What else the tracker is called. */
  readonly scriptPath?: string
  /** Where that one sends its events. */
  readonly eventPath?: string
}

export interface OpenApiDocument {
  readonly openapi: "3.1.0"
  readonly [key: string]: unknown
  readonly paths: { readonly [path: string]: PathItem }
}

const operationPaths: { readonly [path: string]: PathItem } = {
  "/health": get(
    "health",
    "The process is alive",
    "operations",
    [],
    json({
      type: "object",
      properties: { success: { const: true }, status: { const: "ok" } },
      required: ["success", "status"],
      additionalProperties: false,
    }),
    [],
  ),
  "/ready": {
    get: {
      operationId: "ready",
      summary: "The node is ready: an event would be accepted and processed",
      tags: ["operations"],
      responses: {
        200: { description: "It is.", ...json(enveloped(readiness)) },
        ...refusals([]),
        503: refusal("503", ["NOT_READY", "SHUTTING_DOWN"], {
          anyOf: [problemOf(["NOT_READY"], readiness), problemOf(["SHUTTING_DOWN"])],
        }),
      },
    },
  },
  "/metrics": get(
    "metrics",
    "The Prometheus text format",
    "operations",
    [],
    content("text/plain", text),
    ACCESS_CODES,
  ),
  "/openapi.json": get(
    "openapi",
    "This API as an OpenAPI 3.1 document",
    "operations",
    [],
    json({ type: "object", required: ["openapi", "info", "paths"] }),
    [],
  ),
}

const livePath = (sites: ReadonlyArray<string>): { readonly [path: string]: PathItem } => ({
  [WEBSOCKET_PATH]: {
    get: {
      operationId: "websocket",
      summary: "Live figures over WebSocket",
      description: "Frames from the server are ServerFrame, messages to it ClientMessage.",
      tags: ["live"],
      parameters: [sitesOf(sites)],
      responses: {
        101: { description: "The connection is now a WebSocket." },
        ...refusals(UPGRADE_CODES),
      },
    },
  },
})

const asset = (
  operationId: string,
  summary: string,
  type: string,
  parameters: ReadonlyArray<Parameter> = [],
): PathItem => get(operationId, summary, "pages", parameters, content(type, text), [])

const trackerPart = query(
  "part",
  { type: "string", enum: ["options", "heatmap"] },
  "A part that the tracker loads of itself: what its tag's options ask for, or the overlay with the heatmap.",
)

/** The settings page and its tabs. */
const SETTINGS_PAGES = SETTINGS_PATHS.map((path) => {
  const tab = path.slice(SETTINGS_PATH.length + 1)
  const name = `settings${tab.slice(0, 1).toUpperCase()}${tab.slice(1)}`
  return [path, asset(name, tab === "" ? "The settings page" : `Its tab \`${tab}\``, "text/html")] as const
})

const pagePaths: { readonly [path: string]: PathItem } = {
  "/": asset("dashboard", "The dashboard; `?site=` chooses the sites", "text/html"),
  "/live": asset("live", "The live board; `?site=` chooses the sites", "text/html"),
  ...Object.fromEntries(SETTINGS_PAGES),
  "/assets/dashboard.js": asset("dashboardScript", "The dashboard's script", "text/javascript"),
  "/assets/world.txt": asset("worldShapes", "The shapes of the map of countries", "text/plain"),
  "/assets/dashboard.css": asset("dashboardStyle", "The dashboard's style sheet", "text/css"),
  "/login": asset("login", "The page to log in and out, and to make the first owner", "text/html"),
  "/assets/login.js": asset("loginScript", "Its script", "text/javascript"),
  "/assets/login.css": asset("loginStyle", "Its style sheet", "text/css"),
  "/tracker.js": asset("tracker", "The tracker, for a script tag", "text/javascript", [trackerPart]),
}

/** What a site's pages load and send to by names of its own choice. */
const chosenPaths = (
  sites: ReadonlyArray<string>,
  scriptPath: string,
  eventPath: string,
): { readonly [path: string]: PathItem } => ({
  [scriptPath]: asset("script", "The tracker by the name that was chosen for it", "text/javascript", [
    trackerPart,
  ]),
  [eventPath]: {
    ...get(
      "time",
      "The time, for events that had to wait",
      "events",
      [],
      json(enveloped(shape({ timestamp: count }))),
      [],
    ),
    ...batchPath("send", sites),
  },
})

/** A session, or a bearer of a key or of ADMIN_TOKEN. */
const BY_ACCESS = [{ session: [] }, { key: [] }, { adminToken: [] }]

/** What lets a request in, by what the table of access says that it needs; figures may be open to all. */
const SECURITY: { readonly [need in Need]: ReadonlyArray<object> | null } = {
  open: null,
  figures: [{}, ...BY_ACCESS],
  read: BY_ACCESS,
  write: BY_ACCESS,
  admin: BY_ACCESS,
  metrics: [{}, { metricsToken: [] }, { adminToken: [] }],
}

/** The paths with what each operation needs. */
const secured = (paths: { readonly [path: string]: PathItem }): { readonly [path: string]: PathItem } =>
  Object.fromEntries(
    Object.entries(paths).map(([path, item]) => [
      path,
      Object.fromEntries(
        Object.entries(item).map(([method, operation]) => {
          const row: { readonly [method: string]: Need } = ENDPOINTS[path] ?? {}
          const security = SECURITY[row[method.toUpperCase()] ?? "open"]
          return [method, security === null ? operation : { ...operation, security }]
        }),
      ),
    ]),
  )

/** The document for a deployment. Pure: the same options give the same document. */
export const openApiDocument = ({
  sites: named,
  basePath = "",
  scriptPath = SETTINGS.scriptPath.default,
  eventPath = SETTINGS.eventPath.default,
}: OpenApiOptions): OpenApiDocument => {
  const sites = named ?? []
  return {
    openapi: "3.1.0",
    info: {
      title: packageJson.name,
      version: packageJson.version,
      description: `${packageJson.description}. HEAD works wherever GET does, and OPTIONS everywhere. Any other path returns 404 NOT_FOUND.`,
      license: { name: packageJson.license, identifier: packageJson.license },
    },
    servers: [{ url: basePath || "/" }],
    tags: ["events", "figures", "access", "exports", "live", "operations", "administration", "pages"].map(
      (name) => ({
        name,
      }),
    ),
    security: [],
    paths: secured({
      ...ingestionPaths(API_PATH, sites),
      ...accessPath(API_PATH),
      ...questionPath(API_PATH, sites),
      ...otherQuestionPaths(API_PATH, sites),
      ...goalPaths(API_PATH, sites),
      ...questionDownloadPaths(API_PATH, sites),
      ...figurePaths(API_PATH, sites),
      ...heatmapTicketPaths(API_PATH),
      ...exportPaths(API_PATH, sites),
      ...administrationPaths(API_PATH),
      ...accountPaths(API_PATH),
      ...operationPaths,
      ...livePath(sites),
      ...pagePaths,
      ...chosenPaths(sites, scriptPath, eventPath),
    }),
    components: {
      schemas: {
        Event: eventSchema(sites),
        Problem: problemOf(Object.keys(PROBLEMS)),
        ServerFrame: serverFrame,
        ClientMessage: clientMessage,
      },
      securitySchemes: {
        writeKey: { type: "apiKey", in: "header", name: "X-Write-Key", description: "Lifts the rate limit." },
        writeKeyBearer: { type: "http", scheme: "bearer", description: "The same." },
        session: {
          type: "apiKey",
          in: "cookie",
          name: "maicivy_login",
          description: "Of who has logged in; for pages of this server only.",
        },
        key: { type: "http", scheme: "bearer", description: "An API key, or the token of a share link." },
        adminToken: { type: "http", scheme: "bearer", description: "ADMIN_TOKEN." },
        metricsToken: { type: "http", scheme: "bearer", description: "METRICS_TOKEN." },
      },
    },
  }
}

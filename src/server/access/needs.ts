/**
 * Who may have what: one row for everything that the server answers, and one for each topic of the WebSocket. The router
 * checks requests by this table, and a route without a row ends the start.
 */
import type { QUERY_TOPIC, Topic } from "../../domain/frames.ts"
import { API_PATH, SETTINGS_PATHS, WEBSOCKET_PATH } from "../../domain/paths.ts"
import type { Method, Need, Row } from "../http/access.ts"

/** Paths that a deployment chooses, as the table has them. */
export const CHOSEN = {
  basePath: "{BASE_PATH}",
  scriptPath: "{SCRIPT_PATH}",
  eventPath: "{EVENT_PATH}",
} as const

const READ: Row = { GET: "figures" }
const PAGE: Row = { GET: "open" }

/** Every endpoint, download and asset. An id at a path's end is `{id}`. */
export const ENDPOINTS: { readonly [path: string]: Row } = {
  "/health": PAGE,
  "/ready": PAGE,
  "/metrics": { GET: "metrics" },
  "/openapi.json": PAGE,
  [`${API_PATH}/event`]: { GET: "open", POST: "open" },
  [`${API_PATH}/events`]: { POST: "open" },
  [CHOSEN.eventPath]: { GET: "open", POST: "open" },
  [`${API_PATH}/access`]: PAGE,
  [`${API_PATH}/sites`]: { GET: "figures", POST: "admin" },
  [`${API_PATH}/sites/{id}`]: { PATCH: "admin", DELETE: "admin" },
  [`${API_PATH}/realtime`]: READ,
  [`${API_PATH}/stats`]: READ,
  [`${API_PATH}/themes`]: READ,
  [`${API_PATH}/letters`]: READ,
  [`${API_PATH}/timeline`]: READ,
  [`${API_PATH}/heatmap`]: READ,
  [`${API_PATH}/heatmap/tickets`]: { POST: "figures" },
  // The ticket is what gives access.
  [`${API_PATH}/heatmap/page`]: { POST: "open" },
  [`${API_PATH}/history`]: READ,
  [`${API_PATH}/yesterday`]: READ,
  [`${API_PATH}/query`]: { GET: "figures", POST: "figures" },
  [`${API_PATH}/query/values`]: { POST: "figures" },
  [`${API_PATH}/query/funnel`]: { POST: "figures" },
  [`${API_PATH}/query.csv`]: READ,
  [`${API_PATH}/query.json`]: READ,
  [`${API_PATH}/goals`]: { GET: "figures", POST: "write" },
  [`${API_PATH}/goals/{id}`]: { PATCH: "write", DELETE: "write" },
  [`${API_PATH}/export/visitors`]: { GET: "read" },
  [`${API_PATH}/export/themes`]: READ,
  [`${API_PATH}/export/letters`]: READ,
  [`${API_PATH}/login`]: { POST: "open" },
  [`${API_PATH}/logout`]: { POST: "open" },
  [`${API_PATH}/password`]: { POST: "open" },
  [`${API_PATH}/setup`]: { POST: "open" },
  [`${API_PATH}/share`]: { POST: "open" },
  [`${API_PATH}/users`]: { GET: "admin", POST: "admin" },
  [`${API_PATH}/users/{id}`]: { PATCH: "admin", DELETE: "admin" },
  [`${API_PATH}/keys`]: { GET: "admin", POST: "admin" },
  [`${API_PATH}/keys/{id}`]: { DELETE: "admin" },
  [`${API_PATH}/shares`]: { GET: "admin", POST: "admin" },
  [`${API_PATH}/shares/{id}`]: { DELETE: "admin" },
  [`${API_PATH}/audit`]: { GET: "admin" },
  [`${API_PATH}/visitors/{id}`]: { GET: "admin", DELETE: "admin" },
  // The upgrade; what a connection may then subscribe to is below.
  [WEBSOCKET_PATH]: READ,
  "/": PAGE,
  "/live": PAGE,
  ...Object.fromEntries(SETTINGS_PATHS.map((path) => [path, PAGE])),
  [CHOSEN.basePath]: PAGE,
  "/assets/dashboard.js": PAGE,
  "/assets/world.txt": PAGE,
  "/assets/dashboard.css": PAGE,
  "/login": PAGE,
  "/assets/login.js": PAGE,
  "/assets/login.css": PAGE,
  "/tracker.js": PAGE,
  [CHOSEN.scriptPath]: PAGE,
}

/** The topics of a site. Visitors in frames are pseudonyms, whoever listens. */
export const TOPIC_NEEDS: { readonly [topic in Topic | typeof QUERY_TOPIC]: Need } = {
  stats: "figures",
  events: "figures",
  themes: "figures",
  letters: "figures",
  day: "figures",
  week: "figures",
  month: "figures",
  // Hosts that name other sites are among it.
  refusals: "admin",
  query: "figures",
}

/** What a method of a path needs. Throws where the table does not say: that nobody has thought of it must not open it. */
export const needOf = (path: string, method: Method): Need => {
  const need = ENDPOINTS[path]?.[method]
  if (need === undefined)
    throw new Error(`${method} ${path} has no row in ENDPOINTS (src/server/access/needs.ts)`)
  return need
}

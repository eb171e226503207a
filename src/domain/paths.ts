/** Where a node answers, for the server and for its clients. */

/** The path that every endpoint of the API begins with. */
export const API_PATH = "/api/v1/analytics"

/** The path of the WebSocket. */
export const WEBSOCKET_PATH = "/ws/analytics"

/** The URL at which a node that listens on this host and port is reached from its own machine. */
export const nodeUrl = (host: string, port: number): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`

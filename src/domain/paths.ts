/** Where a node answers, for the server and for all that ask it. */

/** The path that every endpoint of the API lies under. */
export const API_PATH = "/api/v1/analytics"

/** The path of the WebSocket. */
export const WEBSOCKET_PATH = "/ws/analytics"

/** Where a node that listens on a host and port is reached from its own machine. */
export const nodeUrl = (host: string, port: number): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`

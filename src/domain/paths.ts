/** Where a node answers, for the server and for all that ask it. */

/** The path that every endpoint of the API lies under. */
export const API_PATH = "/api/v1/analytics"

/** The path of the WebSocket. */
export const WEBSOCKET_PATH = "/ws/analytics"

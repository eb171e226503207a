/** Where a node answers, for the server and for its clients. */

/** The path that every endpoint of the API begins with. */
export const API_PATH = "/api/v1/analytics"

/** The tabs of the settings page, in their order. */
export const SETTINGS_TABS = [
  "sites",
  "goals",
  "shares",
  "keys",
  "users",
  "visitors",
  "audit",
  "account",
] as const
export type SettingsTab = (typeof SETTINGS_TABS)[number]

/** The path of the settings page; `/settings/keys` is a tab of it. */
export const SETTINGS_PATH = "/settings"

/** Where the settings page answers: itself, and each of its tabs. */
export const SETTINGS_PATHS: ReadonlyArray<string> = [
  SETTINGS_PATH,
  ...SETTINGS_TABS.map((tab) => `${SETTINGS_PATH}/${tab}`),
]

/** The path of the WebSocket. */
export const WEBSOCKET_PATH = "/ws/analytics"

/** The URL at which a node that listens on this host and port is reached from its own machine. */
export const nodeUrl = (host: string, port: number): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`

/** Whether whoever listens there is reached from its own machine only. */
export const isLoopback = (host: string): boolean => /^(127\.|::1$|localhost$)/.test(host)

/**
 * Every setting of a deployment, once: its name, type, default and meaning. The README's table is generated from
 * {@link SETTINGS}, so a setting that is not here does not exist.
 */
import { resolve } from "node:path"
import * as Config from "effect/Config"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  cidrs,
  cron,
  Expected,
  flag,
  integer,
  keyPrefix,
  metricsPrefix,
  oneOf,
  optionalPath,
  origins,
  roles,
  secrets,
  sites,
  storeUrl,
  timeZone,
} from "./values.ts"

/** A setting whose value cannot be used. The message is one sentence: the setting, its value and what it should be. */
export class InvalidSetting extends TaggedError("InvalidSetting")<{ readonly message: string }> {}

/** What the embedded Redis may lose: nothing (`always`), or up to two seconds when it or the power fails (`everysec`). */
export type Fsync = "always" | "everysec"

export type LogLevel = "debug" | "info" | "warn" | "error"

interface Setting<A> {
  readonly name: string
  /** What to write, for the table of settings: `integer`, `URL`, … */
  readonly type: string
  /** The text that stands for a missing variable; an empty one means "not set". */
  readonly default: string
  readonly doc: string
  /** The value of a text, or what the text should have been. */
  readonly parse: (text: string) => A | Expected
}

const setting = <A>(
  name: string,
  type: string,
  defaultText: string,
  parse: (text: string) => A | Expected,
  doc: string,
): Setting<A> => ({ name, type, default: defaultText, doc, parse })

/** The table of settings, in the order in which the README shows it. */
export const SETTINGS = {
  port: setting(
    "PORT",
    "port",
    "8080",
    integer(0, 65535),
    "Port for HTTP and WebSocket; 0 takes a free one.",
  ),
  host: setting(
    "HOST",
    "address",
    "127.0.0.1",
    (text) => text || new Expected("an address"),
    "Address to listen on; `0.0.0.0` for every interface.",
  ),
  redisUrl: setting(
    "REDIS_URL",
    "URL",
    "",
    storeUrl(["redis:", "rediss:"]),
    "Redis ≥ 7.0 or Valkey ≥ 8 (single server or cluster). Not set: an embedded one under `DATA_DIR`.",
  ),
  databaseUrl: setting(
    "DATABASE_URL",
    "URL",
    "",
    storeUrl(["postgres:", "postgresql:"]),
    "PostgreSQL ≥ 15. Not set: an embedded one under `DATA_DIR`.",
  ),
  dataDir: setting(
    "DATA_DIR",
    "path",
    ".data",
    (text) => resolve(text),
    "Where the embedded stores and the local write key live.",
  ),
  embeddedRedisFsync: setting(
    "EMBEDDED_REDIS_FSYNC",
    "always or everysec",
    "always",
    oneOf("always", "everysec"),
    "When the embedded Redis flushes its append-only file to disk: before each answer, or once a second.",
  ),
  redisKeyPrefix: setting(
    "REDIS_KEY_PREFIX",
    "text",
    "maicivy",
    keyPrefix,
    "First part of every Redis key, for deployments that share one Redis.",
  ),
  sites: setting(
    "SITES",
    "slugs",
    "main",
    sites,
    "The declared sites; the first is the default one. Events of any other are refused.",
  ),
  timeZone: setting(
    "TIME_ZONE",
    "IANA zone",
    "UTC",
    timeZone,
    "Zone of days, weeks and months. Fixed at the first start; `rebuild --time-zone` changes it.",
  ),
  partitions: setting(
    "PARTITIONS",
    "integer",
    "4",
    integer(1, 64),
    "Streams that visitors are spread over. Fixed at the first start; `rebuild --partitions` changes it.",
  ),
  rateLimitPerMinute: setting(
    "RATE_LIMIT_PER_MINUTE",
    "integer",
    "100",
    integer(0, 1_000_000),
    "Events an address may POST a minute; 0 turns the limit off.",
  ),
  writeKeys: setting(
    "WRITE_KEYS",
    "secrets",
    "",
    secrets("keys"),
    "Comma-separated keys whose bearers are not rate limited (`Authorization: Bearer` or `X-Write-Key`).",
  ),
  adminToken: setting(
    "ADMIN_TOKEN",
    "secret",
    "",
    (text) => {
      const values = secrets("a token")(text)
      return values instanceof Expected ? values : (values[0] ?? null)
    },
    "Bearer token of the administration endpoints; without one they answer 404.",
  ),
  trustedProxies: setting(
    "TRUSTED_PROXIES",
    "CIDRs",
    "",
    cidrs,
    "Proxies whose `X-Forwarded-For` is believed.",
  ),
  corsOrigins: setting(
    "CORS_ORIGINS",
    "origins",
    "*",
    origins,
    "Origins whose pages may call the API with credentials; `*` allows all.",
  ),
  requireVisitor: setting(
    "REQUIRE_VISITOR",
    "boolean",
    "false",
    flag,
    "Refuse events without an explicit visitor id (400 `MISSING_VISITOR`).",
  ),
  respectDnt: setting(
    "RESPECT_DNT",
    "boolean",
    "false",
    flag,
    "Acknowledge but do not record events of browsers that send `DNT: 1` or `Sec-GPC: 1`.",
  ),
  retentionDays: setting(
    "RETENTION_DAYS",
    "integer",
    "90",
    integer(1, 3650),
    "Days for which raw events are kept.",
  ),
  retentionCron: setting("RETENTION_CRON", "cron", "0 2 * * *", cron, "When retention runs, in `TIME_ZONE`."),
  retentionArchiveDir: setting(
    "RETENTION_ARCHIVE_DIR",
    "path",
    "",
    optionalPath,
    "Where expired events are archived as gzip NDJSON before they are deleted; empty: not archived.",
  ),
  wsMaxConnections: setting(
    "WS_MAX_CONNECTIONS",
    "integer",
    "10000",
    integer(1, 1_000_000),
    "WebSocket connections a node accepts.",
  ),
  wsMaxConnectionsPerIp: setting(
    "WS_MAX_CONNECTIONS_PER_IP",
    "integer",
    "50",
    integer(1, 1_000_000),
    "WebSocket connections an address may hold.",
  ),
  liveEventsPerSecond: setting(
    "LIVE_EVENTS_PER_SECOND",
    "integer",
    "50",
    integer(0, 100_000),
    "Single events a second that a dashboard is shown; the rest are summed.",
  ),
  maxBacklog: setting(
    "MAX_BACKLOG",
    "integer",
    "1000000",
    integer(1, 1_000_000_000),
    "Unprocessed events, dead letters included, after which POSTs answer 503; each partition has its even share.",
  ),
  metricsPrefix: setting(
    "METRICS_PREFIX",
    "text",
    "maicivy_",
    metricsPrefix,
    "First part of every metric's name.",
  ),
  roles: setting(
    "ROLES",
    "http, actors",
    "http,actors",
    roles,
    "What this node does: answer HTTP and WebSocket, process events, or both.",
  ),
  logLevel: setting(
    "LOG_LEVEL",
    "debug … error",
    "info",
    oneOf("debug", "info", "warn", "error"),
    "Least severe log line that is written.",
  ),
} as const

/** The decoded settings, by their names in {@link SETTINGS}. */
export type AppConfig = {
  readonly [K in keyof typeof SETTINGS]: Exclude<ReturnType<(typeof SETTINGS)[K]["parse"]>, Expected>
}

const SECRET = new Set(["WRITE_KEYS", "ADMIN_TOKEN", "REDIS_URL", "DATABASE_URL"])

const read = <A>(of: Setting<A>): Effect.Effect<Exclude<A, Expected>, InvalidSetting> =>
  Effect.gen(function* () {
    const given = yield* Config.option(Config.String(of.name)).pipe(
      Effect.mapError(
        (cause) => new InvalidSetting({ message: `${of.name} cannot be read: ${cause.message}.` }),
      ),
    )
    const text = Option.getOrElse(given, () => of.default).trim() || of.default
    const value = of.parse(text)
    if (value instanceof Expected) {
      const shown = SECRET.has(of.name) ? "has a value that cannot be used" : `is ${JSON.stringify(text)}`
      return yield* new InvalidSetting({ message: `${of.name} ${shown}: it should be ${value.what}.` })
    }
    return value as Exclude<A, Expected>
  })

/**
 * Reads every setting from the current `ConfigProvider` (the environment, unless a test provides another).
 * Fails with the first {@link InvalidSetting}.
 */
export const loadConfig: Effect.Effect<AppConfig, InvalidSetting> = Effect.gen(function* () {
  const values: Record<string, unknown> = {}
  for (const [key, of] of Object.entries(SETTINGS)) values[key] = yield* read<unknown>(of)
  return values as AppConfig
})

/** Where a node that listens on a host and port is reached from its own machine. */
export const nodeUrl = (host: string, port: number): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`

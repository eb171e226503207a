/**
 * Every setting of a deployment, once: its name, type, default and meaning. The README's table is generated from
 * {@link SETTINGS}, so a setting that is not here does not exist.
 */
import { availableParallelism } from "node:os"
import { resolve } from "node:path"
import * as Config from "effect/Config"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isLoopback } from "../domain/paths.ts"
import { databaseUrl } from "./databaseUrl.ts"
import { redisUrl, withPassword } from "./redisUrl.ts"
import {
  basePath,
  chosenPath,
  cidrs,
  cron,
  Expected,
  flag,
  host,
  integer,
  keyPrefix,
  metricsPrefix,
  names,
  oneOf,
  optionalPath,
  origins,
  refusal,
  roles,
  secrets,
  sites,
  timeZone,
} from "./values.ts"

/**
 * Settings whose values cannot be used. The message has a line for each, one sentence: the setting, its value and what it
 * should be.
 */
export class InvalidSettings extends TaggedError("InvalidSettings")<{ readonly message: string }> {}

interface Setting {
  readonly name: string
  /** What to write, for the table in the README: `integer`, `URL`, … */
  readonly type: string
  /** The text that stands for a missing variable; an empty one means "not set". */
  readonly default: string
  /** The value of a text, or an {@link Expected} that says what the text should have been. */
  readonly parse: (text: string) => unknown
  readonly doc: string
  /** The value is never shown, not even in the sentence that refuses it. */
  readonly secret?: true
  /** Blanks around the value belong to it. */
  readonly verbatim?: true
}

/** The table of settings, in the order in which the README shows it. */
export const SETTINGS = {
  port: {
    name: "PORT",
    type: "port",
    default: "8080",
    parse: integer(0, 65535),
    doc: "Port for HTTP and WebSocket; 0 picks a free one.",
  },
  host: {
    name: "HOST",
    type: "address",
    default: "127.0.0.1",
    parse: host,
    doc: "Address to listen on; `0.0.0.0` for every interface.",
  },
  basePath: {
    name: "BASE_PATH",
    type: "path",
    default: "/",
    parse: basePath,
    doc: "Path under which visitors reach the node through a proxy, such as `/stats`. It answers there and at the root.",
  },
  scriptPath: {
    name: "SCRIPT_PATH",
    type: "chosen path",
    default: "/hello.js",
    parse: chosenPath(true),
    doc: "Path of the tracker, besides `/tracker.js`, whose name content blockers know.",
  },
  eventPath: {
    name: "EVENT_PATH",
    type: "chosen path",
    default: "/hello",
    parse: chosenPath(false),
    doc: "Where the tracker that is loaded from `SCRIPT_PATH` sends its events.",
  },
  redisUrl: {
    name: "REDIS_URL",
    type: "URL",
    default: "",
    parse: redisUrl,
    doc: "Redis ≥ 7.0 or Valkey ≥ 8: a server, several nodes of a cluster (`redis://host1,host2`), or Sentinels (`redis+sentinel://host1,host2,host3/name`). If not set, an embedded one under `DATA_DIR`.",
    secret: true,
  },
  redisPassword: {
    name: "REDIS_PASSWORD",
    type: "text",
    default: "",
    parse: (text) => text || null,
    doc: "Redis' password, for a `REDIS_URL` without one. Here any character stands for itself.",
    secret: true,
    verbatim: true,
  },
  redisCaFile: {
    name: "REDIS_CA_FILE",
    type: "path",
    default: "",
    parse: optionalPath,
    doc: "PEM file of the authorities that sign Redis' certificates, for `rediss://`. If not set, the well-known ones.",
  },
  redisCertFile: {
    name: "REDIS_CERT_FILE",
    type: "path",
    default: "",
    parse: optionalPath,
    doc: "PEM file of the certificate that this node shows to Redis (with `tls-auth-clients`).",
  },
  redisKeyFile: {
    name: "REDIS_KEY_FILE",
    type: "path",
    default: "",
    parse: optionalPath,
    doc: "PEM file of that certificate's private key, without a passphrase.",
  },
  databaseUrl: {
    name: "DATABASE_URL",
    type: "URL",
    default: "",
    parse: databaseUrl,
    doc: "PostgreSQL ≥ 15, behind pgbouncer or not; several hosts, TLS and a schema as in [operations](docs/operations.md#postgres). If not set, an embedded one under `DATA_DIR`.",
    secret: true,
  },
  dataDir: {
    name: "DATA_DIR",
    type: "path",
    default: ".data",
    parse: (text) => resolve(text),
    doc: "Where the embedded stores and the local write key live.",
  },
  embeddedRedisFsync: {
    name: "EMBEDDED_REDIS_FSYNC",
    type: "always or everysec",
    default: "always",
    parse: oneOf("always", "everysec"),
    doc: "When the embedded Redis flushes its append-only file to disk: before each answer, or once a second.",
  },
  redisKeyPrefix: {
    name: "REDIS_KEY_PREFIX",
    type: "text",
    default: "maicivy",
    parse: keyPrefix,
    doc: "Prefix of every Redis key, for deployments that share one Redis.",
  },
  sites: {
    name: "SITES",
    type: "slugs",
    default: "main",
    parse: sites,
    doc: "The sites that are there from the start; the first is the default. Others [are added](docs/api.md#sites) while nodes run; events of any other site are refused.",
  },
  timeZone: {
    name: "TIME_ZONE",
    type: "IANA zone",
    default: "UTC",
    parse: timeZone,
    doc: "Time zone of days, weeks and months. Fixed at the first start; `rebuild --time-zone` changes it.",
  },
  partitions: {
    name: "PARTITIONS",
    type: "integer",
    default: "4",
    parse: integer(1, 64),
    doc: "Number of streams that visitors are spread over. Fixed at the first start; `rebuild --partitions` changes it.",
  },
  rateLimitPerMinute: {
    name: "RATE_LIMIT_PER_MINUTE",
    type: "integer",
    default: "100",
    parse: integer(0, 1_000_000),
    doc: "Events an address may POST per minute; 0 turns the limit off.",
  },
  writeKeys: {
    name: "WRITE_KEYS",
    type: "secrets",
    default: "",
    parse: secrets("keys"),
    doc: "Comma-separated keys whose bearers are not rate limited (`Authorization: Bearer` or `X-Write-Key`).",
    secret: true,
  },
  adminToken: {
    name: "ADMIN_TOKEN",
    type: "secret",
    default: "",
    parse: (text) => {
      const values = secrets("a token")(text)
      return values instanceof Expected ? values : (values[0] ?? null)
    },
    doc: "Bearer token that may do everything. If not set, only owners and keys with the scope `admin` may.",
    secret: true,
  },
  access: {
    name: "ACCESS",
    type: "public or private",
    default: "",
    parse: (text) => (text === "" ? null : oneOf("public", "private")(text)),
    doc: "Who may see the figures: everybody, or only who has [access](docs/access.md). If not set, everybody, and the start says so where others can connect.",
  },
  metricsToken: {
    name: "METRICS_TOKEN",
    type: "secret",
    default: "",
    parse: (text) => {
      const values = secrets("a token")(text)
      return values instanceof Expected ? values : (values[0] ?? null)
    },
    doc: "Bearer token of `/metrics`. If not set, it is open as the figures are: to everybody, or with `ACCESS=private` to this machine.",
    secret: true,
  },
  authProxyHeader: {
    name: "AUTH_PROXY_HEADER",
    type: "header",
    default: "",
    parse: (text) =>
      text === "" || /^[a-z][a-z0-9-]{0,99}$/i.test(text)
        ? text.toLowerCase() || null
        : new Expected("the name of a header"),
    doc: "Header in which `TRUSTED_PROXIES` name whom they have authenticated, such as `x-forwarded-user`. If not set, none is believed.",
  },
  authProxyRole: {
    name: "AUTH_PROXY_ROLE",
    type: "role or none",
    default: "viewer",
    parse: (text) => (text === "none" ? null : oneOf("viewer", "editor", "owner")(text)),
    doc: "What those may do whom `AUTH_PROXY_HEADER` names and who are no users: `viewer`, `editor`, `owner`, or `none`.",
  },
  trustedProxies: {
    name: "TRUSTED_PROXIES",
    type: "CIDRs",
    default: "",
    parse: cidrs,
    doc: "Proxies that are believed when they name the visitor's address and the host that was asked for.",
  },
  clientAddressHeader: {
    name: "CLIENT_ADDRESS_HEADER",
    type: "header",
    default: "x-forwarded-for",
    parse: (text) =>
      oneOf("x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip")(text.toLowerCase()),
    doc: "Header in which `TRUSTED_PROXIES` name the visitor: `x-forwarded-for`, `forwarded`, `x-real-ip` or `cf-connecting-ip`.",
  },
  proxyProtocol: {
    name: "PROXY_PROTOCOL",
    type: "boolean",
    default: "false",
    parse: flag,
    doc: "Connections from `TRUSTED_PROXIES` begin with the PROXY protocol, version 2, which names the visitor.",
  },
  corsOrigins: {
    name: "CORS_ORIGINS",
    type: "origins",
    default: "*",
    parse: origins,
    doc: "Origins whose pages may call the API with credentials; `*` allows all.",
  },
  requireVisitor: {
    name: "REQUIRE_VISITOR",
    type: "boolean",
    default: "false",
    parse: flag,
    doc: "Refuse events without an explicit visitor id (400 `MISSING_VISITOR`).",
  },
  respectDnt: {
    name: "RESPECT_DNT",
    type: "boolean",
    default: "false",
    parse: flag,
    doc: "Acknowledge but do not record events from browsers that send `DNT: 1` or `Sec-GPC: 1`.",
  },
  bots: {
    name: "BOTS",
    type: "mark, drop or count",
    default: "mark",
    parse: oneOf("mark", "drop", "count"),
    doc: "What becomes of bots' events: stored but left out of every figure, not recorded at all, or counted like any other.",
  },
  pageQuery: {
    name: "PAGE_QUERY",
    type: "names or `*`",
    default: "",
    parse: names,
    doc: "Query parameters of `page_url` that are kept beside `theme`, `utm_*`, `ref` and `source`; `*` keeps all. Known secrets never are.",
  },
  geoDatabase: {
    name: "GEO_DATABASE",
    type: "path",
    default: "",
    parse: optionalPath,
    doc: "An .mmdb file that tells countries, regions and cities of addresses; read again whenever it changes. If not set, a trusted proxy's header may tell the country.",
  },
  retentionDays: {
    name: "RETENTION_DAYS",
    type: "integer",
    default: "90",
    parse: integer(1, 3650),
    doc: "Days for which raw events are kept.",
  },
  retentionCron: {
    name: "RETENTION_CRON",
    type: "cron",
    default: "0 2 * * *",
    parse: cron,
    doc: "When retention runs, in `TIME_ZONE`.",
  },
  retentionArchiveDir: {
    name: "RETENTION_ARCHIVE_DIR",
    type: "path",
    default: "",
    parse: optionalPath,
    doc: "Where expired events are archived as gzip NDJSON before they are deleted. If not set, they are not archived.",
  },
  wsMaxConnections: {
    name: "WS_MAX_CONNECTIONS",
    type: "integer",
    default: "10000",
    parse: integer(1, 1_000_000),
    doc: "WebSocket connections per node.",
  },
  wsMaxConnectionsPerIp: {
    name: "WS_MAX_CONNECTIONS_PER_IP",
    type: "integer",
    default: "50",
    parse: integer(1, 1_000_000),
    doc: "WebSocket connections per address.",
  },
  queryMemory: {
    name: "QUERY_MEMORY",
    type: "megabytes",
    default: "256",
    parse: (text) => {
      const megabytes = integer(160, 65_536)(text)
      return typeof megabytes === "number" ? megabytes * 1024 * 1024 : megabytes
    },
    doc: "Memory of the query engine, a process that runs while questions are asked. What needs more uses files under `DATA_DIR`.",
  },
  queryCache: {
    name: "QUERY_CACHE",
    type: "megabytes",
    default: "2048",
    parse: (text) => {
      const megabytes = integer(64, 16_777_216)(text)
      return typeof megabytes === "number" ? megabytes * 1024 * 1024 : megabytes
    },
    doc: "Disk that the query engine's files take under `DATA_DIR`: 10 to 20 bytes an event. Those that were not asked for the longest go first.",
  },
  liveEventsPerSecond: {
    name: "LIVE_EVENTS_PER_SECOND",
    type: "integer",
    default: "50",
    parse: integer(0, 100_000),
    doc: "Single events per second shown to a dashboard; the rest are summed.",
  },
  httpThreads: {
    name: "HTTP_THREADS",
    type: "integer",
    default: "1",
    parse: integer(1, 2 * availableParallelism()),
    doc: "Threads on which this node takes requests, at most two for each processor; see [sizing](docs/sizing.md).",
  },
  ackReplicas: {
    name: "ACK_REPLICAS",
    type: "integer",
    default: "0",
    parse: integer(0, 5),
    doc: "Replicas of Redis that must have an event before it is acknowledged. With as many as a master has, a failover loses nothing that was.",
  },
  maxBacklog: {
    name: "MAX_BACKLOG",
    type: "integer",
    default: "1000000",
    parse: integer(1, 1_000_000_000),
    doc: "Unprocessed events, including dead letters, at which POSTs return 503; divided evenly among the partitions.",
  },
  drainSeconds: {
    name: "DRAIN_SECONDS",
    type: "integer",
    default: "2",
    parse: integer(0, 300),
    doc: "Seconds after SIGTERM in which everything is still served while `/ready` says 503, so that balancers choose other nodes; 0 stops at once.",
  },
  metricsPrefix: {
    name: "METRICS_PREFIX",
    type: "text",
    default: "maicivy_",
    parse: metricsPrefix,
    doc: "Prefix of every metric's name.",
  },
  roles: {
    name: "ROLES",
    type: "http, actors",
    default: "http,actors",
    parse: roles,
    doc: "What this node does: serve HTTP and WebSocket, process events, or both.",
  },
  logLevel: {
    name: "LOG_LEVEL",
    type: "debug … error",
    default: "info",
    parse: oneOf("debug", "info", "warn", "error"),
    doc: "Lowest level of log lines that are written.",
  },
} as const satisfies { readonly [key: string]: Setting }

/** The decoded settings, by their names in {@link SETTINGS}. */
export type AppConfig = {
  readonly [K in keyof typeof SETTINGS]: Exclude<ReturnType<(typeof SETTINGS)[K]["parse"]>, Expected>
}

/** Whether others than this machine's users see the figures, and nobody has chosen that. */
export const isExposed = ({ access, host }: Pick<AppConfig, "access" | "host">): boolean =>
  access === null && !isLoopback(host)

/** The value of a setting; fails with the sentence that refuses what was given. */
const read = (of: Setting): Effect.Effect<unknown, string> =>
  Effect.gen(function* () {
    const given = yield* Config.option(Config.String(of.name)).pipe(
      Effect.mapError((cause) => `${of.name} cannot be read: ${cause.message}.`),
    )
    const whole = Option.getOrElse(given, () => of.default)
    const text = (of.verbatim === true ? whole : whole.trim()) || of.default
    const value = of.parse(text)
    if (!(value instanceof Expected)) return value
    return yield* Effect.fail(refusal(of.name, text, value, of.secret))
  })

/** Settings that only make sense with another: a sentence for each that lacks it. */
const missing = ({
  trustedProxies,
  clientAddressHeader,
  proxyProtocol,
  authProxyHeader,
}: AppConfig): ReadonlyArray<string> => {
  if (trustedProxies.length > 0) return []
  const needed = "it should come with TRUSTED_PROXIES, the proxies that are believed."
  return [
    ...(clientAddressHeader === SETTINGS.clientAddressHeader.default
      ? []
      : [`CLIENT_ADDRESS_HEADER is ${JSON.stringify(clientAddressHeader)}: ${needed}`]),
    ...(authProxyHeader === null
      ? []
      : [`AUTH_PROXY_HEADER is ${JSON.stringify(authProxyHeader)}: ${needed}`]),
    ...(proxyProtocol ? [`PROXY_PROTOCOL is true: ${needed}`] : []),
  ]
}

/**
 * Reads every setting from the current `ConfigProvider` (the environment, unless a test provides another).
 * Fails with all wrong ones at once.
 */
export const loadConfig: Effect.Effect<AppConfig, InvalidSettings> = Effect.validate(
  Object.entries(SETTINGS),
  ([key, of]) => Effect.map(read(of), (value) => [key, value] as const),
).pipe(
  Effect.map((values) => Object.fromEntries(values) as AppConfig),
  Effect.map(({ redisUrl: url, redisPassword: password, ...config }) => ({
    ...config,
    redisPassword: password,
    redisUrl: url !== null && password !== null ? withPassword(url, password) : url,
  })),
  Effect.flatMap((config) => {
    const sentences = missing(config)
    return sentences.length === 0 ? Effect.succeed(config) : Effect.fail(sentences)
  }),
  Effect.mapError((sentences) => new InvalidSettings({ message: sentences.join("\n") })),
)

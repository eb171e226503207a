/**
 * Every setting of a deployment, once: its name, type, default and meaning. The README's table is generated from
 * {@link SETTINGS}, so a setting that is not here does not exist.
 */
import { isIP } from "node:net"
import { resolve } from "node:path"
import * as Config from "effect/Config"
import * as Cron from "effect/Cron"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** A setting whose value cannot be used. The message is one sentence: the setting, its value and what it should be. */
export class InvalidSetting extends TaggedError("InvalidSetting")<{ readonly message: string }> {}

/** What the process does: `http` answers and serves dashboards, `actors` process the streams. */
export type Role = "http" | "actors"

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

class Expected {
  readonly what: string
  constructor(what: string) {
    this.what = what
  }
}

const integer = (min: number, max: number) => (text: string) => {
  const value = Number(text)
  return /^\d+$/.test(text) && value >= min && value <= max
    ? value
    : new Expected(`a whole number from ${min} to ${max}`)
}

const flag = (text: string): boolean | Expected => {
  const value = text.toLowerCase()
  if (["true", "1", "yes", "on"].includes(value)) return true
  if (["false", "0", "no", "off", ""].includes(value)) return false
  return new Expected("true or false")
}

const oneOf =
  <const A extends string>(...values: ReadonlyArray<A>) =>
  (text: string): A | Expected =>
    values.find((value) => value === text) ?? new Expected(`one of ${values.join(", ")}`)

const list = (text: string) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

const storeUrl = (protocols: ReadonlyArray<string>) => (text: string) => {
  if (text === "") return null
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && protocols.includes(url.protocol)
    ? text
    : new Expected(`a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`)
}

/** A site's slug, also the name of its figures' keys: at most 64 of `a-z 0-9 - _ .`, first a letter or digit. */
export const SITE_SLUG = /^[a-z0-9][a-z0-9._-]{0,63}$/

const sites = (text: string) => {
  const slugs = list(text)
  return slugs.length > 0 &&
    slugs.every((slug) => SITE_SLUG.test(slug)) &&
    new Set(slugs).size === slugs.length
    ? slugs
    : new Expected("a comma-separated list of different slugs of at most 64 of a-z, 0-9, '.', '_' and '-'")
}

const timeZone = (text: string) => {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone
  } catch {
    return new Expected("an IANA time zone such as UTC or Europe/Paris")
  }
}

const roles = (text: string): ReadonlyArray<Role> | Expected => {
  const chosen = list(text).filter((role) => role === "http" || role === "actors")
  return chosen.length > 0 && chosen.length === list(text).length
    ? [...new Set(chosen)]
    : new Expected("http, actors, or both separated by a comma")
}

const secrets = (what: string) => (text: string) => {
  const values = list(text)
  return values.every((value) => value.length >= 16 && value.length <= 256)
    ? values
    : new Expected(`${what} of 16 to 256 characters each (the value is not shown)`)
}

const isCidr = (text: string) => {
  const [address = "", bits, ...rest] = text.split("/")
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

const cidrs = (text: string) =>
  list(text).every(isCidr)
    ? list(text)
    : new Expected("a comma-separated list of addresses or CIDRs such as 10.0.0.0/8")

const origins = (text: string) => {
  if (text === "*") return "*" as const
  const values = list(text)
  return values.every((value) => URL.canParse(value) && new URL(value).origin === value)
    ? values
    : new Expected("* or a comma-separated list of origins such as https://example.com")
}

const cron = (text: string) => {
  const parsed = Cron.parse(text)
  return parsed._tag === "Success" ? text : new Expected("a cron expression such as 0 2 * * *")
}

const metricsPrefix = (text: string) =>
  /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(text)
    ? text
    : new Expected("letters, digits, '_' and ':', not first a digit")

const keyPrefix = (text: string) =>
  /^[a-zA-Z0-9_.-]{1,64}$/.test(text) ? text : new Expected("1 to 64 letters, digits, '.', '_' or '-'")

const optionalPath = (text: string) => (text === "" ? null : resolve(text))

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
    "Single events a node shows its dashboards a second; the rest are summed.",
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

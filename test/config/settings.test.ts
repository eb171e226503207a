import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { loadConfig, SETTINGS } from "../../src/config/settings.ts"

const load = (env: Record<string, string>) =>
  Effect.runPromise(
    Effect.flip(loadConfig).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))),
  )
const loaded = (env: Record<string, string>) =>
  Effect.runPromise(loadConfig.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))))

test("without any variable the defaults hold", async () => {
  expect(await loaded({})).toMatchObject({
    port: 8080,
    host: "127.0.0.1",
    redisUrl: null,
    databaseUrl: null,
    sites: ["main"],
    timeZone: "UTC",
    partitions: 4,
    rateLimitPerMinute: 100,
    writeKeys: [],
    adminToken: null,
    basePath: "",
    trustedProxies: [],
    clientAddressHeader: "x-forwarded-for",
    proxyProtocol: false,
    corsOrigins: "*",
    requireVisitor: false,
    respectDnt: false,
    retentionDays: 90,
    retentionCron: "0 2 * * *",
    retentionArchiveDir: null,
    wsMaxConnections: 10000,
    wsMaxConnectionsPerIp: 50,
    liveEventsPerSecond: 50,
    maxBacklog: 1000000,
    metricsPrefix: "maicivy_",
    roles: ["http", "actors"],
    logLevel: "info",
  })
})

test("variables are decoded", async () => {
  expect(
    await loaded({
      SITES: "main, blog",
      TIME_ZONE: "Europe/Paris",
      ROLES: "actors",
      TRUSTED_PROXIES: "10.0.0.0/8,::1",
      CORS_ORIGINS: "https://a.example,http://localhost:3000",
      REQUIRE_VISITOR: "TRUE",
      WRITE_KEYS: "0123456789abcdef,fedcba9876543210",
      ADMIN_TOKEN: "0123456789abcdef",
      RETENTION_DAYS: " 30 ",
      HOST: "",
      BASE_PATH: "/stats/",
      CLIENT_ADDRESS_HEADER: "X-Real-IP",
    }),
  ).toMatchObject({
    sites: ["main", "blog"],
    timeZone: "Europe/Paris",
    roles: ["actors"],
    trustedProxies: ["10.0.0.0/8", "::1"],
    corsOrigins: ["https://a.example", "http://localhost:3000"],
    requireVisitor: true,
    writeKeys: ["0123456789abcdef", "fedcba9876543210"],
    adminToken: "0123456789abcdef",
    retentionDays: 30,
    host: "127.0.0.1",
    basePath: "/stats",
    clientAddressHeader: "x-real-ip",
  })
})

test("Redis' password is used as it is, blanks included, where the URL has none", async () => {
  const REDIS_PASSWORD = " @:/#?%41&'\"\\ "
  const url = async (REDIS_URL: string) => (await loaded({ REDIS_URL, REDIS_PASSWORD })).redisUrl
  expect(await url("redis://host:7000")).toBe(`redis://:${encodeURIComponent(REDIS_PASSWORD)}@host:7000`)
  expect(await url("redis://:own@host:7000")).toBe("redis://:own@host:7000")
  expect(await url("")).toBeNull()
})

describe("a wrong value stops the start with a sentence that names setting, value and what it should be", () => {
  test.each([
    ["PORT", "http", "whole number"],
    ["PORT", "70000", "65535"],
    ["BASE_PATH", "stats", "/stats"],
    ["BASE_PATH", "/a//b", "/stats"],
    ["BASE_PATH", "/a/../b", "/stats"],
    ["BASE_PATH", "https://site.example/stats", "/stats"],
    ["CLIENT_ADDRESS_HEADER", "x-client-ip", "x-forwarded-for"],
    ["PROXY_PROTOCOL", "2", "true or false"],
    ["REDIS_URL", "http://localhost", "redis://"],
    ["DATABASE_URL", "localhost", "postgres://"],
    ["SITES", "Main", "slugs"],
    ["SITES", "a,a", "different"],
    ["TIME_ZONE", "Mars/Olympus", "Europe/Paris"],
    ["PARTITIONS", "0", "1 to 64"],
    ["WRITE_KEYS", "short", "16 to 256"],
    ["ADMIN_TOKEN", "short", "16 to 256"],
    ["TRUSTED_PROXIES", "10.0.0.0/33", "CIDRs"],
    ["TRUSTED_PROXIES", "proxy", "CIDRs"],
    ["CORS_ORIGINS", "example.com", "https://example.com"],
    ["CORS_ORIGINS", "https://example.com/", "https://example.com"],
    ["REQUIRE_VISITOR", "perhaps", "true or false"],
    ["RETENTION_CRON", "daily", "0 2 * * *"],
    ["ROLES", "http,cook", "actors"],
    ["LOG_LEVEL", "loud", "debug, info, warn, error"],
    ["METRICS_PREFIX", "9", "letters"],
    ["REDIS_KEY_PREFIX", "a b", "letters"],
    ["EMBEDDED_REDIS_FSYNC", "never", "always, everysec"],
  ])("%s=%s", async (name, value, words) => {
    const { message } = await load({ [name]: value })
    expect(message).toContain(name)
    expect(message).toContain(words)
    expect(message).toMatch(/it should be .*\.$/)
    const secret = ["WRITE_KEYS", "ADMIN_TOKEN", "REDIS_URL", "DATABASE_URL"].includes(name)
    expect(message.includes(`"${value}"`)).toBe(!secret)
    expect(message.split("\n")).toHaveLength(1)
  })
})

/** Wrong values of each setting that is told apart here, and of each type. Any text is a path, or a password. */
const WRONG: { readonly [type: string]: ReadonlyArray<string> } = {
  integer: ["-1", "1.5", "1e3", "0x10", "99999999999999999999", "many", "∞"],
  port: ["-1", "65536", "1.5", "http", "99999999999999999999"],
  boolean: ["-1", "2", "99999999999999999999", "perhaps"],
  address: ["-1", "127.0.0.1:8080", "http://localhost", "a b", "∞"],
  URL: ["-1", "0", "99999999999999999999", "localhost", "http://localhost", "://"],
  "always or everysec": ["-1", "0", "never", "ALWAYS"],
  text: ["-1 ?", "a b", "∞", `${"x".repeat(1000)}!`],
  slugs: ["-1", "Main", "a b", "a,a", ",", "x".repeat(65)],
  "IANA zone": ["-1", "0", "99999999999999999999", "Mars/Olympus"],
  secrets: ["-1", "short", "0123456789abcdef,short", "x".repeat(257)],
  secret: ["-1", "short", "x".repeat(257)],
  CIDRs: ["-1", "0", "proxy", "10.0.0.0/33", "10.0.0.0/-1", "::1/129"],
  origins: ["-1", "0", "example.com", "https://example.com/"],
  cron: ["-1", "0", "daily", "60 2 * * *", "* * *"],
  "http, actors": ["-1", "http,cook", ","],
  "debug … error": ["-1", "0", "loud"],
  path: [],
  "chosen path": ["-1", "0", "/", "hello", "/a b", "/../x", "/api/x", "/metrics", "/hello/"],
  header: ["-1", "0", "via"],
  AUTH_PROXY_HEADER: ["-1", "0", "a b", "x-user:", "x".repeat(101)],
  BASE_PATH: ["/a b", "https://x.example/", "/a/../b"],
  REDIS_PASSWORD: [],
  PAGE_QUERY: ["a b", "a=b", "?", "x".repeat(101)],
}

describe("every setting, as the table has them", () => {
  test.each(Object.values(SETTINGS).map((setting) => [setting.name, setting] as const))(
    "refuses each wrong value in a sentence, and takes a blank one as not set: %s",
    async (name, setting) => {
      for (const value of WRONG[name] ?? WRONG[setting.type] ?? ["∞"]) {
        const { message } = await load({ [name]: value })
        expect(
          message.startsWith(
            "secret" in setting ? `${name} has a value` : `${name} is ${JSON.stringify(value)}: `,
          ),
        ).toBe(true)
        expect(message).toMatch(/: it should be .+\.$/)
        expect(message.split("\n")).toHaveLength(1)
      }
      // A password may be blank.
      for (const blank of name === "REDIS_PASSWORD" ? [""] : ["", " ", "\t\n"])
        expect(await loaded({ [name]: blank })).toEqual(await loaded({}))
    },
  )
})

test("wrong values are all told at once, a line each", async () => {
  const { message } = await load({ PORT: "http", SITES: "main", ADMIN_TOKEN: "short", LOG_LEVEL: "loud" })
  expect(message.split("\n")).toEqual([
    'PORT is "http": it should be a whole number from 0 to 65535.',
    "ADMIN_TOKEN has a value that cannot be used: it should be a token of 16 to 256 characters each (the value is not shown).",
    'LOG_LEVEL is "loud": it should be one of debug, info, warn, error.',
  ])
})

test("what proxies say is believed of no one in particular: that is refused", async () => {
  const { message } = await load({ CLIENT_ADDRESS_HEADER: "forwarded", PROXY_PROTOCOL: "true" })
  expect(message.split("\n")).toEqual([
    'CLIENT_ADDRESS_HEADER is "forwarded": it should come with TRUSTED_PROXIES, the proxies that are believed.',
    "PROXY_PROTOCOL is true: it should come with TRUSTED_PROXIES, the proxies that are believed.",
  ])
  await loaded({ CLIENT_ADDRESS_HEADER: "forwarded", PROXY_PROTOCOL: "true", TRUSTED_PROXIES: "10.0.0.1" })
})

test("every setting has a doc and a default that is a valid value", async () => {
  for (const setting of Object.values(SETTINGS)) {
    expect(setting.doc).toMatch(/\S.*\.$|`$/)
    await loaded({ [setting.name]: setting.default })
  }
})

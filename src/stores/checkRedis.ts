/** Looks at Redis before anything runs: a server that cannot be used stops the start, settings that endanger data warn. */
import * as Effect from "effect/Effect"
import type { Redis } from "ioredis"
import {
  type HostAndPort,
  parseRedisUrl,
  type RedisUrl,
  shownHost,
  shownRedisUrl,
} from "../config/redisUrl.ts"
import { Expected } from "../config/values.ts"
import { type CertificateFiles, certificateProblem, NO_CERTIFICATES } from "./certificates.ts"
import { type StoreWarning, UnusableStore } from "./checks.ts"
import { converse, type Destination } from "./redisClient.ts"
import { mayRewrite, missingRights } from "./rights.ts"

/** What was found out about a Redis. */
export interface RedisFacts {
  readonly cluster: boolean
  /** `redis 8.0.2`, `valkey 8.1.1`. */
  readonly server: string
  readonly warnings: ReadonlyArray<StoreWarning>
}

/** What a server says about itself; `null` for what this user may not know. */
export interface Introduction {
  /** The reply to INFO, or the same fields from the reply to HELLO, which everybody may ask. */
  readonly info: string
  readonly appendfsync: string | null
}

const infoField = (info: string, name: string): string | null =>
  new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim() ?? null

/** `standalone`, `cluster` or `sentinel`; Valkey has a name of its own for it. */
const modeOf = (info: string): string | null =>
  infoField(info, "redis_mode") ?? infoField(info, "server_mode")

const atLeast = (version: string, major: number): boolean => Number(version.split(".")[0]) >= major

/** What is wrong with a server, as the end of a sentence about it; `null` for one that will do. */
const refusal = (info: string, place: HostAndPort, { hosts, masterName, tls }: RedisUrl): string | null => {
  const field = (name: string) => infoField(info, name)
  if (modeOf(info) === "sentinel") {
    const masters = [...info.matchAll(/^master\d+:name=([^,]*)/gm)].map(([, name]) => name ?? "")
    const scheme = tls ? "rediss+sentinel" : "redis+sentinel"
    return `it is a Sentinel: write ${scheme}://${shownHost(place)}/${masters[0] ?? "name"}, with the name that the Sentinels have for the master`
  }
  const [valkey, redis] = [field("valkey_version"), field("redis_version")]
  if (valkey !== null ? !atLeast(valkey, 8) : redis !== null && !atLeast(redis, 7))
    return `it is a ${serverOf(info)}: Redis 7.0 or Valkey 8 is needed, or newer`
  if (modeOf(info) === "cluster") return null
  const isReplica = field("role") === "slave"
  if (masterName !== null) return isReplica ? "it is a replica by now: a failover is under way" : null
  if (hosts.length > 1)
    return "it is no node of a cluster, and only those may be several: name one host, or write redis+sentinel:// and the Sentinels"
  if (isReplica)
    return `it is a replica and takes no events: name its master, ${field("master_host") ?? "which it does not tell"}, or write redis+sentinel:// and the Sentinels`
  return null
}

const serverOf = (info: string): string => {
  const valkey = infoField(info, "valkey_version")
  return valkey === null
    ? `redis ${infoField(info, "redis_version") ?? "of unknown version"}`
    : `valkey ${valkey}`
}

const warningsAbout = ({ info, appendfsync }: Introduction): ReadonlyArray<StoreWarning> => {
  const warnings: Array<StoreWarning> = []
  const [policy, appendonly] = [infoField(info, "maxmemory_policy"), infoField(info, "aof_enabled")]
  if (policy !== null && policy !== "noeviction")
    warnings.push({
      text: `Redis may evict keys (maxmemory-policy is ${policy}) and with them events that were acknowledged: set maxmemory-policy noeviction.`,
      grave: true,
    })
  if (appendonly === "0")
    warnings.push({
      text: "Redis keeps no append-only file, so a restart loses events that were acknowledged: set appendonly yes.",
      grave: true,
    })
  if (appendfsync === "everysec")
    warnings.push({
      text: "Redis flushes its append-only file once a second (appendfsync everysec): a Redis that is killed, or a power failure, may take up to two seconds of acknowledged events; appendfsync always takes none.",
      grave: false,
    })
  else if (appendfsync !== null && appendfsync !== "always")
    warnings.push({
      text: `Redis leaves flushing its append-only file to the system (appendfsync ${appendfsync}): a power failure may take half a minute of acknowledged events; appendfsync always takes none.`,
      grave: false,
    })
  const untold = [
    ...(policy === null ? ["maxmemory-policy (it should be noeviction)"] : []),
    ...(appendonly === null ? ["appendonly (yes)"] : []),
    ...(appendfsync === null ? ["appendfsync (always)"] : []),
  ]
  if (untold.length > 0)
    warnings.push({
      text: `Redis does not tell this user its ${untold.join(", ")}: make sure of it yourself.`,
      grave: false,
    })
  return warnings
}

/** Judges a server by what it says about itself. */
export const judgeRedis = (
  introduction: Introduction,
  place: HostAndPort,
  url: RedisUrl,
): RedisFacts | UnusableStore => {
  const { info } = introduction
  const reason = refusal(info, place, url)
  if (reason !== null) return unusable(url, `${shownHost(place)}: ${reason}`)
  return {
    cluster: modeOf(info) === "cluster",
    server: serverOf(info),
    warnings: warningsAbout(introduction),
  }
}

/** Names the Redis that cannot be used and says why, without user and password. */
const unusable = (url: RedisUrl, reason: string): UnusableStore =>
  new UnusableStore({
    message: `REDIS_URL ${shownRedisUrl(url)} cannot be used: ${reason.replace(/\.$/, "")}.`,
  })

/** While a server loads its data it is waited for, and asked this often, milliseconds. */
const LOADING_MS = 200

const infoOf = async (redis: Redis): Promise<string> => {
  while (true) {
    const info = await redis.info().catch(() => null)
    if (info === null) return await greeting(redis)
    if (infoField(info, "loading") !== "1") return info
    await new Promise((resolve) => setTimeout(resolve, LOADING_MS))
  }
}

/** The fields of INFO that the reply to HELLO has, where INFO is not allowed. */
const greeting = async (redis: Redis): Promise<string> => {
  const reply = await redis.call("HELLO")
  const pairs = Array.isArray(reply) ? reply.map(String) : []
  const field = (name: string) => pairs[pairs.indexOf(name) + 1] ?? ""
  return [
    `${field("server")}_version:${field("version")}`,
    `redis_mode:${field("mode")}`,
    `role:${field("role") === "replica" ? "slave" : field("role")}`,
  ].join("\n")
}

const introductionOf = async (redis: Redis): Promise<Introduction> => {
  const config = await redis.config("GET", "appendfsync").catch(() => [])
  const appendfsync: unknown = Array.isArray(config) ? config[1] : undefined
  return { info: await infoOf(redis), appendfsync: typeof appendfsync === "string" ? appendfsync : null }
}

/** The master that a Sentinel names. */
const masterBy = async (url: Destination, sentinel: HostAndPort): Promise<HostAndPort> => {
  const reply = await converse(url, sentinel, "sentinel", (redis) =>
    redis.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", url.masterName ?? ""),
  ).catch((error: Error) => {
    const { message } = error
    if (/^NOAUTH/.test(message))
      throw new Error("the Sentinel asks for a password: add ?sentinel_password=… to the URL")
    throw /unknown command/.test(message) ? new Error("it is no Sentinel") : error
  })
  const [host, port]: ReadonlyArray<unknown> = Array.isArray(reply) ? reply : []
  if (typeof host !== "string") throw new Error(`the Sentinel knows no master by the name ${url.masterName}`)
  return { host, port: Number(port) }
}

/** What may be wrong where the server hangs up without a word. */
const hintAt = (message: string, { tls, certificates }: Destination): string => {
  if (!/Connection is closed|ECONNRESET|EPIPE|certificate required/.test(message)) return ""
  if (!tls) return " (if it wants TLS, write rediss://)"
  return certificates.cert === null
    ? " (if it asks clients for a certificate, set REDIS_CERT_FILE and REDIS_KEY_FILE)"
    : ""
}

/** What the deployment expects of its Redis, beside the URL. */
export interface Expectations {
  readonly certificates?: CertificateFiles
  /** Of its keys; rights are asked for where it is given. */
  readonly prefix?: string
  /** How many replicas it waits for. */
  readonly replicas?: number
}

const lackingRights = (url: Destination, rules: ReadonlyArray<string>): string => {
  const user = url.username === "" ? "default" : url.username
  return `the user ${user} lacks rights, which "ACL SETUSER ${user} ${rules.join(" ")}" grants`
}

const NO_REWRITE: StoreWarning = {
  text: "Redis does not let this user have its append-only file rewritten (BGREWRITEAOF): what is deleted stays in it until Redis rewrites it by itself.",
  grave: false,
}

const withWarning = (facts: RedisFacts, warning: StoreWarning): RedisFacts => ({
  ...facts,
  warnings: [...facts.warnings, warning],
})

/** Asks one host of the URL; rejects with an error that names it and the reason. */
const judgeBy = async (
  url: Destination,
  host: HostAndPort,
  { prefix, replicas = 0 }: Expectations,
): Promise<RedisFacts | UnusableStore> => {
  let place = host
  try {
    if (url.masterName !== null) place = await masterBy(url, host)
    return await converse(url, place, "server", async (redis) => {
      const judged = judgeRedis(await introductionOf(redis), place, url)
      if (judged instanceof UnusableStore || prefix === undefined) return judged
      const missing = await missingRights(redis, {
        ...{ prefix, cluster: judged.cluster, replicas: replicas > 0 },
        database: url.database > 0 && !judged.cluster,
      })
      if (missing.length === 0) return (await mayRewrite(redis)) ? judged : withWarning(judged, NO_REWRITE)
      return unusable(url, `${shownHost(place)}: ${lackingRights(url, missing)}`)
    })
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${shownHost(place)}: ${message}${hintAt(message, url)}`)
  }
}

/**
 * Asks the hosts of a URL in turn until one answers, and judges the server. Fails when none does, since a URL that is wrong is told
 * best at the start.
 */
export const checkRedis = (
  text: string,
  expectations: Expectations = {},
): Effect.Effect<RedisFacts, UnusableStore> =>
  Effect.gen(function* () {
    const url = destinationOf(text, expectations.certificates ?? NO_CERTIFICATES)
    if (typeof url === "string") return yield* new UnusableStore({ message: url })
    const reasons: Array<string> = []
    for (const host of url.hosts) {
      const judged = yield* Effect.promise(() =>
        judgeBy(url, host, expectations).catch((error: Error) => {
          reasons.push(error.message)
          return null
        }),
      )
      if (judged instanceof UnusableStore) return yield* judged
      if (judged !== null) return judged
    }
    return yield* unusable(url, reasons.join("; "))
  })

/** What the settings say, or a sentence about what is wrong with them. */
const destinationOf = (text: string, certificates: CertificateFiles): Destination | string => {
  const url = parseRedisUrl(text)
  if (url instanceof Expected) return `REDIS_URL cannot be used: it should be ${url.what}.`
  if (!url.tls && Object.values(certificates).some((file) => file !== null))
    return "REDIS_CA_FILE, REDIS_CERT_FILE and REDIS_KEY_FILE need a REDIS_URL that begins with rediss:// or rediss+sentinel://."
  return certificateProblem("REDIS", certificates) ?? { ...url, certificates }
}

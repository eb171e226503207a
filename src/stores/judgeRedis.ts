/** What a Redis says about itself, and whether that will do. */
import type { Redis } from "ioredis"
import { type HostAndPort, type RedisUrl, shownHost } from "../config/redisUrl.ts"
import type { StoreWarning } from "./checks.ts"

/** What was found out about a Redis. */
export interface RedisFacts {
  readonly cluster: boolean
  /** `redis 8.0.2`, `valkey 8.1.1`. */
  readonly server: string
  /** Sentences about it; each begins with `Redis`, in whose place a server can be named. */
  readonly warnings: ReadonlyArray<StoreWarning>
  /** More of them, for those who examine a deployment: as it is with nearly every Redis, no start says it. */
  readonly hints: ReadonlyArray<StoreWarning>
}

/** What a server says about itself; `null` for what this user may not know. */
export interface Introduction {
  /** The reply to INFO, or the same fields from the reply to HELLO, which everybody may ask. */
  readonly info: string
  readonly appendfsync: string | null
  readonly aofLoadTruncated: string | null
}

const infoField = (info: string, name: string): string | null =>
  new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim() ?? null

/** `standalone`, `cluster` or `sentinel`; Valkey has a name of its own for it. */
const modeOf = (info: string): string | null =>
  infoField(info, "redis_mode") ?? infoField(info, "server_mode")

const atLeast = (version: string, major: number): boolean => Number(version.split(".")[0]) >= major

/** What is wrong with a server, as the end of a sentence about it; `null` for one that will do. */
const refusal = (
  info: string,
  place: HostAndPort,
  { hosts, masterName, tls }: RedisUrl,
  isPeer: boolean,
): string | null => {
  const field = (name: string) => infoField(info, name)
  if (modeOf(info) === "sentinel") {
    const masters = [...info.matchAll(/^master\d+:name=([^,]*)/gm)].map(([, name]) => name ?? "")
    const scheme = tls ? "rediss+sentinel" : "redis+sentinel"
    return `it is a Sentinel: write ${scheme}://${shownHost(place)}/${masters[0] ?? "name"}, with the name that the Sentinels have for the master`
  }
  const [valkey, redis] = [field("valkey_version"), field("redis_version")]
  if (valkey !== null ? !atLeast(valkey, 8) : redis !== null && !atLeast(redis, 7))
    return `it is a ${serverOf(info)}: Redis 7.0 or Valkey 8 is needed, or newer`
  if (isPeer || modeOf(info) === "cluster") return null
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

/** About a master with more replicas than acknowledge: the others may be made the master. */
const tooFewAcknowledge = (info: string, ackReplicas: number): ReadonlyArray<StoreWarning> => {
  const replicas = Number(infoField(info, "connected_slaves") ?? 0)
  return ackReplicas > 0 && replicas > ackReplicas
    ? [
        {
          text: `Redis has ${replicas} replicas and ACK_REPLICAS is ${ackReplicas}: a failover to one that lacks what another has acknowledged loses that; set ACK_REPLICAS ${replicas}.`,
          grave: false,
        },
      ]
    : []
}

const warningsAbout = (
  { info, appendfsync }: Introduction,
  ackReplicas: number,
): ReadonlyArray<StoreWarning> => {
  const warnings: Array<StoreWarning> = [...tooFewAcknowledge(info, ackReplicas)]
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

/** docs/operations.md, "Durability", says why. */
const hintsAbout = ({ aofLoadTruncated }: Introduction): ReadonlyArray<StoreWarning> =>
  aofLoadTruncated === "yes"
    ? [
        {
          text: "Redis keeps the beginning of a transaction in whose middle it was killed (aof-load-truncated yes), and a batch may then count twice: set aof-load-truncated no, with which it does not start until redis-check-aof --fix on the manifest in appendonlydir has cut that off; or run npm start -- rebuild whenever its log says Truncating the AOF.",
          grave: false,
        },
      ]
    : []

/**
 * Judges a server by what it says about itself. Returns why it cannot be used, as the end of a sentence about it, if it cannot. A peer
 * is one that another server has named; it may be a replica.
 */
export const judgeRedis = (
  introduction: Introduction,
  place: HostAndPort,
  url: RedisUrl,
  isPeer: boolean,
  ackReplicas: number,
): RedisFacts | string => {
  const { info } = introduction
  return (
    refusal(info, place, url, isPeer) ?? {
      cluster: modeOf(info) === "cluster",
      server: serverOf(info),
      warnings: warningsAbout(introduction, ackReplicas),
      hints: hintsAbout(introduction),
    }
  )
}

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

/** Asks a server to introduce itself, once it has loaded its data. */
export const introductionOf = async (redis: Redis): Promise<Introduction> => {
  const config: unknown = await redis.config("GET", "appendfsync", "aof-load-truncated").catch(() => [])
  const pairs: ReadonlyArray<unknown> = Array.isArray(config) ? config : []
  const setting = (name: string) => {
    const at = pairs.indexOf(name)
    return at < 0 ? null : String(pairs[at + 1])
  }
  return {
    info: await infoOf(redis),
    appendfsync: setting("appendfsync"),
    aofLoadTruncated: setting("aof-load-truncated"),
  }
}

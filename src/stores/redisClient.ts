/** Clients of Redis: what they are told about a server, a cluster or Sentinels, and about what they are for. */
import type { ConnectionOptions } from "node:tls"
import { Cluster, type ClusterOptions, Redis } from "ioredis"
import { type HostAndPort, parseRedisUrl, type RedisUrl } from "../config/redisUrl.ts"
import { APPEND_TIMEOUT_MS } from "../config/stopBudget.ts"
import { Expected } from "../config/values.ts"
import { type CertificateFiles, NO_CERTIFICATES, tlsOptions } from "./certificates.ts"
import { nameOf } from "./clusterNames.ts"
import { type ClusterSeeds, seedsOf } from "./clusterSeeds.ts"
import { connectorTo, sentinelConnectorTo } from "./connector.ts"

/** A connection to one server, or to a cluster. Both take every command the project sends. */
export type RedisConnection = Redis | Cluster

export interface RedisSettings {
  readonly url: string
  /** Whether the servers of `url` are a cluster's nodes. */
  readonly cluster: boolean
  /** For `rediss:`; by default the authorities are the well-known ones, and the client shows no certificate. */
  readonly certificates?: CertificateFiles
}

/** A URL that has been read, and what TLS needs to go there. */
export interface Destination extends RedisUrl {
  readonly certificates: CertificateFiles
}

/** What a connection is for decides how it behaves when Redis is slow or unavailable. */
export type Purpose =
  /** Appends: never queued while disconnected, never sent twice. */
  | "append"
  /** Blocking reads: a reply may take long. */
  | "read"
  /** Everything else. */
  | "command"
  | "subscribe"

/** A server that has not answered by then is not asked any longer, milliseconds. */
const SILENCE_MS = { append: APPEND_TIMEOUT_MS, command: 5000 } as const
const CONNECT_TIMEOUT_MS = 3000
/** What a node of a cluster, or a Sentinel, is given to tell where the others are, milliseconds. */
const DISCOVERY_MS = 1500
const CONVERSE_MS = { server: SILENCE_MS.command, sentinel: DISCOVERY_MS } as const

const optionsFor = (purpose: Purpose, name: string) => ({
  protocol: 2 as const,
  connectionName: name,
  // A server that loads its data says so itself, and calls that fail are better than calls that wait until it has.
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // Nobody would hear that it failed; who subscribes does so again.
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_TIMEOUT_MS,
  keepAlive: 10_000,
  noDelay: true,
  disableClientInfo: true,
  // A master that has become a replica keeps its connections; only a new one finds the new master.
  reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
  // So does a server that hangs, or is cut off. What it has not read yet would fill the memory, and be carried out when it goes on,
  // long after it was refused: with its connection it is gone.
  ...((purpose === "append" || purpose === "command") && {
    commandTimeout: SILENCE_MS[purpose],
    socketTimeout: SILENCE_MS[purpose],
  }),
})

const credentials = (username: string, password: string) => ({
  ...(username !== "" && { username }),
  ...((username !== "" || password !== "") && { password }),
})

const credentialsIn = ({ username, password }: RedisUrl) => credentials(username, password)

const sentinelCredentialsIn = ({ sentinelUsername, sentinelPassword }: RedisUrl) =>
  credentials(sentinelUsername, sentinelPassword)

/**
 * A client of a cluster. Calls fail at once while there is no cluster, and wait while just the connection to a master is being made
 * that is new to the client.
 */
class ClusterClient extends Cluster {
  constructor(
    seeds: ClusterSeeds,
    redisOptions: Omit<NonNullable<ClusterOptions["redisOptions"]>, "replyMapping">,
  ) {
    super(seeds.nodes, {
      redisOptions,
      enableOfflineQueue: true,
      // Or the client would send a call again whose reply was lost, and an append twice is an event twice.
      retryDelayOnFailover: 0,
      slotsRefreshTimeout: DISCOVERY_MS,
      clusterRetryStrategy: (times) => Math.min(100 * times, 1000),
      // Certificates are for names, more often than for addresses.
      dnsLookup: (host, done) => done(null, host),
      ...(redisOptions.tls !== undefined && { natMap: nameOf }),
    })
    // The client does not look whether this fails; the call that follows does.
    this.on("+node", (node: Redis) => {
      const asking = node.asking.bind(node)
      node.asking = () => {
        const asked = asking()
        asked.catch(() => {})
        return asked
      }
    })
    this.on("refresh", () => {
      seeds.learn(this.nodes("all").map(placeOf))
      // The first call would have to wait, and its reply with it.
      for (const master of this.nodes("master"))
        if (master.status === "wait") master.connect().catch(() => {})
    })
  }

  override sendCommand(...call: Parameters<Cluster["sendCommand"]>): unknown {
    const [command] = call
    // What the client asks the cluster itself goes on.
    if (this.status === "ready" || command.name === "cluster") return super.sendCommand(...call)
    command.reject(new Error("Cluster isn't ready"))
    return command.promise
  }
}

const placeOf = ({ options: { host = "", port = 0 } }: Redis): HostAndPort => ({ host, port })

/** What a client says for want of a reason. */
const NO_REASON = /^(Connection is closed|Failed to refresh slots cache|None of startup nodes is available)/

const failures = new WeakMap<RedisConnection, { reason: string | null }>()

/** Why a connection could not be made when that was last tried; `null` when nothing is known. */
export const failureOf = (connection: RedisConnection): string | null =>
  failures.get(connection)?.reason ?? null

/** Opens a client, which connects, and connects again, in the background. `name` is what Redis calls it (CLIENT LIST). */
export const openRedis = (settings: RedisSettings, purpose: Purpose, name: string): RedisConnection => {
  const url = parseRedisUrl(settings.url)
  if (url instanceof Expected) throw new TypeError(`the URL of Redis should be ${url.what}`)
  const failure: { reason: string | null } = { reason: null }
  const note = (error: Error, where?: string) => {
    if (!NO_REASON.test(error.message))
      failure.reason = where === undefined ? error.message : `${where}: ${error.message}`
  }
  const destination = { ...url, certificates: settings.certificates ?? NO_CERTIFICATES }
  const connection = clientFor(settings, destination, optionsFor(purpose, name), purpose, note)
  failures.set(connection, failure)
  // Without a listener a lost connection would end the process; every call reports its own failure.
  connection.on("error", note)
  if (connection instanceof Cluster) connection.on("node error", note)
  return connection
}

/** A client that connects once, and whose calls fail rather than wait. */
const conversing = (
  url: Destination,
  place: HostAndPort,
  as: "server" | "sentinel",
  onError: (error: Error, where?: string) => void,
): Redis => {
  const tls = tlsOf(url)
  const redis = new Redis({
    ...place,
    ...(as === "server" ? { db: url.database, ...credentialsIn(url) } : sentinelCredentialsIn(url)),
    ...{ protocol: 2, lazyConnect: true, enableReadyCheck: false },
    ...{ connectTimeout: CONNECT_TIMEOUT_MS, commandTimeout: CONVERSE_MS[as] },
    ...{ retryStrategy: () => null, maxRetriesPerRequest: 0 },
    ...(tls !== null && { tls }),
    Connector: connectorTo(tls, null, onError),
  })
  return redis.on("error", onError)
}

/**
 * Has a conversation with one server, or one Sentinel, on a connection of its own. Rejects with Redis' words, or with the reason why
 * there is no connection.
 */
export const converse = async <A>(
  url: Destination,
  place: HostAndPort,
  as: "server" | "sentinel",
  talk: (redis: Redis) => Promise<A>,
): Promise<A> => {
  // Calls only hear that the connection is closed; why is told to these listeners.
  let reason: Error | null = null
  const note = (error: Error) => {
    reason ??= error
  }
  const redis = conversing(url, place, as, note)
  try {
    await redis.connect()
    // Such as a database that does not exist: without it, the conversation would be about another one.
    if (reason !== null) throw reason
    return await talk(redis)
  } catch (cause) {
    throw reason ?? cause
  } finally {
    redis.disconnect()
  }
}

const tlsOf = ({ tls, certificates }: Destination): ConnectionOptions | null =>
  tls ? tlsOptions(certificates) : null

const clientFor = (
  settings: RedisSettings,
  url: Destination,
  general: ReturnType<typeof optionsFor>,
  purpose: Purpose,
  onError: (error: Error, where?: string) => void,
): RedisConnection => {
  const tls = tlsOf(url)
  const options = { ...general, ...credentialsIn(url), ...(tls !== null && { tls }) }
  const [first] = url.hosts
  if (url.masterName !== null) {
    const toSentinel = (sentinel: HostAndPort) => conversing(url, sentinel, "sentinel", onError)
    const Connector = sentinelConnectorTo(toSentinel, onError)
    return new Redis({ ...options, ...sentinelOptions(url, tls), Connector })
  }
  if (!settings.cluster)
    return new Redis({ ...options, ...first, db: url.database, Connector: connectorTo(tls, null, onError) })
  const seeds = seedsOf(settings.url, url.hosts)
  // Every node of a cluster passes on every message.
  return purpose === "subscribe"
    ? new Redis({ ...options, Connector: connectorTo(tls, seeds, onError) })
    : new ClusterClient(seeds, { ...options, Connector: connectorTo(tls, null, onError) })
}

const sentinelOptions = (url: RedisUrl, tls: ConnectionOptions | null) => ({
  sentinels: [...url.hosts],
  name: url.masterName ?? "",
  db: url.database,
  // A Sentinel may not have heard yet that the master is a replica now: asks the server itself.
  enableReadyCheck: true,
  ...(tls !== null && { enableTLSForSentinelMode: true }),
})

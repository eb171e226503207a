/**
 * The text of REDIS_URL:
 *
 * - `redis://[user[:password]@]host[:port][,host[:port]…][/database]`: a server, or nodes of a cluster;
 * - `redis+sentinel://[user[:password]@]host[:port][,…]/name[/database]`: the master that these Sentinels call so, with
 *   `?sentinel_password=` and `?sentinel_username=` where they ask for them;
 * - `rediss://` and `rediss+sentinel://`: the same with TLS.
 *
 * User, password and name are percent-encoded where they have to be.
 */
import { isIPv6 } from "node:net"
import { Expected } from "./values.ts"

export interface HostAndPort {
  /** A name or an address, without brackets. */
  readonly host: string
  readonly port: number
}

export interface RedisUrl {
  readonly tls: boolean
  /** The server, nodes of a cluster, or Sentinels. */
  readonly hosts: readonly [HostAndPort, ...ReadonlyArray<HostAndPort>]
  /** What Sentinels call the master; `null` where no Sentinel is asked. */
  readonly masterName: string | null
  readonly username: string
  readonly password: string
  readonly database: number
  readonly sentinelUsername: string
  readonly sentinelPassword: string
}

const PORT = 6379
const SENTINEL_PORT = 26379

const FORM = new Expected(
  "a URL like redis://user:password@host:6379, rediss:// with TLS, with several hosts (host1,host2) for a cluster, or redis+sentinel://host1,host2,host3/name",
)
const ENCODED = new Expected(
  "a URL whose password is percent-encoded: encode @ : / # % ? in the password as %40 %3A %2F %23 %25 %3F",
)
const NO_SOCKET = new Expected(
  "a URL that names a host: Redis is reached by TCP, not by the path of a socket",
)

const decode = (text: string): string | Expected => {
  try {
    return decodeURIComponent(text)
  } catch {
    return ENCODED
  }
}

/** `host`, `host:port` or `[address]:port`, from 1 to 65535. */
const hostAndPort = (text: string, defaultPort: number): HostAndPort | null => {
  const [, address, name, digits] = /^(?:\[([^\]]*)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const port = digits === undefined ? defaultPort : Number(digits)
  const host = address ?? name
  if (host === undefined || port < 1 || port > 65535) return null
  return address === undefined || isIPv6(address) ? { host, port } : null
}

const hostsOf = (text: string, defaultPort: number): RedisUrl["hosts"] | null => {
  const [first, ...others] = text.split(",").map((host) => hostAndPort(host.trim(), defaultPort))
  const rest = others.filter((host) => host !== null)
  return first == null || rest.length < others.length ? null : [first, ...rest]
}

/** The path's parts: the name for Sentinels, and the database. */
const pathOf = (path: string, hasName: boolean): Pick<RedisUrl, "masterName" | "database"> | Expected => {
  const parts = path.split("/").filter((part) => part !== "")
  const name = hasName ? decode(parts.shift() ?? "") : null
  const [database = "0", ...more] = parts
  if (name instanceof Expected) return name
  if (name === "" || more.length > 0 || !/^\d{1,9}$/.test(database)) return FORM
  return { masterName: name, database: Number(database) }
}

/** Parameters are about Sentinels. `family` was taken before, and both families are tried without it. */
const parametersOf = (
  query: string,
  hasName: boolean,
): Pick<RedisUrl, "sentinelUsername" | "sentinelPassword"> | Expected => {
  const known = hasName ? ["sentinel_username", "sentinel_password", "family"] : ["family"]
  const parameters = new Map<string, string>()
  for (const part of query.split("&").filter((each) => each !== "")) {
    const at = part.includes("=") ? part.indexOf("=") : part.length
    const name = part.slice(0, at)
    const value = decode(part.slice(at + 1))
    if (value instanceof Expected) return value
    if (!known.includes(name)) return new Expected(`a URL with no parameters but ${known.join(", ")}`)
    parameters.set(name, value)
  }
  return {
    sentinelUsername: parameters.get("sentinel_username") ?? "",
    sentinelPassword: parameters.get("sentinel_password") ?? "",
  }
}

/** Reads a URL, or says what it should have been; neither shows the password. */
export const parseRedisUrl = (text: string): RedisUrl | Expected => {
  const [, scheme = "", authority = "", rest = ""] =
    /^(rediss?(?:\+sentinel)?):\/\/([^/?#]*)(.*)$/s.exec(text) ?? []
  if (scheme === "") return FORM
  // What stands before an @ is user and password, and there is none after them.
  if (rest.includes("@")) return ENCODED
  const [, path = "", query = "", fragment = ""] = /^([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(rest) ?? []
  if (fragment !== "") return FORM
  const hasName = scheme.endsWith("+sentinel")
  const at = authority.lastIndexOf("@")
  if (authority.slice(at + 1) === "") return NO_SOCKET
  const [, user = "", secret = ""] = /^([^:]*):?(.*)$/s.exec(authority.slice(0, Math.max(at, 0))) ?? []
  const username = decode(user)
  const password = decode(secret)
  const hosts = hostsOf(authority.slice(at + 1), hasName ? SENTINEL_PORT : PORT)
  const place = pathOf(path, hasName)
  const sentinel = parametersOf(query, hasName)
  if (username instanceof Expected || password instanceof Expected) return ENCODED
  if (place instanceof Expected) return place
  if (sentinel instanceof Expected) return sentinel
  if (hosts === null) return FORM
  return { tls: scheme.startsWith("rediss"), hosts, username, password, ...place, ...sentinel }
}

/** The value of a setting: a URL that can be read, or `null` for none. */
export const redisUrl = (text: string): string | null | Expected => {
  if (text === "") return null
  const url = parseRedisUrl(text)
  return url instanceof Expected ? url : text
}

/** `host:port`, an IPv6 address in brackets. */
export const shownHost = ({ host, port }: HostAndPort): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`

/** A URL without user and password, for messages. */
export const shownRedisUrl = ({ tls, hosts, masterName, database }: RedisUrl): string =>
  [
    `${tls ? "rediss" : "redis"}${masterName === null ? "" : "+sentinel"}://${hosts.map(shownHost).join(",")}`,
    ...(masterName === null ? [] : [masterName]),
    ...(database === 0 ? [] : [String(database)]),
  ].join("/")

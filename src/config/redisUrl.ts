/**
 * The text of REDIS_URL:
 *
 * - `redis://[user[:password]@]host[:port][,host[:port]…][/database]`: a server, or nodes of a cluster;
 * - `redis+sentinel://[user[:password]@]host[:port][,…]/name[/database]`: the master that these Sentinels call so, with
 *   `?sentinel_password=` and `?sentinel_username=` where they ask for them;
 * - `rediss://` and `rediss+sentinel://`: the same with TLS.
 *
 * User, password and name are percent-encoded where they have to be. The password may be given apart from the URL.
 */
import {
  decodePart,
  encodedOr,
  type Hosts,
  hostsOf,
  parametersOf,
  shownHost,
  splitAuthority,
} from "./urlParts.ts"
import { Expected } from "./values.ts"

export { type HostAndPort, shownHost } from "./urlParts.ts"

export interface RedisUrl {
  readonly tls: boolean
  /** The server, nodes of a cluster, or Sentinels. */
  readonly hosts: Hosts
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
const ENCODED = encodedOr("REDIS_PASSWORD")
const NO_SOCKET = new Expected(
  "a URL that names a host: Redis is reached by TCP, not by the path of a socket",
)

/** The path's parts: the name for Sentinels, and the database. */
const pathOf = (path: string, hasName: boolean): Pick<RedisUrl, "masterName" | "database"> | Expected => {
  const parts = path.split("/").filter((part) => part !== "")
  const name = hasName ? decodePart(parts.shift() ?? "") : null
  const [database = "0", ...more] = parts
  if (name === null && hasName) return ENCODED
  if (name === "" || more.length > 0 || !/^\d{1,9}$/.test(database)) return FORM
  return { masterName: name, database: Number(database) }
}

/** Parameters are about Sentinels. `family` was taken before, and both families are tried without it. */
const sentinelOf = (
  query: string,
  hasName: boolean,
): Pick<RedisUrl, "sentinelUsername" | "sentinelPassword"> | Expected => {
  const known = hasName ? ["sentinel_username", "sentinel_password", "family"] : ["family"]
  const parameters = parametersOf(query)
  if (parameters === null) return ENCODED
  if ([...parameters.keys()].some((name) => !known.includes(name)))
    return new Expected(`a URL with no parameters but ${known.join(", ")}`)
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
  // What Sentinels ask for may be a password, too.
  if (fragment !== "") return query === "" ? FORM : ENCODED
  const hasName = scheme.endsWith("+sentinel")
  const parts = splitAuthority(authority)
  if (parts.hosts === "") return NO_SOCKET
  const username = decodePart(parts.user)
  const password = decodePart(parts.password)
  const hosts = hostsOf(parts.hosts, hasName ? SENTINEL_PORT : PORT)
  const place = pathOf(path, hasName)
  const sentinel = sentinelOf(query, hasName)
  if (username === null || password === null) return ENCODED
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

/** A URL that can be read, with a password if it has none. */
export const withPassword = (text: string, password: string): string => {
  const url = parseRedisUrl(text)
  if (url instanceof Expected || url.password !== "") return text
  const [, scheme = "", authority = "", rest = ""] = /^(.*?:\/\/)([^/?#]*)(.*)$/s.exec(text) ?? []
  const { user, hosts } = splitAuthority(authority)
  return `${scheme}${user}:${encodeURIComponent(password)}@${hosts}${rest}`
}

/** A URL without user and password, for messages. */
export const shownRedisUrl = ({ tls, hosts, masterName, database }: RedisUrl): string =>
  [
    `${tls ? "rediss" : "redis"}${masterName === null ? "" : "+sentinel"}://${hosts.map(shownHost).join(",")}`,
    ...(masterName === null ? [] : [masterName]),
    ...(database === 0 ? [] : [String(database)]),
  ].join("/")

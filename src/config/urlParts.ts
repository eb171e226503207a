/** Parts of the stores' URLs, which name several hosts and may have passwords with any character. */
import { isIPv6 } from "node:net"
import { Expected } from "./values.ts"

/** A place where a server listens. */
export interface HostAndPort {
  /** A name or an address, without brackets. */
  readonly host: string
  readonly port: number
}

/** What a URL should have been whose password, as it stands there, cannot be told from the rest; `setting` takes it as it is. */
export const encodedOr = (setting: "REDIS_PASSWORD" | "PGPASSWORD"): Expected =>
  new Expected(
    `a URL whose password is percent-encoded: encode @ : / # % ? in the password as %40 %3A %2F %23 %25 %3F, or leave it out of the URL and set ${setting} to it as it is`,
  )

/** The text of a percent-encoded part, `null` where it is not one. */
export const decodePart = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** A URL's user and password, empty where it has none, and the rest of what stands before its path; all of it encoded as it was. */
export const splitAuthority = (
  authority: string,
): { readonly user: string; readonly password: string; readonly hosts: string } => {
  const at = authority.lastIndexOf("@")
  const [, user = "", password = ""] = /^([^:]*):?(.*)$/s.exec(authority.slice(0, Math.max(at, 0))) ?? []
  return { user, password, hosts: authority.slice(at + 1) }
}

/** `host`, `host:port` or `[address]:port`, ports from 1 to 65535. */
const hostAndPort = (text: string, defaultPort: number): HostAndPort | null => {
  const [, address, name, digits] = /^(?:\[([^\]]*)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const port = digits === undefined ? defaultPort : Number(digits)
  const host = address ?? name
  if (host === undefined || port < 1 || port > 65535) return null
  return address === undefined || isIPv6(address) ? { host, port } : null
}

/** One host or several. */
export type Hosts = readonly [HostAndPort, ...ReadonlyArray<HostAndPort>]

/** Hosts separated by commas; `null` where one cannot be read. */
export const hostsOf = (text: string, defaultPort: number): Hosts | null => {
  const [first, ...others] = text.split(",").map((host) => hostAndPort(host.trim(), defaultPort))
  const rest = others.filter((host) => host !== null)
  return first == null || rest.length < others.length ? null : [first, ...rest]
}

/** The parameters of a query, `name=value` joined by `&`; `null` where one cannot be decoded. */
export const parametersOf = (
  query: string,
  decode: (text: string) => string | null = decodePart,
): ReadonlyMap<string, string> | null => {
  const parameters = new Map<string, string>()
  for (const part of query.split("&").filter((each) => each !== "")) {
    const at = part.includes("=") ? part.indexOf("=") : part.length
    const value = decode(part.slice(at + 1))
    if (value === null) return null
    parameters.set(part.slice(0, at), value)
  }
  return parameters
}

/** `host:port`, an IPv6 address in brackets. */
export const shownHost = ({ host, port }: HostAndPort): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`

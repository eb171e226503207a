/**
 * A request for a page as Node's servers have it, and the origin that its visitor sees: behind a proxy, neither connection nor
 * `Host` need to tell it.
 */
import type { Asked, ReadHeader } from "./page.ts"

/** The part of a request that is read: Node's own, or that of Express, Fastify or Koa (`context.request`). */
export interface PageRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** Express: the path before routers have stripped their prefix. */
  readonly originalUrl?: string | undefined
  /** A framework's: `https` also behind a proxy that it was told to trust. */
  readonly protocol?: string | undefined
  /** A framework's: without the port, and that of `X-Forwarded-Host` if it was told to trust the proxy. */
  readonly hostname?: string | undefined
  /** A framework's: the visitor's address, also behind a proxy that it was told to trust. */
  readonly ip?: string | undefined
  readonly headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
  /** Fastify's: Node's own request. */
  readonly raw?: object | undefined
  /** TLS if it is `encrypted`; Node's has a `remoteAddress`. */
  readonly socket?: object | undefined
}

/** How a page's origin is found. */
export interface OriginOptions {
  /** The site's origin for `page_url`, such as `https://cv.example`. Default: the request's. */
  readonly origin?: string | undefined
  /**
   * Reads the origin from `Forwarded`, `X-Forwarded-Proto` and `X-Forwarded-Host`. Only for a server that nobody reaches but
   * through a proxy that sets them. A framework that trusts its proxy needs no such option.
   */
  readonly trustProxy?: boolean | undefined
}

/** A header's first value; empty if it is absent. */
export const header = ({ headers }: Pick<PageRequest, "headers">, name: string): string => {
  const value = headers[name]
  return typeof value === "string" ? value : (value?.[0] ?? "")
}

/** The items of a list in a header; the first proxy's comes first. */
const items = (list: string): ReadonlyArray<string> => list.split(",").map((each) => each.trim())

/** A parameter of the hops in `Forwarded` (RFC 7239), in their order. */
const forwardedParameters = (forwarded: string, name: "proto" | "host" | "for"): ReadonlyArray<string> =>
  [...forwarded.matchAll(new RegExp(`(?:^|[;,\\s])${name}=(?:"([^"]*)"|([^;,"\\s]+))`, "gi"))].map(
    ([, quoted, plain]) => quoted ?? plain ?? "",
  )

/** What proxies say without being asked whether they may: only for `trustProxy`. */
const toldByProxy = (read: ReadHeader, name: "proto" | "host"): string | undefined =>
  forwardedParameters(read("forwarded"), name)[0] || items(read(`x-forwarded-${name}`))[0] || undefined

const withoutPort = (host: string): string => host.replace(/:\d+$/, "")

/**
 * `Host`, or `:authority` over HTTP/2, unless a framework that trusts its proxy says another name. Its `hostname` has lost the
 * port, which the header still has that it believed.
 */
const hostOf = (request: PageRequest): string => {
  const host = header(request, "host") || header(request, ":authority") || "localhost"
  const { hostname } = request
  if (!hostname || hostname === host || hostname === withoutPort(host)) return host
  return items(header(request, "x-forwarded-host")).find((each) => withoutPort(each) === hostname) ?? hostname
}

const isEncrypted = ({ socket }: PageRequest): boolean =>
  socket !== undefined && "encrypted" in socket && socket.encrypted === true

/** `https://cv.example`: as the options say, as a trusted proxy says, or as the request came. */
export const originOfHeaders = (
  read: ReadHeader,
  protocol: string,
  host: string,
  { origin, trustProxy }: OriginOptions,
): string => {
  if (origin !== undefined) return origin.replace(/\/+$/, "")
  if (trustProxy !== true) return `${protocol}://${host}`
  return `${toldByProxy(read, "proto") ?? protocol}://${toldByProxy(read, "host") ?? host}`
}

/** The client's address as a trusted proxy says it; empty if none does. */
export const toldAddress = (read: ReadHeader, { trustProxy }: OriginOptions): string => {
  if (trustProxy !== true) return ""
  return items(read("x-forwarded-for")).at(-1) || forwardedParameters(read("forwarded"), "for").at(-1) || ""
}

/** A request's target is joined to its origin and not resolved against it: `//about` is a path, not a host. */
const urlOf = (request: PageRequest, options: OriginOptions): URL => {
  const read = (name: string) => header(request, name)
  const protocol = request.protocol ?? (isEncrypted(request) ? "https" : "http")
  const origin = originOfHeaders(read, protocol, hostOf(request), options)
  const target = (request.originalUrl ?? request.url ?? "/").replace(/^https?:\/\/[^/?#]*/i, "")
  return new URL(`${origin}${target.startsWith("/") ? "" : "/"}${target}`)
}

/** A request of a Node server, or of a framework on one. Throws if its host is none. */
export const askedByNode = (request: PageRequest, options: OriginOptions): Asked => {
  const read = (name: string) => header(request, name)
  const { ip, socket } = request
  const peer = socket && "remoteAddress" in socket ? String(socket.remoteAddress) : ""
  return {
    method: request.method ?? "",
    url: urlOf(request, options),
    header: read,
    address: toldAddress(read, options) || ip || peer,
  }
}

/** A request for a page, and the origin that its visitor sees: behind a proxy, neither connection nor `Host` need to tell it. */

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
  /** TLS if it has `encrypted`; Node's has a `remoteAddress`. */
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
export const header = (request: Pick<PageRequest, "headers">, name: string): string => {
  const value = request.headers[name]
  return typeof value === "string" ? value : (value?.[0] ?? "")
}

/** The items of a list in a header; the first proxy's comes first. */
const items = (list: string): ReadonlyArray<string> => list.split(",").map((each) => each.trim())

/** A parameter of the first hop in `Forwarded` (RFC 7239). */
const forwardedParameter = (forwarded: string, name: "proto" | "host"): string | undefined =>
  new RegExp(`(?:^|[;,\\s])${name}="?([^;,"\\s]+)`, "i").exec(forwarded)?.[1]

/** What proxies say without being asked whether they may: only for `trustProxy`. */
const toldByProxy = (request: PageRequest, name: "proto" | "host"): string | undefined =>
  forwardedParameter(header(request, "forwarded"), name) ||
  items(header(request, `x-forwarded-${name}`))[0] ||
  undefined

const withoutPort = (host: string): string => host.replace(/:\d+$/, "")

/**
 * `Host`, unless a framework that trusts its proxy says another name. Its `hostname` has lost the port, which the header still
 * has that it believed.
 */
const hostOf = (request: PageRequest): string => {
  const host = header(request, "host") || "localhost"
  const { hostname } = request
  if (hostname === undefined || hostname === host || hostname === withoutPort(host)) return host
  return items(header(request, "x-forwarded-host")).find((each) => withoutPort(each) === hostname) ?? hostname
}

const isEncrypted = ({ socket }: PageRequest): boolean => socket !== undefined && "encrypted" in socket

/** `https://cv.example`: as the options say, as a trusted proxy says, or as the request came. */
export const originOf = (request: PageRequest, { origin, trustProxy }: OriginOptions): string => {
  if (origin !== undefined) return origin
  const [proto, host] =
    trustProxy === true ? [toldByProxy(request, "proto"), toldByProxy(request, "host")] : []
  const protocol = proto ?? request.protocol ?? (isEncrypted(request) ? "https" : "http")
  return `${protocol}://${host ?? hostOf(request)}`
}

/** The visitor's address, as far as it can be told. */
export const addressOf = (request: PageRequest, { trustProxy }: OriginOptions): string => {
  const { ip, socket } = request
  const forwarded = trustProxy === true ? items(header(request, "x-forwarded-for")).at(-1) : undefined
  return forwarded || ip || (socket && "remoteAddress" in socket ? String(socket.remoteAddress) : "")
}

/**
 * Page views, tracked by the web server that answers them. For each request, in this order:
 *
 * 1. passed over: other methods than GET, paths of {@link DEFAULT_SKIPPED}, files, upgrades, prefetches, visitors who ask
 *    not to be tracked
 * 2. the visitor: the `maicivy_session` cookie, set when there is none
 * 3. the request goes on to its handler, at once
 * 4. when the answer has been sent, and was a page: a `page_view`, and a `cv_theme_change` for `?theme=`
 */
import type { Analytics } from "./client.ts"

/** A request, as far as it is read: Node's own, Express's, or what Fastify calls `request.raw`. */
export interface PageRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** Express: the path before routers have cut it. */
  readonly originalUrl?: string | undefined
  /** Express: `https` behind a trusted proxy too. */
  readonly protocol?: string | undefined
  readonly headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
  /** Of TLS when it has `encrypted`. */
  readonly socket?: object | undefined
}

/** An answer, likewise. */
export interface PageResponse {
  readonly statusCode: number
  readonly headersSent: boolean
  getHeader(name: string): unknown
  setHeader(name: string, value: string): unknown
  removeHeader(name: string): unknown
  appendHeader(name: string, value: string): unknown
  once(event: "finish", listener: () => void): unknown
}

/**
 * Paths that are no pages. A text is the beginning of a path, as far as a slash or its end: `/api` is `/api` and `/api/x`,
 * but not `/apis`.
 */
export const DEFAULT_SKIPPED: ReadonlyArray<string | RegExp> = [
  "/api",
  "/ws",
  "/socket.io",
  "/_next",
  "/static",
  "/assets",
  "/.well-known",
  "/health",
  "/metrics",
  // Files, those of pages excepted.
  /\.(?!html?$)[a-z0-9]{1,8}$/i,
]

export interface PageViewsOptions {
  /** Paths that are not tracked, in place of {@link DEFAULT_SKIPPED}. */
  readonly skip?: ReadonlyArray<string | RegExp> | undefined
  /** The site's own origin, such as `https://cv.example`, for `page_url`. Else that of the request. */
  readonly origin?: string | undefined
  /** Domain of the cookie, such as `cv.example`, when the analytics server at `analytics.cv.example` should get it too. */
  readonly cookieDomain?: string | undefined
  /** `false` for a site without TLS: browsers take `Secure` cookies over plain HTTP from this machine only. */
  readonly cookieSecure?: boolean | undefined
  /** Visitors who send `DNT: 1` or `Sec-GPC: 1` get no cookie and are not tracked. Default true. */
  readonly respectDnt?: boolean | undefined
}

const COOKIE = "maicivy_session"
/** Seconds: 30 days. */
const COOKIE_MAX_AGE_S = 30 * 86_400
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const PROBE = "X-Maicivy-Analytics"

const visitors = new WeakMap<object, string>()

const header = (request: Pick<PageRequest, "headers">, name: string): string => {
  const value = request.headers[name]
  return typeof value === "string" ? value : (value?.[0] ?? "")
}

const cookieVisitor = (cookies: string): string | undefined => {
  for (const pair of cookies.split(";")) {
    const [name, value = ""] = pair.trim().split("=", 2)
    if (name === COOKIE && UUID.test(value)) return value.toLowerCase()
  }
  return undefined
}

/**
 * The visitor of a request, for events of your own: that of its cookie, or the one that {@link pageViews} has just given it.
 * `undefined` for a request that it passed over and that brings no cookie.
 */
export const visitorOf = (request: Pick<PageRequest, "headers">): string | undefined =>
  visitors.get(request) ?? cookieVisitor(header(request, "cookie"))

const matches = (path: string, pattern: string | RegExp): boolean => {
  if (typeof pattern !== "string") return pattern.test(path)
  const prefix = pattern.replace(/\/$/, "")
  return path === prefix || path.startsWith(`${prefix}/`)
}

/**
 * A request that cannot even be read as one is the handler's to refuse, and nobody's visit must fail because it could not
 * be counted.
 */
const harmlessly = (action: () => void): void => {
  try {
    action()
  } catch {}
}

/** A page as it may be shown: HTML, or the browser's own copy of it. */
const isPage = (response: PageResponse): boolean => {
  const { statusCode } = response
  if (statusCode === 304) return true
  const type = response.getHeader("content-type")
  return statusCode >= 200 && statusCode < 300 && typeof type === "string" && /^text\/html\b/i.test(type)
}

/**
 * A connect-style middleware: Express and connect take it as it is, Fastify as
 * `app.addHook("onRequest", (request, reply, done) => track(request.raw, reply.raw, done))`.
 *
 * It neither waits nor throws, and reads no body. A plain `http` server calls it without `next`.
 */
export const pageViews = (
  analytics: Pick<Analytics, "track">,
  options: PageViewsOptions = {},
): ((request: PageRequest, response: PageResponse, next?: () => void) => void) => {
  const skipped = options.skip ?? DEFAULT_SKIPPED
  const attributes = [
    "Path=/",
    `Max-Age=${COOKIE_MAX_AGE_S}`,
    ...(options.cookieDomain === undefined ? [] : [`Domain=${options.cookieDomain}`]),
    "HttpOnly",
    ...(options.cookieSecure === false ? [] : ["Secure"]),
    "SameSite=Lax",
  ].join("; ")

  const mayBePage = (request: PageRequest, path: string): boolean =>
    request.method === "GET" &&
    header(request, "upgrade") === "" &&
    !/prefetch|prerender/.test(header(request, "sec-purpose") + header(request, "purpose")) &&
    (options.respectDnt === false ||
      (header(request, "dnt") !== "1" && header(request, "sec-gpc") !== "1")) &&
    !skipped.some((pattern) => matches(path, pattern))

  const visitorFor = (request: PageRequest, response: PageResponse): string => {
    const known = cookieVisitor(header(request, "cookie"))
    if (known !== undefined) return known
    const visitor = crypto.randomUUID()
    if (!response.headersSent) response.appendHeader("Set-Cookie", `${COOKIE}=${visitor}; ${attributes}`)
    return visitor
  }

  const originOf = (request: PageRequest): string => {
    if (options.origin !== undefined) return options.origin
    const protocol = request.protocol ?? (request.socket && "encrypted" in request.socket ? "https" : "http")
    return `${protocol}://${header(request, "host") || "localhost"}`
  }

  const observe = (request: PageRequest, response: PageResponse): void => {
    const url = new URL(request.originalUrl ?? request.url ?? "/", originOf(request))
    if (!mayBePage(request, url.pathname)) return
    const visitorId = visitorFor(request, response)
    visitors.set(request, visitorId)
    // Node forgets what is given to writeHead() alone, unless some header was set before; `isPage` reads the type.
    if (!response.headersSent) {
      response.setHeader(PROBE, "")
      response.removeHeader(PROBE)
    }
    const referrer = header(request, "referer") || undefined
    const at = new Date()
    const sent = () => {
      if (!isPage(response)) return
      const fields = { visitorId, pageUrl: url.href, referrer, at }
      analytics.track("page_view", undefined, fields)
      const theme = url.searchParams.get("theme")
      if (theme) analytics.track("cv_theme_change", { theme }, fields)
    }
    response.once("finish", () => harmlessly(sent))
  }

  return (request, response, next) => {
    harmlessly(() => observe(request, response))
    next?.()
  }
}

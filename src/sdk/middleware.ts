/**
 * Page views, tracked by the web server that serves the pages. For each request, in this order:
 *
 * 1. skipped: methods other than GET, paths in {@link DEFAULT_SKIPPED}, files, upgrades, prefetches, visitors who ask
 *    not to be tracked
 * 2. the visitor: the `maicivy_session` cookie, which is set if missing, or a hash for a day (`cookie: false`)
 * 3. the request is passed on to its handler immediately
 * 4. once the response has been sent, if it was a page: a `page_view`, and a `cv_theme_change` for `?theme=`
 */
import type { Analytics } from "./client.ts"
import { DayVisitors } from "./dayVisitors.ts"
import { addressOf, header, type OriginOptions, originOf, type PageRequest } from "./pageRequest.ts"
import { UUID } from "./uuid.ts"

/** The part of a response that is used. */
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
 * Paths that are not pages. A string matches the start of a path, up to a slash or the end: `/api` matches `/api` and
 * `/api/x`, but not `/apis`.
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
  // Files, except for pages.
  /\.(?!html?$)[a-z0-9]{1,8}$/i,
]

export interface PageViewsOptions extends OriginOptions {
  /** Paths that are not tracked; replaces {@link DEFAULT_SKIPPED}. */
  readonly skip?: ReadonlyArray<string | RegExp> | undefined
  /**
   * `false` sets no cookie. A visitor who brings none is then told by a hash of address and browser, with a key that this
   * process makes anew every day. Default true: a cookie for 30 days.
   */
  readonly cookie?: boolean | undefined
  /** Domain of the cookie, such as `cv.example` if the analytics server at `analytics.cv.example` should get it, too. */
  readonly cookieDomain?: string | undefined
  /** `false` for a site without TLS: over plain HTTP, browsers only accept `Secure` cookies from localhost. */
  readonly cookieSecure?: boolean | undefined
  /** Visitors who send `DNT: 1` or `Sec-GPC: 1` are not tracked and get no cookie. Default true. */
  readonly respectDnt?: boolean | undefined
}

const COOKIE = "maicivy_session"
/** Seconds: 30 days. */
const COOKIE_MAX_AGE_S = 30 * 86_400

const PROBE = "X-Maicivy-Analytics"

const visitors = new WeakMap<object, string>()

const cookieVisitor = (cookies: string): string | undefined => {
  for (const pair of cookies.split(";")) {
    const [name, value = ""] = pair.trim().split("=", 2)
    if (name === COOKIE && UUID.test(value)) return value.toLowerCase()
  }
  return undefined
}

/**
 * The visitor of a request, for your own events: from its cookie, or as just told by {@link pageViews}. `undefined`
 * for a request without a cookie that was skipped.
 */
export const visitorOf = (request: Pick<PageRequest, "headers">): string | undefined =>
  visitors.get(request) ?? cookieVisitor(header(request, "cookie"))

const matches = (path: string, pattern: string | RegExp): boolean => {
  if (typeof pattern !== "string") return pattern.test(path)
  const prefix = pattern.replace(/\/$/, "")
  return path === prefix || path.startsWith(`${prefix}/`)
}

/**
 * A request that cannot even be parsed is for the handler to refuse, and no visit may fail because it could not be
 * counted.
 */
const harmlessly = (action: () => void): void => {
  try {
    action()
  } catch {}
}

/** Whether a response is a page: HTML, or a 304 for the browser's own copy. */
const isPage = (response: PageResponse): boolean => {
  const { statusCode } = response
  if (statusCode === 304) return true
  const type = response.getHeader("content-type")
  return statusCode >= 200 && statusCode < 300 && typeof type === "string" && /^text\/html\b/i.test(type)
}

/**
 * A connect-style middleware: Express and connect use it directly, Fastify through
 * `app.addHook("onRequest", (request, reply, done) => track(request, reply.raw, done))`.
 *
 * It never waits, throws or reads a body. A plain `http` server calls it without `next`.
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

  const dayVisitors = new DayVisitors()

  const visitorFor = (request: PageRequest, response: PageResponse): string => {
    const known = cookieVisitor(header(request, "cookie"))
    if (known !== undefined) return known
    if (options.cookie === false)
      return dayVisitors.idOf(addressOf(request, options), header(request, "user-agent"), Date.now())
    const visitor = crypto.randomUUID()
    if (!response.headersSent) response.appendHeader("Set-Cookie", `${COOKIE}=${visitor}; ${attributes}`)
    return visitor
  }

  const observe = (request: PageRequest, response: PageResponse): void => {
    const url = new URL(request.originalUrl ?? request.url ?? "/", originOf(request, options))
    if (!mayBePage(request, url.pathname)) return
    const visitorId = visitorFor(request, response)
    visitors.set(request, visitorId)
    // Node does not keep headers passed to writeHead() unless one was set before, and `isPage` needs the type.
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

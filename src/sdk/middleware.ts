/**
 * Page views, tracked by the web server that serves the pages. For each request, in this order:
 *
 * 1. skipped: what is no browser's visit of a page (`page.ts`), paths in `DEFAULT_SKIPPED`, visitors who ask not to be tracked
 * 2. the visitor: the `maicivy_session` cookie, which is set if missing, or a hash for a day (`cookie: false`)
 * 3. the request is passed on to its handler immediately
 * 4. once the response has been sent, if it was a page: a `page_view`, and a `cv_theme_change` for `?theme=`
 */
import type { Analytics } from "./client.ts"
import { addressBeside, askedByFetch } from "./fetchRequest.ts"
import type { Asked } from "./page.ts"
import { type Begun, PageCounter, type PageViewsOptions } from "./pageCounter.ts"
import { askedByNode, header, type PageRequest } from "./pageRequest.ts"
import { type HeldResponse, holdHeaders } from "./responseHeaders.ts"
import { cookieVisitor, setsVisitor } from "./visitorCookie.ts"

/** The part of a response that is used. */
export interface PageResponse extends HeldResponse {
  readonly statusCode: number
  once(event: "finish", listener: () => void): unknown
}

/** The part of Koa's context that is used. */
export interface KoaContext {
  readonly request: PageRequest
  readonly req: object
  readonly res: PageResponse
}

/** The part of Hono's context that is used. */
export interface HonoContext {
  readonly req: { readonly raw: Request }
  readonly res: Response
  /** What the platform tells beside the request. */
  readonly env?: unknown
  header(name: string, value: string, options: { readonly append: true }): unknown
}

/** What {@link pageViews} makes: a middleware as Express, connect, Fastify's hooks and plain Node have it, or Koa or Hono. */
export interface PageViews {
  (request: PageRequest, response: PageResponse, next?: () => void): void
  (context: KoaContext | HonoContext, next: () => Promise<unknown>): Promise<void>
}

/** The answer of a fetch handler, and what its platform tells and offers. */
export interface FetchSurroundings {
  /** The client's address: it tells visitors without a cookie apart. */
  readonly address?: string | undefined
  /** Keeps the process until the events are sent, where it is frozen after the answer: `context.waitUntil`. */
  readonly waitUntil?: ((sending: Promise<unknown>) => void) | undefined
}

const visitors = new WeakMap<object, string>()

const isFetched = (request: object): request is Request =>
  "headers" in request && typeof Headers !== "undefined" && request.headers instanceof Headers

/**
 * The visitor of a request, for your own events and for the tracker's tag: from its cookie, or as told by
 * {@link pageViews}. `undefined` for someone without a cookie who got no page before, unless none is set (`cookie: false`).
 */
export const visitorOf = (request: Pick<PageRequest, "headers"> | Request): string | undefined =>
  visitors.get(request) ??
  cookieVisitor(isFetched(request) ? (request.headers.get("cookie") ?? "") : header(request, "cookie"))

/**
 * A request that cannot even be parsed is for the handler to refuse, and no visit may fail because it could not be
 * counted.
 */
const harmlessly = <A>(action: () => A): A | null => {
  try {
    return action()
  } catch {
    return null
  }
}

/** Responses by the client that counts them: a middleware that is mounted twice counts once. */
const counted = new WeakMap<object, WeakSet<object>>()

const isFirst = (analytics: object, request: object): boolean => {
  const seen = counted.get(analytics) ?? new WeakSet()
  counted.set(analytics, seen)
  if (seen.has(request)) return false
  seen.add(request)
  return true
}

/** Begins a page, if it may be one, and keeps whose request it is under the objects that stand for it. */
const begin = (
  pages: PageCounter,
  asked: Asked,
  requests: ReadonlyArray<object | undefined>,
): Begun | null => {
  const begun = pages.begin(asked)
  const visitor = begun === null ? pages.withoutCookie(asked) : begun.visitorId
  if (visitor !== undefined)
    for (const request of requests) if (request !== undefined) visitors.set(request, visitor)
  return begun
}

/** `Set-Cookie` as it is, and the visitor's. */
const withCookie = (present: unknown, setCookie: string): ReadonlyArray<string> => {
  const own = Array.isArray(present) ? present.map(String) : present === undefined ? [] : [String(present)]
  return own.some(setsVisitor) ? own : [...own, setCookie]
}

/**
 * Counts the pages of a server. One middleware for Express, connect and Koa (`app.use(pageViews(analytics))`), Hono (the same),
 * Fastify (`app.addHook("onRequest", (request, reply, done) => track(request, reply.raw, done))`) and a plain `http` server, which
 * calls it without `next`.
 *
 * It never waits, throws or reads a body.
 */
export const pageViews = (analytics: Pick<Analytics, "track">, options: PageViewsOptions = {}): PageViews => {
  const pages = new PageCounter(analytics, options)

  const observe = (request: PageRequest, response: PageResponse, node: object | undefined): void => {
    if (!isFirst(analytics, response)) return
    const begun = begin(pages, askedByNode(request, options), [request, node])
    if (begun === null) return
    const { setCookie } = begun
    // Handlers replace what is set before them, so the cookie is set again when the headers are written.
    const addCookie = () => {
      if (setCookie !== null)
        response.setHeader("Set-Cookie", withCookie(response.getHeader("set-cookie"), setCookie))
    }
    if (!response.headersSent) {
      addCookie()
      holdHeaders(response, addCookie)
    }
    response.once("finish", () =>
      harmlessly(() => pages.end(begun, response.statusCode, response.getHeader("content-type"))),
    )
  }

  const koa = ({ request, req, res }: KoaContext) => harmlessly(() => observe(request, res, req))

  const hono = async (context: HonoContext, next: () => Promise<unknown>) => {
    const { raw } = context.req
    const begun = beginFetched(pages, analytics, raw, () => addressBeside(context.env, raw), options)
    await next()
    if (begun === null) return
    harmlessly(() => {
      const { res } = context
      if (begun.setCookie !== null && !res.headers.getSetCookie().some(setsVisitor))
        context.header("Set-Cookie", begun.setCookie, { append: true })
      pages.end(begun, res.status, res.headers.get("content-type"))
    })
  }

  function middleware(request: PageRequest, response: PageResponse, next?: () => void): void
  function middleware(context: KoaContext | HonoContext, next: () => Promise<unknown>): Promise<void>
  function middleware(
    first: PageRequest | KoaContext | HonoContext,
    second: PageResponse | (() => Promise<unknown>),
    next?: () => void,
  ) {
    if (typeof second === "function") {
      if ("request" in first) {
        koa(first)
        return second()
      }
      return "req" in first ? hono(first, second) : second()
    }
    if ("headers" in first) harmlessly(() => observe(first, second, first.raw))
    return next?.()
  }
  return middleware
}

const beginFetched = (
  pages: PageCounter,
  analytics: object,
  request: Request,
  address: () => string,
  options: PageViewsOptions,
): Begun | null => {
  if (!isFirst(analytics, request)) return null
  return harmlessly(() => begin(pages, askedByFetch(request, address(), options), [request]))
}

/** An answer with one more cookie, unless it sets the visitor's itself; those of a `fetch` or a redirect cannot be changed. */
const answerWith = (response: Response, setCookie: string): Response => {
  if (response.headers.getSetCookie().some(setsVisitor)) return response
  const changed = new Response(response.body, response)
  changed.headers.append("Set-Cookie", setCookie)
  return changed
}

/** Next.js asks its middleware before it makes the page, whose type is therefore not known. */
const isPassedOn = (response: Response): boolean => response.headers.has("x-middleware-next")

/**
 * Counts the pages of a fetch handler, as Bun, Deno, workers, edge functions and the middleware of Next.js have it:
 * `(request) => track(request, () => handle(request))`. Whatever the handler throws is thrown.
 */
export const fetchPageViews = (
  analytics: Pick<Analytics, "track" | "flush">,
  options: PageViewsOptions = {},
) => {
  const pages = new PageCounter(analytics, options)
  return async (
    request: Request,
    respond: () => Response | Promise<Response>,
    { address = "", waitUntil }: FetchSurroundings = {},
  ): Promise<Response> => {
    const begun = beginFetched(pages, analytics, request, () => address, options)
    const response = await respond()
    if (begun === null) return response
    const type = isPassedOn(response) ? "text/html" : response.headers.get("content-type")
    harmlessly(() => {
      pages.end(begun, response.status, type)
      waitUntil?.(analytics.flush())
    })
    const { setCookie } = begun
    return setCookie === null ? response : (harmlessly(() => answerWith(response, setCookie)) ?? response)
  }
}

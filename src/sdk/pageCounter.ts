/**
 * Counts pages, whatever serves them: `begin` with the request, `end` with the answer. The adapters for kinds of servers are
 * in `middleware.ts` and `fetchMiddleware.ts`.
 */
import type { Analytics } from "./client.ts"
import { DayVisitors } from "./dayVisitors.ts"
import { type Asked, isDocument, isNavigation } from "./page.ts"
import type { OriginOptions } from "./pageRequest.ts"
import { randomUuid } from "./uuid.ts"
import { type CookieOptions, cookieVisitor, Newcomers, setCookieOf } from "./visitorCookie.ts"

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
]

export interface PageViewsOptions extends OriginOptions, CookieOptions {
  /** Paths that are not tracked; replaces {@link DEFAULT_SKIPPED}. */
  readonly skip?: ReadonlyArray<string | RegExp> | undefined
  /**
   * `false` sets no cookie. A visitor who brings none is then told by a hash of address and browser, with a key that this
   * process makes anew every day. Default true: a cookie for 30 days.
   */
  readonly cookie?: boolean | undefined
  /** Visitors who send `DNT: 1` or `Sec-GPC: 1` are not tracked and get no cookie. Default true. */
  readonly respectDnt?: boolean | undefined
}

/** A request that may turn out to be for a page. */
export interface Begun {
  readonly visitorId: string
  /** The `Set-Cookie` header that the answer should have. */
  readonly setCookie: string | null
  readonly url: URL
  readonly referrer: string
  readonly userAgent: string
  readonly at: Date
}

/** Headers in which proxies and platforms name the client. */
const PROXIES_SAY = ["x-forwarded-for", "forwarded", "cf-connecting-ip", "x-real-ip"]

/** Code units of a user agent that the server looks at. */
const MAX_USER_AGENT = 400

const matches = (path: string, pattern: string | RegExp): boolean => {
  // A pattern with the flag g remembers where it was.
  if (typeof pattern !== "string") return path.search(pattern) >= 0
  const prefix = pattern.replace(/\/$/, "")
  return path === prefix || path.startsWith(`${prefix}/`)
}

export class PageCounter {
  readonly #analytics: Pick<Analytics, "track">
  readonly #options: PageViewsOptions
  readonly #dayVisitors = new DayVisitors()
  readonly #newcomers = new Newcomers()

  constructor(analytics: Pick<Analytics, "track">, options: PageViewsOptions) {
    this.#analytics = analytics
    this.#options = options
  }

  /** `null` for what cannot be a page, or must not be counted. */
  begin(asked: Asked): Begun | null {
    const { method, url, header } = asked
    const { skip = DEFAULT_SKIPPED } = this.#options
    if (method !== "GET" || !isNavigation(header) || this.#objects(asked)) return null
    if (skip.some((pattern) => matches(url.pathname, pattern))) return null
    const userAgent = header("user-agent").slice(0, MAX_USER_AGENT)
    return { ...this.#visitor(asked), url, referrer: header("referer"), userAgent, at: new Date() }
  }

  /**
   * The visitor of a request that is for no page: where no cookie is set, whoever looks so; else who has been given one and does
   * not keep it. A frame of another site keeps none, so that its document is what makes them known.
   */
  withoutCookie(asked: Asked): string | undefined {
    const told = this.#options.cookie === false
    const framed = asked.method === "GET" && /^i?frame$/.test(asked.header("sec-fetch-dest"))
    if ((!told && !framed && this.#newcomers.waiting === 0) || this.#objects(asked)) return undefined
    const known = cookieVisitor(asked.header("cookie"))
    if (known !== undefined) return known
    const look = this.#look(asked)
    if (told) return look
    return framed ? this.#newcomers.idOf(look) : this.#newcomers.given(look)
  }

  #objects({ header }: Asked): boolean {
    return this.#options.respectDnt !== false && (header("dnt") === "1" || header("sec-gpc") === "1")
  }

  #visitor(asked: Asked): Pick<Begun, "visitorId" | "setCookie"> {
    const known = cookieVisitor(asked.header("cookie"))
    if (known !== undefined) {
      if (this.#newcomers.waiting > 0) this.#newcomers.cameBack(this.#look(asked), known)
      return { visitorId: known, setCookie: null }
    }
    const look = this.#look(asked)
    if (this.#options.cookie === false) return { visitorId: look, setCookie: null }
    const visitorId = this.#newcomers.idOf(look)
    return { visitorId, setCookie: setCookieOf(visitorId, this.#options) }
  }

  /**
   * Tells those without a cookie apart, for a day. What proxies say of the client comes in, trusted or not: a lie only makes
   * another look, as another user agent would. Of whom nothing tells the address, many have the same browser: no two of them are
   * taken for one where a cookie will tell.
   */
  #look({ header, address }: Asked): string {
    const named = PROXIES_SAY.map(header).find((value) => value !== "") ?? ""
    const [forwarded = ""] = named.split(/[,;]/)
    if (!address && !forwarded && this.#options.cookie !== false) return randomUuid()
    return this.#dayVisitors.idOf(`${address} ${forwarded.trim()}`, header("user-agent"), Date.now())
  }

  /** Tracks the page view, and a theme in its query, if the answer is a document. */
  end({ visitorId, url, referrer, userAgent, at }: Begun, status: number, contentType: unknown): void {
    if (!isDocument(status, contentType, url.pathname)) return
    const named = { referrer: referrer || undefined, userAgent: userAgent || undefined }
    const fields = { visitorId, pageUrl: url.href, ...named, at }
    this.#analytics.track("page_view", undefined, fields)
    const theme = url.searchParams.get("theme")
    if (theme) this.#analytics.track("cv_theme_change", { theme }, fields)
  }
}

/** The visitor's cookie: read, written, and given to newcomers. */
import { randomUuid, UUID } from "./uuid.ts"

const COOKIE = "maicivy_session"
/** Seconds: 30 days. */
const COOKIE_MAX_AGE_S = 30 * 86_400

/** How the cookie is written. */
export interface CookieOptions {
  /** Domain of the cookie, such as `cv.example` if the analytics server at `analytics.cv.example` should get it, too. */
  readonly cookieDomain?: string | undefined
  /** `false` for a site without TLS: over plain HTTP, browsers only accept `Secure` cookies from localhost. */
  readonly cookieSecure?: boolean | undefined
}

/** The visitor in a `Cookie` header. */
export const cookieVisitor = (cookies: string): string | undefined => {
  for (const pair of cookies.split(";")) {
    const [name, value = ""] = pair.trim().split("=", 2)
    if (name === COOKIE && UUID.test(value)) return value.toLowerCase()
  }
  return undefined
}

/** A `Set-Cookie` header for a visitor. */
export const setCookieOf = (visitor: string, { cookieDomain, cookieSecure }: CookieOptions): string =>
  [
    `${COOKIE}=${visitor}`,
    "Path=/",
    `Max-Age=${COOKIE_MAX_AGE_S}`,
    ...(cookieDomain === undefined ? [] : [`Domain=${cookieDomain}`]),
    "HttpOnly",
    ...(cookieSecure === false ? [] : ["Secure"]),
    "SameSite=Lax",
  ].join("; ")

/** Whether a `Set-Cookie` header sets the visitor's. */
export const setsVisitor = (setCookie: string): boolean => setCookie.startsWith(`${COOKIE}=`)

/** Newcomers that are remembered; the oldest are forgotten first. */
const MAX_NEWCOMERS = 10_000

/**
 * Who has been given a cookie and has not shown it yet. Until it has come back, whoever looks the same gets the same id: a
 * monitor or a crawler that keeps no cookies is one visitor, not one a request, and so are the first requests of a browser.
 * Once it has come back, the next one who looks the same is somebody else.
 */
export class Newcomers {
  readonly #given = new Map<string, string>()

  /** The id of someone without a cookie, told by what `look` is made of. */
  idOf(look: string): string {
    const given = this.#given.get(look)
    if (given !== undefined) return given
    const id = randomUuid()
    this.#given.set(look, id)
    const [oldest] = this.#given.keys()
    if (this.#given.size > MAX_NEWCOMERS && oldest !== undefined) this.#given.delete(oldest)
    return id
  }

  /** The id that someone who looks so has been given. */
  given(look: string): string | undefined {
    return this.#given.get(look)
  }

  get waiting(): number {
    return this.#given.size
  }

  /** The cookie of someone who looks so has come back. */
  cameBack(look: string, id: string): void {
    if (this.#given.get(look) === id) this.#given.delete(look)
  }
}

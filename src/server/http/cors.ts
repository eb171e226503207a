/** Which pages of other origins may read the answers (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol). */

const EXPOSED =
  "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Retry-After, Content-Disposition"
const ALLOWED_HEADERS = "Content-Type, Content-Encoding, X-Visitor-Id, X-Write-Key, Authorization"
/** Seconds; Chrome caches a preflight for at most two hours. */
const PREFLIGHT_MAX_AGE_S = 7200

/** The policy of `CORS_ORIGINS`. */
export class Cors {
  readonly #allowed: ReadonlySet<string> | "*"
  /** Most requests of a site come from its one origin. */
  #lastOrigin = ""
  #lastLines = ""

  constructor(origins: ReadonlyArray<string> | "*") {
    this.#allowed = origins === "*" ? origins : new Set(origins)
  }

  allows(origin: string): boolean {
    return this.#allowed === "*" || this.#allowed.has(origin)
  }

  /**
   * Header lines for an answer to `origin` (empty if the request has no such header), which depends on it. The site's front
   * end fetches with credentials, which forbids `*`, so the origin is mirrored.
   */
  lines(origin: string): string {
    if (origin === "") return ""
    if (origin === this.#lastOrigin) return this.#lastLines
    const lines = this.allows(origin)
      ? `Access-Control-Allow-Origin: ${origin}\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: ${EXPOSED}\r\n`
      : ""
    this.#lastOrigin = origin
    this.#lastLines = lines
    return lines
  }

  /** Further lines of the answer to a preflight, if the origin is allowed. */
  preflightLines(origin: string, methods: string): string {
    return origin !== "" && this.allows(origin)
      ? `Access-Control-Allow-Methods: ${methods}\r\nAccess-Control-Allow-Headers: ${ALLOWED_HEADERS}\r\nAccess-Control-Max-Age: ${PREFLIGHT_MAX_AGE_S}\r\n`
      : ""
  }
}

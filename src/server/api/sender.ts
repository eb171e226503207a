/** Who sends events, according to the request's headers and query. */

import type { EventContext } from "../../domain/event.ts"
import type { PageQuery } from "../../domain/pageQuery.ts"
import type { TellingSender } from "../../enrichment/enricher.ts"
import type { SiteDirectory } from "../../sites/index.ts"
import { type BodyFormat, bodyFormat } from "../http/body.ts"
import { socketAddress, type TrustedProxies } from "../http/clientAddress.ts"
import type { Cors } from "../http/cors.ts"
import type { Exchange } from "../http/exchange.ts"
import type { RequestHeaders } from "../http/headers.ts"
import { isOwnOrigin } from "../http/ownOrigin.ts"
import { Problem } from "../http/problem.ts"
import { Parameters } from "../http/query.ts"
import { bearerToken, type Secrets } from "../http/secrets.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { VisitorHints } from "./visitorOf.ts"

const WRONG_KEY = Problem.of("INVALID_WRITE_KEY", "WWW-Authenticate: Bearer\r\n")

/** The sender of a request. Read at once, because the request is gone by the time its body arrives. */
export interface Sender extends VisitorHints, TellingSender {
  readonly context: EventContext
  readonly format: BodyFormat
  /** The sender asked not to be tracked, and that is respected. */
  readonly untracked: boolean
  /** A write key lifts the rate limit. */
  readonly unlimited: boolean
  /** It is a page that may not read the answer: `CORS_ORIGINS` lacks its origin. */
  readonly foreign: boolean
  readonly headers: RequestHeaders
}

export interface SenderOptions {
  readonly cors: Cors
  readonly proxies: TrustedProxies
  readonly writeKeys: Secrets
  readonly sites: Pick<SiteDirectory, "current">
  readonly respectDnt: boolean
  readonly pageQuery: PageQuery
  /** Unix milliseconds. */
  readonly now: () => number
}

/** The sender of a request, or why the request is refused. Only a batch may be NDJSON, and a query has no body. */
export const senderOf = (
  { res, headers }: Exchange,
  req: IncomingRequest,
  sent: "event" | "batch" | "query",
  { cors, sites, writeKeys, proxies, respectDnt, pageQuery, now }: SenderOptions,
): Sender | Problem => {
  const format = sent === "query" ? "json" : bodyFormat(headers, sent === "batch")
  if (format instanceof Problem) return format
  const unlimited = writeKeys.any ? holdsKey(headers, writeKeys) : false
  if (unlimited === null) return WRONG_KEY
  const query = req.getQuery()
  const { taking, archived, default: byDefault } = sites.current
  let site = byDefault
  if (query) {
    const parameters = new Parameters(query)
    site = parameters.site({ declared: taking, default: byDefault, archived })
    if (parameters.problem !== null) return parameters.problem
  }
  const { referer, origin } = headers
  const proxied = () => proxies.trusts(socketAddress(res.getRemoteAddress()))
  let address: string | null = null
  return {
    context: {
      now: now(),
      sites: taking,
      archived,
      site,
      referer: referer === "" || referer.includes("\u0000") ? null : referer,
      pageQuery,
    },
    format,
    untracked: respectDnt && (headers.dnt === "1" || headers.gpc === "1"),
    unlimited,
    foreign: origin !== "" && !cors.allows(origin) && !isOwnOrigin(origin, headers, proxied()),
    header: headers.visitorId,
    cookie: headers.cookie,
    userAgent: headers.userAgent,
    headers,
    proxied,
    address: () => {
      address ??= proxies.clientOf(res, headers)
      return address
    },
  }
}

/** Whether the request carries a write key; `null` if it carries a wrong one. */
const holdsKey = ({ writeKey, authorization }: RequestHeaders, writeKeys: Secrets): boolean | null => {
  if (writeKey === "" && authorization === "") return false
  const given = writeKey === "" ? bearerToken(authorization) : writeKey
  if (given === null) return false
  return writeKeys.accepts(given) ? true : null
}

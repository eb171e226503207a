/** From method and path to a handler, and the checks that every request passes before. */

import { type Asking, type Gatekeeper, METHODS, type Method, type Need, type Row } from "./access.ts"
import type { Cors } from "./cors.ts"
import { Exchange, type Traffic } from "./exchange.ts"
import { framingProblem, readHeaders } from "./headers.ts"
import { Problem, SHUTTING_DOWN } from "./problem.ts"
import type { IncomingRequest, OutgoingResponse } from "./wire.ts"

/** `req` is valid only during the call. */
export type Handler = (exchange: Exchange, req: IncomingRequest, path: string) => void

export interface Route {
  /** A label of the request metric. */
  readonly name: string
  /** Whether pages of other origins may read the answers. */
  readonly cors: boolean
  /** What each method needs, from the table of access. */
  readonly needs: Row
  readonly handlers: { readonly [method in Method]?: Handler }
  /** Hears of a page that was told, before it sent anything, that it may not. */
  readonly kept?: (exchange: Exchange, req: IncomingRequest) => void
}

/** Routes by exact path, and by prefix if the path ends in an id. */
export interface Routes {
  readonly exact: ReadonlyMap<string, Route>
  readonly prefixes: ReadonlyArray<readonly [prefix: string, route: Route]>
}

/** What a request says of itself. */
export const askingOf = ({ res, headers, method }: Exchange, req: IncomingRequest): Asking => ({
  ...{ res, headers, method },
  header: (name) => req.getHeader(name),
})

const isHandled = (method: string): method is Method => METHODS.some((each) => each === method)

const isPreflight = (req: IncomingRequest): boolean => req.getHeader("access-control-request-method") !== ""

/** What a page may try at a path where nothing is, to find out. */
const ANY_METHOD = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"

const NOT_FOUND = Problem.of("NOT_FOUND")

export class Router {
  readonly #routes: Routes
  readonly #traffic: Traffic
  readonly #cors: Cors
  readonly #basePath: string
  readonly #gate: Gatekeeper

  /** @param basePath what requests' paths may begin with; empty for nothing */
  constructor(routes: Routes, traffic: Traffic, cors: Cors, basePath: string, gate: Gatekeeper) {
    this.#routes = routes
    this.#gate = gate
    this.#basePath = basePath
    this.#traffic = traffic
    this.#cors = cors
  }

  #find(path: string): Route | undefined {
    const exact = this.#routes.exact.get(path)
    if (exact !== undefined) return exact
    return this.#routes.prefixes.find(([prefix]) => path.startsWith(prefix))?.[1]
  }

  /** The path as the routes have it. One that is a route as it is was not passed on with the base. */
  #withoutBase(path: string): string {
    const base = this.#basePath
    const below = base !== "" && path.startsWith(`${base}/`) && this.#find(path) === undefined
    return below ? path.slice(base.length) : path
  }

  /** Answers any request. */
  readonly dispatch = (res: OutgoingResponse, req: IncomingRequest): void => {
    const path = this.#withoutBase(req.getUrl())
    this.handle(res, req, this.#find(path), path)
  }

  /** Answers a request whose route is known. */
  handle(res: OutgoingResponse, req: IncomingRequest, route: Route | undefined, path: string) {
    // The method as it was sent: methods are case-sensitive (RFC 9110 §9.1).
    const method = req.getCaseSensitiveMethod()
    const headers = readHeaders(req)
    // So that a page with a wrong address is told that there is nothing, and not that it may not know.
    const cors = route === undefined || route.cors
    const exchange = new Exchange(
      this.#traffic,
      res,
      route?.name ?? "other",
      method,
      headers,
      cors ? this.#cors.lines(headers.origin) : "",
      cors,
    )
    try {
      if (this.#traffic.closing) return exchange.refuse(SHUTTING_DOWN)
      const framing = framingProblem(headers)
      if (framing !== null) return exchange.refuse(framing, { close: true })
      if (route !== undefined) this.#invoke(exchange, req, route, method, path)
      else if (method === "OPTIONS" && isPreflight(req)) this.#preflight(exchange, ANY_METHOD)
      else exchange.refuse(NOT_FOUND)
    } catch (cause) {
      // A fault in a handler must neither leave the client waiting nor end the process.
      exchange.fail(cause)
    }
    exchange.body.overlook()
  }

  #invoke(exchange: Exchange, req: IncomingRequest, route: Route, method: string, path: string) {
    const asked = method === "HEAD" ? "GET" : method
    if (isHandled(asked)) {
      const handler = route.handlers[asked]
      if (handler !== undefined)
        return this.#admit(exchange, req, route.needs[asked] ?? "admin", handler, path)
    }
    const methods = Object.keys(route.handlers).flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each]))
    const allow = [...methods, "OPTIONS"].join(", ")
    if (method !== "OPTIONS")
      return exchange.refuse(
        new Problem("METHOD_NOT_ALLOWED", `This path answers ${allow}.`, `Allow: ${allow}\r\n`),
      )
    if (route.cors && isPreflight(req)) {
      if (!this.#cors.allows(exchange.headers.origin)) route.kept?.(exchange, req)
      this.#preflight(exchange, allow)
    } else exchange.empty("204 No Content", `Allow: ${allow}\r\n`)
  }

  #admit(exchange: Exchange, req: IncomingRequest, need: Need, handler: Handler, path: string) {
    // Events come this way: what is open to all costs them nothing.
    if (need !== "open") {
      const access = this.#gate.admit(askingOf(exchange, req), need)
      if (access instanceof Problem) return exchange.refuse(access)
      exchange.access = access
    }
    handler(exchange, req, path)
  }

  #preflight(exchange: Exchange, allow: string) {
    const lines = this.#cors.preflightLines(exchange.headers.origin, allow)
    exchange.empty("204 No Content", `Allow: ${allow}\r\n${lines}`)
  }
}

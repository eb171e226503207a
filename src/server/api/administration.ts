/** What only the bearer of `ADMIN_TOKEN` may do: export or erase what is known about a visitor. */

import type { HttpRequest } from "uWebSockets.js"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { UUID } from "../../domain/limits.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem, STORE_UNAVAILABLE } from "../http/problem.ts"
import { bearerToken, Secrets } from "../http/secrets.ts"
import type { Runner } from "../services/readCache.ts"
import type { Privacy } from "../services/services.ts"
import type { Exports } from "./exports.ts"

const UNAUTHORIZED = Problem.of("UNAUTHORIZED", 'WWW-Authenticate: Bearer realm="administration"\r\n')
const NOT_UUID = new Problem("INVALID_VISITOR_ID", "The visitor id in the path must be a UUID.")

export class Administration {
  readonly #token: Secrets
  readonly #privacy: Privacy
  readonly #exports: Exports
  readonly #run: Runner

  constructor(token: string, privacy: Privacy, exports: Exports, run: Runner) {
    this.#token = new Secrets([token])
    this.#privacy = privacy
    this.#exports = exports
    this.#run = run
  }

  /** The visitor named by the path, if the request carries the token; else why it is refused. */
  #visitor(req: HttpRequest, id: string): string | Problem {
    const given = bearerToken(req.getHeader("authorization"))
    if (given === null || !this.#token.accepts(given)) return UNAUTHORIZED
    return UUID.test(id) ? id.toLowerCase() : NOT_UUID
  }

  exportVisitor(exchange: Exchange, req: HttpRequest, id: string) {
    const visitor = this.#visitor(req, id)
    if (visitor instanceof Problem) return exchange.refuse(visitor)
    this.#exports.visitor(visitor, exchange)
  }

  eraseVisitor(exchange: Exchange, req: HttpRequest, id: string) {
    const visitor = this.#visitor(req, id)
    if (visitor instanceof Problem) return exchange.refuse(visitor)
    const erased = Effect.catchTag(this.#privacy.erase(visitor), "ErasureMustWait", () =>
      Effect.fail(STORE_UNAVAILABLE),
    )
    this.#run(erased).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.fail(Cause.squash(exit.cause))
      else exchange.json({ success: true, data: { deleted: exit.value.deleted } })
    })
  }
}

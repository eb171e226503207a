/** What only the bearer of `ADMIN_TOKEN` may do: export or erase what is known about a visitor. */

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { UUID } from "../../domain/limits.ts"
import { limitKey, type TrustedProxies } from "../http/clientAddress.ts"
import type { Exchange } from "../http/exchange.ts"
import { Guesses } from "../http/guesses.ts"
import { Problem, STORE_UNAVAILABLE } from "../http/problem.ts"
import { bearerToken, Secrets } from "../http/secrets.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Runner } from "../services/readCache.ts"
import type { Privacy } from "../services/services.ts"
import type { Exports } from "./exports.ts"

const UNAUTHORIZED = Problem.of("UNAUTHORIZED", 'WWW-Authenticate: Bearer realm="administration"\r\n')
const NOT_UUID = new Problem("INVALID_VISITOR_ID", "The visitor id in the path must be a UUID.")

/** Whose guesses they are is nobody's business: an address is in no log. */
const logGuesses = (guesses: number) =>
  Effect.logWarning("administration: wrong tokens").pipe(Effect.annotateLogs({ guesses }))

export interface AdministrationOptions {
  readonly token: string
  readonly privacy: Privacy
  readonly exports: Exports
  readonly proxies: TrustedProxies
  readonly run: Runner
  /** Unix milliseconds. */
  readonly now: () => number
}

export class Administration {
  readonly #token: Secrets
  readonly #guesses: Guesses
  readonly #privacy: Privacy
  readonly #exports: Exports
  readonly #proxies: TrustedProxies
  readonly #run: Runner

  constructor({ token, privacy, exports, proxies, run, now }: AdministrationOptions) {
    this.#token = new Secrets([token])
    this.#guesses = new Guesses({ onGuesses: (guesses) => run(logGuesses(guesses)), now })
    this.#privacy = privacy
    this.#exports = exports
    this.#proxies = proxies
    this.#run = run
  }

  /** The visitor named by the path, if the request carries the token; else why it is refused. */
  #visitor({ res, headers }: Exchange, req: IncomingRequest, id: string): string | Problem {
    const given = bearerToken(req.getHeader("authorization"))
    if (given === null) return UNAUTHORIZED
    const address = limitKey(this.#proxies.clientOf(res, headers))
    // Whatever the token is: an answer that tells would be a guess more.
    const wait = this.#guesses.waitOf(address)
    if (wait > 0) return Problem.of("TOO_MANY_GUESSES", `Retry-After: ${wait}\r\n`)
    if (!this.#token.accepts(given)) {
      this.#guesses.wrong(address)
      return UNAUTHORIZED
    }
    return UUID.test(id) ? id.toLowerCase() : NOT_UUID
  }

  exportVisitor(exchange: Exchange, req: IncomingRequest, id: string) {
    const visitor = this.#visitor(exchange, req, id)
    if (visitor instanceof Problem) return exchange.refuse(visitor)
    this.#run(Effect.logInfo("administration: a visitor's events are exported"))
    this.#exports.visitor(visitor, exchange)
  }

  eraseVisitor(exchange: Exchange, req: IncomingRequest, id: string) {
    const visitor = this.#visitor(exchange, req, id)
    if (visitor instanceof Problem) return exchange.refuse(visitor)
    const erased = Effect.catchTag(this.#privacy.erase(visitor), "ErasureMustWait", () =>
      Effect.fail(STORE_UNAVAILABLE),
    ).pipe(
      // Not who it was: what was erased must not live on in the log.
      Effect.tap(({ deleted }) =>
        Effect.logInfo("administration: a visitor was erased").pipe(Effect.annotateLogs({ events: deleted })),
      ),
    )
    this.#run(erased).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json({ success: true, data: { deleted: exit.value.deleted } })
    })
  }
}

/** What only administrators may do: export or erase what is known about a visitor. */

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { UUID } from "../../domain/limits.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem, STORE_UNAVAILABLE } from "../http/problem.ts"
import type { Runner } from "../services/readCache.ts"
import type { Privacy } from "../services/services.ts"
import type { Exports } from "./exports.ts"

const NOT_UUID = new Problem("INVALID_VISITOR_ID", "The visitor id in the path must be a UUID.")

export interface AdministrationOptions {
  readonly privacy: Privacy
  readonly exports: Exports
  readonly run: Runner
}

export class Administration {
  readonly #privacy: Privacy
  readonly #exports: Exports
  readonly #run: Runner

  constructor({ privacy, exports, run }: AdministrationOptions) {
    this.#privacy = privacy
    this.#exports = exports
    this.#run = run
  }

  exportVisitor(exchange: Exchange, id: string) {
    if (!UUID.test(id)) return exchange.refuse(NOT_UUID)
    const visitor = id.toLowerCase()
    this.#run(Effect.logInfo("administration: a visitor's events are exported"))
    this.#exports.visitor(visitor, exchange)
  }

  eraseVisitor(exchange: Exchange, id: string) {
    if (!UUID.test(id)) return exchange.refuse(NOT_UUID)
    const visitor = id.toLowerCase()
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

/** What only administrators may do: export or erase what is known about a visitor. */

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { UUID } from "../../domain/limits.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem, STORE_UNAVAILABLE } from "../http/problem.ts"
import type { Runner } from "../services/readCache.ts"
import type { Privacy, Services } from "../services/services.ts"
import type { Exports } from "./exports.ts"

const NOT_UUID = new Problem("INVALID_VISITOR_ID", "The visitor id in the path must be a UUID.")

export interface AdministrationOptions {
  readonly privacy: Privacy
  readonly exports: Exports
  readonly accounts: Pick<Services["accounts"], "note">
  readonly run: Runner
}

export class Administration {
  readonly #privacy: Privacy
  readonly #exports: Exports
  readonly #accounts: AdministrationOptions["accounts"]
  readonly #run: Runner

  constructor({ privacy, exports, accounts, run }: AdministrationOptions) {
    this.#privacy = privacy
    this.#exports = exports
    this.#accounts = accounts
    this.#run = run
  }

  /** Notes who did something to whose data. Not who it was: what was erased must not live on in a log. */
  #note({ access }: Exchange, action: string) {
    return this.#accounts.note(access.grant.name ?? "nobody", action, "a visitor")
  }

  exportVisitor(exchange: Exchange, id: string) {
    if (!UUID.test(id)) return exchange.refuse(NOT_UUID)
    // Nothing is handed out that nobody would know of.
    const noted = Effect.tap(this.#note(exchange, "exported"), () =>
      Effect.logInfo("administration: a visitor's events are exported"),
    )
    this.#run(noted).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else this.#exports.visitor(id.toLowerCase(), exchange)
    })
  }

  eraseVisitor(exchange: Exchange, id: string) {
    if (!UUID.test(id)) return exchange.refuse(NOT_UUID)
    const visitor = id.toLowerCase()
    const erased = Effect.catchTag(this.#privacy.erase(visitor), "ErasureMustWait", () =>
      Effect.fail(STORE_UNAVAILABLE),
    ).pipe(
      Effect.tap(({ deleted }) =>
        Effect.logInfo("administration: a visitor was erased").pipe(Effect.annotateLogs({ events: deleted })),
      ),
      // Erasing again is right, too, where the note fails.
      Effect.tap(() => this.#note(exchange, "erased")),
    )
    this.#run(erased).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json({ success: true, data: { deleted: exit.value.deleted } })
    })
  }
}

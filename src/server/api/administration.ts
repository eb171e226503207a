/** What only administrators may do: export or erase what is known about a visitor. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { KeptOfVisitor } from "../../domain/answers.ts"
import { UUID } from "../../domain/limits.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem, STORE_UNAVAILABLE } from "../http/problem.ts"
import { Parameters } from "../http/query.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Runner } from "../services/readCache.ts"
import type { EventQueries, Privacy, Services } from "../services/services.ts"
import type { Exports } from "./exports.ts"
import { SUMMARIES } from "./parameters.ts"

const NOT_UUID = new Problem("INVALID_VISITOR_ID", "The visitor id in the path must be a UUID.")

export interface AdministrationOptions {
  readonly privacy: Privacy
  readonly exports: Exports
  readonly queries: Pick<EventQueries, "keptOfVisitor">
  readonly accounts: Pick<Services["accounts"], "note">
  readonly run: Runner
}

export class Administration {
  readonly #options: AdministrationOptions

  constructor(options: AdministrationOptions) {
    this.#options = options
  }

  /** `GET /visitors/{id}`: all that is kept of a visitor, or how much of it there is. */
  ofVisitor(exchange: Exchange, req: IncomingRequest, id: string) {
    const parameters = new Parameters(req.getQuery() ?? "")
    const summary = parameters.oneOf("summary", SUMMARIES, SUMMARIES[0]) === "true"
    if (parameters.problem !== null) return exchange.refuse(parameters.problem)
    if (!UUID.test(id)) return exchange.refuse(NOT_UUID)
    const visitor = id.toLowerCase()
    if (summary) this.#tellKept(exchange, visitor)
    else this.#exportVisitor(exchange, visitor)
  }

  #tellKept(exchange: Exchange, visitor: string) {
    const { queries, run } = this.#options
    run(queries.keptOfVisitor(visitor)).addObserver((exit) => {
      if (Exit.isFailure(exit)) return exchange.failCause(exit.cause)
      const sites = exit.value
      const events = sites.reduce((sum, site) => sum + site.events, 0)
      const data: KeptOfVisitor = { visitor_id: visitor, events, sites }
      exchange.json({ success: true, data })
    })
  }

  #exportVisitor(exchange: Exchange, visitor: string) {
    const { accounts, exports, run } = this.#options
    // Nothing is handed out that nobody would know of.
    const noted = Effect.tap(accounts.note(whoOf(exchange), "exported", "a visitor"), () =>
      Effect.logInfo("administration: a visitor's events are exported"),
    )
    run(noted).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exports.visitor(visitor, exchange)
    })
  }

  eraseVisitor(exchange: Exchange, id: string) {
    if (!UUID.test(id)) return exchange.refuse(NOT_UUID)
    const { privacy, run } = this.#options
    const visitor = id.toLowerCase()
    const erased = Effect.catchTag(privacy.erase(whoOf(exchange), visitor), "ErasureMustWait", () =>
      Effect.fail(STORE_UNAVAILABLE),
    ).pipe(
      Effect.map((receipt) => ({ deleted: receipt.events + receipt.dead_letters, receipt })),
      Effect.tap(({ deleted }) =>
        Effect.logInfo("administration: a visitor was erased").pipe(Effect.annotateLogs({ events: deleted })),
      ),
    )
    run(erased).addObserver((exit) => {
      if (Exit.isFailure(exit)) return exchange.failCause(exit.cause)
      exchange.json({ success: true, data: exit.value })
    })
  }
}

/** Who asks, as the audit log has them. */
const whoOf = ({ access }: Exchange): string => access.grant.name ?? "nobody"

/** `GET /goals`, `POST /goals`, `PATCH /goals/{id}`, `DELETE /goals/{id}`: the named filters of a site. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MAX_ACCOUNT_BODY_BYTES } from "../../domain/limits.ts"
import { slugsOf } from "../../domain/siteChoice.ts"
import { GoalRefused } from "../../goals/goals.ts"
import {
  decodeGoal,
  encodeFilter,
  goalName,
  QueryProblem,
  type SiteGoal,
  sharedGoals,
} from "../../query/language/index.ts"
import { type Bodies, readJson } from "../http/body.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem } from "../http/problem.ts"
import { Parameters } from "../http/query.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Runner } from "../services/readCache.ts"
import type { GoalsService } from "../services/services.ts"
import { Fields, idOf } from "./fields.ts"

/** Characters of a goal's name, at most. */
export const MAX_GOAL_NAME = 100

const REFUSALS: { readonly [reason in GoalRefused["reason"]]: Problem } = {
  taken: new Problem("CONFLICT", "The site has a goal of this name."),
  missing: Problem.of("NOT_FOUND"),
  too_many: new Problem("CONFLICT", "There are as many as there may be: remove some first."),
}

type Answer = Effect.Effect<unknown, unknown>

export interface GoalsOptions {
  readonly goals: GoalsService
  readonly bodies: Bodies
  readonly run: Runner
}

const nameIn = (fields: Fields): string => goalName(fields.text("name", 1, MAX_GOAL_NAME))

const filtersIn = (fields: Fields): SiteGoal["filters"] | Problem => {
  const filters = decodeGoal(fields.value("filters"))
  return filters instanceof QueryProblem
    ? new Problem("INVALID_FIELD", filters.error)
    : filters.map(encodeFilter)
}

export class GoalsEndpoint {
  readonly #options: GoalsOptions

  constructor(options: GoalsOptions) {
    this.#options = options
  }

  #answer(exchange: Exchange, effect: Answer) {
    const refusable = Effect.mapError(effect, (error) =>
      error instanceof GoalRefused ? REFUSALS[error.reason] : error,
    )
    this.#options.run(refusable).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json({ success: true, data: exit.value ?? null })
    })
  }

  list(exchange: Exchange, req: IncomingRequest) {
    const parameters = new Parameters(req.getQuery() ?? "")
    const sites = slugsOf(parameters.sites(exchange.access.sites))
    if (parameters.problem !== null) return exchange.refuse(parameters.problem)
    // Of several sites, those that questions to all of them know.
    const known = Effect.map(this.#options.goals.of(sites), (goals) => {
      const shared = sharedGoals(goals, sites)
      return goals.filter(({ site, name }) => site === sites[0] && shared.has(name))
    })
    this.#answer(exchange, known)
  }

  /** Reads a body's fields, and answers with what `act` makes of them. */
  #withBody(exchange: Exchange, act: (fields: Fields) => Answer | Problem) {
    readJson(this.#options.bodies, exchange, MAX_ACCOUNT_BODY_BYTES, (body) => {
      const fields = new Fields(body)
      const made = act(fields)
      if (fields.problem !== null) return exchange.refuse(fields.problem)
      if (made instanceof Problem) return exchange.refuse(made)
      this.#answer(exchange, made)
    })
  }

  add(exchange: Exchange) {
    const { grant, sites } = exchange.access
    this.#withBody(exchange, (fields) => {
      const site = fields.optional("site", () => fields.site("site", sites)) ?? sites.default
      const name = nameIn(fields)
      const filters = filtersIn(fields)
      if (filters instanceof Problem) return filters
      const added = this.#options.goals.add(grant.name ?? "nobody", { site, name, filters })
      return Effect.map(added, (id) => ({ id }))
    })
  }

  change(exchange: Exchange, id: string) {
    const { grant, sites } = exchange.access
    const goal = idOf(id)
    if (goal === null) return exchange.refuse(REFUSALS.missing)
    this.#withBody(exchange, (fields) => {
      const name = fields.optional("name", () => nameIn(fields))
      const filters = fields.optional("filters", () => filtersIn(fields))
      if (filters instanceof Problem) return filters
      const change = { name, filters }
      return this.#options.goals.change(grant.name ?? "nobody", [...sites.declared], goal, change)
    })
  }

  remove(exchange: Exchange, id: string) {
    const { grant, sites } = exchange.access
    const goal = idOf(id)
    if (goal === null) return exchange.refuse(REFUSALS.missing)
    this.#answer(exchange, this.#options.goals.remove(grant.name ?? "nobody", [...sites.declared], goal))
  }
}

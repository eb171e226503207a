/** `GET /stats` of any time, in any time zone, filtered: the figures of a period, by a question to the events. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { RangedStats, RangeMeta } from "../../domain/answers.ts"
import type { Exchange } from "../http/exchange.ts"
import { Parameters } from "../http/query.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Answered, Questions } from "../services/questions.ts"
import type { Runner } from "../services/readCache.ts"
import { jsonOr } from "./queries.ts"

/** Parameters with which a question is asked in place of the period's figures. */
const ASKING = ["date_range", "time_zone", "filters"] as const

/** The metrics of a question that the figures are. */
const METRICS = ["events", "page_views", "letters", "visitors", "conversion_rate"] as const
const FIGURES = [
  "total_events",
  "page_views",
  "letters_generated",
  "unique_visitors",
  "conversion_rate",
] as const satisfies ReadonlyArray<keyof RangedStats>

const toStats = ({ data: { results, meta, query } }: Answered) => {
  const [events = 0, views = 0, letters = 0, visitors = 0, rate = 0] = results[0]?.metrics ?? []
  const [from = "", until = ""] = query.date_range
  const { total_rows: _, approximate, ...told } = meta
  return {
    success: true,
    data: {
      ...{ total_events: events, page_views: views, letters_generated: letters },
      ...{ unique_visitors: visitors, conversion_rate: rate },
    } satisfies RangedStats,
    meta: {
      date_range: [from, until],
      time_zone: query.time_zone,
      approximate: FIGURES.filter((_figure, i) => approximate.includes(METRICS[i] ?? "")),
      ...told,
    } satisfies RangeMeta,
  }
}

export class RangedStatsEndpoint {
  readonly #questions: Questions
  readonly #run: Runner

  constructor(questions: Questions, run: Runner) {
    this.#questions = questions
    this.#run = run
  }

  /** Whether a request is for this; if not, it is for the figures of a period. */
  isAsked(req: IncomingRequest): boolean {
    const given = new URLSearchParams(req.getQuery() ?? "")
    return ASKING.some((name) => given.has(name))
  }

  answer(exchange: Exchange, req: IncomingRequest) {
    const { sites } = exchange.access
    const parameters = new Parameters(req.getQuery() ?? "")
    const site = parameters.site(sites)
    const period = parameters.text("period")
    if (period !== null) parameters.refuse("period", period, `left out where there is ${ASKING.join(" or ")}`)
    const body: { [name: string]: unknown } = { site, metrics: METRICS, date_range: "day" }
    for (const name of ASKING) {
      const text = parameters.text(name)
      if (text !== null) body[name] = jsonOr(text)
    }
    if (parameters.problem !== null) return exchange.refuse(parameters.problem)
    this.#run(Effect.map(this.#questions.answer(body, sites), toStats)).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json(exit.value)
    })
  }
}

/** A question as it was sent: decoded, asked, and its answer as the API says it. */
import * as Effect from "effect/Effect"
import type { EngineAnswer, QueryRefused } from "../../query/engine/index.ts"
import { decodeQuery, encodeQuery, type Query, QueryProblem } from "../../query/language/index.ts"
import type { StoreError } from "../../stores/errors.ts"
import { Problem } from "../http/problem.ts"
import type { Sites } from "../http/query.ts"
import type { Queries } from "./services.ts"

export interface QuestionsOptions {
  readonly queries: Queries
  /** Zone of a question that names none. */
  readonly timeZone: string
  /** Unix milliseconds. */
  readonly now: () => number
}

export const refusalOf = ({ failure, message }: QueryRefused): Problem => {
  switch (failure) {
    case "busy":
      return new Problem("TOO_MANY_QUERIES", "Too many questions are being answered.", "Retry-After: 1\r\n")
    case "deadline":
      return new Problem(
        "QUERY_TIMEOUT",
        "The question takes too long: ask for a shorter time, or less of it.",
      )
    case "invalid":
      return new Problem("INVALID_QUERY", `The question cannot be answered: ${message}`)
    case "failed":
      return Problem.of("QUERY_ENGINE_UNAVAILABLE")
  }
}

/** What `POST /query` answers under `data`. */
const toData = (query: Query, { rows, total }: EngineAnswer) => ({
  results: rows.map(({ dimensions, metrics, comparison }) => ({
    dimensions,
    metrics,
    ...(comparison !== null && { comparison: { metrics: comparison } }),
  })),
  meta: { total_rows: total, approximate: [] },
  query: encodeQuery(query),
})

/** An answer, and the question that it is of. */
export interface Answered {
  readonly query: Query
  readonly data: ReturnType<typeof toData>
}

export class Questions {
  readonly #options: QuestionsOptions

  constructor(options: QuestionsOptions) {
    this.#options = options
  }

  /** Reads a question of whom there are these sites for; the default one is asked about where it names none. */
  decode(body: unknown, sites: Sites): Effect.Effect<Query, Problem | StoreError> {
    const { queries, timeZone, now } = this.#options
    const isOfAll =
      typeof body === "object" && body !== null && "date_range" in body && body.date_range === "all"
    return Effect.gen(function* () {
      const earliest = isOfAll ? yield* queries.earliest : new Map<string, number>()
      const query = decodeQuery(body, {
        ...{ now: now(), sites: sites.declared, site: sites.default, timeZone },
        earliest: (each) => earliest.get(each) ?? null,
      })
      if (query instanceof QueryProblem) return yield* Effect.fail(new Problem("INVALID_QUERY", query.error))
      return query
    })
  }

  /** Asks a question that has been read. */
  ask(query: Query): Effect.Effect<EngineAnswer, Problem> {
    return Effect.mapError(this.#options.queries.ask(query), refusalOf)
  }

  answer(body: unknown, sites: Sites): Effect.Effect<Answered, Problem | StoreError> {
    return Effect.gen({ self: this }, function* () {
      const query = yield* this.decode(body, sites)
      return { query, data: toData(query, yield* this.ask(query)) }
    })
  }
}

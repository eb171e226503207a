/** A question as it was sent: decoded, asked, and its answer as the API says it. */
import * as Effect from "effect/Effect"
import type { EngineAnswer, QueryRefused, Question } from "../../query/engine/index.ts"
import {
  asksForGoals,
  decodeFunnel,
  decodeQuery,
  decodeValues,
  encodeFunnel,
  encodeQuery,
  type Funnel,
  MAX_DOWNLOAD_ROWS,
  type Query,
  type QueryContext,
  QueryProblem,
  type RowLimit,
} from "../../query/language/index.ts"
import type { SiteDirectory } from "../../sites/index.ts"
import type { StoreError } from "../../stores/errors.ts"
import { Problem } from "../http/problem.ts"
import type { Sites } from "../http/query.ts"
import type { Queries, Services } from "./services.ts"

export interface QuestionsOptions {
  readonly queries: Queries
  readonly goals: Pick<Services["goals"], "of">
  /** The deployment's zone: of questions that name none, where their sites have none in common. */
  readonly timeZone: string
  readonly sites: Pick<SiteDirectory, "current">
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
    case "unavailable":
      return new Problem("QUERY_ENGINE_UNAVAILABLE", `The question could not be answered: ${message}.`)
    case "failed":
      return Problem.of("QUERY_ENGINE_UNAVAILABLE")
  }
}

const noticed = (notices: EngineAnswer["notices"]) =>
  notices === undefined || notices.length === 0 ? {} : { notices }

/** What `POST /query` answers under `data`. */
const toData = (query: Query, { rows, total, imported, approximate, notices }: EngineAnswer) => ({
  results: rows.map(({ dimensions, metrics, comparison }) => ({
    dimensions,
    metrics,
    ...(comparison !== null && { comparison: { metrics: comparison } }),
  })),
  meta: {
    total_rows: total,
    approximate: approximate ?? [],
    ...(imported === true && { imported: true as const }),
    ...noticed(notices),
  },
  query: encodeQuery(query),
})

/** What `POST /query/values` answers under `data`. */
const toValues = (query: Query, { rows, total, notices }: EngineAnswer) => ({
  values: rows.map(({ dimensions: [value = null], metrics: [visitors = null] }) => ({ value, visitors })),
  meta: { total_rows: total, ...noticed(notices) },
  query: encodeQuery(query),
})

/** What `POST /query/funnel` answers under `data`. */
const toFunnel = (funnel: Funnel, { rows, notices }: EngineAnswer) => {
  const counts = rows.map(({ metrics: [visitors] }) => visitors ?? 0)
  const percentage = (part: number, whole: number) => (whole === 0 ? 0 : (100 * part) / whole)
  return {
    steps: counts.map((visitors, i) => {
      const before = i === 0 ? visitors : (counts[i - 1] ?? 0)
      return {
        visitors,
        drop_off: before - visitors,
        drop_off_rate: percentage(before - visitors, before),
        conversion_rate: percentage(visitors, counts[0] ?? 0),
      }
    }),
    meta: noticed(notices),
    query: encodeFunnel(funnel),
  }
}

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

  /** Reads a body by the language, of whom there are these sites for; the default one is asked about where it names none. */
  #decode<A>(
    read: (body: unknown, context: QueryContext) => A | QueryProblem,
    body: unknown,
    sites: Sites,
    rows?: RowLimit,
  ): Effect.Effect<A, Problem | StoreError> {
    const { queries, goals, timeZone, now } = this.#options
    const { details } = this.#options.sites.current
    const isOfAll =
      typeof body === "object" && body !== null && "date_range" in body && body.date_range === "all"
    return Effect.gen(function* () {
      const earliest = isOfAll ? yield* queries.earliest : new Map<string, number>()
      const named = asksForGoals(body) ? yield* goals.of([...sites.declared]) : []
      const query = read(body, {
        ...{ now: now(), sites: sites.declared, site: sites.default, timeZone },
        zoneOfSite: (each) => details.get(each)?.time_zone ?? null,
        earliest: (each) => earliest.get(each) ?? null,
        ...(rows !== undefined && { rows }),
        goals: named,
      })
      if (query instanceof QueryProblem) return yield* Effect.fail(new Problem("INVALID_QUERY", query.error))
      return query
    })
  }

  /** Reads a question that is answered with all of its rows. */
  decodeWhole(body: unknown, sites: Sites): Effect.Effect<Query, Problem | StoreError> {
    return this.#decode(decodeQuery, body, sites, { default: MAX_DOWNLOAD_ROWS, most: MAX_DOWNLOAD_ROWS })
  }

  /** Asks a question that has been read. */
  ask(query: Question): Effect.Effect<EngineAnswer, Problem> {
    return Effect.mapError(this.#options.queries.ask(query), refusalOf)
  }

  answer(body: unknown, sites: Sites): Effect.Effect<Answered, Problem | StoreError> {
    return Effect.gen({ self: this }, function* () {
      const query = yield* this.#decode(decodeQuery, body, sites)
      return { query, data: toData(query, yield* this.ask(query)) }
    })
  }

  /** Values of a dimension, those of the most visitors first. */
  values(body: unknown, sites: Sites): Effect.Effect<ReturnType<typeof toValues>, Problem | StoreError> {
    return Effect.gen({ self: this }, function* () {
      const query = yield* this.#decode(decodeValues, body, sites)
      return toValues(query, yield* this.ask(query))
    })
  }

  /** Visitors of each step of a funnel. */
  funnel(body: unknown, sites: Sites): Effect.Effect<ReturnType<typeof toFunnel>, Problem | StoreError> {
    return Effect.gen({ self: this }, function* () {
      const funnel = yield* this.#decode(decodeFunnel, body, sites)
      return toFunnel(funnel, yield* this.ask(funnel))
    })
  }
}

/** `POST /query` and `GET /query`: a question, decoded, asked, and its answer. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MAX_QUERY_BODY_BYTES } from "../../domain/limits.ts"
import type { EngineAnswer, QueryRefused } from "../../query/engine/index.ts"
import { decodeQuery, encodeQuery, FIELDS, type Query, QueryProblem } from "../../query/language/index.ts"
import { type Bodies, bodyFormat, bodyText, parseJson } from "../http/body.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem } from "../http/problem.ts"
import type { Sites } from "../http/query.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Runner } from "../services/readCache.ts"
import type { Queries } from "../services/services.ts"

export interface QueriesOptions {
  readonly queries: Queries
  readonly sites: Sites
  readonly bodies: Bodies
  readonly timeZone: string
  readonly run: Runner
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Parameters that are lists: texts with commas between them; the others are as in JSON where they are JSON, else texts. */
const LISTS: ReadonlySet<string> = new Set(["sites", "metrics", "dimensions"])

const jsonOr = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The question that parameters ask: each field under its name. */
const bodyOf = (query: string): { readonly [name: string]: unknown } => {
  const body: { [name: string]: unknown } = {}
  for (const [name, value] of new URLSearchParams(query))
    if (FIELDS.some((field) => field === name))
      body[name] = LISTS.has(name) && !value.startsWith("[") ? value.split(",") : jsonOr(value)
  return body
}

const refusalOf = ({ failure, message }: QueryRefused): Problem => {
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

const toData = (query: Query, { rows, total }: EngineAnswer) => ({
  results: rows.map(({ dimensions, metrics, comparison }) => ({
    dimensions,
    metrics,
    ...(comparison !== null && { comparison: { metrics: comparison } }),
  })),
  meta: { total_rows: total, approximate: [] },
  query: encodeQuery(query),
})

export class QueryEndpoint {
  readonly #options: QueriesOptions

  constructor(options: QueriesOptions) {
    this.#options = options
  }

  get(exchange: Exchange, req: IncomingRequest) {
    this.#answer(exchange, bodyOf(req.getQuery() ?? ""))
  }

  post(exchange: Exchange) {
    const { headers } = exchange
    const format = bodyFormat(headers, false)
    if (format instanceof Problem) return exchange.refuse(format)
    this.#options.bodies.read(
      exchange,
      MAX_QUERY_BODY_BYTES,
      (body) => {
        const text = bodyText(body)
        if (text instanceof Problem) return exchange.refuse(text)
        const parsed = parseJson(text)
        if (parsed instanceof Problem) return exchange.refuse(parsed)
        this.#answer(exchange, parsed.value)
      },
      (problem, close) => exchange.refuse(problem, { close }),
    )
  }

  #answer(exchange: Exchange, body: unknown): void {
    const { queries, sites, timeZone, run, now } = this.#options
    const isOfAll =
      typeof body === "object" && body !== null && "date_range" in body && body.date_range === "all"
    const answered = Effect.gen(function* () {
      const earliest = isOfAll ? yield* queries.earliest : new Map<string, number>()
      const query = decodeQuery(body, {
        ...{ now: now(), sites: sites.declared, site: sites.default, timeZone },
        earliest: (site) => earliest.get(site) ?? null,
      })
      if (query instanceof QueryProblem) return yield* Effect.fail(new Problem("INVALID_QUERY", query.error))
      const answer = yield* Effect.mapError(queries.ask(query), refusalOf)
      return { success: true, data: toData(query, answer) }
    })
    run(answered).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json(exit.value)
    })
  }
}

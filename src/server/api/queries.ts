/** `POST /query` and `GET /query`: a question and its answer. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MAX_QUERY_BODY_BYTES } from "../../domain/limits.ts"
import { FIELDS } from "../../query/language/index.ts"
import { type Bodies, bodyFormat, bodyText, parseJson } from "../http/body.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem } from "../http/problem.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Questions } from "../services/questions.ts"
import type { Runner } from "../services/readCache.ts"

export interface QueriesOptions {
  readonly questions: Questions
  readonly bodies: Bodies
  readonly run: Runner
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
    const { questions, run } = this.#options
    const { sites } = exchange.access
    const answered = Effect.map(questions.answer(body, sites), ({ data }) => ({ success: true, data }))
    run(answered).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json(exit.value)
    })
  }
}

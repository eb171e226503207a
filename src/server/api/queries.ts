/** `POST /query` and `GET /query`: a question and its answer; `POST /query/values` and `/query/funnel`: others; `GET /query.csv` and `/query.json`: the answer as a file. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MAX_QUERY_BODY_BYTES } from "../../domain/limits.ts"
import { Calendar } from "../../domain/period.ts"
import type { EngineAnswer } from "../../query/engine/index.ts"
import { FIELDS, nameOfMetric, nameOfQueryDimension, type Query } from "../../query/language/index.ts"
import type { StoreError } from "../../stores/errors.ts"
import { type Bodies, readJson } from "../http/body.ts"
import type { Exchange } from "../http/exchange.ts"
import type { Problem } from "../http/problem.ts"
import { Parameters, type Sites } from "../http/query.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Questions } from "../services/questions.ts"
import type { Runner } from "../services/readCache.ts"
import { type ExportFormat, type Exports, wantsMark } from "./exports.ts"

/** What a body may ask, each at a path of its own: `/query`, `/query/values`, `/query/funnel`. */
export type QuestionKind = "query" | "values" | "funnel"

export interface QueriesOptions {
  readonly questions: Questions
  readonly exports: Exports
  readonly bodies: Bodies
  readonly run: Runner
}

/** A column for each dimension and metric, and for what each metric was before. */
const columnsOf = (query: Query): ReadonlyArray<string> => {
  const metrics = query.metrics.map(nameOfMetric)
  return [
    ...query.dimensions.map(nameOfQueryDimension),
    ...metrics,
    ...(query.comparison === null ? [] : metrics.map((name) => `comparison.${name}`)),
  ]
}

const tableRow = (columns: ReadonlyArray<string>, row: EngineAnswer["rows"][number]): object => {
  const values = [...row.dimensions, ...row.metrics, ...(row.comparison ?? [])]
  return Object.fromEntries(columns.map((column, i) => [column, values[i] ?? null]))
}

/** `main-2026-01-01-2026-01-31`: the site, and the first and last day. */
const fileNameOf = ({ sites, range, timeZone }: Query): string => {
  const calendar = new Calendar(timeZone)
  const [site = "", ...others] = sites
  const days = [calendar.dayOf(range.from), calendar.dayOf(range.until - 1)]
  return [others.length === 0 ? site : "sites", ...new Set(days)].join("-")
}

/** Parameters that are lists: texts with commas between them; the others are as in JSON where they are JSON, else texts. */
const LISTS: ReadonlySet<string> = new Set(["sites", "metrics", "dimensions"])

/** What a parameter says: as in JSON where it is JSON, else the text. */
export const jsonOr = (text: string): unknown => {
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
    this.#answer(exchange, "query", bodyOf(req.getQuery() ?? ""))
  }

  /** Sends the whole answer as a file. */
  download(format: ExportFormat, exchange: Exchange, req: IncomingRequest) {
    const { questions, exports, run } = this.#options
    const asked = req.getQuery() ?? ""
    const parameters = new Parameters(asked)
    const marked = format === "csv" && wantsMark(parameters)
    if (parameters.problem !== null) return exchange.refuse(parameters.problem)
    run(questions.decodeWhole(bodyOf(asked), exchange.access.sites)).addObserver((exit) => {
      if (Exit.isFailure(exit)) return exchange.failCause(exit.cause)
      const columns = columnsOf(exit.value)
      const rows = Effect.map(questions.ask(exit.value), (answer) =>
        answer.rows.map((row) => tableRow(columns, row)),
      )
      exports.table({ columns, rows, format, marked, name: fileNameOf(exit.value) }, exchange)
    })
  }

  /** Answers a question of a kind that is a request's body. */
  post(kind: QuestionKind, exchange: Exchange) {
    readJson(this.#options.bodies, exchange, MAX_QUERY_BODY_BYTES, (body) =>
      this.#answer(exchange, kind, body),
    )
  }

  #data(kind: QuestionKind, body: unknown, sites: Sites): Effect.Effect<object, Problem | StoreError> {
    const { questions } = this.#options
    if (kind === "query") return Effect.map(questions.answer(body, sites), ({ data }) => data)
    return kind === "values" ? questions.values(body, sites) : questions.funnel(body, sites)
  }

  #answer(exchange: Exchange, kind: QuestionKind, body: unknown): void {
    this.#options.run(this.#data(kind, body, exchange.access.sites)).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json({ success: true, data: exit.value })
    })
  }
}

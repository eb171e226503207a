/** Answers questions: brings the files up to date, runs the statement, and makes rows of what it returns. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Query } from "../language/index.ts"
import type { Database, DatabaseError, DatabaseRow, NoRoom } from "./database.ts"
import type { EventFiles } from "./eventFiles.ts"
import type { AnswerRow, EngineAnswer } from "./messages.ts"
import { isSeries, MARK, patternCheck, statementFor } from "./statement.ts"

const numberOrNull = (value: unknown): number | null =>
  value === null || value === undefined ? null : Number(value)

/** What a row without events has. */
const nothing = (query: Query): ReadonlyArray<number | null> =>
  query.metrics.map((metric) => (metric.of === "data" ? null : 0))

const metricsIn = (query: Query, row: DatabaseRow, prefix: "m" | "c"): ReadonlyArray<number | null> =>
  nothing(query).map((none, i) => numberOrNull(row[`${prefix}${i}`]) ?? none)

const toRow = (query: Query, row: DatabaseRow): AnswerRow => ({
  dimensions: query.dimensions.map((dimension, i) => {
    const value = row[`d${i}`]
    if (dimension.of === "time") return query.buckets[Number(value)]?.name ?? null
    return typeof value === "string" ? value.slice(MARK.length) : null
  }),
  metrics: metricsIn(query, row, "m"),
  comparison: query.comparison === null ? null : metricsIn(query, row, "c"),
})

/** A series has a row for every interval of the range, in the order that was asked for. */
const asSeries = (query: Query, rows: ReadonlyArray<AnswerRow>): ReadonlyArray<AnswerRow> => {
  const found = new Map(rows.map((row) => [row.dimensions[0], row]))
  const whole = query.buckets.map(
    ({ name }) =>
      found.get(name) ?? {
        ...{ dimensions: [name], metrics: nothing(query) },
        comparison: query.comparison === null ? null : nothing(query),
      },
  )
  return query.order[0]?.descending === true ? whole.reverse() : whole
}

/** Answers a question. Fails with the store's or the database's word when it cannot. */
export const answer = (
  query: Query,
  files: EventFiles,
  database: Database,
): Effect.Effect<EngineAnswer, StoreError | DatabaseError | NoRoom> =>
  Effect.gen(function* () {
    const check = patternCheck(query.filters)
    if (check !== null) yield* database.rows(check.text, check.values)
    const ranges = query.comparison === null ? [query.range] : [query.range, query.comparison]
    const { found, total } = yield* files.read(query.sites, ranges, (paths) =>
      Effect.gen(function* () {
        const rowsOf = (asked: Query) => {
          const { text, values } = statementFor(asked, paths)
          return database.rows(text, values)
        }
        const found = yield* rowsOf(query)
        // A page beyond the last row has none that could tell how many there are.
        const [first] =
          found.length > 0 || query.offset === 0 ? found : yield* rowsOf({ ...query, offset: 0, limit: 1 })
        return { found, total: Number(first?.total ?? 0) }
      }),
    )
    const rows = found.map((row) => toRow(query, row))
    if (!isSeries(query)) return { rows, total }
    const series = asSeries(query, rows)
    return { rows: series.slice(query.offset, query.offset + query.limit), total: series.length }
  })

/** Answers questions: brings the files up to date, runs the statement, and makes rows of what it returns. */
import * as Effect from "effect/Effect"
import type { Calendar } from "../../domain/period.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Query } from "../language/index.ts"
import type { Database, DatabaseError, DatabaseRow, NoRoom } from "./database.ts"
import { EventFiles, type EventFilesOptions } from "./eventFiles.ts"
import type { KeptFile } from "./keptFiles.ts"
import type { AnswerRow, EngineAnswer } from "./messages.ts"
import { Rollups } from "./rollups.ts"
import { isSeries, MARK, patternCheck, statementFor } from "./statement.ts"
import { statementOfTallies } from "./tallies.ts"

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

/** What questions are answered from. */
export interface Sources {
  readonly files: EventFiles
  readonly rollups: Rollups
  readonly database: Database
  /** Of the deployment's zone. */
  readonly calendar: Calendar
}

/** The part of what files may take of the disk that rollups may take beside it. */
const ROLLUPS = 1 / 8

export interface SourcesOptions extends Omit<EventFilesOptions, "kept"> {
  /** Files that an engine before has made. */
  readonly kept?: ReadonlyArray<KeptFile>
}

export const sourcesOf = ({ kept = [], ...options }: SourcesOptions): Sources => {
  const { database, folder, calendar, maxBytes = Number.POSITIVE_INFINITY } = options
  const tallies = kept.filter((file) => file.of === "tallies")
  const days = kept.filter((file) => file.of !== "tallies")
  const rollups = new Rollups({ database, folder, calendar, maxBytes: maxBytes * ROLLUPS, kept: tallies })
  return { files: new EventFiles({ ...options, kept: days }), rollups, database, calendar }
}

/** Takes out of all files what has gone, an erased visitor's events among it. */
export const lookThrough = ({ files, rollups }: Sources): Effect.Effect<void, StoreError> =>
  Effect.flatMap(files.look, (days) => rollups.forgetAllBut(days))

/** Answers a question. Fails with the store's or the database's word when it cannot. */
export const answer = (
  query: Query,
  { files, rollups, database, calendar }: Sources,
): Effect.Effect<EngineAnswer, StoreError | DatabaseError | NoRoom> =>
  Effect.gen(function* () {
    const check = patternCheck(query.filters)
    if (check !== null) yield* database.rows(check.text, check.values)
    const ranges = query.comparison === null ? [query.range] : [query.range, query.comparison]
    const { found, total } = yield* files.read(query.sites, ranges, (days, current) =>
      Effect.gen(function* () {
        const rowsOf = (asked: Query) =>
          rollups.read(asked, days, current, (tallies) => {
            const { text, values } =
              tallies === null
                ? statementFor(asked, { days, calendar })
                : statementOfTallies(asked, tallies, calendar)
            return database.rows(text, values)
          })
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

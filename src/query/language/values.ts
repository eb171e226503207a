/** The values that a dimension has, for choosing one of them in a filter: a question like others. */
import { DIMENSIONS } from "../../domain/dimensions.ts"
import { dimensionOf, MAX_VALUE_LENGTH, nameOfDimension, spelledFor } from "./filters.ts"
import { QueryProblem, shown } from "./problem.ts"
import { decodeQuery, type Query, type QueryContext } from "./query.ts"

export const DEFAULT_VALUES = 100
export const MAX_VALUES_LIMIT = 1000

/** Every field of it. */
export const VALUES_FIELDS = [
  ...(["site", "sites", "dimension", "search", "prefix", "filters", "date_range"] as const),
  ...(["time_zone", "bots", "limit"] as const),
] as const

const textOf = (name: string, value: unknown): string | null | QueryProblem => {
  if (value === undefined || value === null || value === "") return null
  return typeof value === "string" && value.length <= MAX_VALUE_LENGTH / 2
    ? value
    : new QueryProblem(
        `${name} is ${shown(value)}: it should be a text of at most ${MAX_VALUE_LENGTH / 2} characters.`,
      )
}

/** A pattern of RE2 that this text begins what it matches. */
const beginningWith = (text: string): string => `^${text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")}`

/** Reads what values are asked for: the parsed body of a request, as the question that it is. Never throws. */
export const decodeValues = (body: unknown, context: QueryContext): Query | QueryProblem => {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    return new QueryProblem(`The question is ${shown(body)}: it should be a JSON object.`)
  const unknown = Object.keys(body).find((name) => !VALUES_FIELDS.some((field) => field === name))
  if (unknown !== undefined)
    return new QueryProblem(
      `There is no field ${shown(unknown)}: the fields are ${VALUES_FIELDS.join(", ")}.`,
    )
  const {
    dimension: name,
    search,
    prefix,
    filters,
    ...of
  } = {
    ...{ dimension: undefined, search: undefined, prefix: undefined, filters: undefined },
    ...body,
  }
  const dimension = typeof name === "string" ? dimensionOf(name) : null
  if (dimension === null)
    return new QueryProblem(
      `dimension is ${shown(name)}: it should be one of ${Object.keys(DIMENSIONS).join(", ")} or data.<key>.`,
    )
  const [searched, begins] = [textOf("search", search), textOf("prefix", prefix)]
  if (searched instanceof QueryProblem) return searched
  if (begins instanceof QueryProblem) return begins
  const asked = nameOfDimension(dimension)
  const anyCase = { case_sensitive: false }
  const conditions = [
    ["is_not", asked, [null]],
    ...(searched === null ? [] : [["contains", asked, [searched], anyCase]]),
    ...(begins === null
      ? []
      : [["matches", asked, [beginningWith(spelledFor(dimension, begins, false))], anyCase]]),
    ...(filters === undefined || filters === null ? [] : [["and", filters]]),
  ]
  return decodeQuery(
    { ...of, metrics: ["visitors"], dimensions: [asked], filters: conditions },
    { ...context, rows: { default: DEFAULT_VALUES, most: MAX_VALUES_LIMIT } },
  )
}

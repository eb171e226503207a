/** Conditions of a question: what they may be, and how they are read. */
import { DATA_DIMENSION, DIMENSIONS, type DimensionName } from "../../domain/dimensions.ts"
import { unheldNumber } from "../../domain/exactJson.ts"
import { spelledPage, spelledPart } from "../../domain/pageUrl.ts"
import { filterOfGoals, GOAL, type GoalFilters, NO_GOALS } from "./goals.ts"
import { QueryProblem, shown } from "./problem.ts"

/** A dimension with one value an event: one of the list, or a key of event_data. */
export type FilterDimension =
  | { readonly of: "list"; readonly name: DimensionName }
  | { readonly of: "data"; readonly key: string }

/** Each comparison and its opposite compare with any of the values. */
export const COMPARISONS = ["is", "contains", "matches"] as const
export type Comparison = (typeof COMPARISONS)[number]

/** A condition on an event, or, by `done`, on whether any event of its visit meets one. */
export type Filter =
  | {
      readonly is: "comparison"
      readonly comparison: Comparison
      readonly dimension: FilterDimension
      /** A null, only with `is`, stands for events without a value. */
      readonly values: ReadonlyArray<string | null>
      readonly caseSensitive: boolean
    }
  | { readonly is: "all"; readonly filters: ReadonlyArray<Filter> }
  | { readonly is: "any"; readonly filters: ReadonlyArray<Filter> }
  | { readonly is: "not"; readonly filter: Filter }
  | { readonly is: "done"; readonly filter: Filter }

/** Bounds of a question's conditions, all of them together. */
export const MAX_CONDITIONS = 64
export const MAX_VALUES = 1000
export const MAX_VALUE_LENGTH = 2048
const MAX_DEPTH = 8

const isDimensionName = (name: string): name is DimensionName => Object.hasOwn(DIMENSIONS, name)

/** The dimension of a name such as `page` or `data.plan`; `null` if there is none. */
export const dimensionOf = (name: string): FilterDimension | null => {
  if (isDimensionName(name)) return { of: "list", name }
  const key = DATA_DIMENSION.exec(name)?.[1]
  return key === undefined ? null : { of: "data", key }
}

/** The name by which a dimension is asked for. */
export const nameOfDimension = (dimension: FilterDimension): string =>
  dimension.of === "list" ? dimension.name : `data.${dimension.key}`

const PAGES: ReadonlySet<string> = new Set<DimensionName>(["page", "entry_page", "exit_page"])

/** A text as values of the dimension are spelled: the whole of one, or a part. */
export const spelledFor = (dimension: FilterDimension, text: string, whole: boolean): string => {
  if (dimension.of === "data" || !PAGES.has(dimension.name)) return text
  return whole ? spelledPage(text) : spelledPart(text)
}

const OPERATORS = COMPARISONS.flatMap((comparison) => [comparison, `${comparison}_not`])
const FORMS = `["${OPERATORS.join('" | "')}", dimension, [values]], ["and" | "or", [filters]], ["not", filter], ["has_done" | "has_not_done", filter] or ["is" | "is_not", "goal", [names]]`

/** No event has U+0000 in a text; what stands for a number that is not held does. */
const isText = (value: unknown): value is string =>
  typeof value === "string" &&
  value.length <= MAX_VALUE_LENGTH &&
  value.isWellFormed() &&
  !(unheldNumber(value) ?? value).includes("\u0000")

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

const not = (filter: Filter): Filter => ({ is: "not", filter })

/** Reads the conditions of one question; counts them, for all of them together have bounds. */
class Reader {
  #conditions = 0
  #values = 0
  /** `null` within a goal, which is of no others. */
  #goals: GoalFilters | null

  constructor(goals: GoalFilters | null) {
    this.#goals = goals
  }

  filters(value: unknown, where: string, depth: number): ReadonlyArray<Filter> | QueryProblem {
    if (!isList(value))
      return new QueryProblem(`${where} is ${shown(value)}: it should be a list of filters.`)
    const filters: Array<Filter> = []
    for (const [i, each] of value.entries()) {
      const filter = this.filter(each, `${where}[${i}]`, depth)
      if (filter instanceof QueryProblem) return filter
      filters.push(filter)
    }
    return filters
  }

  filter(value: unknown, where: string, depth: number): Filter | QueryProblem {
    if (depth > MAX_DEPTH) return new QueryProblem(`${where} is nested deeper than ${MAX_DEPTH} filters.`)
    if (++this.#conditions > MAX_CONDITIONS)
      return new QueryProblem(`filters has more than ${MAX_CONDITIONS} conditions.`)
    const [operator, ...rest] = isList(value) ? value : []
    if (operator === "and" || operator === "or") {
      const filters = this.filters(rest[0], `${where}[1]`, depth + 1)
      return filters instanceof QueryProblem ? filters : { is: operator === "and" ? "all" : "any", filters }
    }
    if (operator === "not" || operator === "has_done" || operator === "has_not_done") {
      const filter = this.filter(rest[0], `${where}[1]`, depth + 1)
      if (filter instanceof QueryProblem) return filter
      if (operator === "not") return not(filter)
      return operator === "has_done" ? { is: "done", filter } : not({ is: "done", filter })
    }
    const known = typeof operator === "string" && OPERATORS.includes(operator)
    if (known && rest[0] === GOAL && isList(value)) return this.goal(value, where, depth)
    return known
      ? this.comparison(operator, rest, where)
      : new QueryProblem(`${where} is ${shown(value)}: it should be ${FORMS}.`)
  }

  /** Goals are read as what they stand for, within the bounds of the question. */
  goal(condition: ReadonlyArray<unknown>, where: string, depth: number): Filter | QueryProblem {
    const goals = this.#goals
    if (goals === null) return new QueryProblem(`${where} is of a goal: a goal should be of dimensions only.`)
    const filter = filterOfGoals(condition, where, goals)
    if (filter instanceof QueryProblem) return filter
    this.#goals = null
    const read = this.filter(filter, where, depth)
    this.#goals = goals
    return read
  }

  comparison(operator: string, [name, list, options]: ReadonlyArray<unknown>, where: string) {
    const comparison = COMPARISONS.find((each) => operator === each || operator === `${each}_not`)
    const dimension = typeof name === "string" ? dimensionOf(name) : null
    if (comparison === undefined || dimension === null)
      return new QueryProblem(
        `${where}[1] is ${shown(name)}: it should be a dimension, one of ${Object.keys(DIMENSIONS).join(", ")} or data.<key>.`,
      )
    const values = this.values(comparison, list, `${where}[2]`)
    if (values instanceof QueryProblem) return values
    const caseSensitive = caseSensitivity(options, `${where}[3]`)
    if (caseSensitive instanceof QueryProblem) return caseSensitive
    // A pattern is no text of theirs.
    const spell = (value: string | null) =>
      value === null || comparison === "matches" ? value : spelledFor(dimension, value, comparison === "is")
    const filter: Filter = {
      is: "comparison",
      comparison,
      dimension,
      values: values.map(spell),
      caseSensitive,
    }
    return operator === comparison ? filter : not(filter)
  }

  values(comparison: Comparison, list: unknown, where: string): ReadonlyArray<string | null> | QueryProblem {
    if (!isList(list) || list.length === 0)
      return new QueryProblem(`${where} is ${shown(list)}: it should be a list of values, at least one.`)
    this.#values += list.length
    if (this.#values > MAX_VALUES) return new QueryProblem(`filters has more than ${MAX_VALUES} values.`)
    const values: Array<string | null> = []
    for (const [i, value] of list.entries()) {
      if (value === null && comparison === "is") values.push(null)
      else if (typeof value === "number" || typeof value === "boolean") values.push(String(value))
      else if (isText(value)) values.push(unheldNumber(value) ?? value)
      else
        return new QueryProblem(
          `${where}[${i}] is ${shown(value)}: it should be a text of at most ${MAX_VALUE_LENGTH} characters, a number, a boolean${comparison === "is" ? ", or null for no value" : ""}.`,
        )
    }
    return values
  }
}

const caseSensitivity = (options: unknown, where: string): boolean | QueryProblem => {
  if (options === undefined || options === null) return true
  const given =
    typeof options === "object" && "case_sensitive" in options ? options.case_sensitive : undefined
  return typeof given === "boolean"
    ? given
    : new QueryProblem(`${where} is ${shown(options)}: it should be {"case_sensitive": true | false}.`)
}

/** Reads a question's `filters`, all of which must hold. */
export const decodeFilters = (
  value: unknown,
  goals: GoalFilters = NO_GOALS,
): ReadonlyArray<Filter> | QueryProblem =>
  value === undefined || value === null ? [] : new Reader(goals).filters(value, "filters", 1)

/** Reads one filter, such as a step of a funnel; `where` names it in messages. */
export const decodeFilter = (
  value: unknown,
  where: string,
  goals: GoalFilters = NO_GOALS,
): Filter | QueryProblem => new Reader(goals).filter(value, where, 1)

/** Reads the `filters` of a goal: at least one, and none that is of a goal. */
export const decodeGoal = (value: unknown): ReadonlyArray<Filter> | QueryProblem => {
  const filters = new Reader(null).filters(value, "filters", 1)
  return filters instanceof QueryProblem || filters.length > 0
    ? filters
    : new QueryProblem('filters is []: it should have at least one filter such as ["is", "page", ["/cv"]].')
}

/** A filter as it is asked for, with its defaults made explicit. */
export const encodeFilter = (filter: Filter): ReadonlyArray<unknown> => {
  if (filter.is === "all" || filter.is === "any")
    return [filter.is === "all" ? "and" : "or", filter.filters.map(encodeFilter)]
  if (filter.is === "done") return ["has_done", encodeFilter(filter.filter)]
  if (filter.is === "comparison") {
    const { comparison, dimension, values, caseSensitive } = filter
    return [comparison, nameOfDimension(dimension), values, { case_sensitive: caseSensitive }]
  }
  const { filter: inner } = filter
  if (inner.is === "done") return ["has_not_done", encodeFilter(inner.filter)]
  if (inner.is !== "comparison") return ["not", encodeFilter(inner)]
  const [comparison, ...rest] = encodeFilter(inner)
  return [`${comparison}_not`, ...rest]
}

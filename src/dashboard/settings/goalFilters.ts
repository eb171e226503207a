/** The filters of goals, as far as the page makes them: a page that is seen, or an event that happens. Pure functions. */
import { isNumber, isText, listOf, shape } from "../model/decode.ts"
import { among, type Condition, OPERATORS } from "../model/view.ts"

/** A goal, as the API lists it. */
export interface Goal {
  readonly id: number
  readonly name: string
  readonly filters: ReadonlyArray<unknown>
}

/** Whether a body lists goals. */
export const isGoalsListed = shape<{ readonly data: ReadonlyArray<Goal> }>({
  data: listOf(
    shape<Goal>({
      id: isNumber,
      name: isText,
      filters: (value): value is Goal["filters"] => Array.isArray(value),
    }),
  ),
})

export const KINDS = ["page", "event"] as const
export type Kind = (typeof KINDS)[number]

export const HOWS = ["is", "contains"] as const
export type How = (typeof HOWS)[number]

/** What a form says of a goal. */
export interface GoalFields {
  readonly name: string
  readonly kind: Kind
  readonly how: How
  readonly value: string
}

export const NEW_GOAL: GoalFields = { name: "", kind: "page", how: "is", value: "" }

/** What a goal of these fields asks of an event. */
export const conditionOf = ({ kind, how, value }: GoalFields): Condition => ({
  operator: kind === "page" ? how : "is",
  dimension: kind,
  values: [value],
})

/** A filter as a condition; `null` where it is more than that. */
export const readFilter = (filter: unknown): Condition | null => {
  if (!Array.isArray(filter)) return null
  const [operator, dimension, values]: ReadonlyArray<unknown> = filter
  const known = isText(operator) ? among(OPERATORS, operator) : undefined
  if (known === undefined || !isText(dimension) || !Array.isArray(values)) return null
  return {
    operator: known,
    dimension,
    values: values.map((value) => (value === null ? null : String(value))),
  }
}

/** The fields of a goal that a form could have made; `null` for any other. */
export const fieldsOf = ({ name, filters }: Goal): GoalFields | null => {
  const condition = filters.length === 1 ? readFilter(filters[0]) : null
  const [value] = condition?.values ?? []
  if (condition === null || condition.values.length !== 1 || !isText(value)) return null
  const kind = among(KINDS, condition.dimension)
  const how = among(HOWS, condition.operator)
  if (kind === undefined || how === undefined || (kind === "event" && how !== "is")) return null
  return { name, kind, how, value }
}

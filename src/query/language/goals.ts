/** Goals in questions: a condition on `goal` is read as the filters that the goals of these names stand for. */
import { QueryProblem, shown } from "./problem.ts"

/** A named filter of a site. */
export interface SiteGoal {
  readonly site: string
  readonly name: string
  /** As `filters` of a question has them. */
  readonly filters: ReadonlyArray<unknown>
}

/** Filters of goals by the goals' names. */
export type GoalFilters = ReadonlyMap<string, ReadonlyArray<unknown>>

export const NO_GOALS: GoalFilters = new Map()

/** What a condition is on that is on a goal; no dimension has this name. */
export const GOAL = "goal"

/** What may hold a condition: filters are no deeper than that where they are read. */
const DEEPEST = 24

/** The name of a goal as it is kept and looked for. */
export const goalName = (name: string): string => name.trim().normalize("NFC")

/** Whether a question may ask for goals: whether there is a condition on one anywhere in it. */
export const asksForGoals = (question: unknown, depth = 0): boolean => {
  if (typeof question !== "object" || question === null || depth > DEEPEST) return false
  if (Array.isArray(question) && question[1] === GOAL) return true
  return Object.values(question).some((each) => asksForGoals(each, depth + 1))
}

/** The goals that all of the sites have, each with the same filters. */
export const sharedGoals = (
  goals: ReadonlyArray<SiteGoal>,
  [first, ...others]: ReadonlyArray<string>,
): GoalFilters => {
  const keyOf = (site: string, { name, filters }: SiteGoal) => JSON.stringify([site, name, filters])
  const keys = new Set(goals.map((goal) => keyOf(goal.site, goal)))
  const shared = goals.filter(
    (goal) => goal.site === first && others.every((other) => keys.has(keyOf(other, goal))),
  )
  return new Map(shared.map(({ name, filters }) => [name, filters]))
}

const unknownGoal = (name: unknown, where: string, goals: GoalFilters): QueryProblem =>
  new QueryProblem(
    goals.size === 0
      ? `${where} is ${shown(name)}: there is no goal that it could be.`
      : `${where} is ${shown(name)}: it should be a goal, one of ${[...goals.keys()].join(", ")}.`,
  )

const all = (filters: ReadonlyArray<unknown>): unknown =>
  filters.length === 1 ? filters[0] : ["and", filters]

/** What `["is", "goal", [names]]` stands for: a filter that has not been read yet. `where` names the condition in messages. */
export const filterOfGoals = (
  [operator, , names, options]: ReadonlyArray<unknown>,
  where: string,
  goals: GoalFilters,
): unknown => {
  if (operator !== "is" && operator !== "is_not")
    return new QueryProblem(`${where}[0] is ${shown(operator)}: of a goal it should be is or is_not.`)
  if (!Array.isArray(names) || names.length === 0)
    return new QueryProblem(`${where}[2] is ${shown(names)}: it should be a list of goals, at least one.`)
  if (options !== undefined && options !== null)
    return new QueryProblem(`${where}[3] is ${shown(options)}: a goal has no options.`)
  const filters = new Map<string, unknown>()
  for (const [i, name] of names.entries()) {
    const key = typeof name === "string" ? goalName(name) : ""
    const found = goals.get(key)
    if (found === undefined) return unknownGoal(name, `${where}[2][${i}]`, goals)
    filters.set(key, all(found))
  }
  const [one, ...others] = filters.values()
  const any = others.length === 0 ? one : ["or", [one, ...others]]
  return operator === "is" ? any : ["not", any]
}

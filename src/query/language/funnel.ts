/** A funnel: how many visitors take some steps in order, within a time. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../domain/time.ts"
import { decodeFilter, encodeFilter, type Filter } from "./filters.ts"
import { type GoalFilters, sharedGoals } from "./goals.ts"
import { QueryProblem, shown } from "./problem.ts"
import { decodeQuery, encodeQuery, type Query, type QueryContext, sitesOf } from "./query.ts"

/**
 * A visitor has taken a step if some event of the question meets it, after an event that took the step before: later, or at the same
 * time if it does not meet that step as well. Every step is within a time from the event of the first one.
 */
export interface Funnel {
  readonly steps: ReadonlyArray<Filter>
  /** Milliseconds from the first step's event, itself included; or all within one visit. */
  readonly within: number | "visit"
  /** Of which events: sites, filters, range, bots. */
  readonly query: Query
}

export const MIN_STEPS = 2
export const MAX_STEPS = 10

const UNITS = { minute: MINUTE_MS, hour: HOUR_MS, day: DAY_MS } as const
/** `7 days`. */
export const WITHIN = /^([1-9]\d{0,4}) (minute|hour|day)s?$/

/** Every field of a funnel. */
export const FUNNEL_FIELDS = [
  ...(["site", "sites", "steps", "within", "filters", "date_range", "time_zone", "bots"] as const),
] as const

const withinOf = (value: unknown): Funnel["within"] | QueryProblem => {
  if (value === undefined || value === null || value === "visit") return "visit"
  const [, count, name] = (typeof value === "string" && WITHIN.exec(value)) || []
  const unit = Object.entries(UNITS).find(([each]) => each === name)
  return unit === undefined
    ? new QueryProblem(
        `within is ${shown(value)}: it should be "visit", or a time such as "30 minutes" or "7 days".`,
      )
    : Number(count) * unit[1]
}

const stepsOf = (value: unknown, goals: GoalFilters): ReadonlyArray<Filter> | QueryProblem => {
  const list: ReadonlyArray<unknown> = Array.isArray(value) ? value : []
  if (list.length < MIN_STEPS || list.length > MAX_STEPS)
    return new QueryProblem(
      `steps is ${shown(value)}: it should be a list of ${MIN_STEPS} to ${MAX_STEPS} filters such as ["is", "page", ["/cv"]].`,
    )
  const steps: Array<Filter> = []
  for (const [i, each] of list.entries()) {
    const step = decodeFilter(each, `steps[${i}]`, goals)
    if (step instanceof QueryProblem) return step
    steps.push(step)
  }
  return steps
}

/** Reads a funnel: the parsed body of a request. Never throws. */
export const decodeFunnel = (body: unknown, context: QueryContext): Funnel | QueryProblem => {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    return new QueryProblem(`The funnel is ${shown(body)}: it should be a JSON object.`)
  const unknown = Object.keys(body).find((name) => !FUNNEL_FIELDS.some((field) => field === name))
  if (unknown !== undefined)
    return new QueryProblem(
      `There is no field ${shown(unknown)}: the fields are ${FUNNEL_FIELDS.join(", ")}.`,
    )
  const sites = sitesOf({ ...body }, context)
  if (sites instanceof QueryProblem) return sites
  const goals = sharedGoals(context.goals ?? [], sites)
  const steps = stepsOf("steps" in body ? body.steps : undefined, goals)
  if (steps instanceof QueryProblem) return steps
  const within = withinOf("within" in body ? body.within : undefined)
  if (within instanceof QueryProblem) return within
  const { steps: _, within: __, ...of } = { steps: null, within: null, ...body }
  const query = decodeQuery({ ...of, metrics: ["visitors"] }, context)
  return query instanceof QueryProblem ? query : { steps, within, query }
}

const withinText = (within: Funnel["within"]): string => {
  if (within === "visit") return within
  const [name, ms] = Object.entries(UNITS).findLast(([, each]) => within % each === 0) ?? [
    "minute",
    MINUTE_MS,
  ]
  return `${within / ms} ${name}${within === ms ? "" : "s"}`
}

/** A funnel as answers repeat it: with every default made explicit. */
export const encodeFunnel = ({ steps, within, query }: Funnel) => {
  const { sites, filters, date_range, time_zone, bots } = encodeQuery(query)
  return {
    ...{ sites, steps: steps.map(encodeFilter), within: withinText(within) },
    ...{ filters, date_range, time_zone, bots },
  }
}

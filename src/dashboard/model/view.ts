/**
 * What the front page shows: the range, what it is compared with, the filters, and what is open. All of it stands in the address, so that
 * a view can be sent and the browser's Back works. Pure functions.
 */
import { isZone } from "./zones.ts"

/** Ranges by a name, as questions name them, in the order in which they are offered. */
export const RANGES = [
  ...(["day", "yesterday", "24h", "7d", "28d", "91d"] as const),
  ...(["month", "last_month", "year", "12mo", "all"] as const),
] as const
export type RangeName = (typeof RANGES)[number]

/** A name, or two dates, both included. */
export type ViewRange = RangeName | readonly [from: string, to: string]

export const COMPARES = ["previous_period", "previous_year", "none"] as const
export type Compare = (typeof COMPARES)[number]

export const INTERVALS = ["hour", "day", "week", "month"] as const
export type Interval = (typeof INTERVALS)[number]

export const OPERATORS = ["is", "is_not", "contains", "contains_not"] as const
export type Operator = (typeof OPERATORS)[number]

/** A condition on every event of the page: the dimension has one of the values (`null`: none), or has not. */
export interface Condition {
  readonly operator: Operator
  readonly dimension: string
  readonly values: ReadonlyArray<string | null>
}

/** The metrics of the cards, in their order. */
export const CARDS = [
  ...(["visitors", "visits", "page_views"] as const),
  ...(["views_per_visit", "bounce_rate", "visit_duration"] as const),
] as const
export type Card = (typeof CARDS)[number]

export interface View {
  readonly range: ViewRange
  readonly compare: Compare
  /** IANA name; `null` for the site's. */
  readonly zone: string | null
  readonly conditions: ReadonlyArray<Condition>
  /** The one that is plotted. */
  readonly metric: Card
  /** The goal whose visitors are plotted in its place; `null` for none. */
  readonly goal: string | null
  /** `null`: to suit the range. */
  readonly interval: Interval | null
  /** The open tab of each panel that has another open than its first. */
  readonly tabs: ReadonlyMap<string, string>
  /** The dimension whose table is open. */
  readonly details: string | null
  /** The page whose clicks are about to be shown over it. */
  readonly clicks: string | null
}

export const DEFAULT_VIEW: View = {
  range: "7d",
  compare: "previous_period",
  zone: null,
  conditions: [],
  metric: "visitors",
  goal: null,
  interval: null,
  tabs: new Map(),
  details: null,
  clicks: null,
}

/** The one of the values that a text is. */
export const among = <A extends string>(values: ReadonlyArray<A>, text: string | null): A | undefined =>
  values.find((each) => each === text)

const DATE = /^\d{4}-\d{2}-\d{2}$/

/** Whether a text is a date of the calendar. */
const isDate = (text: string): boolean => {
  if (!DATE.test(text)) return false
  const at = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text)
}

/** A range of two texts, in either order; `null` unless both are dates. */
export const rangeOf = (from: string, to: string): ViewRange | null => {
  if (!isDate(from) || !isDate(to)) return null
  return from <= to ? [from, to] : [to, from]
}

/** `\0` stands for no value; commas and backslashes of a value have a backslash before them. */
const encodeValue = (value: string | null): string =>
  value === null ? "\\0" : value.replace(/[\\,]/g, "\\$&")

const decodeValue = (text: string): string | null =>
  text === "\\0" ? null : text.replace(/\\([\\,])/g, "$1")

/** A condition as the address has it: `is,page,/cv`. */
export const encodeCondition = ({ operator, dimension, values }: Condition): string =>
  [operator, encodeValue(dimension), ...values.map(encodeValue)].join(",")

/** The parts of a text between its commas, but for those after a backslash. */
const partsOf = (text: string): ReadonlyArray<string> => {
  const parts: Array<string> = []
  let part = ""
  for (let i = 0; i < text.length; i++) {
    if (text[i] === ",") {
      parts.push(part)
      part = ""
    } else if (text[i] === "\\") part += text.slice(i, ++i + 1)
    else part += text[i]
  }
  return [...parts, part]
}

/** The condition of a text of the address; `null` if it is none. */
export const decodeCondition = (text: string): Condition | null => {
  const [name = "", dimension = "", ...values] = partsOf(text)
  const operator = among(OPERATORS, name)
  const of = decodeValue(dimension)
  if (operator === undefined || of === null || of === "" || values.length === 0) return null
  return { operator, dimension: of, values: values.map(decodeValue) }
}

/** Parameters of a view, and what those of its tabs begin with. */
const PARAMETERS = [
  "range",
  "from",
  "to",
  "compare",
  "zone",
  "f",
  "metric",
  "goal",
  "interval",
  "details",
  "clicks",
]
const TAB = "tab_"

/** The view of an address; what it does not say, or says wrongly, is as by default. */
export const readView = (parameters: URLSearchParams): View => {
  const zone = parameters.get("zone")
  const tabs = [...parameters].filter(([name]) => name.startsWith(TAB))
  return {
    range:
      rangeOf(parameters.get("from") ?? "", parameters.get("to") ?? "") ??
      among(RANGES, parameters.get("range")) ??
      DEFAULT_VIEW.range,
    compare: among(COMPARES, parameters.get("compare")) ?? DEFAULT_VIEW.compare,
    zone: zone !== null && isZone(zone) ? zone : null,
    conditions: parameters
      .getAll("f")
      .map(decodeCondition)
      .filter((condition) => condition !== null),
    metric: among(CARDS, parameters.get("metric")) ?? DEFAULT_VIEW.metric,
    goal: parameters.get("goal"),
    interval: among(INTERVALS, parameters.get("interval")) ?? null,
    tabs: new Map(tabs.map(([name, tab]) => [name.slice(TAB.length), tab])),
    details: parameters.get("details"),
    clicks: parameters.get("clicks"),
  }
}

/** Puts a view into the parameters of an address, without what is as by default; others stay. */
export const writeView = (view: View, parameters: URLSearchParams): void => {
  for (const name of [...parameters.keys()])
    if (name.startsWith(TAB) || PARAMETERS.includes(name)) parameters.delete(name)
  const { range } = view
  const fields = {
    range: typeof range === "string" && range !== DEFAULT_VIEW.range ? range : null,
    from: typeof range === "string" ? null : range[0],
    to: typeof range === "string" ? null : range[1],
    compare: view.compare === DEFAULT_VIEW.compare ? null : view.compare,
    zone: view.zone,
    metric: view.metric === DEFAULT_VIEW.metric ? null : view.metric,
    goal: view.goal,
    interval: view.interval,
    details: view.details,
    clicks: view.clicks,
  }
  for (const [name, value] of Object.entries(fields)) if (value !== null) parameters.set(name, value)
  for (const condition of view.conditions) parameters.append("f", encodeCondition(condition))
  for (const [panel, tab] of view.tabs) parameters.set(`${TAB}${panel}`, tab)
}

/** The conditions with one more: values of the same dimension and kind come together; a value that is there goes. */
export const withCondition = (
  conditions: ReadonlyArray<Condition>,
  { operator, dimension, values }: Condition,
): ReadonlyArray<Condition> => {
  const at = conditions.findIndex((each) => each.dimension === dimension && each.operator === operator)
  const found = conditions[at]
  if (found === undefined) return [...conditions, { operator, dimension, values }]
  const added = values.filter((value) => !found.values.includes(value))
  if (added.length > 0) return conditions.with(at, { ...found, values: [...found.values, ...added] })
  const left = found.values.filter((value) => !values.includes(value))
  return left.length === 0 ? conditions.toSpliced(at, 1) : conditions.with(at, { ...found, values: left })
}

/** What a view has of goals, left out: they are a site's own, and another one's cannot be asked for. */
export const withoutGoals = ({ conditions }: View): Pick<View, "goal" | "conditions"> => ({
  goal: null,
  conditions: conditions.filter(({ dimension }) => dimension !== "goal"),
})

/** The opposite of each comparison. */
const OPPOSITES: { readonly [operator in Operator]: Operator } = {
  is: "is_not",
  is_not: "is",
  contains: "contains_not",
  contains_not: "contains",
}

/** The conditions with the opposite of one of them. */
export const withOpposite = (conditions: ReadonlyArray<Condition>, at: number): ReadonlyArray<Condition> => {
  const found = conditions[at]
  return found === undefined
    ? conditions
    : conditions.with(at, { ...found, operator: OPPOSITES[found.operator] })
}

/** The questions that the front page asks, as `POST /query` takes them. Pure functions of the view. */
import { addDays, type Day } from "../../domain/period.ts"
import { DAY_MS } from "../../domain/time.ts"
import { CARDS, type Condition, DEFAULT_VIEW, type Interval, type View, type ViewRange } from "./view.ts"

/** A question; its JSON is its identity. */
export interface Question {
  readonly site?: string
  readonly metrics: ReadonlyArray<string>
  readonly dimensions?: ReadonlyArray<string>
  readonly filters?: ReadonlyArray<ReadonlyArray<unknown>>
  readonly date_range: string | ReadonlyArray<string>
  readonly time_zone?: string
  readonly compare?: string
  readonly order_by?: ReadonlyArray<readonly [name: string, direction: "asc" | "desc"]>
  readonly limit?: number
  readonly offset?: number
  readonly bots?: "exclude" | "include"
}

/** A row of an answer. */
export interface AnswerRow {
  readonly dimensions: ReadonlyArray<string | null>
  readonly metrics: ReadonlyArray<number | null>
  readonly comparison?: { readonly metrics: ReadonlyArray<number | null> }
}

/** The answer to a question. */
export interface QuestionAnswer {
  readonly results: ReadonlyArray<AnswerRow>
  readonly meta: { readonly total_rows: number }
  readonly query: { readonly time_zone: string; readonly dimensions: ReadonlyArray<string> }
}

/** A condition as a filter of a question. */
export const filterOf = ({ operator, dimension, values }: Condition): ReadonlyArray<unknown> =>
  operator.startsWith("contains")
    ? [operator, dimension, values.filter((value) => value !== null), { case_sensitive: false }]
    : [operator, dimension, values]

/** What every question of a view is about. */
const aboutOf = (site: string | null, { range, zone, conditions }: View) => ({
  ...(site !== null && { site }),
  date_range: range,
  ...(zone !== null && { time_zone: zone }),
  ...(conditions.length > 0 && { filters: conditions.map(filterOf) }),
})

const comparison = ({ compare, range }: View) =>
  // Before the first event there is nothing.
  compare === "none" || range === "all" ? {} : { compare }

/** What of a question a view is: its site, time and filters. */
export const aboutView = (site: string | null, view: View): Partial<Question> => aboutOf(site, view)

/** How many visitors there are of whom further conditions hold. */
export const visitorsQuestion = (
  site: string | null,
  view: View,
  conditions: ReadonlyArray<Condition> = [],
): Question => ({
  ...aboutOf(site, { ...view, conditions: [...view.conditions, ...conditions] }),
  metrics: ["visitors"],
})

/** How many events there have been of a site, ever. */
export const everQuestion = (site: string | null): Question => ({
  ...aboutOf(site, { ...DEFAULT_VIEW, range: "all" }),
  metrics: ["events"],
})

/** The figures of the cards. */
export const totalsQuestion = (site: string | null, view: View): Question => ({
  ...aboutOf(site, view),
  ...comparison(view),
  metrics: CARDS,
})

/** How many visitors a goal has converted, and how many before. */
export const goalQuestion = (site: string | null, view: View, goal: string): Question => ({
  ...visitorsQuestion(site, view, [{ operator: "is", dimension: "goal", values: [goal] }]),
  ...comparison(view),
})

/** The course of every card's figure, so that another one is plotted at once; or that of a goal's visitors. */
export const courseQuestion = (site: string | null, view: View, interval: Interval): Question => ({
  ...(view.goal === null
    ? { ...aboutOf(site, view), ...comparison(view), metrics: CARDS }
    : goalQuestion(site, view, view.goal)),
  dimensions: [`time:${interval}`],
})

/** The values of dimensions that have the most of the first metric. */
export const topQuestion = (
  site: string | null,
  view: View,
  dimensions: ReadonlyArray<string>,
  {
    metrics,
    limit,
    only = [],
  }: { metrics: ReadonlyArray<string>; limit: number; only?: ReadonlyArray<Condition> },
): Question => {
  const about = aboutOf(site, view)
  return {
    ...about,
    ...(only.length > 0 && { filters: [...(about.filters ?? []), ...only.map(filterOf)] }),
    metrics,
    dimensions,
    limit,
  }
}

/** Days of each range that has a name, about. */
const DAYS: { readonly [name: string]: number } = {
  ...{ day: 1, yesterday: 1, "24h": 1, "7d": 7, "28d": 28, "91d": 91 },
  ...{ month: 31, last_month: 31, year: 366, "12mo": 366, all: 1000 },
}

const daysOf = (range: ViewRange): number =>
  typeof range === "string"
    ? (DAYS[range] ?? 1)
    : Math.round((Date.parse(range[1]) - Date.parse(range[0])) / DAY_MS) + 1

/** The intervals in which a range may be plotted, the one that suits it first. */
export const intervalsOf = (range: ViewRange): readonly [Interval, ...Array<Interval>] => {
  const days = daysOf(range)
  if (range === "all") return ["month", "week", "day"]
  if (days <= 2) return ["hour"]
  if (days <= 14) return ["day", "hour"]
  if (days <= 100) return ["day", "week"]
  if (days <= 800) return ["month", "week", "day"]
  return ["month", "week"]
}

/** The interval in which a view is plotted: the chosen one, where the range has it. */
export const intervalOf = ({ range, interval }: View): Interval => {
  const offered = intervalsOf(range)
  return offered.find((each) => each === interval) ?? offered[0]
}

/** Whether the answers of a range may change: what is counted now is in it, or its name is of other days tomorrow. */
export const goesOn = (range: ViewRange, today: Day): boolean =>
  typeof range === "string" || range[1] >= today

/** The range of two dates by as many days as it has before it (`-1`) or after it (`1`). */
export const movedRange = ([from, to]: readonly [string, string], by: -1 | 1): readonly [string, string] => {
  const days = daysOf([from, to]) * by
  return [addDays(from, days), addDays(to, days)]
}

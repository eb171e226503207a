/** The course of a figure over time, of an answer by time. Pure functions. */
import { Calendar, periodBounds } from "../../domain/period.ts"
import { HOUR_MS } from "../../domain/time.ts"
import type { QuestionAnswer } from "../model/questions.ts"
import { CARDS, type Card, INTERVALS, type Interval } from "../model/view.ts"

export interface CoursePoint {
  /** The interval's beginning, as answers name it. */
  readonly name: string
  /** `null` where the interval is to come, or where there is none. */
  readonly value: number | null
  readonly before: number | null
}

export interface Course {
  readonly metric: Card
  readonly interval: Interval
  readonly points: ReadonlyArray<CoursePoint>
  /** Index of the interval that is still going on; `null` where there is none. */
  readonly unfinished: number | null
}

/** The instant at which an interval begins, unix milliseconds. */
const beginOf = (name: string, calendar: Calendar): number =>
  name.length === 10 ? calendar.startOf(name) : Date.parse(name)

const endOf = (interval: Interval, name: string, calendar: Calendar): number =>
  interval === "hour"
    ? Date.parse(name) + HOUR_MS
    : calendar.startOf(periodBounds(interval, name.slice(0, 10)).until)

/** The course of a card's figure in the answer to a question by time. `now` is the server's, unix milliseconds. */
export const courseOf = ({ results, query }: QuestionAnswer, metric: Card, now: number): Course => {
  const at = CARDS.indexOf(metric)
  const calendar = new Calendar(query.time_zone)
  const interval = INTERVALS.find((each) => query.dimensions.includes(`time:${each}`)) ?? "day"
  const points = results.map(({ dimensions: [name], metrics, comparison }) => ({
    name: name ?? "",
    value: beginOf(name ?? "", calendar) > now ? null : (metrics[at] ?? null),
    before: comparison?.metrics[at] ?? null,
  }))
  const unfinished = points.findIndex(
    ({ name }) => beginOf(name, calendar) <= now && endOf(interval, name, calendar) > now,
  )
  return { metric, interval, points, unfinished: unfinished === -1 ? null : unfinished }
}

/** Steps of an axis from 0 that go as far as the highest value: 1, 2 or 5 times a power of ten. */
export const stepsTo = (most: number, count: number): ReadonlyArray<number> => {
  const rough = Math.max(most, 1) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(1, ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10) * power)
  return Array.from({ length: Math.ceil(Math.max(most, 1) / step) + 1 }, (_, i) => i * step)
}

/** The same for seconds: steps of whole minutes or hours where they are long. */
export const secondsTo = (most: number, count: number): ReadonlyArray<number> => {
  const rough = Math.max(most, 10) / count
  const step =
    [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400].find((each) => each >= rough) ?? 28800
  return Array.from({ length: Math.ceil(Math.max(most, 1) / step) + 1 }, (_, i) => i * step)
}

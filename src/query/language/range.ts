/** The time that a question is about: presets, dates and instants, in any time zone, and the time it is compared with. */
import { addDays, type Calendar, type Day, monthOf } from "../../domain/period.ts"
import { DAY_MS, MINUTE_MS, parseInstant } from "../../domain/time.ts"
import { QueryProblem, shown } from "./problem.ts"

/** From an instant (inclusive) until an instant (exclusive), unix milliseconds. */
export interface Range {
  readonly from: number
  readonly until: number
}

/** What comes before a range is found by days where it is made of days, else by its length. */
export type ResolvedRange = Range & { readonly days: { readonly first: Day; readonly last: Day } | null }

const DAYS_BACK = { "7d": 7, "28d": 28, "30d": 30, "91d": 91 } as const

/** Presets, and what each is. All end with today, the current minute, or as said; all days are those of the question's zone. */
export const PRESETS = {
  realtime: "The last 30 minutes.",
  day: "Today.",
  yesterday: "The day before today.",
  "24h": "The last 24 hours.",
  "7d": "Today and the 6 days before.",
  "28d": "Today and the 27 days before.",
  "30d": "Today and the 29 days before.",
  "91d": "Today and the 90 days before.",
  month: "The current month, until today.",
  last_month: "The month before the current one.",
  year: "The current year, until today.",
  "12mo": "The current month, until today, and the 11 before.",
  all: "From the first event until today.",
} as const satisfies { readonly [name: string]: string }
export type Preset = keyof typeof PRESETS

export const isPreset = (name: string): name is Preset => Object.hasOwn(PRESETS, name)

const REALTIME_MS = 30 * MINUTE_MS

/** A calendar date, and an instant with its offset from UTC. */
const DATE = /^\d{4}-\d{2}-\d{2}$/
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/

/** The longest range, days. */
const MAX_DAYS = 20 * 366

const isDate = (text: string): boolean => DATE.test(text) && addDaysOrNull(text) === text

const addDaysOrNull = (text: string): string | null => {
  const at = Date.parse(`${text}T00:00:00Z`)
  return Number.isNaN(at) ? null : addDays(text, 0)
}

const ofDays = (calendar: Calendar, first: Day, last: Day): ResolvedRange => ({
  from: calendar.startOf(first),
  until: calendar.startOf(addDays(last, 1)),
  days: { first, last },
})

/** The first day of the month `n` months after (before, when negative) that of a day. */
const monthAfter = (day: Day, n: number): Day => {
  const months = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1 + n
  return `${String(Math.floor(months / 12)).padStart(4, "0")}-${String((months % 12) + 1).padStart(2, "0")}-01`
}

/** What a range is found by. */
export interface RangeContext {
  /** Unix milliseconds. */
  readonly now: number
  /** Of the question's time zone. */
  readonly calendar: Calendar
  /** The first event of the question's sites, unix milliseconds; `null` if there is none. */
  readonly earliest: number | null
}

const ofPreset = (preset: Preset, { now, calendar, earliest }: RangeContext): ResolvedRange => {
  const today = calendar.dayOf(now)
  const days = (first: Day, last = today) => ofDays(calendar, first, last)
  // The minute that has begun belongs to it.
  const minute = Math.floor(now / MINUTE_MS + 1) * MINUTE_MS
  switch (preset) {
    case "realtime":
      return { from: minute - REALTIME_MS, until: minute, days: null }
    case "24h":
      return { from: minute - DAY_MS, until: minute, days: null }
    case "day":
      return days(today)
    case "yesterday":
      return days(addDays(today, -1), addDays(today, -1))
    case "month":
      return days(`${monthOf(today)}-01`)
    case "last_month":
      return days(monthAfter(today, -1), addDays(`${monthOf(today)}-01`, -1))
    case "year":
      return days(`${today.slice(0, 4)}-01-01`)
    case "12mo":
      return days(monthAfter(today, -11))
    case "all":
      return days(earliest === null ? today : calendar.dayOf(Math.min(earliest, now)))
    default:
      return days(addDays(today, 1 - DAYS_BACK[preset]))
  }
}

const FORMS = `one of ${Object.keys(PRESETS).join(", ")}, or [from, to]: two dates such as "2026-01-31", both included, or two instants such as "2026-01-31T12:00:00+01:00"`

/** The range of a `date_range` such as `"7d"` or `["2026-01-01", "2026-01-31"]`. */
export const resolveRange = (value: unknown, context: RangeContext): ResolvedRange | QueryProblem => {
  if (typeof value === "string" && isPreset(value)) return ofPreset(value, context)
  const [from, to, ...more] = Array.isArray(value) ? (value as ReadonlyArray<unknown>) : []
  const problem = new QueryProblem(`date_range is ${shown(value)}: it should be ${FORMS}.`)
  if (typeof from !== "string" || typeof to !== "string" || more.length > 0) return problem
  const range =
    isDate(from) && isDate(to)
      ? ofDays(context.calendar, from, to)
      : INSTANT.test(from) && INSTANT.test(to)
        ? { from: parseInstant(from), until: parseInstant(to), days: null }
        : null
  if (range === null || Number.isNaN(range.from) || Number.isNaN(range.until)) return problem
  if (range.until <= range.from)
    return new QueryProblem(`date_range is ${shown(value)}: it ends before it begins.`)
  if (range.until - range.from > MAX_DAYS * DAY_MS)
    return new QueryProblem(`date_range is ${shown(value)}: it should be at most ${MAX_DAYS} days.`)
  return range
}

export const COMPARISONS_IN_TIME = ["previous_period", "previous_year"] as const
export type Compare = (typeof COMPARISONS_IN_TIME)[number]

/** The same date `years` later; the 28th for a 29 February that is none. */
const yearsAfter = (day: Day, years: number): Day => {
  const moved = `${String(Number(day.slice(0, 4)) + years).padStart(4, "0")}${day.slice(4)}`
  return isDate(moved) ? moved : `${moved.slice(0, 8)}28`
}

const lengthInDays = (first: Day, last: Day): number =>
  Math.round((Date.parse(`${last}T00:00:00Z`) - Date.parse(`${first}T00:00:00Z`)) / DAY_MS) + 1

/**
 * The range that one is compared with: as many days before it, or the same dates of the year before; a range of instants moves by its
 * length, or by 365 days. A month to date and a year to date are compared with the beginning of the month or year before.
 */
export const compareRange = (
  range: ResolvedRange,
  compare: Compare,
  preset: unknown,
  calendar: Calendar,
): Range => {
  if (range.days === null) {
    const by = compare === "previous_year" ? 365 * DAY_MS : range.until - range.from
    return { from: range.from - by, until: range.until - by }
  }
  const { first, last } = range.days
  if (compare === "previous_year" || preset === "year")
    return ofDays(calendar, yearsAfter(first, -1), yearsAfter(last, -1))
  if (preset === "month" || preset === "last_month") {
    const before = monthAfter(first, -1)
    const end = addDays(first, -1)
    const sameDay = addDays(before, lengthInDays(first, last) - 1)
    return ofDays(calendar, before, preset === "last_month" || sameDay > end ? end : sameDay)
  }
  const length = lengthInDays(first, last)
  return ofDays(calendar, addDays(first, -length), addDays(first, -1))
}

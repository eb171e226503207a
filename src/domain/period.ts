/** Calendar days, ISO weeks and months in the deployment's time zone, and their keys. */
import { DAY_MS, MINUTE_MS } from "./time.ts"

export const PERIODS = ["day", "week", "month"] as const
export type Period = (typeof PERIODS)[number]

/** Every zone's offset since 1972 is a multiple of this, so a day never begins within such a slice. */
const SLICE_MS = 15 * MINUTE_MS
/** Slices remembered by a {@link Calendar}: a bit over 40 days of them. */
const MAX_SLICES = 4096

/** `2025-12-08`: a calendar day without a zone. */
export type Day = string

const utc = (day: Day): number => Date.parse(`${day}T00:00:00Z`)
const toDay = (utcMidnight: number): Day => new Date(utcMidnight).toISOString().slice(0, 10)

/** The day `n` days after (before, when negative) `day`. */
export const addDays = (day: Day, n: number): Day => toDay(utc(day) + n * DAY_MS)

/** Monday is 1, Sunday 7 (ISO 8601). */
const weekday = (day: Day): number => ((new Date(utc(day)).getUTCDay() + 6) % 7) + 1

/** The ISO week of a day, `2025-W50`: the year is that of the week's Thursday (ISO 8601). */
export const weekOf = (day: Day): string => {
  const thursday = utc(addDays(day, 4 - weekday(day)))
  const year = new Date(thursday).getUTCFullYear()
  const week = 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * DAY_MS))
  return `${year}-W${String(week).padStart(2, "0")}`
}

/** The month of a day, `2025-12`. */
export const monthOf = (day: Day): string => day.slice(0, 7)

/** The key of the period that contains a day: `2025-12-08`, `2025-W50` or `2025-12`. */
export const periodKey = (period: Period, day: Day): string =>
  period === "day" ? day : period === "week" ? weekOf(day) : monthOf(day)

/** The first day of the period that contains a day, and the first day after that period. */
export const periodBounds = (period: Period, day: Day): { readonly from: Day; readonly until: Day } => {
  if (period === "day") return { from: day, until: addDays(day, 1) }
  if (period === "week") {
    const from = addDays(day, 1 - weekday(day))
    return { from, until: addDays(from, 7) }
  }
  const from = `${monthOf(day)}-01`
  return { from, until: `${monthOf(addDays(from, 31))}-01` }
}

/** Every calendar day of the period that contains a day, in order: 1, 7 from Monday, or 28–31. */
export const periodDays = (period: Period, day: Day): ReadonlyArray<Day> => {
  const { from, until } = periodBounds(period, day)
  const days: Array<Day> = []
  for (let at = from; at < until; at = addDays(at, 1)) days.push(at)
  return days
}

/** Days of instants in one time zone. Lookups are a map read; `Intl` is asked once a quarter of an hour. */
export class Calendar {
  readonly timeZone: string
  readonly #format: Intl.DateTimeFormat
  readonly #days = new Map<number, Day>()

  constructor(timeZone: string) {
    this.timeZone = timeZone
    this.#format = new Intl.DateTimeFormat("en-CA", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    })
  }

  /** The calendar day of an instant (unix milliseconds). */
  dayOf(instant: number): Day {
    const slice = Math.floor(instant / SLICE_MS)
    const known = this.#days.get(slice)
    if (known !== undefined) return known
    const parts = this.#format.formatToParts(slice * SLICE_MS)
    const part = (type: string) => parts.find((each) => each.type === type)?.value ?? ""
    const day = `${part("year").padStart(4, "0")}-${part("month")}-${part("day")}`
    if (this.#days.size >= MAX_SLICES) this.#days.clear()
    this.#days.set(slice, day)
    return day
  }

  /** The instant (unix milliseconds) at which a calendar day begins; days are 23 to 25 hours long, or absent. */
  startOf(day: Day): number {
    // No zone is more than a day away from UTC; the first slice that lies in the day or after it is its beginning.
    let low = Math.floor((utc(day) - DAY_MS) / SLICE_MS)
    let high = Math.ceil((utc(day) + DAY_MS) / SLICE_MS)
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.dayOf(middle * SLICE_MS) < day) low = middle + 1
      else high = middle
    }
    return low * SLICE_MS
  }
}

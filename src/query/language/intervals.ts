/** The intervals of a time series, in any time zone: days of 23 to 25 hours, weeks from Monday, months. */
import { addDays, type Calendar, type Day, periodBounds } from "../../domain/period.ts"
import { HOUR_MS, MINUTE_MS } from "../../domain/time.ts"
import type { Range } from "./range.ts"

export const INTERVALS = ["minute", "hour", "day", "week", "month"] as const
export type Interval = (typeof INTERVALS)[number]

/** The most intervals of an answer. */
export const MAX_INTERVALS = 20_000

/** An interval of a series; the first and the last one are cut where the range begins and ends. */
export interface Bucket extends Range {
  /** Its beginning as answers name it: `2026-01-31`, or `2026-01-31T14:00:00+01:00`. */
  readonly name: string
}

const LENGTHS = { minute: MINUTE_MS, hour: HOUR_MS } as const

const nextDay = (interval: "day" | "week" | "month", day: Day): Day => periodBounds(interval, day).until

/** An instant as ISO 8601 with the offset that a zone has then. */
export class Clock {
  readonly #format: Intl.DateTimeFormat

  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" })
  }

  /** Minutes that the zone's clocks are ahead of UTC. */
  offsetOf(instant: number): number {
    const name =
      this.#format.formatToParts(instant).find(({ type }) => type === "timeZoneName")?.value ?? "GMT"
    const [, sign, hours = "0", minutes = "0"] = /^GMT(?:([+-])(\d{2}):(\d{2}))?/.exec(name) ?? []
    return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  }

  /** `2026-01-31T14:00:00+01:00`. */
  nameOf(instant: number): string {
    const offset = this.offsetOf(instant)
    const local = new Date(instant + offset * MINUTE_MS).toISOString().slice(0, 19)
    const two = (n: number) => String(n).padStart(2, "0")
    const size = Math.abs(offset)
    return `${local}${offset < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`
  }
}

/**
 * The intervals that a range touches, in order; more than {@link MAX_INTERVALS} of them are `null`. Minutes and hours are counted from
 * the beginning of their day, so that a day in which clocks are put back has 25 hours.
 */
export const bucketsOf = (
  range: Range,
  interval: Interval,
  calendar: Calendar,
): ReadonlyArray<Bucket> | null => {
  const buckets: Array<Bucket> = []
  const add = (from: number, until: number, name: string): boolean => {
    if (until > range.from && from < range.until)
      buckets.push({ name, from: Math.max(from, range.from), until: Math.min(until, range.until) })
    return buckets.length <= MAX_INTERVALS
  }
  const firstDay = calendar.dayOf(range.from)
  if (interval === "minute" || interval === "hour") {
    const length = LENGTHS[interval]
    if ((range.until - range.from) / length > MAX_INTERVALS) return null
    const clock = new Clock(calendar.timeZone)
    for (let day = firstDay, start = calendar.startOf(day); start < range.until; ) {
      const next = addDays(day, 1)
      const end = calendar.startOf(next)
      for (let at = start; at < end && at < range.until; at += length)
        if (at + length > range.from && !add(at, Math.min(at + length, end), clock.nameOf(at))) return null
      ;[day, start] = [next, end]
    }
    return buckets
  }
  for (let day = periodBounds(interval, firstDay).from; ; day = nextDay(interval, day)) {
    const from = calendar.startOf(day)
    if (from >= range.until) return buckets
    if (!add(from, calendar.startOf(nextDay(interval, day)), day)) return null
  }
}

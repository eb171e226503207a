/**
 * How late an event may come, and what has to last for that long. Whoever changes {@link MAX_AGE_MS} changes it here, for the
 * idempotency keys, the exact visitors of a period, and what an erasure looks through.
 */
import { MAX_AGE_MS, MAX_AHEAD_MS } from "./limits.ts"
import { addDays, type Calendar, type Day } from "./period.ts"
import { DAY_MS } from "./time.ts"

/**
 * Milliseconds after which nothing of an instant can come any more. An event's time may be ahead by {@link MAX_AHEAD_MS} when it
 * is sent first and {@link MAX_AGE_MS} old when it is sent last; a day on top is for clocks that differ and a backlog that drains.
 */
export const LATE_WINDOW_MS = MAX_AGE_MS + MAX_AHEAD_MS + DAY_MS

/**
 * The days, in order, that an event may belong to which is processed at `now` (unix milliseconds), and one before: whoever
 * kept something until the end of the {@link LATE_WINDOW_MS} may have gone by another clock.
 */
export const openDays = (calendar: Calendar, now: number): ReadonlyArray<Day> => {
  const days: Array<Day> = []
  const last = calendar.dayOf(now + MAX_AHEAD_MS)
  for (let day = addDays(calendar.dayOf(now - LATE_WINDOW_MS), -1); day <= last; day = addDays(day, 1))
    days.push(day)
  return days
}

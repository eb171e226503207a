/**
 * How late an event may arrive, and for how long things are kept because of it: idempotency keys, the exact visitors of a
 * period, and the days that an erasure searches all follow {@link MAX_AGE_MS} from here.
 */
import { MAX_AGE_MS, MAX_AHEAD_MS } from "./limits.ts"
import { addDays, type Calendar, type Day } from "./period.ts"
import { DAY_MS } from "./time.ts"

/**
 * Milliseconds after which no event of an instant can arrive any more. An event's time may be {@link MAX_AHEAD_MS} ahead
 * when it is first sent, and {@link MAX_AGE_MS} old when it is last retried; one more day leaves room for a backlog to drain
 * and for clocks that differ.
 */
export const LATE_WINDOW_MS = MAX_AGE_MS + MAX_AHEAD_MS + DAY_MS

/**
 * The days, in order, to which an event that is processed at `now` (unix milliseconds) may belong. The day before them is
 * included: what is kept for {@link LATE_WINDOW_MS} may expire by a clock that is behind.
 */
export const openDays = (calendar: Calendar, now: number): ReadonlyArray<Day> => {
  const days: Array<Day> = []
  const last = calendar.dayOf(now + MAX_AHEAD_MS)
  for (let day = addDays(calendar.dayOf(now - LATE_WINDOW_MS), -1); day <= last; day = addDays(day, 1))
    days.push(day)
  return days
}

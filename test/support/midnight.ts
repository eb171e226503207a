/**
 * Figures of today are those of another day when midnight (UTC) comes between an event and the question. No test begins so shortly
 * before midnight that this would be likely.
 */
import { beforeEach } from "vitest"

const DAY_MS = 86_400_000
/** More than nearly every test takes. */
const LONGEST_MS = 60_000

/** Milliseconds from `now` (unix milliseconds) until the next midnight is over if it comes within `lasting` milliseconds, else 0. */
export const untilAfterMidnight = (now: number, lasting: number): number => {
  const left = DAY_MS - (now % DAY_MS)
  // One more, because timers may be early.
  return left <= lasting ? left + 1 : 0
}

beforeEach(async ({ task }) => {
  const pause = untilAfterMidnight(Date.now(), Math.min(task.timeout, LONGEST_MS))
  if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
}, LONGEST_MS + 10_000)

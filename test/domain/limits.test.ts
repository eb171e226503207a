/** Constants that must agree: raising one limit must not leave what depends on it behind. */
import { describe, expect, test } from "vitest"
import { isClosed } from "../../src/aggregates/apply.ts"
import { decodeEvent, Rejection } from "../../src/domain/event.ts"
import { LATE_WINDOW_MS, openDays } from "../../src/domain/lateWindow.ts"
import { MAX_AGE_MS, MAX_AGE_TEXT, MAX_AHEAD_MS, MAX_AHEAD_TEXT } from "../../src/domain/limits.ts"
import { PageQuery } from "../../src/domain/pageQuery.ts"
import { addDays, Calendar, PERIODS, periodBounds } from "../../src/domain/period.ts"
import { DAY_MS, HOUR_MS } from "../../src/domain/time.ts"

const NOW = Date.parse("2025-03-31T22:00:00Z")

/** Whether an event of an instant is taken at another. */
const isTaken = (timestamp: number, now: number): boolean =>
  !(
    decodeEvent(
      { event_type: "page_view", timestamp },
      { now, sites: new Set(["main"]), site: "main", referer: null, pageQuery: new PageQuery([]) },
    ) instanceof Rejection
  )

describe("the late window", () => {
  test("outlasts the time from an event's first acceptance to its last retry, and a day", () => {
    const time = NOW + MAX_AHEAD_MS
    const lastRetry = time + MAX_AGE_MS
    expect(isTaken(time, NOW)).toBe(true)
    expect(isTaken(time, lastRetry)).toBe(true)
    expect(isTaken(time, lastRetry + 1)).toBe(false)
    // What idempotency keys live for, see test/events/retention.
    expect(NOW + LATE_WINDOW_MS).toBeGreaterThanOrEqual(lastRetry + DAY_MS)
  })

  test("is whole days and whole minutes, as messages say", () => {
    expect(`timestamp must lie between ${MAX_AGE_TEXT} ago and ${MAX_AHEAD_TEXT} ahead.`).toMatch(
      /between \d+ days ago and \d+ minutes ahead/,
    )
  })
})

describe("the open days", () => {
  // Days of 23 and of 25 hours lie within.
  const nows = (zone: string) => [
    ...Array.from({ length: 24 }, (_, hour) => NOW + hour * HOUR_MS),
    new Calendar(zone).startOf("2025-10-28") - MAX_AHEAD_MS,
    new Calendar(zone).startOf("2025-11-04") + MAX_AHEAD_MS - 1,
  ]

  test.each(["UTC", "Europe/Paris", "America/New_York", "Pacific/Kiritimati"])(
    "have every day in %s whose events are taken, or whose exact visitors are kept",
    (zone) => {
      const calendar = new Calendar(zone)
      for (const now of nows(zone)) {
        const open = openDays(calendar, now)
        expect(open).toContain(calendar.dayOf(now + MAX_AHEAD_MS))
        expect(open).toContain(calendar.dayOf(now - MAX_AGE_MS))
        for (const period of PERIODS) {
          const days = new Set(open.map((day) => periodBounds(period, day).from))
          const earliest = addDays(open[0] ?? "", -60)
          for (let day = earliest; day <= (open.at(-1) ?? ""); day = addDays(day, 1))
            if (!isClosed(calendar, period, day, now))
              expect(days, `${period} of ${day}`).toContain(periodBounds(period, day).from)
        }
      }
    },
  )
})

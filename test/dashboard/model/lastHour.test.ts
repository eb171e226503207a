import { describe, expect, test } from "vitest"
import {
  fromHistory,
  MINUTES,
  upTo,
  withEvent,
  withOmitted,
  withVisitors,
} from "../../../src/dashboard/model/lastHour.ts"
import { MINUTE_MS } from "../../../src/domain/time.ts"
import { liveEvent, NOW } from "./frames.ts"

const UNTIL = NOW - 10_000
const FIRST = Math.floor(NOW / MINUTE_MS) - (MINUTES - 1)

/** Read ten seconds ago: no event, and two visitors in every minute. */
const quiet = fromHistory({
  data: Array.from({ length: MINUTES }, (_, i) => ({
    time: new Date((FIRST + i) * MINUTE_MS).toISOString(),
    events: 0,
    visitors: 2,
  })),
  meta: { minutes: MINUTES, until: new Date(UNTIL).toISOString() },
})

const eventAt = (instant: number) => liveEvent({ timestamp: new Date(instant).toISOString() })

/** Minutes with events, as minutes before the last one. */
const counted = (events: ReadonlyArray<number>): ReadonlyArray<readonly [before: number, count: number]> =>
  events.flatMap((count, i) => (count === 0 ? [] : [[MINUTES - 1 - i, count] as const]))

describe("an event", () => {
  test("counts in the minute in which it happened", () => {
    const later = { ...quiet, until: NOW - 10 * MINUTE_MS }
    const hour = withEvent(withEvent(later, eventAt(NOW), NOW), eventAt(NOW - 3 * MINUTE_MS), NOW)
    expect(counted(hour.events)).toEqual([
      [3, 1],
      [0, 1],
    ])
  })

  test("that was in what was read does not count again", () => {
    expect(withEvent(quiet, eventAt(UNTIL), NOW)).toBe(quiet)
    expect(counted(withEvent(quiet, eventAt(UNTIL + 1), NOW).events)).toEqual([[0, 1]])
  })

  test("from outside of the hour does not count", () => {
    const old = { ...quiet, until: 0 }
    expect(counted(withEvent(old, eventAt(NOW - 61 * MINUTE_MS), NOW).events)).toEqual([])
    for (const ahead of [1, 2])
      expect(counted(withEvent(old, eventAt(NOW + ahead * MINUTE_MS), NOW).events)).toEqual([])
  })
})

test("events without a time count in the running minute", () => {
  const hour = withOmitted(quiet, { events: 5, by_type: { page_view: 5 } }, NOW + MINUTE_MS)
  expect(counted(hour.events)).toEqual([[0, 5]])
  expect(hour.first).toBe(FIRST + 1)
})

test("visitors are those of the running minute", () => {
  const hour = withVisitors(quiet, 9, NOW)
  expect(hour.visitors.slice(-2)).toEqual([2, 9])
  expect(withVisitors(hour, 9, NOW)).toBe(hour)
})

describe("the window", () => {
  test("ends with the running minute", () => {
    expect(upTo(quiet, NOW)).toBe(quiet)
    const hour = upTo(withEvent(quiet, eventAt(NOW), NOW), NOW + 2 * MINUTE_MS)
    expect(hour.first).toBe(FIRST + 2)
    expect(counted(hour.events)).toEqual([[2, 1]])
    expect(hour.events).toHaveLength(MINUTES)
    expect(hour.visitors).toEqual(quiet.visitors)
  })

  test("has no visitors in minutes that came after a long silence, and nothing of before after an hour", () => {
    expect(upTo(quiet, NOW + 6 * MINUTE_MS).visitors.slice(-7)).toEqual([2, 0, 0, 0, 0, 0, 0])
    const busy = withEvent(quiet, eventAt(NOW), NOW)
    for (const silence of [60, 61, 1000]) {
      const hour = upTo(busy, NOW + silence * MINUTE_MS)
      expect(hour.events).toEqual(Array(MINUTES).fill(0))
      expect(hour.visitors).toEqual(Array(MINUTES).fill(0))
      expect(hour.first).toBe(FIRST + silence)
    }
  })

  test("does not go back with a clock that does", () => {
    expect(upTo(quiet, NOW - 5 * MINUTE_MS)).toBe(quiet)
  })
})

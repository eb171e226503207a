import { describe, expect, test } from "vitest"
import { courseOf, secondsTo, stepsTo } from "../../../src/dashboard/front/course.ts"
import type { QuestionAnswer } from "../../../src/dashboard/model/questions.ts"

const answer = (interval: string, names: ReadonlyArray<string>, zone: string): QuestionAnswer => ({
  results: names.map((name, i) => ({
    dimensions: [name],
    metrics: [i + 1, 0, 0, 0, 0, 0],
    comparison: { metrics: [10 * i, 0, 0, 0, 0, 0] },
  })),
  meta: { total_rows: names.length },
  query: { time_zone: zone, dimensions: [`time:${interval}`] },
})

describe("the course of a figure", () => {
  test("ends with the day that goes on, in the zone of the answer", () => {
    const days = ["2026-11-27", "2026-11-28", "2026-11-29"]
    // In Tokyo the 29th has begun, in New York the 28th goes on.
    const now = Date.parse("2026-11-28T16:00:00Z")
    const inTokyo = courseOf(answer("day", days, "Asia/Tokyo"), "visitors", now)
    expect(inTokyo.points.map(({ value }) => value)).toEqual([1, 2, 3])
    expect(inTokyo.unfinished).toBe(2)
    const inNewYork = courseOf(answer("day", days, "America/New_York"), "visitors", now)
    expect(inNewYork.points.map(({ value }) => value)).toEqual([1, 2, null])
    expect(inNewYork.points.map(({ before }) => before)).toEqual([0, 10, 20])
    expect(inNewYork.unfinished).toBe(1)
  })

  test("of hours leaves out those to come, and knows the one that goes on", () => {
    const hours = ["14", "15", "16"].map((hour) => `2026-11-29T${hour}:00:00+01:00`)
    const course = courseOf(answer("hour", hours, "Europe/Paris"), "visitors", Date.parse(hours[1] ?? "") + 1)
    expect(course.points.map(({ value }) => value)).toEqual([1, 2, null])
    expect(course.unfinished).toBe(1)
  })

  test("of a time that has ended has nothing that goes on", () => {
    const course = courseOf(
      answer("month", ["2026-01-01"], "UTC"),
      "visitors",
      Date.parse("2026-02-01T00:00:00Z"),
    )
    expect(course.unfinished).toBeNull()
  })
})

test.each([
  [0, [0, 1]],
  [3, [0, 1, 2, 3]],
  [7, [0, 2, 4, 6, 8]],
  [694, [0, 200, 400, 600, 800]],
  [1_000_000, [0, 500_000, 1_000_000]],
])("an axis to %i has round steps", (most, steps) => {
  expect(stepsTo(most, 4)).toEqual(steps)
})

test("an axis of seconds has steps of minutes", () => {
  expect(secondsTo(200, 4)).toEqual([0, 60, 120, 180, 240])
})

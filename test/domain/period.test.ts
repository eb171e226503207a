import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { addDays, Calendar, periodBounds, periodDays, periodKey, weekOf } from "../../src/domain/period.ts"

const ZONES = [
  "UTC",
  "Europe/Paris",
  "America/New_York",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "Pacific/Apia",
  "Australia/Lord_Howe",
]

describe("ISO weeks", () => {
  // The examples of https://en.wikipedia.org/wiki/ISO_week_date
  test.each([
    ["1977-01-01", "1976-W53"],
    ["1977-01-02", "1976-W53"],
    ["1977-12-31", "1977-W52"],
    ["1978-01-01", "1977-W52"],
    ["1978-01-02", "1978-W01"],
    ["1978-12-31", "1978-W52"],
    ["1979-01-01", "1979-W01"],
    ["1979-12-30", "1979-W52"],
    ["1979-12-31", "1980-W01"],
    ["1980-12-28", "1980-W52"],
    ["1980-12-29", "1981-W01"],
    ["1981-12-31", "1981-W53"],
    ["1982-01-01", "1981-W53"],
    ["1982-01-03", "1981-W53"],
    ["2025-12-08", "2025-W50"],
  ])("%s is in %s", (day, week) => {
    expect(weekOf(day)).toBe(week)
  })

  test("begin on Monday and have one key on all seven days", () => {
    expect(periodDays("week", "2025-12-10")).toEqual([
      "2025-12-08",
      "2025-12-09",
      "2025-12-10",
      "2025-12-11",
      "2025-12-12",
      "2025-12-13",
      "2025-12-14",
    ])
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20_000 }), (n) => {
        const keys = periodDays("week", addDays("1990-01-01", n)).map((day) => periodKey("week", day))
        return keys.length === 7 && new Set(keys).size === 1
      }),
    )
  })
})

test("months have 28 to 31 days", () => {
  expect(periodDays("month", "2024-02-15")).toHaveLength(29)
  expect(periodDays("month", "2025-02-15")).toHaveLength(28)
  expect(periodBounds("month", "2025-12-31")).toEqual({ from: "2025-12-01", until: "2026-01-01" })
  expect(periodBounds("month", "2025-11-30")).toEqual({ from: "2025-11-01", until: "2025-12-01" })
})

describe.each(ZONES)("the calendar of %s", (zone) => {
  const calendar = new Calendar(zone)
  const instants = fc.integer({
    min: Date.parse("2000-01-01T00:00:00Z"),
    max: Date.parse("2040-01-01T00:00:00Z"),
  })
  const format = new Intl.DateTimeFormat("en-CA", { timeZone: zone })

  test("says of any instant what Intl says", () => {
    fc.assert(fc.property(instants, (at) => calendar.dayOf(at) === format.format(at)))
  })

  test("begins a day at its first instant", () => {
    fc.assert(
      fc.property(instants, (at) => {
        const day = calendar.dayOf(at)
        const start = calendar.startOf(day)
        return start <= at && calendar.dayOf(start) === day && calendar.dayOf(start - 1) < day
      }),
    )
  })
})

test("a day that a zone skipped begins where the next one does", () => {
  // Samoa went from the 29th straight to the 31st of December 2011.
  const calendar = new Calendar("Pacific/Apia")
  expect(calendar.startOf("2011-12-30")).toBe(calendar.startOf("2011-12-31"))
})

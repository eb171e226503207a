import { expect, test } from "vitest"
import { UUID } from "../../src/domain/limits.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { DayVisitors } from "../../src/sdk/dayVisitors.ts"

const NOON = 20_000 * DAY_MS + DAY_MS / 2

test("an address with a browser is one visitor until midnight, and nobody else is", () => {
  const visitors = new DayVisitors()
  const first = visitors.idOf("203.0.113.7", "a browser", NOON)
  expect(first).toMatch(UUID)
  expect(visitors.idOf("203.0.113.7", "a browser", NOON + DAY_MS / 3)).toBe(first)
  const others = [
    visitors.idOf("203.0.113.8", "a browser", NOON),
    visitors.idOf("203.0.113.7", "another", NOON),
    visitors.idOf("203.0.113.7", "a browser", NOON + DAY_MS),
    // Of another process: its key is its own.
    new DayVisitors().idOf("203.0.113.7", "a browser", NOON),
  ]
  expect(new Set([first, ...others]).size).toBe(5)
})

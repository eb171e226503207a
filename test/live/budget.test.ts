import { expect, test } from "vitest"
import { feedBudget, GROUPS, groupBudget } from "../../src/live/budget.ts"

test("under load each group gets its bursts in its own moment, and a node tells enough for all of them", () => {
  const clock = { now: 0 }
  const now = () => clock.now
  const groups = Array.from({ length: GROUPS }, (_, group) => groupBudget(50, group, now))
  const feed = feedBudget(50, now)
  const taken = groups.map((budget) => [budget.take(100)])
  expect(taken).toEqual(groups.map(() => [50]))
  expect(feed.take(100)).toBe(50)
  for (clock.now = 25; clock.now <= 1000; clock.now += 25) {
    expect(feed.take(100)).toBe(10)
    const bursts = groups.map((budget) => budget.take(100))
    expect(bursts.filter((burst) => burst > 0)).toEqual([10])
    for (const [group, burst] of bursts.entries()) taken[group]?.push(burst)
  }
  for (const bursts of taken) expect(bursts.slice(1).reduce((sum, burst) => sum + burst)).toBe(50)
})

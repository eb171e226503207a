import { expect, test } from "vitest"
import { farthest } from "../../../src/dashboard/model/scale.ts"

const places = (...all: ReadonlyArray<readonly [at: number, count: number]>) =>
  all.map(([at, count]) => ({ at, count }))

test.each([
  ["nothing", places(), 100],
  ["percents", places([3, 1], [97.5, 40]), 100],
  ["percents, and one click far away", places([3, 1], [1e9, 1], [50, 1]), 100],
  ["percents, and a place far away that somebody has sent again and again", places([3, 60], [5000, 50]), 100],
  ["pixels", places([120, 5], [1310, 20], [40, 9]), 1310],
  ["one click in pixels", places([1310, 1]), 1310],
  ["pixels, and one click far away", places([120, 50], [1310, 50], [1e9, 1]), 1310],
] as const)("a picture of %s goes to the end of what clicks have", (_, all, end) => {
  expect(farthest(all)).toBe(end)
})

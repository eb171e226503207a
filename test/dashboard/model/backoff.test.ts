import { describe, expect, test } from "vitest"
import { pauseMs } from "../../../src/dashboard/model/backoff.ts"

describe("pauses between tries to connect", () => {
  test("double up to a bound", () => {
    const middle = Array.from({ length: 8 }, (_, tries) => pauseMs(tries, 0.5))
    expect(middle).toEqual([400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000])
  })

  test("spread by half to either side, so that pages do not come all at once", () => {
    for (const tries of [0, 3, 20]) {
      expect(pauseMs(tries, 0)).toBe(pauseMs(tries, 0.5) / 2)
      expect(pauseMs(tries, 0.999)).toBeGreaterThan(pauseMs(tries, 0.5) * 1.49)
    }
  })
})

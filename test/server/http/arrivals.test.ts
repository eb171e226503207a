import { expect, test } from "vitest"
import { Arrivals } from "../../../src/server/http/arrivals.ts"
import type { Problem } from "../../../src/server/http/problem.ts"
import { eventually } from "../../support/index.ts"

const SILENCE_MS = 50

test("a body that has come while the thread was busy is not late; one that has not is", async () => {
  const arrivals = new Arrivals({ silenceMs: SILENCE_MS, totalMs: 600_000 })
  const late: Array<readonly [string, string]> = []
  const begin = (name: string) => arrivals.begin(({ code }: Problem) => late.push([name, code]))
  // Among the timers, of which the look at what is late is one.
  await new Promise((resolve) => setTimeout(resolve, 0))
  const come = begin("come")
  begin("lost")
  const busyUntil = performance.now() + 4 * SILENCE_MS
  while (performance.now() < busyUntil);
  // As what is read after the timers.
  setImmediate(() => arrivals.end(come))
  await eventually(() => expect(late).toEqual([["lost", "BODY_TIMEOUT"]]))
  arrivals.stop()
  expect(late).toHaveLength(1)
})

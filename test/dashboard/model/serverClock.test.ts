import { expect, test } from "vitest"
import { ServerClock } from "../../../src/dashboard/model/serverClock.ts"

const AT = Date.parse("2026-11-29T12:00:00Z")

test.each([
  ["2 hours ahead", 7_200_000],
  ["12 minutes ahead", 720_000],
  ["2 hours behind", -7_200_000],
])("a reader's clock %s shows the server's time", (_, wrong) => {
  const clock = new ServerClock()
  clock.heard(AT / 1000, AT + wrong)
  expect(clock.now(AT + wrong + 5000)).toBe(AT + 5000)
})

test("a clock that is right moves evenly, though frames tell whole seconds and travel", () => {
  const clock = new ServerClock()
  for (const late of [0, 400, 999, 1400]) {
    clock.heard(Math.floor(AT / 1000), AT + late)
    expect(clock.now(AT + late)).toBe(AT + late)
  }
})

import { existsSync } from "node:fs"
import { expect, test } from "vitest"
import { runScenarios } from "../../bench/run.ts"
import { type Context, check, type Scenario } from "../../bench/scenario.ts"

const scenario = (name: string, run: Scenario["run"]): Scenario => ({ name, title: name, run })

const outcomesOf = async (...scenarios: ReadonlyArray<Scenario>) => {
  const run = await runScenarios({ scenarios, scale: "smoke", seconds: null, events: null, say: () => {} })
  return run.outcomes
}

const FOUND = { figures: [], checks: [check("events", 1, 1)], plots: [], remarks: [] }

test("a scenario that fails ends what it has started, the latest first, and the next one is measured", async () => {
  const ended: Array<string> = []
  const outcomes = await outcomesOf(
    scenario("first", async ({ onEnd }) => {
      onEnd(() => ended.push("server"))
      onEnd(() => Promise.reject(new Error("gone already")))
      onEnd(() => ended.push("client"))
      throw new Error("no answer")
    }),
    scenario("second", async () => FOUND),
  )
  expect(outcomes.map(({ scenario: name, failure }) => [name, failure])).toEqual([
    ["first", "no answer"],
    ["second", null],
  ])
  expect(outcomes[1]?.checks).toEqual(FOUND.checks)
  expect(ended).toEqual(["client", "server"])
})

test("what a scenario starts after its end is ended at once, and its folder is gone", async () => {
  const contexts: Array<Context> = []
  await outcomesOf(
    scenario("only", async (context) => {
      contexts.push(context)
      return FOUND
    }),
  )
  const [context] = contexts
  let ended = false
  context?.onEnd(() => {
    ended = true
  })
  expect(ended).toBe(true)
  expect(existsSync(context?.folder ?? "/")).toBe(false)
})

/** A short selection of the experiments, and the proof that they would notice. */
import { join } from "node:path"
import { expect, test } from "vitest"
import { temporaryFolder } from "../support/index.ts"
import { isClean } from "./checker.ts"
import { runExperiment } from "./experiment.ts"
import { FAULTS } from "./faults.ts"
import { SABOTAGES, sabotaged } from "./sabotage.ts"

const ROOT = join(import.meta.dirname, "..", "..")

const experiment = (name: string, nodes: number, seconds: number, root = ROOT, drainWithin = 60_000) => {
  const fault = FAULTS.find((each) => each.name === name)
  if (fault === undefined) throw new Error(`there is no fault ${name}`)
  return runExperiment({
    ...{ fault, nodes, root, drainWithin, seed: 11, milliseconds: seconds * 1000 },
    folder: join(temporaryFolder(), name),
    fsync: "always",
    print: () => {},
  })
}

test.each([
  ["lost-replies", 2, 4],
  ["kill-between-stores", 1, 5],
  ["redis-kill", 1, 4],
])(
  "nothing is lost or counted twice under %s",
  async (name, nodes, seconds) => {
    const { broken, verdict } = await experiment(name, nodes, seconds)
    expect({ broken, verdict }).toMatchObject({
      broken: [],
      verdict: { lost: 0, doubled: 0, phantom: 0, altered: 0, wrongFigures: [] },
    })
    expect(verdict.acknowledged).toBeGreaterThan(500)
  },
  150_000,
)

test.each(SABOTAGES)(
  "a program that $name is found out",
  async (sabotage) => {
    const root = sabotaged(ROOT, join(temporaryFolder(), "copy"), sabotage)
    const { verdict } = await experiment(sabotage.fault, 1, 4, root, 10_000)
    expect(isClean(verdict)).toBe(false)
  },
  150_000,
)

/** A short selection of the experiments, and the proof that they detect mistakes. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { Random } from "../../src/tools/traffic/random.ts"
import { ROOT } from "../support/documents.ts"
import { temporaryFolder } from "../support/index.ts"
import { isClean } from "./checker.ts"
import { runExperiment } from "./experiment.ts"
import { FAULTS } from "./faults.ts"
import { complaintsAbout, fuzz } from "./fuzzer.ts"
import { SABOTAGES, type Sabotage, sabotaged } from "./sabotage.ts"
import { startWorld } from "./world.ts"

const experiment = (
  name: string,
  nodes: number,
  seconds: number,
  folder: string,
  root = ROOT,
  drainWithin?: number,
) => {
  const fault = FAULTS.find((each) => each.name === name)
  if (fault === undefined) throw new Error(`there is no fault ${name}`)
  return runExperiment({
    ...{ fault, nodes, root, seed: 11, milliseconds: seconds * 1000 },
    ...(drainWithin !== undefined && { drainWithin }),
    ...{ folder, topology: "single", replicas: 0, ackReplicas: 0 },
    fsync: "always",
    print: () => {},
  })
}

test.each([
  ["lost-replies", 2, 3],
  ["redis-lost-tail", 1, 2],
  ["postgres-failover", 1, 1],
  ["upgrade-to-next", 2, 1],
])("nothing is lost or counted twice under %s", async (name, nodes, seconds) => {
  const { broken, verdict } = await experiment(name, nodes, seconds, join(temporaryFolder(), name))
  expect({ broken, verdict }).toMatchObject({
    broken: [],
    verdict: { lost: 0, doubled: 0, phantom: 0, altered: 0, wrongFigures: [] },
  })
  expect(verdict.acknowledged).toBeGreaterThan(0)
})

/** A mistake only shows if the fault strikes at the right moment; on a busy machine that may take longer and further tries. */
const SECONDS_OF_TRIES = [4, 8, 12, 20, 30, 40]

test("a program with a deliberate mistake is found out, whichever it is", async () => {
  const folder = temporaryFolder()
  const tryOut = async (sabotage: Sabotage, i: number) => {
    const root = sabotaged(ROOT, join(folder, `copy-${i}`), sabotage)
    for (const seconds of SECONDS_OF_TRIES) {
      const run = join(folder, `run-${i}-${seconds}`)
      const { verdict } = await experiment(sabotage.fault, 1, seconds, run, root, 3000)
      if (!isClean(verdict)) return [sabotage.name, "found out"]
    }
    return [sabotage.name, "not noticed"]
  }
  // Whatever goes wrong with one, the others end before their folder goes.
  const orSaid =
    ({ name }: Sabotage) =>
    (cause: unknown) => [name, String(cause)]
  const tries = SABOTAGES.map((sabotage, i) =>
    Effect.promise(() => tryOut(sabotage, i).catch(orSaid(sabotage))),
  )
  // As many deployments at a time as a small machine can run.
  const found = await Effect.runPromise(Effect.all(tries, { concurrency: 2 }))
  expect(found).toEqual(SABOTAGES.map(({ name }) => [name, "found out"]))
})

test("thousands of malformed requests and frames neither end a node nor make it fail", async () => {
  const random = new Random(5)
  const folder = join(temporaryFolder(), "fuzz")
  const world = await startWorld(
    {
      ...{ folder, root: ROOT, newRoot: ROOT, nodes: 1, random, env: {} },
      ...{
        topology: "single",
        replicas: 0,
        between: "nothing",
        fsync: "everysec",
        postgresMegabytes: null,
        postgresPair: false,
      },
    },
    () => {},
  )
  try {
    const node = world.seats[0]?.node
    if (node === undefined) throw new Error("there is no node")
    const report = await fuzz({ node, count: 8_000, concurrency: 32, random, print: () => {} })
    expect(complaintsAbout(report)).toEqual([])
    // The node has received them: most were refused, and the valid ones accepted. How many in time is the machine's affair.
    expect(report.answers).toMatchObject({
      "400": expect.any(Number),
      "201": expect.any(Number),
      "ws 101": expect.any(Number),
    })
  } finally {
    await world.stop()
  }
})

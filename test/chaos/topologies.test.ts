/** A short selection of the experiments on several Redis servers. */
import { join } from "node:path"
import { expect, test } from "vitest"
import { ROOT } from "../support/documents.ts"
import { temporaryFolder } from "../support/index.ts"
import { runExperiment } from "./experiment.ts"
import { faultsOf } from "./faults.ts"
import type { Topology } from "./redis.ts"

const experiment = (topology: Topology, name: string, ackReplicas: number, replicas: number) => {
  const fault = faultsOf(topology).find((each) => each.name === name)
  if (fault === undefined) throw new Error(`a ${topology} has no fault ${name}`)
  return runExperiment({
    ...{ fault, topology, replicas, ackReplicas, nodes: 1, root: ROOT, seed: 11, milliseconds: 2000 },
    ...{ folder: join(temporaryFolder(), name), fsync: "always", print: () => {} },
  })
}

const KEPT = {
  broken: [],
  verdict: { lost: 0, lostWithRedis: 0, doubled: 0, phantom: 0, altered: 0, wrongFigures: [] },
}

test.each([
  ["cluster", "slots-moved", 0, 1],
  ["cluster", "lagging-replica", 1, 1],
  ["sentinel", "failover-unpaused", 1, 1],
] as const)(
  "nothing is lost or counted twice with a %s under %s, with %i of %i replicas acknowledging",
  async (topology, name, ackReplicas, replicas) => {
    const { broken, verdict } = await experiment(topology, name, ackReplicas, replicas)
    expect({ broken, verdict }).toMatchObject(KEPT)
    expect(verdict.acknowledged).toBeGreaterThan(100)
  },
)

test("without ACK_REPLICAS, what a lagging replica lacks is seen to be lost, and nothing is doubled or miscounted", async () => {
  const { broken, verdict } = await experiment("cluster", "lagging-replica", 0, 1)
  expect(verdict.lostWithRedis).toBeGreaterThan(0)
  expect({ broken, verdict }).toMatchObject({
    ...KEPT,
    verdict: { ...KEPT.verdict, lostWithRedis: verdict.lostWithRedis },
  })
})

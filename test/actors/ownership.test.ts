/** Which node owns which partition, and which nodes are asked. */
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { announceHttpNode, liveNodes, makeMembership } from "../../src/actors/membership.ts"
import { preferredOwners } from "../../src/actors/ownership.ts"
import { freshDeployment } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"

const nodeNames = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 })
const partitionCounts = fc.integer({ min: 1, max: 64 })

describe("partitions", () => {
  test("are all owned, by no node more than its even share", () => {
    fc.assert(
      fc.property(nodeNames, partitionCounts, (nodes, partitions) => {
        const owners = preferredOwners(nodes, partitions)
        expect(owners).toHaveLength(partitions)
        for (const [owner, own] of Map.groupBy(owners, (each) => each)) {
          expect(nodes).toContain(owner)
          expect(own.length).toBeLessThanOrEqual(Math.ceil(partitions / nodes.length))
        }
      }),
    )
  })

  test("have the same owners for every node, in whatever order it hears of the others", () => {
    fc.assert(
      fc.property(nodeNames, partitionCounts, (nodes, partitions) => {
        expect(preferredOwners(nodes.toReversed(), partitions)).toEqual(preferredOwners(nodes, partitions))
      }),
    )
  })

  test("have no owner where there is no node", () => {
    expect(preferredOwners([], 2)).toEqual([null, null])
  })
})

test("members know of each other, with actors or without, until they leave; who only asks is no member", async () => {
  const { redis, prefix, metrics, scoped } = await freshDeployment()
  const live = async () => Map.groupBy(await run(liveNodes(redis, prefix, metrics)), ({ node }) => node)
  const membership = makeMembership(redis, prefix, { node: "one", hasActors: true }, metrics)
  await scoped(announceHttpNode(redis, prefix, "two", metrics))
  // A heartbeat lasts for six seconds.
  await eventually(async () => {
    await run(membership.heartbeat)
    expect(await live()).toEqual(
      new Map([
        ["one", [{ node: "one", hasActors: true }]],
        ["two", [{ node: "two", hasActors: false }]],
      ]),
    )
  })
  await run(membership.leave)
  await eventually(async () => expect([...(await live()).keys()]).toEqual(["two"]))
})

/** The order of test files: those that take longest begin first, so that none is left alone at the end. */
import { relative } from "node:path"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { ROOT } from "./documents.ts"

/** Files of more than about 15 s on two cores, the longest first. */
const LONGEST = [
  "test/chaos/chaos.test.ts",
  "test/bench/smoke.test.ts",
  "test/chaos/topologies.test.ts",
  "test/embedded/killed.test.ts",
  "test/process/node.test.ts",
  "test/infra/compose.test.ts",
  "test/browser/dashboard.test.ts",
  "test/docs/snippets.test.ts",
  "test/browser/example.test.ts",
  "test/browser/tracker.test.ts",
  "test/bench/interrupt.test.ts",
  "test/topology/ackReplicas.test.ts",
  "test/node/readiness.test.ts",
  "test/process/bundle.test.ts",
  "test/topology/tls.test.ts",
  "test/sdk/node.test.ts",
  "test/topology/sentinel.test.ts",
  "test/actors/exactlyOnce.test.ts",
  "test/topology/postgresFailover.test.ts",
  "test/topology/redisUser.test.ts",
  "test/topology/postgresRole.test.ts",
  "test/tools/doctor/doctor.test.ts",
]

const placeOf = ({ moduleId }: TestSpecification): number => {
  const place = LONGEST.indexOf(relative(ROOT, moduleId))
  return place < 0 ? LONGEST.length : place
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).toSorted((a, b) => placeOf(a) - placeOf(b))
  }
}

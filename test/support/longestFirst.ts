/** The order of test files: those that take longest begin first, so that none is left alone at the end. */
import { relative } from "node:path"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { ROOT } from "./documents.ts"

/** Files of more than about 25 s on two cores, the longest first. */
const LONGEST = [
  "test/chaos/chaos.test.ts",
  "test/browser/dashboardFront.test.ts",
  "test/browser/dashboardLive.test.ts",
  "test/browser/dashboardSites.test.ts",
  "test/docs/snippets.test.ts",
  "test/bench/smoke.test.ts",
  "test/chaos/topologies.test.ts",
  "test/process/node.test.ts",
  "test/embedded/killed.test.ts",
  "test/infra/compose.test.ts",
  "test/browser/example.test.ts",
  "test/docs/frameworks.test.ts",
  "test/browser/tracker.test.ts",
  "test/bench/interrupt.test.ts",
  "test/events/retention/retention.test.ts",
  "test/infra/rolling.test.ts",
  "test/backup/backup.test.ts",
  "test/access/access.test.ts",
  "test/query/engine/equal.test.ts",
  "test/events/chunks/compaction.test.ts",
  "test/process/stop.test.ts",
  "test/browser/subPath.test.ts",
  "test/topology/tls.test.ts",
  "test/node/belonging.test.ts",
  "test/node/httpThread/httpThread.test.ts",
  "test/embedded/stores.test.ts",
  "test/backup/underLoad.test.ts",
  "test/node/readiness.test.ts",
  "test/tools/doctor/doctor.test.ts",
  "test/commands/wrongPlace.test.ts",
  "test/export/export.test.ts",
  "test/query/engine/node.test.ts",
  "test/rebuild/partition.test.ts",
  "test/topology/redisUser.test.ts",
  "test/tools/replay/replay.test.ts",
  "test/topology/ackReplicas.test.ts",
  "test/embedded/paths.test.ts",
  "test/sdk/node.test.ts",
  "test/query/equal.test.ts",
  "test/topology/postgresRole.test.ts",
  "test/infra/proxies.test.ts",
  "test/actors/exactlyOnce.test.ts",
  "test/chaos/ownership.test.ts",
  "test/process/bundle.test.ts",
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

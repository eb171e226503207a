import { expect, test } from "vitest"
import { previousVersion, whyNoPreviousVersion } from "../chaos/versions.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { api, dataOf, startProcess } from "../support/process.ts"
import { wants } from "../support/wants.ts"
import { backUp, drained, expectFigures, restoreElsewhere } from "./elsewhere.ts"
import { bodyOf, expectedFigures, someEvents } from "./traffic.ts"

const why = whyNoPreviousVersion(ROOT)

test("a data folder of the version before is backed up as it is, and restored as what this version has", {
  ...wants(why === null, `the previous version (${why})`),
}, async () => {
  const dataDir = temporaryFolder()
  const config = {
    ...(await settings()),
    redisUrl: null,
    databaseUrl: null,
    dataDir,
    redisKeyPrefix: "maicivy",
  }
  const node = await startProcess(["node", "src/main.ts"], {
    cwd: previousVersion(ROOT, temporaryFolder()),
    env: {
      ...{ DATA_DIR: dataDir, PARTITIONS: String(config.partitions), SITES: config.sites.join() },
      ...{ RATE_LIMIT_PER_MINUTE: "0", LOG_LEVEL: "error" },
    },
  })
  const events = someEvents(150)
  for (const event of events) {
    const answer = await fetch(api(node.url, "event"), {
      method: "POST",
      body: JSON.stringify(bodyOf(event)),
    })
    expect(answer.status).toBe(201)
  }
  const [today] = expectedFigures(events, "main", "UTC").stats
  await eventually(async () =>
    expect(await dataOf(node.url, "stats")).toMatchObject({ total_events: today?.total_events }),
  )
  await node.end("SIGTERM")

  const { folder, manifest } = await backUp(config)
  expect(manifest.events + manifest.waiting.reduce((sum, { lines }) => sum + lines, 0)).toBe(events.length)
  const target = await restoreElsewhere(folder, config)
  const restored = await runNode(target)
  await drained(target)
  await expectFigures(restored, events, "UTC")
})

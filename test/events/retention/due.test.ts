import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { retentionTimes } from "../../../src/events/retention/due.ts"
import { runRetention } from "../../../src/events/retention/retention.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { run } from "../../support/effects.ts"
import { freshEvents, rows, UTC } from "../../support/events.ts"

const NOW = Date.parse("2025-12-08T12:00:00Z")

test("a run is due after the last success or the first start, and those that count are whole", async () => {
  const before = Date.now()
  const { postgres } = await freshEvents()
  const times = async (retentionCron = "0 2 * * *", timeZone = "UTC") => {
    const { lastSuccess, due } = await run(retentionTimes(postgres, { retentionCron, timeZone }))
    return [lastSuccess === null ? null : new Date(lastSuccess).toISOString(), new Date(due).toISOString()]
  }
  const retained = (given: { readonly dryRun?: boolean; readonly partial?: boolean }, now = NOW) =>
    run(
      runRetention(postgres, {
        ...{ retentionDays: 10, archiveDir: null, dryRun: false, now, metrics: new Metrics("test_") },
        ...{ calendar: UTC, partitions: 2, uniquesOf: () => Effect.succeed(0), ...given },
      }),
    )

  const [never, first] = await times()
  expect(never).toBeNull()
  expect(Date.parse(first ?? "")).toBeGreaterThan(before)
  await rows(postgres, "UPDATE deployment SET retention_since = '2025-12-01T12:00:00Z'")
  expect(await times()).toEqual([null, "2025-12-02T02:00:00.000Z"])
  await retained({ dryRun: true })
  await retained({ partial: true })
  expect(await times()).toEqual([null, "2025-12-02T02:00:00.000Z"])
  await retained({})
  const success = "2025-12-08T12:00:00.000Z"
  expect(await times()).toEqual([success, "2025-12-09T02:00:00.000Z"])
  expect(await times("0 2 * * SUN")).toEqual([success, "2025-12-14T02:00:00.000Z"])
  expect(await times("0 2 * * *", "America/New_York")).toEqual([success, "2025-12-09T07:00:00.000Z"])
  await retained({}, NOW - 1000)
  expect(await times()).toEqual([success, "2025-12-09T02:00:00.000Z"])
})

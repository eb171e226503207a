import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { ensureDeployment } from "../../../src/events/schema/deployment.ts"
import { migrate } from "../../../src/events/schema/migrate.ts"
import { makeBatchWriter } from "../../../src/events/write/batchWriter.ts"
import { StoreError } from "../../../src/stores/errors.ts"
import { run } from "../../support/effects.ts"
import { connect, countOf, dailyTotals, entriesFrom, event, SITES, UTC } from "../../support/events.ts"
import { eventually, privatePostgres } from "../../support/index.ts"

describe("a Postgres that is killed while batches are written", () => {
  test("holds every event once after they were tried again, and every failure says to try again", async () => {
    const server = await privatePostgres()
    const postgres = await connect(server.url)
    await run(migrate(postgres))
    await run(ensureDeployment(postgres, { partitions: 1, timeZone: "UTC", sites: ["main"] }))

    const writer = makeBatchWriter(postgres, SITES)
    const failures: Array<unknown> = []
    const retried = <A, E>(effect: Effect.Effect<A, E>) =>
      eventually(() =>
        run(
          Effect.tapError(effect, (error) =>
            Effect.sync(() => {
              failures.push(error)
            }),
          ),
        ),
      )

    const { epoch } = await retried(writer.acquireEpoch(0))
    const counted = new Set<string>()
    for (let batch = 0; batch < 20; batch++) {
      const entries = entriesFrom(
        1 + batch * 1000,
        Array.from({ length: 500 }, (_, i) => event({ id: i % 2 === 0 ? randomUUID() : null })),
      )
      const writing = retried(writer.write({ partition: 0, epoch, entries, calendar: UTC }))
      // At another point of the batch each time; what it met, the rows tell.
      if (batch % 7 === 3) server.kill()
      for (const entry of (await writing).counted) counted.add(entry.streamId)
    }

    expect(failures.length).toBeGreaterThan(0)
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(StoreError)
      expect(failure).toMatchObject({ unavailable: true })
    }
    expect(counted.size).toBe(10_000)
    expect(await countOf(postgres, "analytics_events")).toBe(10_000)
    expect(await countOf(postgres, "idempotency_keys")).toBe(5_000)
    expect(await dailyTotals(postgres)).toContain("main 2025-12-08 events: 10000")
  })
})

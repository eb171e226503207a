import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { acquireEpoch, writeBatch } from "../../src/events/batchWriter.ts"
import { DeploymentMismatch, ensureDeployment } from "../../src/events/deployment.ts"
import { migrate } from "../../src/events/migrate.ts"
import { runRetention } from "../../src/events/retention.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { Fenced, type StoreError } from "../../src/stores/errors.ts"
import { freshDatabase } from "../support/index.ts"
import { connect, countOf, entriesFrom, event, freshEvents, rows, run, UTC } from "./support.ts"

describe("migrations", () => {
  it("are each applied once by nodes that start together", async () => {
    const url = await freshDatabase()
    const nodes = await Promise.all([connect(url), connect(url), connect(url)])
    const applied = (await Promise.all(nodes.map((node) => run(migrate(node))))).flat()
    expect(applied[0]).toBe("001_schema")
    expect(new Set(applied).size).toBe(applied.length)
    expect(await run(migrate(await connect(url)))).toEqual([])
  })
})

describe("a schema that a newer version has migrated", () => {
  const migratedByNewer = async () => {
    const events = await freshEvents()
    await rows(events.postgres, "INSERT INTO schema_migrations (version, name) VALUES (999, '999_next')")
    return events
  }
  const refused = { code: "SCHEMA_TOO_NEW", message: expect.stringContaining("999_next") }

  it("is worked with by none of an older version's parts", async () => {
    const { postgres } = await migratedByNewer()
    const retention = runRetention(postgres, {
      ...{ retentionDays: 1, archiveDir: null, dryRun: false, now: Date.now(), partitions: 2 },
      metrics: new Metrics("test_"),
      calendar: UTC,
      uniquesOf: () => Effect.succeed(0),
    })
    for (const part of [migrate(postgres), acquireEpoch(postgres, 0), retention])
      expect(await run(Effect.flip<unknown, StoreError, never>(part))).toMatchObject(refused)
  })

  it("takes no batch of an owner from before the migration", async () => {
    const { postgres } = await freshEvents()
    const { epoch } = await run(acquireEpoch(postgres, 0))
    // The last migration, once more: what a newer version would do.
    await rows(postgres, "DELETE FROM schema_migrations WHERE version = 2")
    await rows(postgres, "ALTER TABLE deployment DROP COLUMN raw_since")
    expect(await run(migrate(postgres))).toEqual(["002_raw_since"])
    const batch = { partition: 0, epoch, entries: entriesFrom(1, [event()]), calendar: UTC }
    expect(await run(Effect.flip(writeBatch(postgres, batch)))).toBeInstanceOf(Fenced)
    expect(await countOf(postgres, "analytics_events")).toBe(0)
  })
})

describe("a deployment", () => {
  const settings = { partitions: 4, timeZone: "Europe/Paris", sites: ["main", "blog"] }

  const migrated = async () => {
    const postgres = await connect(await freshDatabase())
    await run(migrate(postgres))
    return postgres
  }

  it("keeps the ids of its sites, whatever is declared later", async () => {
    const postgres = await migrated()
    const { siteIds } = await run(ensureDeployment(postgres, settings))
    expect([...siteIds.keys()].sort()).toEqual(["blog", "main"])
    const later = await run(ensureDeployment(postgres, { ...settings, sites: ["shop", "main"] }))
    expect(later.siteIds.get("main")).toBe(siteIds.get("main"))
    expect(new Set([...siteIds.values(), ...later.siteIds.values()]).size).toBe(3)
    expect(await countOf(postgres, "stream_partitions")).toBe(4)
  })

  it("refuses another number of partitions and another time zone, with the way out", async () => {
    const postgres = await migrated()
    await run(ensureDeployment(postgres, settings))
    const partitions = await run(Effect.flip(ensureDeployment(postgres, { ...settings, partitions: 8 })))
    expect(partitions).toBeInstanceOf(DeploymentMismatch)
    expect(partitions.message).toMatch(/PARTITIONS is 8.* over 4: .*`rebuild --partitions 8`/)
    const zone = await run(Effect.flip(ensureDeployment(postgres, { ...settings, timeZone: "UTC" })))
    expect(zone.message).toMatch(/TIME_ZONE is UTC.*Europe\/Paris: .*`rebuild --time-zone UTC`/)
  })

  it("is decided once by nodes that start together", async () => {
    const postgres = await migrated()
    const started = await Promise.all(
      [4, 8].map((partitions) => run(Effect.exit(ensureDeployment(postgres, { ...settings, partitions })))),
    )
    expect(started.map((exit) => exit._tag).sort()).toEqual(["Failure", "Success"])
  })
})

describe("tables of days", () => {
  it("are made once by batches that need them at the same time", async () => {
    const { postgres } = await freshEvents()
    const made = await Promise.all(
      Array.from({ length: 8 }, () =>
        rows<{ made: boolean }>(postgres, "SELECT ensure_event_day('2025-12-08') AS made"),
      ),
    )
    expect(made.flat().filter((row) => row.made)).toHaveLength(1)
    const indexes = await rows(
      postgres,
      "SELECT 1 FROM pg_index WHERE indrelid = 'event_chunks_20251208'::regclass",
    )
    expect(indexes).toHaveLength(2)
  })
})

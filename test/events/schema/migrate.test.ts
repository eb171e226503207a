import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { runRetention } from "../../../src/events/retention/retention.ts"
import { DeploymentMismatch, ensureDeployment } from "../../../src/events/schema/deployment.ts"
import { migrate } from "../../../src/events/schema/migrate.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { Fenced } from "../../../src/stores/errors.ts"
import { run } from "../../support/effects.ts"
import { connect, countOf, entriesFrom, event, freshEvents, rows, store, UTC } from "../../support/events.ts"
import { eventually, freshDatabase } from "../../support/index.ts"

describe("migrations", () => {
  test("are each applied once by nodes that start together", async () => {
    const url = await freshDatabase()
    const nodes = await Promise.all([connect(url), connect(url), connect(url)])
    const applied = (await Promise.all(nodes.map((node) => run(migrate(node))))).flat()
    // Any of them may have applied any.
    expect(applied).toEqual(expect.arrayContaining(["001_schema", "003_event_chunks"]))
    expect(new Set(applied).size).toBe(applied.length)
    expect(await run(migrate(await connect(url)))).toEqual([])
  })
})

describe("a migration", () => {
  test("waits for who reads a table, without making others wait for long, and is applied then", async () => {
    const { postgres } = await freshEvents()
    await rows(postgres, "DELETE FROM schema_migrations WHERE version = 4")
    await rows(postgres, "DROP INDEX event_chunks_tiny")
    await rows(
      postgres,
      "ALTER TABLE event_chunks DROP COLUMN click_page, DROP COLUMN click_x, DROP COLUMN click_y",
    )
    const reader = await postgres.pool.connect()
    try {
      await reader.query("BEGIN; SELECT count(*) FROM event_chunks")
      const migrated = run(migrate(postgres))
      const waiting = () =>
        countOf(postgres, "pg_locks WHERE relation = 'event_chunks'::regclass AND NOT granted")
      await eventually(async () => expect(await waiting()).toBe(1))
      // It gives its place in the queue up: whoever comes then does not wait for the reader.
      await eventually(async () => expect(await waiting()).toBe(0))
      await reader.query("COMMIT")
      expect(await migrated).toEqual(["004_chunk_clicks"])
    } finally {
      reader.release()
    }
  })
})

describe("the migration to chunks", () => {
  /** A database as the version before left it: a row an event, a table a day. */
  const withRows = async () => {
    const postgres = await connect(await freshDatabase())
    await rows(
      postgres,
      "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text, applied_at timestamptz)",
    )
    for (const name of ["001_schema", "002_raw_since"]) {
      const sql = readFileSync(
        new URL(`../../../src/events/schema/migrations/${name}.sql`, import.meta.url),
        "utf8",
      )
      await postgres.pool.query(sql)
      await rows(postgres, "INSERT INTO schema_migrations VALUES ($1, $2, now())", [
        Number(name.slice(0, 3)),
        name,
      ])
    }
    await rows(postgres, "INSERT INTO sites (slug) VALUES ('main'), ('blog')")
    await rows(postgres, "INSERT INTO stream_partitions (partition) VALUES (0)")
    await rows(postgres, "SELECT ensure_event_day(day) FROM unnest('{2025-12-07,2025-12-08}'::date[]) AS day")
    await rows(
      postgres,
      `INSERT INTO analytics_events (id, visitor_id, created_at, site_id, event_type, page_url, referrer, event_data)
       SELECT gen_random_uuid(), md5((n % 70)::text)::uuid,
         '2025-12-07T23:00:00Z'::timestamptz + (n * n % 5000) * interval '1.234 seconds', 1 + n % 11 / 10,
         (ARRAY['page_view', 'button_click', 'x'])[1 + n % 3], nullif('/p' || n % 5, '/p4'), nullif('r' || n % 3, 'r0'),
         CASE WHEN n % 4 > 0 THEN jsonb_build_object('x', n, 'text', 'é "' || n % 7) END
       FROM generate_series(1, 5000) AS n`,
    )
    return postgres
  }

  test("keeps every event as it was", async () => {
    const postgres = await withRows()
    const all = `SELECT id, visitor_id, created_at, created_at::text AS exactly, site_id, event_type, page_url, referrer,
      event_data FROM analytics_events ORDER BY id`
    const before = await rows(postgres, all)
    expect(before).toHaveLength(5000)
    expect(await run(migrate(postgres))).toContain("003_event_chunks")
    expect(await rows(postgres, all)).toEqual(before)
    expect(await countOf(postgres, "pg_class WHERE relname LIKE 'analytics_events%'")).toBe(1)
  })

  test("makes chunks of full size that new batches stand beside", async () => {
    const postgres = await withRows()
    await run(migrate(postgres))
    await store(postgres, [event({ createdAt: Date.parse("2025-12-07T23:30:00Z") })])
    const chunks = await rows<{ events: number; day: string }>(
      postgres,
      "SELECT events, first_at::date::text AS day FROM event_chunks ORDER BY first_at, last_at",
    )
    expect(chunks.reduce((sum, { events }) => sum + events, 0)).toBe(5001)
    expect(Math.max(...chunks.map(({ events }) => events))).toBe(1000)
    expect(chunks.length).toBeLessThan(12)
    expect(await countOf(postgres, "events_between('main', '2025-12-07T23:00Z', '2025-12-08')")).toBe(
      await countOf(postgres, "analytics_events WHERE site = 'main' AND created_at < '2025-12-08'"),
    )
  })
})

test("a site that took events of its hosts only refuses those of others", async () => {
  const { postgres } = await freshEvents()
  await rows(postgres, "DELETE FROM schema_migrations WHERE version = 20")
  await rows(postgres, "ALTER TABLE declared_sites DROP COLUMN only_hosts, DROP COLUMN other_hosts")
  await rows(postgres, "ALTER TABLE declared_sites ADD COLUMN only_hosts boolean NOT NULL DEFAULT false")
  await rows(postgres, "INSERT INTO declared_sites (slug, only_hosts) VALUES ('a', true), ('b', false)")
  expect(await run(migrate(postgres))).toEqual(["020_other_hosts"])
  // A node of the version before reads what it knows.
  expect(
    await rows(postgres, "SELECT slug, other_hosts, only_hosts FROM declared_sites ORDER BY slug"),
  ).toEqual([
    { slug: "a", other_hosts: "refuse", only_hosts: true },
    { slug: "b", other_hosts: "count", only_hosts: false },
  ])
})

describe("a schema that a newer version has migrated", () => {
  const migratedByNewer = async () => {
    const events = await freshEvents()
    await rows(events.postgres, "INSERT INTO schema_migrations (version, name) VALUES (999, '999_next')")
    return events
  }
  const refused = { _tag: "SchemaTooNew", message: expect.stringContaining("999_next") }

  test("is worked with by none of an older version's parts", async () => {
    const { postgres, writer } = await migratedByNewer()
    const retention = runRetention(postgres, {
      ...{ retentionDays: 1, archiveDir: null, dryRun: false, now: event().createdAt, partitions: 2 },
      metrics: new Metrics("test_"),
      calendar: UTC,
      uniquesOf: () => Effect.succeed(0),
    })
    const parts: ReadonlyArray<Effect.Effect<unknown, Error>> = [
      migrate(postgres),
      writer.acquireEpoch(0),
      retention,
    ]
    for (const part of parts) expect(await run(Effect.flip(part))).toMatchObject(refused)
  })

  test("takes no batch of an owner from before the migration", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    // The last migration, once more: what a newer version would do.
    await rows(postgres, "DELETE FROM schema_migrations WHERE version = 2")
    await rows(postgres, "ALTER TABLE deployment DROP COLUMN raw_since")
    expect(await run(migrate(postgres))).toEqual(["002_raw_since"])
    const batch = { partition: 0, epoch, entries: entriesFrom(1, [event()]), calendar: UTC }
    expect(await run(Effect.flip(writer.write(batch)))).toBeInstanceOf(Fenced)
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

  test("keeps the ids of its sites, whatever is declared later", async () => {
    const postgres = await migrated()
    const { siteIds } = await run(ensureDeployment(postgres, settings))
    expect([...siteIds.keys()].sort()).toEqual(["blog", "main"])
    const later = await run(ensureDeployment(postgres, { ...settings, sites: ["shop", "main"] }))
    expect(later.siteIds.get("main")).toBe(siteIds.get("main"))
    expect(new Set([...siteIds.values(), ...later.siteIds.values()]).size).toBe(3)
    expect(await countOf(postgres, "stream_partitions")).toBe(4)
  })

  test("refuses another number of partitions and another time zone, with the way out", async () => {
    const postgres = await migrated()
    await run(ensureDeployment(postgres, settings))
    const partitions = await run(Effect.flip(ensureDeployment(postgres, { ...settings, partitions: 8 })))
    expect(partitions).toBeInstanceOf(DeploymentMismatch)
    expect(partitions.message).toMatch(/PARTITIONS is 8.* over 4: .*`rebuild --partitions 8`/)
    const zone = await run(Effect.flip(ensureDeployment(postgres, { ...settings, timeZone: "UTC" })))
    expect(zone.message).toMatch(/TIME_ZONE is UTC.*Europe\/Paris: .*`rebuild --time-zone UTC`/)
  })

  test("is decided once by nodes that start together", async () => {
    const postgres = await migrated()
    const started = await Promise.all(
      [4, 8].map((partitions) => run(Effect.exit(ensureDeployment(postgres, { ...settings, partitions })))),
    )
    expect(started.map((exit) => exit._tag).sort()).toEqual(["Failure", "Success"])
  })
})

describe("tables of days", () => {
  test("are made once by batches that need them at the same time", async () => {
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
    expect(indexes).toHaveLength(3)
  })
})

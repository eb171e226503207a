import { randomUUID } from "node:crypto"
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import { expect, onTestFinished, test } from "vitest"
import { writeManifest } from "../../src/backup/manifest.ts"
import { verifyBackup } from "../../src/backup/verify.ts"
import { exportErasures } from "../../src/commands/backup.ts"
import { retain } from "../../src/commands/retention.ts"
import { withStores } from "../../src/commands/stores.ts"
import { MARK_UNFINISHED } from "../../src/events/schema/index.ts"
import type { Postgres } from "../../src/stores/postgres.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { now } from "../support/clock.ts"
import { run } from "../support/effects.ts"
import { connect, rows } from "../support/events.ts"
import { eventually, freshDatabase, redisUrl, temporaryFolder } from "../support/index.ts"
import { runNode, settings, TOKEN } from "../support/node.ts"
import { backUp, backUpTo, drained, expectFigures, restoreElsewhere, restoreInto, send } from "./elsewhere.ts"
import { someEvents } from "./traffic.ts"

test("a backup has rows, what waits and dead letters, and restored elsewhere it is the deployment that it was", async () => {
  const config = await settings({ timeZone: "Europe/Paris" })
  const node = await runNode(config)
  const applied = someEvents(300)
  await send(node, applied)
  await drained(config)
  await node.stop()
  const front = await runNode({ ...config, roles: ["http"] })
  const waiting = someEvents(60)
  await send(front, waiting)
  const redis = new Redis(redisUrl())
  onTestFinished(() => redis.disconnect())
  const { dead } = streamKeys(config.redisKeyPrefix, 1)
  const letter = await redis.xadd(dead, "*", "e", "unreadable", "reason", "It is bad.", "entry", "7-0")

  const { folder, manifest } = await backUp(config)
  expect(manifest.events).toBe(applied.length)
  expect(manifest.waiting.reduce((sum, { lines }) => sum + lines, 0)).toBe(waiting.length)
  expect(await run(verifyBackup(folder))).toEqual(manifest)
  const database = await connect(config.databaseUrl)
  const tables = await rows<{ relname: string }>(
    database,
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
  )
  expect([...manifest.tables.map(({ name }) => name), "schema_migrations"].sort()).toEqual(
    tables.map(({ relname }) => relname).sort(),
  )
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o077).toBe(0)
  expect(statSync(folder).mode & 0o077).toBe(0)

  const target = await restoreElsewhere(folder, config)
  const restored = await runNode(target)
  await drained(target)
  await expectFigures(restored, [...applied, ...waiting], "Europe/Paris")
  const [found] = await redis.xrange(streamKeys(target.redisKeyPrefix, 1).dead, "-", "+")
  expect(found).toEqual([letter, ["e", "unreadable", "f", "", "reason", "It is bad.", "entry", "7-0"]])
  // Sent again, an event that had been applied and one that had waited do not count twice.
  await send(restored, [...applied.slice(0, 5), ...waiting.slice(0, 5)])
  await drained(target)
  await expectFigures(restored, [...applied, ...waiting], "Europe/Paris")
})

test("restored with other partitions and another zone, what waits goes to its visitors' partitions", async () => {
  const config = await settings({ partitions: 3 })
  const node = await runNode(config)
  const applied = someEvents(200)
  await send(node, applied)
  await drained(config)
  await node.stop()
  const front = await runNode({ ...config, roles: ["http"] })
  const waiting = someEvents(80)
  await send(front, waiting)
  const { folder } = await backUp(config)
  for (const partitions of [1, 5]) {
    const target = await restoreElsewhere(folder, config, { partitions, timeZone: "Pacific/Auckland" })
    const restored = await runNode(target)
    await drained(target)
    await expectFigures(restored, [...applied, ...waiting], "Pacific/Auckland")
    await restored.stop()
  }
})

test("verify names each file that is damaged, cut or missing", async () => {
  const config = await settings()
  const node = await runNode(config)
  await send(node, someEvents(30))
  await drained(config)
  const { folder, manifest } = await backUp(config)
  const chunks = join(folder, "event_chunks.copy.gz")
  const bytes = readFileSync(chunks)
  const damaged = Buffer.from(bytes)
  damaged.writeUInt8(damaged.readUInt8(40) ^ 1, 40)
  writeFileSync(chunks, damaged)
  truncateSync(join(folder, "daily_totals.copy.gz"), 20)
  rmSync(join(folder, "waiting-1.ndjson.gz"))
  await expect(run(verifyBackup(folder))).rejects.toThrow(
    /is damaged: .*daily_totals.copy.gz .*; event_chunks.copy.gz .*; waiting-1.ndjson.gz is missing\.$/,
  )
  await expect(restoreElsewhere(folder, config)).rejects.toThrow("is damaged")
  writeFileSync(
    join(folder, "manifest.json"),
    JSON.stringify({ ...manifest, events: 31, sha256: "0".repeat(64) }),
  )
  await expect(run(verifyBackup(folder))).rejects.toThrow("manifest.json is damaged: its SHA-256 differs")
  writeFileSync(join(folder, "manifest.json"), JSON.stringify({ ...manifest, format: 2 }))
  await expect(run(verifyBackup(folder))).rejects.toThrow("is of format 2, and this program reads format 1")
  await expect(run(verifyBackup(temporaryFolder()))).rejects.toThrow("is no backup: ")
})

test("a restore mixes no two deployments, and a backup overwrites nothing", async () => {
  const config = await settings()
  const node = await runNode(config)
  await send(node, someEvents(3))
  await drained(config)
  const { folder } = await backUp(config)
  await expect(restoreInto(config, folder)).rejects.toThrow("has a deployment already")
  await expect(restoreInto({ ...config, databaseUrl: await freshDatabase() }, folder)).rejects.toThrow(
    /Redis has \d+ keys under the prefix/,
  )
  await expect(backUpTo(config, folder)).rejects.toThrow("is there already")
  expect(readdirSync(join(folder, ".."))).toEqual(["backup"])
})

test("a backup of a newer schema is refused, and nothing starts on a restore that has not ended", async () => {
  const config = await settings()
  const node = await runNode(config)
  await send(node, someEvents(3))
  await drained(config)
  const { folder, manifest } = await backUp(config)
  await node.stop()
  const target = await restoreElsewhere(folder, config)
  await rows(await connect(target.databaseUrl), MARK_UNFINISHED)
  const unfinished = "A restore into this database is going on, or was interrupted"
  await expect(runNode(target)).rejects.toThrow(unfinished)
  await expect(restoreInto(target, folder)).rejects.toThrow(unfinished)

  rmSync(join(folder, "manifest.json"))
  await writeManifest(folder, { ...manifest, schema: { version: 999, name: "999_next" } })
  await expect(restoreElsewhere(folder, config)).rejects.toThrow("of a newer schema (999_next)")
})

test("a visitor erased since stays erased, wherever the backup has it; one erased before is left alone", async () => {
  const config = await settings()
  const redis = new Redis(redisUrl())
  onTestFinished(() => redis.disconnect())
  const node = await runNode(config)
  const [gone, before, other] = [randomUUID(), randomUUID(), randomUUID()]
  const eventsOf = (visitor: string) => someEvents(4).map((event) => ({ ...event, visitor }))
  await send(node, eventsOf(before))
  await drained(config)
  expect((await node.admin("DELETE", before)).body.data).toMatchObject({ deleted: 4 })
  // Who comes again after its erasure has asked for nothing.
  await send(node, [gone, before, other].flatMap(eventsOf))
  await drained(config)
  await node.stop()
  const front = await runNode({ ...config, roles: ["http"] })
  await send(front, [gone, other].flatMap(eventsOf))
  for (const partition of [0, 1]) {
    const { events, dead } = streamKeys(config.redisKeyPrefix, partition)
    for (const [, [, payload = ""]] of await redis.xrange(events, "-", "+"))
      if (payload.includes(gone)) await redis.xadd(dead, "*", "e", payload, "reason", "x", "entry", "1-0")
  }
  const { folder } = await backUp(config)
  await front.stop()

  const again = await runNode(config)
  await drained(config)
  await eventually(async () => expect((await again.admin("DELETE", gone)).status).toBe(200))
  const journal = join(temporaryFolder(), "erasures.ndjson")
  await run(Effect.scoped(Effect.flatMap(withStores(config), (stores) => exportErasures(stores, journal))))
  expect(readFileSync(journal, "utf8")).not.toContain(gone)
  expect(statSync(journal).mode & 0o077).toBe(0)
  await again.stop()

  for (const [erasures, expected] of [
    [journal, [0, 0]],
    [null, [8, 4]],
  ] as const) {
    const target = await restoreElsewhere(folder, config, { erasures })
    const restored = await runNode(target)
    await drained(target)
    const database = await connect(target.databaseUrl)
    const count = async (visitor: string) =>
      (await rows(database, "SELECT FROM analytics_events WHERE visitor_id = $1", [visitor])).length
    let letters = 0
    for (const partition of [0, 1])
      letters += await redis.xlen(streamKeys(target.redisKeyPrefix, partition).dead)
    expect([await count(gone), letters]).toEqual(expected)
    expect(await count(before)).toBe(4)
    expect(await count(other)).toBe(8)
    // The journal goes with the deployment.
    const known = await rows(database, "SELECT FROM erasures")
    expect(known).toHaveLength(erasures === null ? 1 : 3)
    await restored.stop()
  }
  writeFileSync(journal, '{"visitor":"x"}\n')
  await expect(restoreElsewhere(folder, config, { erasures: journal })).rejects.toThrow(
    "Line 1 of the journal is no erasure",
  )
})

test("a site that was erased stays so: after a restore of what was before, and of what waited then", async () => {
  const config = await settings()
  const node = await runNode(config)
  const applied = someEvents(60)
  await send(node, applied)
  await drained(config)
  await node.stop()
  const front = await runNode({ ...config, roles: ["http"] })
  const waiting = someEvents(20)
  await send(front, waiting)
  const before = (await backUp(config)).folder
  const erased = await fetch(`${front.base}/api/v1/analytics/sites/blog`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${TOKEN}` },
  })
  expect(JSON.parse(await erased.text())).toMatchObject({
    data: { events: 12, removed: false, complete: true },
  })
  // Of it nothing is left but what waits.
  const after = (await backUp(config)).folder
  const journal = join(temporaryFolder(), "erasures.ndjson")
  await run(Effect.scoped(Effect.flatMap(withStores(config), (stores) => exportErasures(stores, journal))))
  await front.stop()
  const left = [...applied, ...waiting].filter(({ site }) => site === "main")
  for (const [folder, command] of [
    [before, { erasures: journal }],
    [after, { partitions: 3 }],
  ] as const) {
    const target = await restoreElsewhere(folder, config, command)
    const restored = await runNode(target)
    await drained(target)
    await expectFigures(restored, left, "UTC")
    await restored.stop()
  }
})

test("visitors of a month whose first events are deleted are counted as before, with other partitions, too", async () => {
  const config = await settings()
  const node = await runNode(config)
  const events = someEvents(200)
  await send(node, events)
  await drained(config)
  await run(
    Effect.scoped(
      Effect.flatMap(withStores(config), (stores) =>
        retain(config, stores, { dryRun: false, yes: true, dropTables: true, retentionDays: 3 }, now),
      ),
    ),
  )
  // Some come for the first time since, some again.
  const later = someEvents(50).map((event, i) => ({
    ...event,
    at: now() - 1000,
    visitor: i % 2 === 0 ? event.visitor : (events[i]?.visitor ?? ""),
  }))
  await send(node, later)
  await drained(config)
  const all = [...events, ...later]
  await expectFigures(node, all, "UTC")
  const { folder } = await backUp(config)
  await node.stop()
  for (const partitions of [2, 3]) {
    const target = await restoreElsewhere(folder, config, { partitions })
    const restored = await runNode(target)
    await expectFigures(restored, all, "UTC")
    // Whoever was there before the first event that is left is known.
    const again = events.slice(0, 30).map((event) => ({ ...event, id: randomUUID(), at: now() - 500 }))
    await send(restored, again)
    await drained(target)
    await expectFigures(restored, [...all, ...again], "UTC")
    await restored.stop()
  }
})

test("a site's own retention is restored with it, and its figures are those that were", async () => {
  const config = await settings()
  const node = await runNode(config)
  const events = someEvents(150)
  await send(node, events)
  await drained(config)
  const postgres = await connect(config.databaseUrl)
  await rows(postgres, "INSERT INTO declared_sites (slug, retention_days) VALUES ('blog', 2)")
  await run(
    Effect.scoped(
      Effect.flatMap(withStores(config), (stores) =>
        retain(config, stores, { dryRun: false, yes: true, dropTables: true, retentionDays: 90 }, now),
      ),
    ),
  )
  const limits = (of: Postgres) =>
    rows(
      of,
      "SELECT slug, raw_since, retention_days FROM sites LEFT JOIN declared_sites USING (slug) ORDER BY slug",
    )
  const before = await limits(postgres)
  expect(before).toMatchObject([{ raw_since: expect.any(Date), retention_days: 2 }, { raw_since: null }])
  const { folder } = await backUp(config)
  await node.stop()
  for (const partitions of [2, 3]) {
    const target = await restoreElsewhere(folder, config, { partitions })
    expect(await limits(await connect(target.databaseUrl))).toEqual(before)
    const restored = await runNode(target)
    await expectFigures(restored, events, "UTC")
    await restored.stop()
  }
})

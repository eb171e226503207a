import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { expect, onTestFinished, test } from "vitest"
import { makeBackup } from "../../src/backup/backup.ts"
import { verifyBackup } from "../../src/backup/verify.ts"
import { type RestoreCommand, restore } from "../../src/commands/backup.ts"
import { withStores } from "../../src/commands/stores.ts"
import type { AppConfig } from "../../src/config/settings.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { now } from "../support/clock.ts"
import { run } from "../support/effects.ts"
import { connect, rows } from "../support/events.ts"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl, temporaryFolder } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { bodyOf, expectedFigures, figuresOf, type Node, type Sent, someEvents } from "./traffic.ts"

/** Makes a backup of a deployment, which may be running, in a folder of its own. */
const backUp = async (config: AppConfig) => {
  const folder = join(temporaryFolder(), "backup")
  const manifest = await run(
    Effect.scoped(
      Effect.flatMap(withStores(config), (stores) =>
        makeBackup({ ...stores, prefix: config.redisKeyPrefix, folder, program: "test", now }),
      ),
    ),
  )
  return { folder, manifest }
}

/** Restores into a new database and key prefix. */
const restoreElsewhere = async (
  folder: string,
  config: AppConfig,
  command: Partial<RestoreCommand> = {},
): Promise<AppConfig> => {
  const target = {
    ...config,
    databaseUrl: await freshDatabase(),
    redisKeyPrefix: freshKeyPrefix().replace(":", ""),
    partitions: command.partitions ?? config.partitions,
    timeZone: command.timeZone ?? config.timeZone,
  }
  await run(
    Effect.scoped(
      Effect.flatMap(withStores(target), (stores) =>
        restore(
          target,
          stores,
          { folder, partitions: null, timeZone: null, erasures: null, ...command },
          now,
        ),
      ),
    ),
  )
  return target
}

const send = async (node: Node, events: ReadonlyArray<Sent>) => {
  for (const event of events) expect(await node.post(bodyOf(event))).toBe(201)
}

/** Waits until a node has processed what its streams hold. */
const drained = (config: AppConfig) => {
  const redis = new Redis(redisUrl())
  return eventually(
    async () => {
      for (let partition = 0; partition < config.partitions; partition++)
        expect(await redis.xlen(streamKeys(config.redisKeyPrefix, partition).events)).toBe(0)
    },
    { timeout: 20_000 },
  ).finally(() => redis.disconnect())
}

const expectFigures = async (node: Node, events: ReadonlyArray<Sent>, timeZone: string) => {
  for (const site of ["main", "blog"])
    expect(await figuresOf(node.data, site)).toEqual(expectedFigures(events, site, timeZone))
}

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
  const restoreInto = (target: AppConfig) =>
    run(
      Effect.scoped(
        Effect.flatMap(withStores(target), (stores) =>
          restore(target, stores, { folder, partitions: null, timeZone: null, erasures: null }, now),
        ),
      ),
    )
  await expect(restoreInto(config)).rejects.toThrow("has a deployment already")
  await expect(restoreInto({ ...config, databaseUrl: await freshDatabase() })).rejects.toThrow(
    /Redis has \d+ keys under the prefix/,
  )
  await expect(
    run(
      Effect.scoped(
        Effect.flatMap(withStores(config), (stores) =>
          makeBackup({ ...stores, prefix: config.redisKeyPrefix, folder, program: "test", now }),
        ),
      ),
    ),
  ).rejects.toThrow("is there already")
  expect(readdirSync(join(folder, ".."))).toEqual(["backup"])
})

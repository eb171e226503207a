/** Backups of a test's deployments, and stores of its own to restore them into. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import { expect } from "vitest"
import { makeBackup } from "../../src/backup/backup.ts"
import type { Manifest } from "../../src/backup/manifest.ts"
import { verifyBackup } from "../../src/backup/verify.ts"
import { type RestoreCommand, restore } from "../../src/commands/backup.ts"
import { withStores } from "../../src/commands/stores.ts"
import type { AppConfig } from "../../src/config/settings.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { now } from "../support/clock.ts"
import { run } from "../support/effects.ts"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl, temporaryFolder } from "../support/index.ts"
import { bodyOf, expectedFigures, figuresOf, type Node, type Sent } from "./traffic.ts"

/** Makes a backup of a deployment, which may be running. */
export const backUpTo = (config: AppConfig, folder: string): Promise<Manifest> =>
  run(
    Effect.scoped(
      Effect.flatMap(withStores(config), (stores) =>
        makeBackup({ ...stores, prefix: config.redisKeyPrefix, folder, program: "test", now }),
      ),
    ),
  )

/** The same in a folder of its own. */
export const backUp = async (config: AppConfig) => {
  const folder = join(temporaryFolder(), "backup")
  return { folder, manifest: await backUpTo(config, folder) }
}

/** Restores into the stores that settings name. */
export const restoreInto = (
  target: AppConfig,
  folder: string,
  command: Partial<RestoreCommand> = {},
): Promise<void> =>
  run(
    Effect.scoped(
      Effect.gen(function* () {
        const manifest = yield* verifyBackup(folder)
        const stores = yield* withStores(target, "nothing")
        yield* restore(
          target,
          stores,
          { folder, manifest, partitions: null, timeZone: null, erasures: null, ...command },
          now,
        )
      }),
    ),
  )

/** Restores into a new database and key prefix, and returns the settings of a node there. */
export const restoreElsewhere = async (
  folder: string,
  config: AppConfig,
  command: Partial<RestoreCommand> = {},
): Promise<AppConfig & { readonly databaseUrl: string }> => {
  const target = {
    ...config,
    redisUrl: redisUrl(),
    databaseUrl: await freshDatabase(),
    redisKeyPrefix: freshKeyPrefix().replace(":", ""),
    partitions: command.partitions ?? config.partitions,
    timeZone: command.timeZone ?? config.timeZone,
  }
  await restoreInto(target, folder, command)
  return target
}

export const send = async (node: Node, events: ReadonlyArray<Sent>): Promise<void> => {
  for (const event of events) expect(await node.post(bodyOf(event))).toBe(201)
}

/** Waits until a node has processed what its streams hold. */
export const drained = (config: AppConfig): Promise<void> => {
  const redis = new Redis(redisUrl())
  return eventually(async () => {
    for (let partition = 0; partition < config.partitions; partition++)
      expect(await redis.xlen(streamKeys(config.redisKeyPrefix, partition).events)).toBe(0)
  }).finally(() => redis.disconnect())
}

/** Waits until a node says of both sites what an independent count says: it keeps answers for a moment. */
export const expectFigures = (node: Node, events: ReadonlyArray<Sent>, timeZone: string): Promise<void> =>
  eventually(async () => {
    for (const site of ["main", "blog"])
      expect(await figuresOf(node.data, site)).toEqual(expectedFigures(events, site, timeZone))
  })

/** `backup`, `restore` and `erasures`: a deployment as files, and back. */
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import packageJson from "../../package.json" with { type: "json" }
import { makeBackup } from "../backup/backup.ts"
import type { Manifest } from "../backup/manifest.ts"
import { requireEmptyStores, restoreBackup } from "../backup/restore.ts"
import { describeBackup, verifyBackup } from "../backup/verify.ts"
import type { AppConfig } from "../config/settings.ts"
import { ensureOwnRedis } from "../node/belonging.ts"
import { type Journal, journal, journalText, NO_ERASURES, parseJournal } from "../privacy/journal.ts"
import { forgetEventFiles } from "../query/engine/index.ts"
import { awaitReady, connectRedis } from "../stores/redis.ts"
import { CommandError } from "./error.ts"
import type { CommandStores } from "./stores.ts"

/** Makes a backup, telling what it does on stderr, and prints what it holds. */
export const backUp = (config: AppConfig, stores: CommandStores, folder: string, now: () => number) =>
  Effect.gen(function* () {
    const manifest = yield* makeBackup({
      ...stores,
      prefix: config.redisKeyPrefix,
      folder,
      program: packageJson.version,
      now,
      onProgress: (line) => Console.error(line),
    })
    yield* Console.log(`${describeBackup(manifest)}\nThe backup is in ${resolve(folder)}.`)
  })

/** Checks a backup, and prints what it holds. */
export const verify = (folder: string) =>
  Effect.gen(function* () {
    const manifest = yield* verifyBackup(folder)
    yield* Console.log(`${describeBackup(manifest)}\nEvery file is as it was written.`)
  })

export interface RestoreCommand {
  readonly folder: string
  /** What the folder was found to hold, before any store is made. */
  readonly manifest: Manifest
  /** `null` keeps the backup's number. */
  readonly partitions: number | null
  /** `null` keeps the backup's zone. */
  readonly timeZone: string | null
  /** A file with the journal of erasures of the deployment as it was last. */
  readonly erasures: string | null
}

const readErasures = (path: string): Effect.Effect<Journal, CommandError> =>
  Effect.try({
    try: () => parseJournal(readFileSync(path, "utf8")),
    catch: (cause) =>
      new CommandError({
        message: `--erasures ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      }),
  })

/** Restores a backup into empty stores, and prints what came back. */
export const restore = (
  config: AppConfig,
  stores: CommandStores,
  command: RestoreCommand,
  now: () => number,
) =>
  Effect.gen(function* () {
    const { postgres, redis, metrics, opened } = stores
    const told = command.erasures === null ? NO_ERASURES : yield* readErasures(command.erasures)
    yield* requireEmptyStores({ ...stores, prefix: config.redisKeyPrefix })
    const { manifest } = command
    const reader = yield* connectRedis(opened.stores.redis, "read", "restore")
    yield* awaitReady(reader)
    const after = {
      partitions: command.partitions ?? manifest.deployment.partitions,
      timeZone: command.timeZone ?? manifest.deployment.time_zone,
    }
    forgetEventFiles(config.dataDir)
    const both = { redis, postgres, metrics, prefix: config.redisKeyPrefix }
    const restored = yield* restoreBackup({
      ...both,
      ...after,
      reader,
      folder: resolve(command.folder),
      manifest,
      erasures: told,
      sites: config.sites,
      claim: ensureOwnRedis(both),
      now,
    })
    yield* Console.log(
      `Restored as of ${manifest.made_at}: ${restored.events} events, ${restored.waiting} that wait for a node, ${restored.letters} dead letters.`,
    )
    if (command.erasures !== null)
      yield* Console.log(
        `${restored.erasedEvents} events of visitors and sites erased since were erased again.`,
      )
    if (after.partitions !== config.partitions || after.timeZone !== config.timeZone)
      yield* Console.log(
        `Start the nodes with PARTITIONS=${after.partitions} and TIME_ZONE=${after.timeZone} from now on.`,
      )
  })

/** Writes the journal of erasures to a file, for its owner only. */
export const exportErasures = ({ postgres }: CommandStores, path: string) =>
  Effect.gen(function* () {
    const all = yield* journal(postgres)
    yield* Effect.try({
      try: () => writeFileSync(path, journalText(all), { mode: 0o600 }),
      catch: (cause) =>
        new CommandError({
          message: `--to ${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
        }),
    })
    yield* Console.log(`${all.visitors.length + all.sites.length} erasures are in ${resolve(path)}.`)
  })

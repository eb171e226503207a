/** `move`: takes a deployment to other stores, by a backup that is restored there at once. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import packageJson from "../../package.json" with { type: "json" }
import { makeBackup } from "../backup/backup.ts"
import { type AppConfig, SETTINGS } from "../config/settings.ts"
import { carryVisitorKeys } from "../privacy/dayKeys.ts"
import { restore } from "./backup.ts"
import { CommandError } from "./error.ts"
import { requireNoNode } from "./rebuild.ts"
import { withStores } from "./stores.ts"

export interface MoveCommand {
  /** The new Postgres; `null` for an embedded one in `dataDir`. */
  readonly databaseUrl: string | null
  /** The new Redis; `null` for an embedded one in `dataDir`. */
  readonly redisUrl: string | null
  /** For new stores that are embedded; `null` when there are none. */
  readonly dataDir: string | null
  /** `null` keeps the number. */
  readonly partitions: number | null
  /** `null` keeps the zone. */
  readonly timeZone: string | null
}

/** The settings of nodes on the new stores. */
const targetOf = (
  config: AppConfig,
  { databaseUrl, redisUrl, dataDir }: MoveCommand,
): Effect.Effect<AppConfig, CommandError> =>
  Effect.gen(function* () {
    const refuse = (message: string) => new CommandError({ message })
    if (dataDir === null && (databaseUrl === null || redisUrl === null))
      return yield* refuse(
        "The new stores have to be named: --database-url and --redis-url, or --data-dir for those that are to be embedded.",
      )
    const target = {
      ...config,
      databaseUrl,
      redisUrl,
      dataDir: dataDir === null ? config.dataDir : SETTINGS.dataDir.parse(dataDir),
    }
    const isEmbedded = config.databaseUrl === null || config.redisUrl === null
    if (dataDir !== null && isEmbedded && target.dataDir === config.dataDir)
      return yield* refuse(
        `--data-dir is ${dataDir}, where the deployment is now: it should be a folder that is not there yet.`,
      )
    return target
  })

const describeTarget = ({ databaseUrl, redisUrl, dataDir }: MoveCommand): string =>
  [
    ...(databaseUrl === null ? [] : ["DATABASE_URL"]),
    ...(redisUrl === null ? [] : ["REDIS_URL"]),
    ...(dataDir === null ? [] : [`DATA_DIR=${dataDir}`]),
  ].join(" and ")

/**
 * Moves the deployment while no node of it runs. Its old stores stay as they are. Needs room for a backup among the system's temporary
 * files.
 */
export const move = (config: AppConfig, command: MoveCommand, now: () => number) =>
  Effect.gen(function* () {
    const target = yield* targetOf(config, command)
    const prefix = config.redisKeyPrefix
    const old = yield* withStores(config, "deployment")
    yield* requireNoNode(config, old)
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "maicivy-move-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
    )
    const stores = yield* withStores(target)
    const backup = join(folder, "backup")
    const manifest = yield* makeBackup({
      ...{ ...old, prefix, folder: backup, program: packageJson.version, now },
      onProgress: (line) => Console.error(line),
    })
    const { partitions, timeZone } = command
    yield* restore(target, stores, { folder: backup, manifest, partitions, timeZone, erasures: null }, now)
    yield* carryVisitorKeys(old, stores, prefix)
    // One that was started meanwhile may have taken events that are not in the new stores.
    yield* requireNoNode(config, old)
    yield* Console.log(
      `Moved: start the nodes with the new ${describeTarget(command)}. The old stores are as they were; remove them once the new ones do.`,
    )
  })

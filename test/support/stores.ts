/** Vitest's global set-up: one Redis and one PostgreSQL for the whole run, browsers, and what is compiled once. */
import { execFileSync } from "node:child_process"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import type { TestProject } from "vitest/node"
import { embeddedRedis, findRedis } from "../../src/embedded/index.ts"
import { installChromium } from "./chromium.ts"
import { hasDocker, startContainers } from "./containers.ts"
import { ROOT } from "./documents.ts"
import { openScope, run } from "./effects.ts"
import { installFirefox } from "./firefox.ts"
import { makeMigratedDatabase } from "./isolation.ts"
import { PostgresServer, SHARED_POSTGRES } from "./postgresServer.ts"
import { makePostgresTemplate } from "./postgresTemplate.ts"
import { newFolder, removeFoldersOfKilledRuns, removeLeftFolder } from "./temporaryFolder.ts"

declare module "vitest" {
  export interface ProvidedContext {
    redisUrl: string
    databaseUrl: string
    /** The name of a database that has every migration, and nothing else. */
    migratedDatabase: string
  }
}

interface Stores {
  readonly redisUrl: string
  readonly databaseUrl: string
  /** For the line that says what the tests run against. */
  readonly from: string
  readonly stop: () => Promise<void>
}

/** What the first kind of tests with this set-up provides is there for all. */
export default async function setup({ vitest }: TestProject): Promise<(() => Promise<void>) | undefined> {
  const all = vitest.getRootProject()
  if ("redisUrl" in all.getProvidedContext()) return undefined
  removeFoldersOfKilledRuns()
  // Half of what the start of a node takes is to strip and compile the same sources again.
  const compiled = newFolder()
  process.env.NODE_COMPILE_CACHE = compiled
  execFileSync(process.execPath, ["scripts/bundle.ts"], { cwd: ROOT })
  // Tests with a Redis of their own run at once in several processes; installing it is for one.
  await run(Effect.ignore(findRedis))
  await installChromium()
  await installFirefox()
  const template = newFolder()
  await run(Effect.ignore(makePostgresTemplate(template)))
  const stores = given() ?? (await own())
  all.provide("redisUrl", stores.redisUrl)
  all.provide("databaseUrl", stores.databaseUrl)
  const migrated = await makeMigratedDatabase(stores.databaseUrl)
  all.provide("migratedDatabase", migrated.name)
  console.log(`Tests run against ${stores.from}.`)
  return async () => {
    await migrated.remove()
    await stores.stop()
    await Promise.all([compiled, template].map(removeLeftFolder))
  }
}

const given = (): Stores | undefined => {
  const { TEST_REDIS_URL: redisUrl, TEST_DATABASE_URL: databaseUrl } = process.env
  if (redisUrl === undefined && databaseUrl === undefined) return undefined
  if (redisUrl === undefined || databaseUrl === undefined)
    throw new Error("Set both TEST_REDIS_URL and TEST_DATABASE_URL, or neither.")
  return { redisUrl, databaseUrl, from: "TEST_REDIS_URL and TEST_DATABASE_URL", stop: async () => undefined }
}

/** Stores of this run alone, which end with it. */
const own = async (): Promise<Stores> => {
  const stores = (await contained()) ?? (await embedded())
  await waitForNoDisk(stores.redisUrl)
  return stores
}

/**
 * Lets the run's Redis leave its file to the system. No test kills it, and all of them share it: one that waits for a busy disk would
 * answer nobody, for longer than a node waits for an answer.
 */
const waitForNoDisk = async (redisUrl: string): Promise<void> => {
  const redis = new Redis(redisUrl)
  try {
    await redis.config("SET", "appendfsync", "no")
  } finally {
    redis.disconnect()
  }
}

/** A machine without Docker is nothing to speak of; one whose Docker cannot be used may want to know why. */
const contained = async (): Promise<Stores | undefined> => {
  if (!(await hasDocker())) return undefined
  try {
    const { images, ...stores } = await startContainers()
    return { ...stores, from: `containers of ${images}` }
  } catch (error) {
    console.log(`Docker answers, but its containers cannot be used: ${(error as Error).message}`)
    return undefined
  }
}

const embedded = async (): Promise<Stores> => {
  const folder = newFolder()
  const scope = openScope()
  let postgres: PostgresServer | undefined
  const stop = async () => {
    await Promise.all([scope.close(), postgres?.kill("SIGINT")])
    await removeLeftFolder(folder)
  }
  try {
    postgres = await PostgresServer.start({ folder, settings: SHARED_POSTGRES })
    const redis = await scope.run(
      embeddedRedis({ dataDir: folder, fsync: "everysec", maxMemoryBytes: 1024 ** 3 }),
    )
    const databaseUrl = postgres.url()
    return { redisUrl: redis.url, databaseUrl, from: "embedded Redis and PostgreSQL", stop }
  } catch (error) {
    await stop()
    throw error
  }
}

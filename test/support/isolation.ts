/** Gives each test its own part of the run's Redis and PostgreSQL, so that tests run in parallel and leave nothing. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import pg from "pg"
import { inject } from "vitest"
import { migrate } from "../../src/events/schema/migrate.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { makePostgres } from "../../src/stores/postgres.ts"
import { run } from "./effects.ts"
import { eventually } from "./eventually.ts"
import { whenFinished } from "./whenFinished.ts"

/** The run's Redis. Write below `freshKeyPrefix()` only. */
export const redisUrl = (): string => inject("redisUrl")

/** A prefix for keys and channels that no other test has. Keys that start with it are deleted after the test. */
export const freshKeyPrefix = (): string => {
  const prefix = `t${randomUUID().slice(0, 8)}:`
  whenFinished(async () => {
    const redis = new Redis(redisUrl())
    try {
      // Partitions put their number in braces before or after the prefix.
      for await (const keys of redis.scanStream({ match: `*${prefix}*`, count: 1_000 }))
        if (keys.length > 0) await redis.unlink(...(keys as ReadonlyArray<string>))
    } finally {
      redis.disconnect()
    }
  })
  return prefix
}

/** The URL of an empty database, dropped after the test. */
export const freshDatabase = (): Promise<string> => databaseLike("template0")

/** The URL of a database with every migration and nothing else, dropped after the test. */
export const migratedDatabase = (): Promise<string> => databaseLike(inject("migratedDatabase"))

const databaseLike = async (template: string): Promise<string> => {
  const server = inject("databaseUrl")
  const name = newName()
  await onServer(server, create(name, template))
  // It waits for five seconds for whoever is there to go, which a backend does when its disk has answered.
  whenFinished(() => eventually(() => onServer(server, drop(name))))
  return on(server, name)
}

/**
 * Makes, once for a run, what each {@link migratedDatabase} is a copy of: twenty migrations take more time than all else that many a
 * test does.
 */
export const makeMigratedDatabase = async (
  server: string,
): Promise<{ readonly name: string; readonly remove: () => Promise<void> }> => {
  const name = newName()
  await onServer(server, create(name, "template0"))
  const options = { url: on(server, name), max: 1, name: "test", statementTimeoutMs: 0 }
  await run(Effect.scoped(Effect.flatMap(makePostgres(options, new Metrics("test_")), migrate)))
  return { name, remove: () => onServer(server, drop(name)) }
}

const newName = (): string => `t_${randomUUID().replaceAll("-", "")}`
const create = (name: string, template: string): string =>
  `CREATE DATABASE ${name} TEMPLATE ${template} ENCODING 'UTF8'`
const drop = (name: string): string => `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`

const on = (server: string, database: string): string => {
  const url = new URL(server)
  url.pathname = `/${database}`
  return url.href
}

const connected = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  await client.connect()
  return client
}

const onServer = async (url: string, sql: string): Promise<void> => {
  const client = await eventually(() => connected(url))
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

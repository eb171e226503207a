/** Gives each test its own part of the run's Redis and PostgreSQL, so that tests run in parallel and leave nothing. */
import { randomUUID } from "node:crypto"
import { Redis } from "ioredis"
import pg from "pg"
import { inject } from "vitest"
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
export const freshDatabase = async (): Promise<string> => {
  const name = `t_${randomUUID().replaceAll("-", "")}`
  await onServer(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`)
  // It waits for five seconds for whoever is there to go, which a backend does when its disk has answered.
  whenFinished(() => eventually(() => onServer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)))
  const url = new URL(inject("databaseUrl"))
  url.pathname = `/${name}`
  return url.href
}

const connected = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: inject("databaseUrl"), connectionTimeoutMillis: 10_000 })
  await client.connect()
  return client
}

const onServer = async (sql: string): Promise<void> => {
  const client = await eventually(connected)
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

import { Redis } from "ioredis"
import pg from "pg"
import { expect, test } from "vitest"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl } from "./index.ts"
import { untilAfterMidnight } from "./midnight.ts"

test("each test has an empty database of its own", async () => {
  for (const url of [await freshDatabase(), await freshDatabase()]) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query("CREATE TABLE note (text text)")
    await client.end()
  }
})

test("each test has keys of its own", async () => {
  const prefix = freshKeyPrefix()
  expect(freshKeyPrefix()).not.toBe(prefix)
  const redis = new Redis(redisUrl())
  await redis.set(`${prefix}key`, "value")
  expect(await redis.keys(`${prefix}*`)).toEqual([`${prefix}key`])
  redis.disconnect()
})

test("a condition is waited for until it holds, and its last failure told when it never does", async () => {
  let calls = 0
  const third = () => {
    calls += 1
    if (calls < 3) throw new Error(`call ${calls}`)
    return calls
  }
  expect(await eventually(third)).toBe(3)
  await expect(eventually(() => Promise.reject(new Error("never")), { timeout: 0 })).rejects.toThrow("never")
})

test("a test that midnight could come into begins after it", () => {
  const midnight = Date.UTC(2026, 0, 2)
  expect(untilAfterMidnight(midnight - 30_001, 30_000)).toBe(0)
  expect(untilAfterMidnight(midnight - 30_000, 30_000)).toBe(30_001)
  expect(untilAfterMidnight(midnight - 1, 30_000)).toBe(2)
  expect(untilAfterMidnight(midnight, 30_000)).toBe(0)
})

import { execFileSync } from "node:child_process"
import { Redis } from "ioredis"
import pg from "pg"
import { expect, test } from "vitest"
import { CLOCK_ENV, now } from "./clock.ts"
import { filesIn, read } from "./documents.ts"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl } from "./index.ts"
import { skippedLines } from "./skipped.ts"

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

test("the tests' clock is hours from midnight, not behind the machine's, and the same in a process", () => {
  expect(new Date(now()).getUTCHours()).toBe(10)
  expect(now()).toBeGreaterThanOrEqual(Date.now())
  const before = now()
  const env = { ...process.env, ...CLOCK_ENV }
  const theirs = Number(execFileSync(process.execPath, ["-p", "Date.now()"], { env, encoding: "utf8" }))
  expect(theirs).toBeGreaterThanOrEqual(before)
  expect(theirs).toBeLessThanOrEqual(now())
})

test("the end of a run names what was wanted in vain, by how many tests", () => {
  expect(skippedLines(["nginx", "Chromium", "Chromium"])).toEqual(["  2 tests: Chromium", "  1 test: nginx"])
})

test("no test has a time of its own, which a slow machine could exceed", () => {
  const timed = /^\s*\}, [\d_]+\)$|\btimeout: [1-9][\d_]{3,} /m
  expect(filesIn("test", ".test.ts").filter((path) => timed.test(read(path)))).toEqual([])
})

test("no test is skipped without a word on what it wants", () => {
  const silent = /\.(skip|skipIf|runIf|todo)\b\s*[(.]/
  const own = "test/support/support.test.ts"
  expect(filesIn("test", ".test.ts").filter((path) => path !== own && silent.test(read(path)))).toEqual([])
})

import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { expect, test } from "vitest"
import { run } from "../support/effects.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { inRedis, redisIn, use } from "./running.ts"

/** A stopped Redis with a snapshot (`old`) and three commands after it (`k1` to `k3`), and a transaction (`a` and `b`). */
const written = async () => {
  const dataDir = temporaryFolder()
  await use(redisIn(dataDir), ({ url }) =>
    inRedis(url, async (redis) => {
      await redis.set("old", "value")
      await redis.bgrewriteaof()
      await eventually(async () =>
        expect(await redis.info("persistence")).toMatch(
          /aof_rewrite_in_progress:0\s+aof_rewrite_scheduled:0/,
        ),
      )
      for (const key of ["k1", "k2", "k3"]) await redis.set(key, "x".repeat(100))
      await redis.eval("redis.call('SET', 'a', '1') redis.call('SET', 'b', '2')", 0)
    }),
  )
  const folder = join(dataDir, "redis/appendonlydir")
  const named = (end: string) => join(folder, readdirSync(folder).find((name) => name.endsWith(end)) ?? "")
  return { dataDir, folder, commands: named(".incr.aof"), snapshot: named(".base.rdb") }
}

/** Starts Redis and reads all keys. Gives what was logged of its file, too: one that takes long to end has more to say. */
const start = async (dataDir: string) => {
  const messages: Array<string> = []
  const logger = Logger.make(({ message }) => {
    if (String(message).includes("append-only file")) messages.push(String(message))
  })
  const keys = await Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(redisIn(dataDir), ({ url }) =>
        Effect.promise(() => inRedis(url, (redis) => redis.keys("*"))),
      ),
    ).pipe(Effect.provide(Logger.layer([logger]))),
  )
  return { keys: keys.toSorted(), messages }
}

const kept = (dataDir: string) => readdirSync(join(dataDir, "redis")).filter((name) => name.endsWith(".cut"))

const COMMANDS = ["k1", "k2", "k3"]
const ALL = ["a", "b", ...COMMANDS, "old"]
const WITHOUT_TRANSACTION = [...COMMANDS, "old"]

test.each([
  ["4 KiB of zeros at its end", "\0".repeat(4096)],
  ["10 MiB of zeros at its end", "\0".repeat(10 << 20)],
  ["rubbish at its end", "\x07 rubbish\r\n*"],
  ["half a command at its end", "*3\r\n$3\r\nSET\r\n$2\r\nk4\r\n$100\r\nxxx"],
  ["half a command and zeros at its end", `*3\r\n$3\r\nSET\r\n$2\r\nk4\r\n$100\r\nxxx${"\0".repeat(500)}`],
  ["half a length and zeros at its end", "*3\r\n$\0\0\0\0"],
  ["half a length at its end", "*3\r\n$1"],
])("an append-only file with %s loads, and the log says what was cut off", async (_, damage) => {
  const { dataDir, commands } = await written()
  const before = readFileSync(commands)
  appendFileSync(commands, damage)
  const first = await start(dataDir)
  expect(first.keys).toEqual(ALL)
  const path = join(dataDir, "redis", kept(dataDir)[0] ?? "")
  expect(first.messages).toEqual([
    expect.stringContaining(`the last ${damage.length} bytes of its append-only file "${commands}"`),
  ])
  expect(first.messages[0]).toContain(path)
  expect(readFileSync(path, "latin1")).toBe(damage)
  expect(statSync(path).mode & 0o077).toBe(0)
  expect(readFileSync(commands).subarray(0, before.length).equals(before)).toBe(true)
  expect(await start(dataDir)).toEqual({ keys: ALL, messages: [] })
})

test("half a transaction is not applied, neither at this start nor with what is written after it", async () => {
  const { dataDir, commands } = await written()
  // Within the second of its two commands.
  truncateSync(commands, statSync(commands).size - 20)
  await use(redisIn(dataDir), ({ url }) =>
    inRedis(url, async (redis) => {
      expect((await redis.keys("*")).toSorted()).toEqual(WITHOUT_TRANSACTION)
      await redis.eval("redis.call('SET', 'c', '1') redis.call('SET', 'd', '2')", 0)
    }),
  )
  expect((await start(dataDir)).keys).toEqual(["c", "d", ...WITHOUT_TRANSACTION])
})

test("a transaction that lacks its end alone is not applied either", async () => {
  const { dataDir, commands } = await written()
  truncateSync(commands, statSync(commands).size - "*1\r\n$4\r\nEXEC\r\n".length)
  expect((await start(dataDir)).keys).toEqual(WITHOUT_TRANSACTION)
})

const overwrite = (file: string, at: number) => {
  const opened = openSync(file, "r+")
  writeSync(opened, "garbage garbage", at)
  closeSync(opened)
}

/** Why Redis does not start. */
const refusal = (dataDir: string) =>
  run(Effect.scoped(Effect.flip(redisIn(dataDir)))).then(({ message }) => message)

test("an append-only file with garbage in its middle is left as it is, and the refusal names it and the way out", async () => {
  const { dataDir, folder, commands } = await written()
  const second = readFileSync(commands, "latin1").indexOf("*3\r\n$3\r\nset\r\n$2\r\nk2")
  overwrite(commands, second)
  const before = readFileSync(commands)
  const message = await refusal(dataDir)
  expect(message).toContain(
    `The embedded Redis did not start: its file "${commands}" is damaged at byte ${second}, with readable commands after it.`,
  )
  expect(message).toContain(`move "${folder}" aside and start again`)
  expect(message).not.toContain("\n")
  expect(readFileSync(commands).equals(before)).toBe(true)
  expect(kept(dataDir)).toEqual([])
  renameSync(folder, `${folder}.damaged`)
  expect((await start(dataDir)).keys).toEqual([])
})

test("a damaged length that swallows what follows is damage in the middle, too", async () => {
  const { dataDir, commands } = await written()
  const text = readFileSync(commands, "latin1")
  writeFileSync(commands, text.replace("$100\r\n", "$9999999\r\n"), "latin1")
  expect(await refusal(dataDir)).toContain("with readable commands after it")
})

test.each([
  ["damaged", (file: string) => overwrite(file, 40), /cannot be loaded \(\[offset \d+\] .+\)/],
  ["of a newer Redis", (file: string) => overwriteVersion(file), /cannot be loaded \(.*version 9999.*\)/],
  ["missing", (file: string) => rmSync(file), /is missing/],
])("a snapshot that is %s is named with the reason and the way out", async (_, damage, reason) => {
  const { dataDir, folder, snapshot } = await written()
  damage(snapshot)
  const message = await refusal(dataDir)
  expect(message).toContain(`its file "${snapshot}"`)
  expect(message).toMatch(reason)
  expect(message).toContain(`move "${folder}" aside`)
})

const overwriteVersion = (file: string) => {
  const content = readFileSync(file)
  content.write("REDIS9999")
  writeFileSync(file, content)
}

test("what was cut off is kept for a month, and half written files of a killed Redis are not kept at all", async () => {
  const { dataDir } = await written()
  const [old, recent, temporary] = ["old.cut", "recent.cut", "temp-rewriteaof-bg-7.aof"].map((name) =>
    join(dataDir, "redis", name),
  ) as [string, string, string]
  for (const path of [old, recent, temporary]) writeFileSync(path, "")
  const days = (count: number) => Date.now() / 1000 - count * 86_400
  utimesSync(old, days(31), days(31))
  utimesSync(recent, days(29), days(29))
  await start(dataDir)
  expect([old, recent, temporary].map((path) => existsSync(path))).toEqual([false, true, false])
})

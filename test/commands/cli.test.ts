import { ConfigProvider, Effect, Logger } from "effect"
import { Redis } from "ioredis"
import { expect, onTestFinished, test, vi } from "vitest"
import { runCommandLine } from "../../src/commands/cli.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { freshDatabase, freshKeyPrefix, redisUrl } from "../support/index.ts"

/** A command line of a deployment of this test's own, with its settings; `run` returns what a command printed. */
const commandLine = async () => {
  const prefix = freshKeyPrefix().replace(":", "")
  const start: Record<string, string> = {
    REDIS_URL: redisUrl(),
    DATABASE_URL: await freshDatabase(),
    REDIS_KEY_PREFIX: prefix,
    PARTITIONS: "2",
    LOG_LEVEL: "error",
  }
  const redis = new Redis(redisUrl())
  onTestFinished(() => redis.disconnect())
  const run = async (...args: ReadonlyArray<string>) => {
    const lines: Array<string> = []
    const spies = (["log", "error"] as const).map((method) =>
      vi.spyOn(console, method).mockImplementation((...parts: ReadonlyArray<unknown>) => {
        lines.push(parts.join(" "))
      }),
    )
    try {
      await Effect.runPromise(
        runCommandLine(args).pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(start))),
          Effect.provide(Logger.layer([])),
        ),
      )
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
    return lines.join("\n")
  }
  return { run, redis, prefix, start }
}

test("a deployment is migrated, retained and rebuilt by command", async () => {
  const { run } = await commandLine()
  expect(await run("migrate")).toBe("The schema is up to date.")
  expect(await run("migrate")).toBe("The schema is up to date.")
  expect(await run("retention", "--dry-run")).toMatch(/^0 events before .* would go\.$/)
  expect(await run("retention", "--days", "1", "--cursor")).toMatch(
    /^0 events before .* went, in \d+ ms, \d+ of them deleting\.$/,
  )
  expect(await run("rebuild")).toMatch(/^Partition 0: 0 days .*\nPartition 1: 0 days/)
})

test("a zone is kept by the name that the setting has, whichever of its names the command was given", async () => {
  const { run, start } = await commandLine()
  const moved = await run("rebuild", "--time-zone", "Asia/Kolkata")
  const zone = /TIME_ZONE=(\S+) from now on/.exec(moved)?.[1] ?? ""
  expect(moved).toContain("0 events counted again")
  for (const name of [zone, "Asia/Kolkata", "Asia/Calcutta"]) {
    start.TIME_ZONE = name
    expect(await run("rebuild")).not.toContain("from now on")
  }
  await expect(run("rebuild", "--time-zone", "Mars/Phobos")).rejects.toThrow(
    "--time-zone is Mars/Phobos: it should be an IANA time zone such as UTC or Europe/Paris.",
  )
})

test("dead letters are listed, replayed and dropped by command", async () => {
  const { run, redis, prefix } = await commandLine()
  const { dead, events } = streamKeys(prefix, 1)
  const ids: Array<string> = []
  for (let i = 0; i < 120; i++) {
    ids.push(
      (await redis.xadd(dead, "*", "e", `payload ${i}`, "reason", "It is bad.", "entry", `${i}-0`)) ?? "",
    )
  }
  const all = (await run("dead-letters", "list", "--json", "--limit", "500"))
    .split("\n")
    .map((line) => JSON.parse(line))
  expect(all).toHaveLength(120)
  expect(all[7]).toEqual({
    partition: 1,
    id: ids[7],
    entry: "7-0",
    reason: "It is bad.",
    payload: "payload 7",
  })
  expect(await run("dead-letters", "list", "--limit", "2")).toContain(`1/${ids[0]}  It is bad.\n  payload 0`)
  expect(await run("dead-letters", "drop", `1/${ids[0]}`)).toBe(`1/${ids[0]}: dropped.`)
  expect(await run("dead-letters", "replay", `1/${ids[1]}`)).toBe(`1/${ids[1]}: sent through again.`)
  await expect(run("dead-letters", "replay", `1/${ids[1]}`)).rejects.toThrow(/no dead letter/)
  await expect(run("dead-letters", "drop", "2/1-0")).rejects.toThrow(/should look like/)
  expect(await run("dead-letters", "replay", "all")).toBe("118 sent through again.")
  expect(await redis.xlen(dead)).toBe(0)
  expect(await redis.xlen(events)).toBe(119)
  expect(await run("dead-letters", "list")).toBe("There are no dead letters.")
})

test("health fails, in a sentence, where nothing answers", async () => {
  const { run } = await commandLine()
  await expect(run("health", "--url", "http://127.0.0.1:1")).rejects.toThrow(
    /http:\/\/127\.0\.0\.1:1 does not answer/,
  )
})

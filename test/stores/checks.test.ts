import { Effect } from "effect"
import { describe, expect, test } from "vitest"
import { Metrics } from "../../src/metrics/metrics.ts"
import { checkRedis, judgeRedis } from "../../src/stores/checkRedis.ts"
import { checkPostgres, UnusableStore } from "../../src/stores/checks.ts"
import { StoreError } from "../../src/stores/errors.ts"
import { makePostgres } from "../../src/stores/postgres.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { run, testScope } from "../support/effects.ts"
import { freshDatabase, privateRedis } from "../support/index.ts"

const info = (fields: Record<string, string>) =>
  Object.entries(fields)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join("")

const good = { redis_version: "7.4.1", maxmemory_policy: "noeviction", aof_enabled: "1" }

describe("a Redis", () => {
  test.each([
    [{ ...good, redis_version: "6.2.14" }, "redis 6.2.14"],
    [{ ...good, redis_version: "7.2.4", valkey_version: "7.2.9" }, "valkey 7.2.9"],
  ])("that is too old is refused: %o", (fields, named) => {
    const judged = judgeRedis(info(fields), "")
    expect(judged).toBeInstanceOf(UnusableStore)
    expect(judged).toMatchObject({ message: expect.stringContaining(named) })
  })

  test.each([
    [good, "redis 7.4.1"],
    [{ ...good, redis_version: "7.2.4", valkey_version: "8.1.1" }, "valkey 8.1.1"],
  ])("that will do is named: %o", (fields, server) => {
    expect(judgeRedis(info(fields), "cluster_enabled:1\r\n")).toEqual({ cluster: true, server, warnings: [] })
  })

  test("that evicts or keeps nothing is warned of", () => {
    const judged = judgeRedis(info({ ...good, maxmemory_policy: "allkeys-lru", aof_enabled: "0" }), "")
    expect(judged).toMatchObject({
      warnings: [
        { text: expect.stringContaining("allkeys-lru"), grave: true },
        { text: expect.stringContaining("appendonly yes"), grave: true },
      ],
    })
  })

  test.each(["always", "everysec"] as const)("that flushes %s is judged by that", async (fsync) => {
    const redis = await privateRedis({ fsync })
    const { warnings } = await run(checkRedis(redis.url))
    expect(warnings.some(({ text, grave }) => text.includes("everysec") && !grave)).toBe(fsync === "everysec")
  })
})

test("a Postgres that does not keep its commits is warned of", async () => {
  const scope = testScope()
  const check = async (options: string) => {
    const url = new URL(await freshDatabase())
    url.searchParams.set("options", options)
    return scope.run(
      makePostgres({ url: url.href, max: 1, name: "test", statementTimeoutMs: 0 }, new Metrics("t_")).pipe(
        Effect.flatMap((postgres) => checkPostgres(postgres, url.href)),
      ),
    )
  }
  const careless = await check("-c synchronous_commit=off")
  expect(careless.warnings).toEqual([{ text: expect.stringContaining("synchronous_commit"), grave: true }])
  expect(careless.server).toMatch(/^postgres \d/)
  const careful = await check("-c synchronous_commit=on")
  expect(careful.warnings).toEqual([])
})

test("a Redis that is away fails calls at once and is waited for no longer than asked", async () => {
  const failure = await run(
    Effect.scoped(
      Effect.gen(function* () {
        const redis = yield* connectRedis({ url: "redis://127.0.0.1:1", cluster: false }, "command", "test")
        return yield* Effect.flip(awaitReady(redis, 50))
      }),
    ),
  )
  expect(failure).toBeInstanceOf(StoreError)
  expect(failure.unavailable).toBe(true)
})

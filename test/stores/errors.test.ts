/** How the stores' drivers fail, as everything else sees it. */
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import { describe, expect, onTestFinished, test } from "vitest"
import { Metrics } from "../../src/metrics/metrics.ts"
import { DEFECT } from "../../src/stores/errors.ts"
import { postgresError } from "../../src/stores/postgresError.ts"
import { redisCall } from "../../src/stores/redis.ts"
import { redisError } from "../../src/stores/redisError.ts"
import { CLASSES, CODES, meaningOf } from "../../src/stores/sqlstate.ts"
import { run } from "../support/effects.ts"
import { connect } from "../support/events.ts"
import { freshDatabase, redisUrl } from "../support/index.ts"

const metrics = new Metrics("test_")

const withCode = (code: string) => Object.assign(new Error("failed"), { code })

describe("of Redis' replies", () => {
  test.each([
    ["BUSY Redis is busy running a script", "BUSY"],
    ["CLUSTERDOWN The cluster is down", "CLUSTERDOWN"],
    ["LOADING Redis is loading the dataset in memory", "LOADING"],
    ["MASTERDOWN Link with MASTER is down", "MASTERDOWN"],
    ["MISCONF Errors writing to the AOF file", "MISCONF"],
    ["NOAUTH Authentication required.", "NOAUTH"],
    ["NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"],
    ["OOM command not allowed when used memory > 'maxmemory'.", "OOM"],
    ["READONLY You can't write against a read only replica.", "READONLY"],
    ["TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN"],
    ["ERR max number of clients reached", "ERR"],
  ])("those are worth another try after which nothing is wrong with the call: %s", (message, code) => {
    expect(redisError("test", new Error(message))).toMatchObject({ store: "redis", code, unavailable: true })
  })

  test.each([
    ["ERR unknown command", "ERR"],
    ["FENCED a later epoch owns the partition", "FENCED"],
    ["NOPERM this user has no permissions", "NOPERM"],
    ["SOMETHING that a later version of Redis may say", "SOMETHING"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "WRONGTYPE"],
  ])("any other is a refusal: %s", (message, code) => {
    expect(redisError("test", new Error(message))).toMatchObject({ code, unavailable: false })
  })
})

describe("a connection to Redis", () => {
  test.each([
    ["is lost", async (redis: Redis) => redis.disconnect()],
    ["is not there yet", async () => {}],
  ])("that %s is worth another try", async (_case, before) => {
    const redis = new Redis(redisUrl(), { enableOfflineQueue: false, lazyConnect: true, retryStrategy: null })
    onTestFinished(() => redis.disconnect())
    await before(redis)
    expect(
      await Effect.runPromise(Effect.flip(redisCall(metrics, "test", () => redis.get("a")))),
    ).toMatchObject({ code: "CONNECTION", unavailable: true })
  })

  test("that does not answer is worth another try", async () => {
    const redis = new Redis(redisUrl(), { commandTimeout: 20 })
    onTestFinished(() => redis.disconnect())
    const call = redisCall(metrics, "test", () => redis.blpop("nothing", 0))
    expect(await Effect.runPromise(Effect.flip(call))).toMatchObject({
      code: "CONNECTION",
      unavailable: true,
    })
  })

  test("that the system breaks is worth another try", () => {
    expect(redisError("test", withCode("ECONNRESET"))).toMatchObject({
      code: "CONNECTION",
      unavailable: true,
    })
  })
})

describe("our own mistake", () => {
  const mistakes = [
    new TypeError("x is undefined"),
    new RangeError("invalid array length"),
    new SyntaxError("unexpected token"),
    new Error("unexpected reply of the apply script: nil"),
  ]

  test.each(mistakes)("within a Redis call is not Redis that is unavailable: %s", async (mistake) => {
    const thrown = redisCall(metrics, "test", () => {
      throw mistake
    })
    const rejected = redisCall(metrics, "test", () => Promise.reject(mistake))
    for (const call of [thrown, rejected])
      expect(await Effect.runPromise(Effect.flip(call))).toMatchObject({
        store: "redis",
        code: DEFECT,
        unavailable: false,
        cause: mistake,
      })
  })

  test("within a Postgres call is not Postgres that is unavailable", () => {
    expect(postgresError("test", new TypeError("x is not a function"))).toMatchObject({
      store: "postgres",
      code: DEFECT,
      unavailable: false,
    })
  })
})

describe("an SQLSTATE", () => {
  test.each([
    ["08006", "unavailable", true],
    ["25006", "unavailable", true],
    ["26000", "unavailable", true],
    ["28P01", "unavailable", true],
    ["40001", "unavailable", true],
    ["53100", "unavailable", true],
    ["57P01", "unavailable", true],
    ["XX000", "unavailable", true],
    ["42P05", "unavailable", true],
    ["40P01", "lock", true],
    ["55P03", "lock", true],
    ["23514", "no-day-table", true],
    ["22P02", "event", false],
    ["23505", "event", false],
    ["54000", "event", false],
    ["42501", "operator", false],
    ["42601", "operator", false],
    ["42P01", "operator", false],
  ] as const)("%s means %s", (code, meaning, unavailable) => {
    expect(meaningOf(code)).toBe(meaning)
    expect(postgresError("test", withCode(code))).toMatchObject({ store: "postgres", code, unavailable })
  })

  test("has its name in the table, as Postgres has it", async () => {
    const postgres = await connect(await freshDatabase(), { max: 1 })
    // What a condition is called is what PL/pgSQL raises by its name.
    const raised = (name: string) =>
      run(
        Effect.flip(postgres.query("test", `DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${name}'; END $$`)),
      )
    for (const [code, [name]] of Object.entries(CODES)) expect((await raised(name)).code).toBe(code)
    for (const [sqlstateClass, [name]] of Object.entries(CLASSES))
      expect((await raised(name)).code).toBe(`${sqlstateClass}000`)
  })

  test("is not what the system calls a broken pipe", () => {
    expect(postgresError("test", withCode("EPIPE"))).toMatchObject({ code: "EPIPE", unavailable: true })
  })

  test("is not there when the connection is lost", () => {
    expect(postgresError("test", withCode("ECONNREFUSED"))).toMatchObject({ unavailable: true })
    expect(postgresError("test", new Error("Connection terminated unexpectedly"))).toMatchObject({
      code: "CONNECTION",
      unavailable: true,
    })
  })
})

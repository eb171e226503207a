import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { Metrics } from "../../src/metrics/metrics.ts"
import { checkPostgres } from "../../src/stores/checks.ts"
import { StoreError } from "../../src/stores/errors.ts"
import { makePostgres } from "../../src/stores/postgres.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { run, testScope } from "../support/effects.ts"
import { freshDatabase, privatePostgres } from "../support/index.ts"

test("a Postgres that does not keep its commits is warned of", async () => {
  const scope = testScope()
  const { url: durable } = await privatePostgres()
  const check = async (options: string) => {
    const url = new URL(durable)
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

test("a password that Postgres refuses is told how to be written", async () => {
  const url = new URL(await freshDatabase())
  url.password = "wrong%2541"
  const { message } = await run(
    Effect.scoped(
      makePostgres({ url: url.href, max: 1, name: "test", statementTimeoutMs: 0 }, new Metrics("t_")).pipe(
        Effect.flatMap((postgres) => Effect.flip(checkPostgres(postgres, url.href))),
      ),
    ),
  )
  expect(message).toMatch(
    /password authentication failed.*% of the password is written %25; PGPASSWORD takes/,
  )
  expect(message).not.toContain("wrong")
})

test("an unavailable Redis fails calls at once and is waited for no longer than asked", async () => {
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

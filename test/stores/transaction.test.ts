import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, test } from "vitest"
import type { PostgresOptions } from "../../src/stores/postgres.ts"
import { run } from "../support/effects.ts"
import { connect, countOf, rows } from "../support/events.ts"
import { eventually, freshDatabase } from "../support/index.ts"

const INSERT = "INSERT INTO numbers VALUES (1)"

const withNumbers = async (options: Partial<PostgresOptions> = {}) => {
  const postgres = await connect(await freshDatabase(), options)
  await rows(postgres, "CREATE TABLE numbers (n integer)")
  return postgres
}

class NotNow extends Data.TaggedError("NotNow") {}

describe("a transaction", () => {
  test("fails with what its body fails with, and changes nothing", async () => {
    const postgres = await withNumbers()
    const failing = postgres.transaction("test", (sql) => Effect.andThen(sql.query(INSERT), new NotNow()))
    expect(await run(Effect.flip(failing))).toBeInstanceOf(NotNow)
    expect(await countOf(postgres, "numbers")).toBe(0)
    expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount)
  })

  test("fails with the store's error when a statement does, and changes nothing", async () => {
    const postgres = await withNumbers()
    const failing = postgres.transaction("test", (sql) =>
      Effect.andThen(sql.query(INSERT), sql.query("SELECT 1 / 0")),
    )
    expect(await run(Effect.flip(failing))).toMatchObject({ _tag: "StoreError", code: "22012" })
    expect(await countOf(postgres, "numbers")).toBe(0)
  })

  test("that is interrupted in the middle of a statement changes nothing, and its connection is not used again", async () => {
    const postgres = await withNumbers()
    const sleeping =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'"
    const fiber = Effect.runFork(
      postgres.transaction("test", (sql) =>
        Effect.andThen(sql.query(INSERT), sql.query("SELECT pg_sleep(600)")),
      ),
    )
    await eventually(async () => expect(await rows(postgres, sleeping)).toHaveLength(1))
    await run(Fiber.interrupt(fiber))
    // The word to the server, too, that it should end the statement takes a connection for a moment.
    await eventually(() => expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount))
    expect(await countOf(postgres, "numbers")).toBe(0)
  })

  test("whose answer does not come is abandoned, and the next one works", async () => {
    const postgres = await withNumbers({ max: 1, transactionDeadlineMs: 200 })
    const wait = postgres.transaction("test", (sql) => sql.query("SELECT pg_sleep(600)"))
    expect(await run(Effect.flip(wait))).toMatchObject({ unavailable: true })
    // It has no more time, which a busy machine may take for itself.
    await eventually(() => run(postgres.transaction("test", (sql) => sql.query("SELECT FROM numbers"))))
  })
})

import { join } from "node:path"
import { setImmediate as turn } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { expect, test } from "vitest"
import { openDatabase } from "../../../src/query/engine/database.ts"
import { run, testScope } from "../../support/effects.ts"
import { temporaryFolder } from "../../support/index.ts"

const MB = 1024 * 1024

const opened = () => testScope().run(openDatabase(join(temporaryFolder(), "query"), 160 * MB))

test("as many statements run at a time as there is memory for, those that nobody waits for any more included", async () => {
  const database = await opened()
  // Text that is put together has to be in memory whole.
  const long = database.rows("SELECT length(string_agg(repeat('x', 1000), '')) AS bytes FROM range(12000)")
  const abandoned = Effect.timeoutOption(long, 5)
  await run(Effect.all([abandoned, abandoned, abandoned, abandoned], { concurrency: "unbounded" }))
  const found = await run(
    Effect.all(
      Array.from({ length: 12 }, () => long),
      { concurrency: "unbounded" },
    ),
  )
  for (const [row] of found) expect(row?.bytes).toBe(12_000_000n)
})

test("a statement that needs more memory than others leave it is run when it has all of it", async () => {
  const database = await opened()
  const bytes = 30_000_000
  const large = database.rows(
    `SELECT length(string_agg(repeat('x', 1000), '')) AS bytes FROM range(${bytes / 1000})`,
  )
  const found = await run(Effect.all([large, large, large, large], { concurrency: "unbounded" }))
  for (const [row] of found) expect(Number(row?.bytes)).toBe(bytes)
})

test("a statement that waits for all of the memory is not overtaken by those that need less", async () => {
  const database = await opened()
  const ended: Array<string> = []
  const statement = (name: string, rows: number, readsLines = false) =>
    Effect.tap(database.rows(`SELECT sum(hash(range)) FROM range(${rows})`, [], { readsLines }), () =>
      Effect.sync(() => ended.push(name)),
    )
  const all = [statement("long", 30_000_000), statement("all", 1, true), statement("short", 1)]
  await run(Effect.all(all, { concurrency: "unbounded" }))
  expect(ended).toEqual(["long", "all", "short"])
})

test("a statement ends whenever nobody waits for it any more, even before it has begun", async () => {
  const database = await opened()
  for (let turns = 0; turns < 12; turns++) {
    const endless = Effect.runFork(database.rows("SELECT sum(hash(range)) FROM range(1000000000000)"))
    for (let i = 0; i < turns; i++) await turn()
    await run(Fiber.interrupt(endless))
  }
  const [row] = await run(database.rows("SELECT 1 AS one"))
  expect(row?.one).toBe(1)
})

import { join } from "node:path"
import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { openDatabase } from "../../../src/query/engine/database.ts"
import { run, testScope } from "../../support/effects.ts"
import { temporaryFolder } from "../../support/index.ts"

const MB = 1024 * 1024

test("as many statements run at a time as there is memory for, those that nobody waits for any more included", async () => {
  const database = await testScope().run(openDatabase(join(temporaryFolder(), "query"), 160 * MB))
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

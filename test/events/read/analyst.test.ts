/** The role that docs/operations.md has for reading with SQL. */
import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { codes, read, section } from "../../support/documents.ts"
import { run } from "../../support/effects.ts"
import { event, freshEvents, store } from "../../support/events.ts"

/** What an analyst may ask, and what not. */
const MAY = [
  "SELECT * FROM analytics_events",
  "SELECT * FROM events_between('main', '2025-12-08', '2025-12-09')",
  "SELECT * FROM daily_totals JOIN sites ON sites.id = site_id",
]
const MAY_NOT = [
  ...["users", "access_tokens", "audit_log", "erasures", "event_chunks"].map(
    (table) => `SELECT * FROM ${table}`,
  ),
  "DELETE FROM daily_totals",
  "DELETE FROM analytics_events",
]

test("an analyst reads events and totals, and nothing else", async () => {
  const { postgres } = await freshEvents()
  await store(postgres, [event(), event()])
  // Roles are the server's: all of it is rolled back.
  const name = `analyst_${process.pid}`
  const statements = codes(section(read("docs/operations.md"), "Reading with SQL")).filter((code) =>
    /\banalyst\b/.test(code),
  )
  expect(statements).toHaveLength(3)
  await run(
    Effect.gen(function* () {
      const session = yield* postgres.session("test")
      yield* session.begin()
      for (const statement of statements) yield* session.query(statement.replace("analyst", name))
      yield* session.query(`SET LOCAL ROLE ${name}`)
      for (const statement of MAY)
        expect((yield* session.query(statement)).count, statement).toBeGreaterThan(0)
      for (const statement of MAY_NOT) {
        yield* session.query("SAVEPOINT before")
        const refused = yield* Effect.flip(session.query(statement))
        expect(refused.message, statement).toMatch(/permission denied|cannot delete from view/)
        yield* session.query("ROLLBACK TO before")
      }
    }).pipe(Effect.scoped),
  )
})

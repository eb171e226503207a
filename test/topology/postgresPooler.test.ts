/** Postgres behind pgbouncer in transaction mode: each transaction may run in another session of the server. */
import * as Effect from "effect/Effect"
import pg from "pg"
import { describe, expect, test } from "vitest"
import { now } from "../support/clock.ts"
import { run } from "../support/effects.ts"
import { connect, rows } from "../support/events.ts"
import { eventually, freshDatabase } from "../support/index.ts"
import { startPgbouncer, tracksStatements, wantsPgbouncer } from "../support/pgbouncer.ts"
import { wholePipeline } from "../support/pipeline.ts"

const LEFT = `
  SELECT current_setting('statement_timeout') AS statement_timeout, current_setting('TimeZone') AS time_zone,
    current_setting('idle_in_transaction_session_timeout') AS idle_timeout,
    (SELECT count(*)::int FROM pg_prepared_statements WHERE name LIKE 'batch%') AS prepared`

describe("through pgbouncer in transaction mode", wantsPgbouncer, () => {
  test("everything answers as it does without, whatever its max_prepared_statements", async () => {
    const begin = now()
    const poolers = tracksStatements()
      ? [{ max_prepared_statements: 0 }, { max_prepared_statements: 100 }]
      : [{}]
    const urls = await Promise.all(
      poolers.map(async (settings) => startPgbouncer(await freshDatabase(), settings)),
    )
    const [direct, ...pooled] = await Promise.all(
      [await freshDatabase(), ...urls].map((each) => wholePipeline(each, begin)),
    )
    for (const each of pooled) expect(each).toEqual(direct)
  })

  test("a statement, and a transaction that does not go on, end in their time", async () => {
    const database = await freshDatabase()
    const url = await startPgbouncer(database)
    const postgres = await connect(url, { max: 2, statementTimeoutMs: 200, idleTransactionMs: 200 })
    await expect(run(postgres.query("test", "SELECT pg_sleep(20)"))).rejects.toMatchObject({ code: "57014" })
    const direct = await connect(database)
    const ended = (pid: number | undefined) =>
      eventually(async () =>
        expect(await rows(direct, "SELECT FROM pg_stat_activity WHERE pid = $1", [pid])).toEqual([]),
      )
    const idle = postgres.transaction("test", (sql) =>
      sql.query<{ pid: number }>("SELECT pg_backend_pid() AS pid").pipe(
        Effect.tap(({ rows: [row] }) => Effect.promise(() => ended(row?.pid))),
        Effect.andThen(sql.query("SELECT 1")),
      ),
    )
    await expect(run(idle)).rejects.toMatchObject({ unavailable: true })
  })

  test("nothing is left in the server's sessions that others use next", async () => {
    const database = await freshDatabase()
    const url = await startPgbouncer(database, { default_pool_size: 1 })
    const postgres = await connect(url, { statementTimeoutMs: 12_345, idleTransactionMs: 12_345 })
    const named = { name: "batch_test", text: "SELECT $1::int", values: [1] }
    await run(postgres.query("test", named))
    await run(postgres.transaction("test", (sql) => sql.query(named)))
    const ofAnother = async (at: string) => {
      const client = new pg.Client({ connectionString: at })
      try {
        await client.connect()
        return (await client.query(LEFT)).rows
      } finally {
        await client.end()
      }
    }
    expect(await ofAnother(url)).toEqual(await ofAnother(database))
  })
})

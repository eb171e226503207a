/** Postgres as others have set it up: roles and databases with settings of their own, and rights in one schema only. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import pg from "pg"
import { describe, expect, inject, onTestFinished, test } from "vitest"
import { migrate } from "../../src/events/schema/migrate.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { checkPostgres } from "../../src/stores/checks.ts"
import { makePostgres } from "../../src/stores/postgres.ts"
import { now } from "../support/clock.ts"
import { run, testScope } from "../support/effects.ts"
import { connect, event, freshEvents, rows, store } from "../support/events.ts"
import { freshDatabase, privatePostgres } from "../support/index.ts"
import { startPgbouncer, wantsPgbouncer } from "../support/pgbouncer.ts"
import { wholePipeline } from "../support/pipeline.ts"

/** Whatever changes what a statement means, how its answer reads, or how long it may take, and is a role's to set. */
const HOSTILE = {
  client_encoding: "LATIN1",
  DateStyle: "German, DMY",
  IntervalStyle: "sql_standard",
  TimeZone: "Pacific/Chatham",
  timezone_abbreviations: "India",
  bytea_output: "escape",
  extra_float_digits: "-15",
  standard_conforming_strings: "off",
  backslash_quote: "off",
  array_nulls: "off",
  transform_null_equals: "on",
  quote_all_identifiers: "on",
  default_text_search_config: "pg_catalog.german",
  default_transaction_isolation: "serializable",
  default_transaction_deferrable: "on",
  row_security: "on",
  search_path: '"$user"',
  statement_timeout: "50ms",
  lock_timeout: "10ms",
  idle_in_transaction_session_timeout: "50ms",
  idle_session_timeout: "5s",
  plan_cache_mode: "force_generic_plan",
  enable_hashagg: "off",
  enable_sort: "off",
  enable_indexscan: "off",
  enable_partition_pruning: "off",
  synchronize_seqscans: "on",
  work_mem: "64kB",
  jit: "on",
  jit_above_cost: "0",
  xmloption: "document",
}

const onServer = async (database: string, ...statements: ReadonlyArray<string>) => {
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

/** A role without any right but to log in, dropped after the test; the URL of a fresh database as that role. */
const roleOf = async (...statements: ReadonlyArray<(role: string) => string>) => {
  const role = `r_${randomUUID().replaceAll("-", "")}`
  onTestFinished(() => onServer(inject("databaseUrl"), `DROP ROLE ${role}`))
  const database = await freshDatabase()
  await onServer(
    database,
    `CREATE ROLE ${role} LOGIN PASSWORD 'of-a-test'`,
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
  )
  await onServer(database, ...statements.map((statement) => statement(role)))
  const url = new URL(database)
  url.username = role
  url.password = "of-a-test"
  return { role, database, url: url.href }
}

const OWN_SCHEMA = (role: string) => `CREATE SCHEMA AUTHORIZATION ${role}`

const literal = (value: string) => (value.startsWith('"') ? value : pg.escapeLiteral(value))

const hostile = () =>
  roleOf(
    OWN_SCHEMA,
    ...Object.entries(HOSTILE).map(
      ([name, value]) =>
        (role: string) =>
          `ALTER ROLE ${role} SET ${name} = ${literal(value)}`,
    ),
    // Since PostgreSQL 17.
    (role) => `
      DO $$ BEGIN
        IF current_setting('transaction_timeout', true) IS NOT NULL THEN
          ALTER ROLE ${role} SET transaction_timeout = '1s';
        END IF;
      END $$`,
  )

const refusalOf = async (url: string) => {
  const postgres = await testScope().run(
    makePostgres({ url, max: 1, name: "test", statementTimeoutMs: 0 }, new Metrics("t_")),
  )
  return (await run(Effect.flip(checkPostgres(postgres, url)))).message
}

describe("a role with settings and a schema of its own", () => {
  const answersAsAnyOther = async (open: (url: string) => Promise<string>) => {
    const begin = now()
    const { url } = await hostile()
    const [usual, odd] = await Promise.all([
      wholePipeline(await freshDatabase(), begin),
      wholePipeline(await open(url), begin),
    ])
    expect(odd).toEqual(usual)
  }

  test("answers as any other", () => answersAsAnyOther(async (url) => url))

  test("answers as any other through pgbouncer", wantsPgbouncer, () => answersAsAnyOther(startPgbouncer))
})

test("statements of a role that has each compiled are not", async () => {
  const postgres = await connect((await hostile()).url)
  expect(await rows(postgres, "SELECT current_setting('jit') AS jit")).toEqual([{ jit: "off" }])
})

test("a role's limits of time are not those of statements and transactions", async () => {
  const { url } = await hostile()
  const postgres = await connect(url)
  const slow = postgres.transaction("test", (sql) => sql.query("SELECT 1 FROM pg_sleep(1.2)"))
  expect((await run(slow)).count).toBe(1)
})

describe("?schema=", () => {
  const tablesOf = (database: string) =>
    connect(database).then((postgres) =>
      rows(postgres, "SELECT DISTINCT schemaname AS schema FROM pg_tables WHERE tablename = 'event_chunks'"),
    )
  const OTHER = (role: string) => `CREATE SCHEMA "its Own" AUTHORIZATION ${role}`

  test.each(wantsPgbouncer.skip ? ["without"] : ["without", "through"])(
    "is where the tables are, %s pgbouncer",
    async (way) => {
      const { url, database } = await roleOf(OWN_SCHEMA, OTHER)
      const at = new URL(way === "through" ? await startPgbouncer(url) : url)
      at.searchParams.set("schema", "its Own")
      const postgres = await connect(at.href)
      await run(checkPostgres(postgres, at.href))
      await run(migrate(postgres))
      expect(await tablesOf(database)).toEqual([{ schema: "its Own" }])
    },
  )

  test("that is not there is told with what to run, which helps", async () => {
    const { url, database, role } = await roleOf()
    const at = new URL(url)
    at.searchParams.set("schema", "new one")
    const sentence = await refusalOf(at.href)
    const [, sql = ""] = /; run (.*)\.$/.exec(sentence) ?? []
    expect(sentence).toContain(`there is no schema new one that ${role} may use; run CREATE SCHEMA`)
    await onServer(database, sql)
    const postgres = await connect(at.href)
    await run(checkPostgres(postgres, at.href))
    expect(await run(migrate(postgres))).not.toEqual([])
  })
})

describe("a database that cannot be used", () => {
  test("has no schema for the role, or one in which it may not create: told with what to run, which helps", async () => {
    const { url, database, role } = await roleOf((name) => `GRANT USAGE ON SCHEMA public TO ${name}`)
    const sentence = await refusalOf(url)
    expect(sentence).toMatch(
      new RegExp(
        `/t_\\w+ cannot be used: ${role} may not create tables in the schema public; run CREATE SCHEMA`,
      ),
    )
    const [, sql = ""] = /; run (.*) for one of its own/.exec(sentence) ?? []
    await onServer(database, `REVOKE USAGE ON SCHEMA public FROM ${role}`)
    expect(await refusalOf(url)).toMatch(
      /none of the schemas in the search_path of .*; run CREATE SCHEMA AUTHORIZATION/,
    )
    await onServer(database, sql)
    const postgres = await connect(url)
    await run(checkPostgres(postgres, url))
    expect(await run(migrate(postgres))).not.toEqual([])
  })

  test("is read-only, or of an encoding that lacks characters", async () => {
    const { url } = await roleOf(
      OWN_SCHEMA,
      (role) => `ALTER ROLE ${role} SET default_transaction_read_only = on`,
    )
    expect(await refusalOf(url)).toContain("it is read-only (default_transaction_read_only is on)")
    const name = `t_${randomUUID().replaceAll("-", "")}`
    const server = inject("databaseUrl")
    await onServer(
      server,
      `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'`,
    )
    onTestFinished(() => onServer(server, `DROP DATABASE ${name} WITH (FORCE)`))
    const latin = new URL(server)
    latin.pathname = `/${name}`
    expect(await refusalOf(latin.href)).toContain("its encoding is LATIN1")
  })
})

test("rows that a policy hides are an error, not missing from figures", async () => {
  const { postgres } = await freshEvents()
  await store(postgres, [event(), event()])
  const { url, database, role } = await roleOf(OWN_SCHEMA)
  const own = await connect(url)
  await run(migrate(own))
  await onServer(
    database,
    `ALTER TABLE ${role}.daily_totals ENABLE ROW LEVEL SECURITY`,
    `ALTER TABLE ${role}.daily_totals FORCE ROW LEVEL SECURITY`,
  )
  await expect(rows(own, "SELECT FROM daily_totals")).rejects.toMatchObject({ code: "42501" })
})

test("DATABASE_URL's parameters that mean nothing are told", async () => {
  const url = new URL((await privatePostgres()).url)
  url.searchParams.set("currentSchema", "x")
  url.searchParams.set("connection_limit", "3")
  const postgres = await connect(url.href)
  expect((await run(checkPostgres(postgres, url.href))).warnings).toEqual([
    {
      text: "DATABASE_URL has parameters that mean nothing here: currentSchema, connection_limit.",
      grave: false,
    },
  ])
})

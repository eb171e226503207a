import pg from "pg"
import { describe, expect, test } from "vitest"
import { databaseUrl, parseDatabaseUrl, shownDatabaseUrl } from "../../src/config/databaseUrl.ts"
import { Expected } from "../../src/config/values.ts"

const parsed = (text: string) => {
  const url = parseDatabaseUrl(text)
  if (url instanceof Expected) throw new Error(url.what)
  return url
}

const refusal = (text: string): string => {
  const url = databaseUrl(text)
  return url instanceof Expected ? url.what : ""
}

describe("DATABASE_URL", () => {
  test.each([
    "postgres://analytics:secret@10.0.0.6/analytics",
    "postgresql://analytics:secret@postgres.example:6432/analytics?application_name=x",
    "postgresql://user@host",
    "postgresql://user@host/",
    "postgresql://host_name/db",
    "postgresql://u:p@[2001:db8::1]:5433/db",
    "postgresql://u:p@%2Fvar%2Frun%2Fpostgresql/db",
    "postgresql://u:p@/db?host=/var/run/postgresql",
    "postgresql:///db?user=u&password=p&host=h&port=1",
    // Characters that need no code, and every one with its code.
    "postgresql://u:p@ss:w0rd!$&'()*+,;=~@host/db",
    "postgresql://u:100%@host/db",
    "postgresql://u:%40%3A%2F%23%25%3F%20%5C%22é@host/d%20b",
    "postgresql://us%40er:p@host/db",
  ])("means what it means to the driver: %s", (text) => {
    const { hosts, user, password, database } = parsed(text)
    const driver = new pg.Client(text)
    expect({ ...hosts[0], user, password, database }).toEqual({
      host: driver.host,
      port: driver.port,
      user: driver.user,
      password: driver.password ?? undefined,
      database: driver.database === driver.user ? database : driver.database,
    })
  })

  test.each([
    ["postgresql://u:p@a:5432,b:5433,c/db", ["a:5432", "b:5433", "c:5432"]],
    ["postgresql://u:p@a,[::1]:5433/db?target_session_attrs=read-write", ["a:5432", "[::1]:5433"]],
    ["postgresql:///db?host=a,b&port=1,2", ["a:1", "b:2"]],
    ["postgresql:///db?host=a,b&port=7", ["a:7", "b:7"]],
  ])("names several hosts: %s", (text, hosts) => {
    expect(shownDatabaseUrl(parsed(text))).toBe(`postgresql://${hosts.join()}/db`)
  })

  test.each([
    ...["p/w", "p?w", "p#w", "1/2", "1?2", "1?2=3", "1#2", "a@b/c", "%FF", "p%C3"].map(
      (password) => `postgresql://u:${password}@host/db`,
    ),
    "postgresql://u:p/w@a,b/db",
  ])("with a password that was not encoded is told how: %s", (text) => {
    expect(refusal(text)).toMatch(/percent-encoded: encode @ : \/ # % \? in the password/)
    expect(refusal(text)).not.toContain("host")
  })

  test.each([
    "mysql://u:p@host/db",
    "host=a dbname=b",
    "postgresql:/host/db",
    "postgresql://u:p@host:0/db",
    "postgresql://u:p@host:99999/db",
    "postgresql://u:p@host:port/db",
    "postgresql://u:p@a,,b/db",
    "postgresql://u:p@[10.0.0.1]/db",
  ])("of another form is refused: %s", (text) => {
    expect(refusal(text)).toContain("a URL that begins with postgres:// or postgresql://")
  })

  test.each([
    ["sslmode=verify-all", "sslmode is one of"],
    ["sslrootcert=/nowhere/ca.pem", "sslrootcert names a file that can be read (/nowhere/ca.pem: ENOENT)"],
    ["sslmode=verify-full&sslcert=/nowhere/me.pem", "sslcert names a file that can be read"],
    ["target_session_attrs=standby", "target_session_attrs=read-write"],
    ["target_session_attrs=prefer-standby", "every node writes"],
  ])("with %s is refused", (parameters, sentence) => {
    expect(refusal(`postgresql://u:p@host/db?${parameters}`)).toContain(sentence)
  })

  test("has a schema, options, and parameters that mean nothing", () => {
    const text =
      "postgresql://h/db?schema=My%20Own&options=-c%20jit%3Doff&currentSchema=x&channel_binding=require"
    expect(parsed(text)).toMatchObject({
      schema: "My Own",
      options: "-c jit=off",
      unused: ["currentSchema", "channel_binding"],
    })
  })

  test("may be left out", () => expect(databaseUrl("")).toBeNull())

  test.each([
    ["", undefined],
    ["ssl=true", true],
    ["ssl=1", true],
    ["ssl=0", false],
    ["ssl=no-verify", { rejectUnauthorized: false }],
    ["sslmode=disable", false],
    ["sslmode=disable&ssl=true", false],
    ["sslmode=no-verify", { rejectUnauthorized: false }],
    ["sslmode=require", {}],
    ["sslmode=prefer", {}],
    ["sslmode=verify-full&sslrootcert=system", {}],
    ["sslmode=require&uselibpqcompat=true", { rejectUnauthorized: false }],
    ["sslmode=verify-full&uselibpqcompat=true", {}],
  ])("says of TLS with %s: %o", (parameters, ssl) => {
    expect(parsed(`postgresql://h/db?${parameters}`).tls.ssl).toEqual(ssl)
  })
})

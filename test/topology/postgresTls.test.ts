/** Postgres with TLS and a CA that nobody else knows. */
import { copyFileSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { Metrics } from "../../src/metrics/metrics.ts"
import { checkPostgres } from "../../src/stores/checks.ts"
import { makePostgres } from "../../src/stores/postgres.ts"
import { CertificateAuthority } from "../support/certificates.ts"
import { run, testScope } from "../support/effects.ts"
import { connect, rows } from "../support/events.ts"
import { PostgresServer } from "../support/postgresServer.ts"
import { newFolder, removeFolder } from "../support/temporaryFolder.ts"
import { wantsProgram } from "../support/wants.ts"

const HBA = `
hostssl all certified all cert
hostssl all all all scram-sha-256
hostnossl postgres all all scram-sha-256
`

describe("Postgres with TLS", wantsProgram("openssl", "openssl", "version"), () => {
  const folder = newFolder()
  let server: PostgresServer
  let ca: CertificateAuthority

  beforeAll(async () => {
    ca = new CertificateAuthority(join(folder, "ca"))
    const certificate = ca.issue("localhost")
    server = await PostgresServer.start({ folder: join(folder, "server") })
    await server.ask("CREATE ROLE certified LOGIN; CREATE SCHEMA AUTHORIZATION certified")
    server.write("server.crt", readFileSync(certificate.cert, "utf8"))
    server.write("server.key", readFileSync(certificate.key, "utf8"))
    server.write("root.crt", readFileSync(ca.cert, "utf8"))
    server.write("pg_hba.conf", HBA)
    server.write("postgresql.auto.conf", "ssl = on\nssl_ca_file = 'root.crt'\n")
    await server.kill("SIGINT")
    await server.start()
  })

  afterAll(async () => {
    await server?.kill()
    removeFolder(folder)
  })

  /** The server's URL by a name, with parameters. */
  const urlOf = (parameters: Record<string, string>, host = "localhost") => {
    const url = new URL(server.url())
    url.hostname = host
    url.search = new URLSearchParams(parameters).toString()
    return url.href
  }

  const cipherOf = async (url: string) => {
    const postgres = await connect(url, { max: 1 })
    const sql = "SELECT ssl, version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    return (await rows<{ ssl: boolean; version: string; client_dn: string | null }>(postgres, sql))[0]
  }

  const refusalOf = async (url: string) => {
    const postgres = await testScope().run(
      makePostgres({ url, max: 1, name: "test", statementTimeoutMs: 0 }, new Metrics("t_")),
    )
    return (await run(Effect.flip(checkPostgres(postgres, url)))).message
  }

  test.each(["verify-full", "verify-ca", "require"])(
    "is reached with its CA by sslmode=%s",
    async (sslmode) => {
      const warnings: Array<Error> = []
      const note = (warning: Error) => warnings.push(warning)
      process.on("warning", note)
      onTestFinished(() => {
        process.off("warning", note)
      })
      expect(await cipherOf(urlOf({ sslmode, sslrootcert: ca.cert }))).toMatchObject({
        ssl: true,
        version: "TLSv1.3",
      })
      // They would stand as plain text among the log's lines of JSON.
      expect(warnings).toEqual([])
    },
  )

  test("is asked for nothing by sslmode=no-verify, and as libpq does it where that is wanted", async () => {
    expect(await cipherOf(urlOf({ sslmode: "no-verify" }))).toMatchObject({ ssl: true })
    expect(await cipherOf(urlOf({ sslmode: "require", uselibpqcompat: "true" }))).toMatchObject({ ssl: true })
  })

  test("is reached by TLS from the beginning", async () => {
    const url = urlOf({ sslmode: "verify-full", sslrootcert: ca.cert, sslnegotiation: "direct" })
    expect(await cipherOf(url)).toMatchObject({ ssl: true })
  })

  test.each(["require", "verify-full", "verify-ca", "prefer"])(
    "is not believed without its CA by sslmode=%s, and the sentence says how to name that",
    async (sslmode) => {
      expect(await refusalOf(urlOf({ sslmode }))).toMatch(
        /^DATABASE_URL postgresql:\/\/localhost:\d+\/analytics cannot be used: .*certificate.*sslrootcert=.*\.$/,
      )
    },
  )

  test("is not believed under another name, unless its CA is all that is asked for", async () => {
    const parameters = { sslmode: "verify-full", sslrootcert: ca.cert }
    expect(await refusalOf(urlOf(parameters, "127.0.0.1"))).toContain("does not match certificate's altnames")
    expect(await cipherOf(urlOf({ ...parameters, sslmode: "verify-ca" }, "127.0.0.1"))).toMatchObject({
      ssl: true,
    })
  })

  test("is refused by a server that wants TLS when the URL has none", async () => {
    expect(await refusalOf(urlOf({}))).toContain("no encryption")
  })

  test("knows a client by its certificate, which may be renewed while a node runs", async () => {
    const { cert, key } = ca.issue("certified")
    const other = new CertificateAuthority(join(folder, "other")).issue("certified")
    const [sslcert, sslkey] = [join(folder, "client.crt"), join(folder, "client.key")]
    const put = (certificate: { readonly cert: string; readonly key: string }) => {
      copyFileSync(certificate.cert, sslcert)
      copyFileSync(certificate.key, sslkey)
    }
    put(other)
    const url = new URL(urlOf({ sslmode: "verify-full", sslrootcert: ca.cert, sslcert, sslkey }))
    url.username = "certified"
    url.password = ""
    const postgres = await connect(url.href, { max: 1 })
    await expect(rows(postgres, "SELECT 1")).rejects.toMatchObject({ store: "postgres", unavailable: true })
    put({ cert, key })
    const sql = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    expect(await rows(postgres, sql)).toEqual([{ client_dn: "/CN=certified" }])
  })
})

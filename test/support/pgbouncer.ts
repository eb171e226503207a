/** A pgbouncer in transaction mode, as operators put it before their Postgres. */
import { spawn } from "node:child_process"
import { chmodSync, chownSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import pg from "pg"
import { onTestFinished } from "vitest"
import { eventually, freePort } from "./index.ts"
import { runProgram } from "./programs.ts"
import { temporaryFolder } from "./temporaryFolder.ts"
import { wantsProgram } from "./wants.ts"

/** Another one than Debian's, where there is one. */
const PROGRAM = process.env.TEST_PGBOUNCER ?? "pgbouncer"

/** Options of tests that put pgbouncer before a Postgres. */
export const wantsPgbouncer = wantsProgram(PROGRAM, "pgbouncer", "--version")

/** Whether it can keep clients' prepared statements apart: since 1.21. */
export const tracksStatements = (): boolean => {
  const [, minor] = /PgBouncer 1\.(\d+)/.exec(runProgram(PROGRAM, "--version").stdout) ?? []
  return Number(minor) >= 21
}

const NOBODY = 65_534

/** Starts one before a database's server until the test has ended. Returns the database's URL through it. */
export const startPgbouncer = async (
  databaseUrl: string,
  settings: { readonly [name: string]: string | number } = {},
): Promise<string> => {
  const server = new URL(databaseUrl)
  const folder = temporaryFolder()
  const port = await freePort()
  const configuration = join(folder, "pgbouncer.ini")
  const place = `host=${server.hostname} port=${server.port || 5432} user=${server.username} password=${server.password}`
  const all = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    logfile: join(folder, "pgbouncer.log"),
    auth_type: "any",
    pool_mode: "transaction",
    // Each transaction in another session than the one before, wherever there is another.
    server_round_robin: 1,
    default_pool_size: 12,
    ...settings,
  }
  writeFileSync(
    configuration,
    [
      "[databases]",
      `* = ${place}`,
      "[pgbouncer]",
      ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
      "",
    ].join("\n"),
  )
  // It refuses to run as root.
  const asRoot = process.getuid?.() === 0
  if (asRoot) {
    chmodSync(folder, 0o755)
    chownSync(folder, NOBODY, NOBODY)
  }
  const child = spawn(PROGRAM, [configuration], {
    stdio: ["ignore", "ignore", "pipe"],
    ...(asRoot && { uid: NOBODY, gid: NOBODY }),
  })
  onTestFinished(() => {
    child.kill("SIGKILL")
  })
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${port}`
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(readFileSync(join(folder, "pgbouncer.log"), "utf8"))
    const client = new pg.Client({ connectionString: url.href })
    client.on("error", () => {})
    try {
      await client.connect()
      await client.query("SELECT 1")
    } finally {
      await client.end()
    }
  })
  return url.href
}

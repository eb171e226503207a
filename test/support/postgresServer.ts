/** A PostgreSQL process that a test or an experiment configures, kills, freezes, copies and starts again with its data. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import {
  chownSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import pg from "pg"
import { postgresProgram } from "../../src/embedded/postgres.ts"
import { findBinaries } from "../../src/embedded/postgresBinaries.ts"
import { processesIn } from "../../src/embedded/process.ts"
import type { StoreProgram } from "../../src/embedded/storeProgram.ts"
import { run } from "./effects.ts"
import { eventually } from "./eventually.ts"
import { freePort } from "./freePort.ts"

const USER = "analytics"
const PASSWORD = "postgres-of-a-test"

export interface PostgresServerOptions {
  /** Holds the data, in `postgres`, and the log. */
  readonly folder: string
  /** As in `postgresql.conf`. */
  readonly settings?: { readonly [name: string]: string }
}

/**
 * Settings of the run's server, which no test kills and all share: each test makes a database and drops it, and would wait for the disk
 * for longer than for all else.
 */
export const SHARED_POSTGRES = { fsync: "off" } as const

/** Copies a server's data while it runs, but for what tells its process. Files that change meanwhile are mended from its log. */
const copy = (from: string, to: string): void => {
  const without = ["--exclude=./postmaster.pid", "--exclude=./postmaster.opts", "--exclude=./pg_replslot/*"]
  const { stderr } = spawnSync(
    "bash",
    [
      "-c",
      `tar -C "$0" ${without.join(" ")} -cf - . | tar -C "$1" -xpf -; exit "\${PIPESTATUS[1]}"`,
      from,
      to,
    ],
    { encoding: "utf8" },
  )
  if (!existsSync(join(to, "PG_VERSION"))) throw new Error(`the data could not be copied: ${stderr}`)
}

export class PostgresServer {
  readonly folder: string
  readonly port: number
  readonly #program: StoreProgram
  readonly #settings: { readonly [name: string]: string }
  #child: ChildProcess | null = null

  private constructor(options: PostgresServerOptions, port: number, program: StoreProgram) {
    this.folder = options.folder
    this.port = port
    this.#program = program
    this.#settings = options.settings ?? {}
  }

  /** A server that does not run yet, on a free port, with an empty database `analytics` once it does. */
  static async make(options: PostgresServerOptions): Promise<PostgresServer> {
    mkdirSync(options.folder, { recursive: true })
    const binaries = await run(findBinaries)
    const program = postgresProgram(binaries, options.folder, PASSWORD)
    return new PostgresServer(options, await freePort(), program)
  }

  /** Makes a server, starts it, and waits until it answers. */
  static async start(options: PostgresServerOptions): Promise<PostgresServer> {
    const server = await PostgresServer.make(options)
    await run(server.#program.prepare)
    await server.start()
    await server.ask("CREATE DATABASE analytics", "postgres")
    return server
  }

  /**
   * Makes it a standby, called so, of a server that runs: replaces its data by a copy of that one's. Once started, it follows. Whoever
   * is the primary then waits for it with each commit when told so ({@link waitForStandby}).
   */
  async follow(primary: PostgresServer): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true })
    mkdirSync(this.directory, { mode: 0o700 })
    const { uid, gid } = statSync(primary.directory)
    chownSync(this.directory, uid, gid)
    const client = new pg.Client({ connectionString: primary.url() })
    try {
      await client.connect()
      await client.query("SELECT pg_backup_start('standby', true)")
      copy(primary.directory, this.directory)
      const { rows } = await client.query<{ labelfile: string }>(
        "SELECT labelfile FROM pg_backup_stop(false)",
      )
      this.write("backup_label", rows[0]?.labelfile ?? "")
    } finally {
      await client.end()
    }
    this.write("standby.signal", "")
    const from = `host=127.0.0.1 port=${primary.port} user=${USER} password=${PASSWORD} application_name=standby`
    this.write("postgresql.auto.conf", `primary_conninfo = '${from}'\n`)
  }

  /** From here on, nothing is committed that the standby has not. */
  async waitForStandby(): Promise<void> {
    const state = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
    const isIn = (wanted: string) =>
      eventually(async () => {
        const [row] = await this.ask<{ sync_state: string }>(state)
        if (row?.sync_state !== wanted) throw new Error(`the standby is ${row?.sync_state ?? "not there"}`)
      })
    await isIn("async")
    await this.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    await this.ask("SELECT pg_reload_conf()")
    await isIn("sync")
  }

  /** Makes a standby the primary. It waits for no other one. */
  async promote(): Promise<void> {
    await this.ask("SELECT pg_promote()")
  }

  /** Where its data are. */
  get directory(): string {
    return this.#program.directory
  }

  /** Writes a file among its data, for it to read. */
  write(name: string, text: string, mode = 0o600): string {
    const path = join(this.directory, name)
    writeFileSync(path, text, { mode })
    const { uid, gid } = statSync(this.directory)
    chownSync(path, uid, gid)
    return path
  }

  /** Starts the process, again where it has ended, and waits until it answers. */
  async start(): Promise<void> {
    const { file, args, cwd, uid, gid } = this.#program.command(this.port)
    const settings = Object.entries(this.#settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    const log = createWriteStream(join(this.folder, "postgres.log"), { flags: "a" })
    const child = spawn(file, [...args, ...settings], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC", ...this.#program.environment() },
      cwd,
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    })
    this.#child = child
    child.stdout?.pipe(log, { end: false })
    child.stderr?.pipe(log, { end: false })
    let ended = false
    child.once("exit", () => {
      ended = true
    })
    await eventually(async () => {
      // No use in asking a process that is gone.
      if (!ended) await this.ask("SELECT 1", "postgres")
    })
    if (ended) throw new Error(`PostgreSQL on port ${this.port} has ended: ${this.log().slice(-2000)}`)
  }

  /** Its URL, as its superuser. */
  url(database = "analytics"): string {
    return `postgresql://${USER}:${PASSWORD}@127.0.0.1:${this.port}/${database}`
  }

  get running(): boolean {
    const child = this.#child
    return child !== null && child.exitCode === null && child.signalCode === null
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** What it has logged. */
  log(): string {
    return readFileSync(join(this.folder, "postgres.log"), "utf8")
  }

  /** Runs SQL on a connection of its own; returns the rows. */
  async ask<Row extends pg.QueryResultRow>(sql: string, database = "analytics"): Promise<ReadonlyArray<Row>> {
    const client = new pg.Client({ connectionString: this.url(database), connectionTimeoutMillis: 60_000 })
    client.on("error", () => undefined)
    try {
      await client.connect()
      return (await client.query<Row>(sql)).rows
    } finally {
      client.end().catch(() => undefined)
    }
  }

  /** Lets it hang: connections stay open, and nothing answers until it is woken. */
  freeze(): void {
    this.#signalAll("SIGSTOP")
  }

  wake(): void {
    this.#signalAll("SIGCONT")
  }

  /** Connections are processes of their own. */
  #signalAll(signal: NodeJS.Signals): void {
    for (const pid of processesIn(this.directory, () => true)) {
      try {
        process.kill(pid, signal)
      } catch {
        // It has just ended.
      }
    }
  }

  /** Ends it, by default as a power failure would, and waits until it is gone. SIGINT stops it in order. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child
    if (child === null || !this.running) return
    const gone = new Promise((resolve) => child.once("exit", resolve))
    child.kill(signal)
    this.wake()
    await gone
  }
}

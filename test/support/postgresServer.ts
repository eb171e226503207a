/** A PostgreSQL process that a test or an experiment configures, kills, freezes, copies and starts again with its data. */
import { type ChildProcess, spawn } from "node:child_process"
import {
  chmodSync,
  cpSync,
  createWriteStream,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import pg from "pg"
import { findBinaries, postgresProgram } from "../../src/embedded/postgres.ts"
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

/** As files of the server: readable by whoever runs it, root by nobody else's name. */
const giveTo = (path: string, uid: number, gid: number): void => {
  lchownSync(path, uid, gid)
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) giveTo(join(path, name), uid, gid)
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

  /** A standby of a server that is stopped: a copy of its data that follows it, as soon as both are started. */
  static async standbyOf(primary: PostgresServer, options: PostgresServerOptions): Promise<PostgresServer> {
    const standby = await PostgresServer.make(options)
    cpSync(primary.directory, standby.directory, { recursive: true })
    chmodSync(standby.directory, 0o700)
    standby.write("standby.signal", "")
    standby.write(
      "postgresql.auto.conf",
      `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=${USER} password=${PASSWORD} application_name=standby'\n`,
    )
    const { uid, gid } = statSync(primary.directory)
    giveTo(standby.directory, uid, gid)
    return standby
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
    lchownSync(path, uid, gid)
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
    await eventually(
      async () => {
        // No use in asking a process that is gone.
        if (!ended) await this.ask("SELECT 1", "postgres")
      },
      { timeout: 60_000 },
    )
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
    const client = new pg.Client({ connectionString: this.url(database), connectionTimeoutMillis: 5000 })
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

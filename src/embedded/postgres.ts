/** PostgreSQL, from the binaries that npm installs. */
import { execFile } from "node:child_process"
import {
  chownSync,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pg from "pg"
import { secretIn } from "../config/secretFile.ts"
import type { EmbeddedStoreError } from "./error.ts"
import { FILE_MODE, makeFolder, withChildUmask } from "./folder.ts"
import { type Binaries, findBinaries } from "./postgresBinaries.ts"
import { type CopyDatabase, takeOver } from "./postgresTakeover.ts"
import { worksIn } from "./process.ts"
import { discard, failure, type RunningStore, runStore } from "./store.ts"
import type { Command, StoreProgram } from "./storeProgram.ts"

export interface PostgresOptions {
  readonly dataDir: string
  /** Copies all of a deployment from one server's database to another's, empty one; both are URLs. */
  readonly copyDatabase?: CopyDatabase
}

const USER = "analytics"
const DATABASE = "analytics"
const INITDB_WITHIN_MS = 300_000

/** Durable, and small next to the program that it serves. */
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  fsync: "on",
  synchronous_commit: "on",
  // Allocated as needed. With half as much, the index of a few million idempotency keys takes half as much CPU again.
  shared_buffers: "128MB",
  // No workers for reading ahead, which take 8 MB; what is read is small or in the system's cache.
  io_method: "sync",
  max_wal_size: "1GB",
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  logging_collector: "off",
} as const

/**
 * A PostgreSQL of this program's own on a free port of 127.0.0.1, its data in `<dataDir>/postgres`. Run under `lockDataDir`.
 * It fails when there are no binaries for this machine, or when PostgreSQL does not start. Data of an older major version are copied
 * into a server of this one first, and kept.
 *
 * PostgreSQL refuses to run as root. Under root it runs as the owner of its data, `nobody` for new data; where that user
 * cannot reach the binaries or the data (a checkout below root's home), it runs with the one capability that it needs to.
 */
export const embeddedPostgres = (
  options: PostgresOptions,
): Effect.Effect<RunningStore, EmbeddedStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const binaries = yield* findBinaries
    makeFolder(options.dataDir)
    const dataDir = realpathSync(options.dataDir)
    const password = secretIn(join(dataDir, "postgres.password"))
    yield* takeOver({
      directory: join(dataDir, "postgres"),
      binaries,
      start: (of, directory) => startPostgres(of, directory, password),
      ...options,
    })
    return yield* startPostgres(binaries, join(dataDir, "postgres"), password)
  })

/** Starts a server on the data in a folder, which it makes where there are none, with a database. */
export const startPostgres = (
  binaries: Binaries,
  directory: string,
  password: string,
): Effect.Effect<RunningStore, EmbeddedStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const program = postgresProgram(binaries, directory, password)
    const running = yield* runStore(program)
    const url = `postgresql://${USER}:${password}@127.0.0.1:${running.port}/${DATABASE}`
    yield* Effect.tryPromise({
      try: () => createDatabase(running.port, password),
      catch: (cause) => failure(program, `its database could not be created: ${(cause as Error).message}`),
    })
    return { ...running, url }
  })

/** Settings that a server of a major version knows. */
const settingsOf = (major: number): ReadonlyArray<readonly [string, string]> =>
  Object.entries(SETTINGS).filter(([name]) => name !== "io_method" || major >= 18)

/** A server whose data are in a folder. */
export const postgresProgram = (binaries: Binaries, directory: string, password: string): StoreProgram => {
  const owner = ownerFor(directory)
  const paths = [binaries.postgres, directory]
  return {
    store: "PostgreSQL",
    directory,
    prepare: Effect.suspend(() =>
      existsSync(join(directory, "PG_VERSION"))
        ? Effect.void
        : createCluster(binaries, directory, password, owner),
    ),
    mend: Effect.void,
    command: (port) =>
      asOwner(owner, paths, {
        file: binaries.postgres,
        args: [
          ...["-D", directory],
          ...["-p", String(port)],
          ...settingsOf(binaries.major).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
        ],
        cwd: directory,
      }),
    environment: () => ignoringStaleLock(directory),
    // The server itself; its children call themselves "postgres: checkpointer" and the like.
    isProcess: ([name = "", first, , third]) =>
      name.startsWith("postgres: ") || (first === "-D" && third === "-p"),
    probe: (port) => probe(port, password, directory),
    // "Fast" and "immediate" shutdown; after the latter the next start recovers from the write-ahead log.
    stopSignal: "SIGINT",
    haltSignal: "SIGQUIT",
  }
}

/**
 * PostgreSQL's own lock is a file with a process id. After a power failure or kill -9 that id may belong to another program, or
 * to the killed process while nobody has asked how it ended, and PostgreSQL would refuse to start. It takes no notice of the id
 * that this variable names. Called when no process works in the directory any more; should one do so all the same, PostgreSQL
 * refuses as it would. A file that a power failure has emptied is refused as well, and holds nothing to keep.
 */
const ignoringStaleLock = (directory: string): Readonly<Record<string, string>> => {
  const path = join(directory, "postmaster.pid")
  if (!existsSync(path)) return {}
  const pid = Number.parseInt(readFileSync(path, "utf8"), 10)
  if (!(pid > 0)) {
    rmSync(path)
    return {}
  }
  return worksIn(pid, directory) ? {} : { PG_GRANDPARENT_PID: String(pid) }
}

/** Creates the data directory under another name first, so that one that exists under its own name is complete. */
const createCluster = (
  binaries: Binaries,
  directory: string,
  password: string,
  owner: Owner | undefined,
): Effect.Effect<void, EmbeddedStoreError> =>
  Effect.gen(function* () {
    const unfinished = `${directory}.new`
    const passwordFile = `${directory}.initdb`
    discard(unfinished)
    discard(passwordFile)
    makeFolder(unfinished)
    writeFileSync(passwordFile, `${password}\n`, { mode: FILE_MODE })
    if (owner !== undefined) {
      chownSync(unfinished, owner.uid, owner.gid)
      chownSync(passwordFile, owner.uid, owner.gid)
    }
    const { file, args, ...identity } = asOwner(owner, [binaries.initdb, unfinished], {
      file: binaries.initdb,
      args: [
        ...["--pgdata", unfinished],
        ...["--username", USER],
        ...["--pwfile", passwordFile],
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        // Built in: the order of texts does not change with the machine's C library.
        ...["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        "--no-instructions",
      ],
      cwd: unfinished,
    })
    yield* Effect.callback<void, EmbeddedStoreError>((resume) => {
      withChildUmask(() =>
        execFile(
          file,
          args,
          {
            ...identity,
            timeout: INITDB_WITHIN_MS,
            env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" },
          },
          (error, _stdout, stderr) => {
            const fail = (reason: string) =>
              resume(Effect.fail(failure({ store: "PostgreSQL", directory }, reason)))
            discard(passwordFile)
            if (error !== null) return fail(`initdb failed: ${stderr.trim() || error.message}`)
            try {
              renameSync(unfinished, directory)
            } catch (cause) {
              return fail(`its data, in ${unfinished}, cannot be given their name: ${cause}`)
            }
            resume(Effect.void)
          },
        ),
      )
    })
  })

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** The user to run PostgreSQL as when this program is root; undefined when it runs as this program's own user. */
const ownerFor = (directory: string): Owner | undefined => {
  if (process.getuid?.() !== 0) return undefined
  if (existsSync(directory)) {
    const { uid, gid } = statSync(directory)
    if (uid !== 0) return { uid, gid }
  }
  // initdb looks up the name of its user, so it must be one that exists on every machine.
  const nobody = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"))
  return { uid: Number(nobody?.[1] ?? 65534), gid: Number(nobody?.[2] ?? 65534) }
}

const asOwner = (owner: Owner | undefined, paths: ReadonlyArray<string>, command: Command): Command => {
  if (owner === undefined) return command
  if (paths.every((path) => isOpenToAll(dirname(path))) && isOpenToAll(paths[0] ?? "/"))
    return { ...command, ...owner }
  return {
    ...command,
    file: "setpriv",
    args: [
      `--reuid=${owner.uid}`,
      `--regid=${owner.gid}`,
      "--clear-groups",
      // To pass through closed directories. It must be in the ambient set to survive exec as an ordinary user; and without
      // no_setuid_fixup, access(2), with which PostgreSQL checks its own files, ignores it.
      "--inh-caps=-all,+dac_override",
      "--ambient-caps=-all,+dac_override",
      "--securebits=+no_setuid_fixup",
      "--",
      command.file,
      ...command.args,
    ],
  }
}

/** Whether every user can pass through this directory and all above it (or run this file). */
const isOpenToAll = (path: string): boolean => {
  if (!existsSync(path)) return isOpenToAll(dirname(path))
  const { mode } = statSync(path)
  return (mode & 0o001) !== 0 && (dirname(path) === path || isOpenToAll(dirname(path)))
}

/**
 * How long this program waits for the server, milliseconds: to connect, where it asks again and again whether there is one, for an answer,
 * and while it copies a database to the disk.
 */
const [CONNECT_MS, ANSWER_MS, COPY_MS] = [2_000, 10_000, 120_000] as const

const connectionTo = (port: number, password: string, connectMs: number, answerMs: number): pg.Client =>
  new pg.Client({
    host: "127.0.0.1",
    port,
    user: USER,
    password,
    database: "postgres",
    connectionTimeoutMillis: connectMs,
    query_timeout: answerMs,
  })

const withConnection = async <A>(client: pg.Client, use: (client: pg.Client) => Promise<A>): Promise<A> => {
  // Without a listener, a connection that breaks between two queries would end this program.
  client.on("error", () => undefined)
  try {
    await client.connect()
    return await use(client)
  } finally {
    client.end().catch(() => undefined)
  }
}

const probe = (port: number, password: string, directory: string): Promise<void> =>
  withConnection(connectionTo(port, password, CONNECT_MS, ANSWER_MS), async (client) => {
    const { rows } = await client.query<{ directory: string }>(
      "SELECT current_setting('data_directory') AS directory",
    )
    if (rows[0]?.directory !== directory) throw new Error(`another PostgreSQL answers on port ${port}`)
  })

/** The server has answered before: on a busy machine it may take a while to answer again, and nobody asks twice. */
const createDatabase = (port: number, password: string): Promise<void> =>
  withConnection(connectionTo(port, password, COPY_MS, COPY_MS), async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [DATABASE])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`)
  })

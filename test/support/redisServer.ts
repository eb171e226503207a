/** A Redis or Valkey process that a test or an experiment starts, kills, freezes and starts again with its data. */
import { type ChildProcess, spawn } from "node:child_process"
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { ConnectionOptions } from "node:tls"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import { findRedis, type RedisBinary } from "../../src/embedded/redisBinary.ts"
import { connectorTo } from "../../src/stores/connector.ts"
import { eventually } from "./eventually.ts"
import { freePort } from "./freePort.ts"

/** What a connection may take, milliseconds, as in all that follows: a machine may be busy. */
const CONNECT_MS = 10_000
/** What a command may take. Redis answers none while its file is flushed, which a busy disk may take seconds for. */
const COMMAND_MS = 20_000
/**
 * What a use of a connection may take. A promise of the client's stays open for ever where a server that is ending closes the
 * connection in the middle of something, whatever time a connection and a command may take.
 */
const ANSWERED_MS = 30_000

/**
 * After which a server is asked to end again, milliseconds. One that has just become a replica refuses to ("Writing initial AOF, can't
 * exit"), and goes on for ever.
 */
const INSIST_MS = 1000

/** What a client needs beyond host and port. */
export interface Credentials {
  readonly username?: string
  readonly password?: string
  readonly tls?: ConnectionOptions
}

export interface RedisServerOptions {
  /** Holds the data, the log, the settings in `redis.conf`, and the process' id in `redis.pid`. */
  readonly folder: string
  readonly binary?: RedisBinary
  /** The address it listens on, by default the loopback's. */
  readonly host?: string
  readonly port?: number
  /** Put before its command. */
  readonly command?: ReadonlyArray<string>
  /** Further settings, as on the command line: `["--cluster-enabled", "yes"]`. */
  readonly settings?: ReadonlyArray<string>
  /** Whether it is a Sentinel, which has no data. */
  readonly sentinel?: boolean
  readonly client?: Credentials
}

/** The newest enough Redis of this machine. */
export const redisBinary = (): Promise<RedisBinary> => Effect.runPromise(findRedis)

/** A master does not wait for further replicas before it sends its data to one, and lets them hear from it every second. */
export const QUICK_REPLICATION = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]

export class RedisServer {
  readonly host: string
  readonly port: number
  readonly folder: string
  readonly #options: RedisServerOptions & { readonly binary: RedisBinary }
  #child: ChildProcess | null = null

  constructor(options: RedisServerOptions & { readonly binary: RedisBinary; readonly port: number }) {
    this.host = options.host ?? "127.0.0.1"
    this.port = options.port
    this.folder = options.folder
    this.#options = options
  }

  /** Starts a server on a free port and waits until it answers. */
  static async start(options: RedisServerOptions): Promise<RedisServer> {
    const server = new RedisServer({
      ...options,
      binary: options.binary ?? (await redisBinary()),
      port: options.port ?? (await freePort()),
    })
    await server.start()
    return server
  }

  /** Starts the process, again where it has ended, and waits until it answers. */
  async start(): Promise<void> {
    mkdirSync(this.folder, { recursive: true })
    const { binary, command = [], sentinel = false } = this.#options
    const configuration = join(this.folder, "redis.conf")
    // A server writes into it what it becomes, a replica or a master, and a Sentinel whatever it knows.
    if (!existsSync(configuration)) writeFileSync(configuration, this.#configuration())
    const log = createWriteStream(join(this.folder, "redis.log"), { flags: "a" })
    // The name to call it by would be lost on the way through another command.
    const [file = "", ...args] = [...command, "bash", "-c", 'exec -a "$0" "$@"', binary.name, binary.file]
    const child = spawn(file, [...args, configuration, ...(sentinel ? ["--sentinel"] : [])], {
      stdio: ["ignore", "pipe", "pipe"],
    })
    this.#child = child
    child.stdout?.pipe(log, { end: false })
    child.stderr?.pipe(log, { end: false })
    let failure: string | null = null
    child.once("error", (error) => {
      failure = error.message
    })
    child.once("exit", (code, signal) => {
      failure = `Redis on port ${this.port} has ended (${signal ?? code}): ${this.log().slice(-2000)}`
    })
    await eventually(async () => {
      // No use in asking a process that is gone.
      if (failure !== null) return
      await this.ask((redis) => redis.ping())
    })
    if (failure !== null) throw new Error(failure)
  }

  #configuration(): string {
    const { settings = [], sentinel = false } = this.#options
    // A server whose clients use TLS takes no others.
    const ports = this.#options.client?.tls === undefined ? ["--port"] : ["--port", "0", "--tls-port"]
    const all = [
      ...[...ports, String(this.port), "--bind", this.host, "--protected-mode", "no"],
      ...["--dir", this.folder, "--pidfile", join(this.folder, "redis.pid"), "--daemonize", "no"],
      ...(sentinel ? [] : ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]),
      ...settings,
    ]
    return all.reduce(
      (text, word) =>
        word.startsWith("--") ? `${text}\n${word.slice(2)}` : `${text} ${JSON.stringify(word)}`,
      "",
    )
  }

  get url(): string {
    const host = this.host.includes(":") ? `[${this.host}]` : this.host
    return `${this.#options.client?.tls === undefined ? "redis" : "rediss"}://${host}:${this.port}`
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
    return readFileSync(join(this.folder, "redis.log"), "utf8")
  }

  /** One connection for one use, which is bounded as a whole: see {@link ANSWERED_MS}. */
  async ask<A>(use: (redis: Redis) => Promise<A>): Promise<A> {
    const redis = this.connect()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer from port ${this.port}`)), ANSWERED_MS)
    })
    try {
      return await Promise.race([redis.connect().then(() => use(redis)), late])
    } finally {
      clearTimeout(timer)
      redis.disconnect()
    }
  }

  /** A connection that its user opens and closes. It does not try again by itself. */
  connect(): Redis {
    const redis = new Redis({
      host: this.host,
      port: this.port,
      lazyConnect: true,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_MS,
      commandTimeout: COMMAND_MS,
      retryStrategy: () => null,
      ...this.#options.client,
      Connector: connectorTo(this.#options.client?.tls ?? null, null, () => undefined),
    })
    redis.on("error", () => undefined)
    return redis
  }

  /** Whether it takes itself for a master. */
  isMaster(): Promise<boolean> {
    return this.ask(async (redis) => (await redis.role())[0] === "master")
  }

  /** The ports of the replicas that are connected to it. */
  replicaPorts(): Promise<ReadonlyArray<number>> {
    return this.ask(async (redis) =>
      [...(await redis.info("replication")).matchAll(/^slave\d+:.*?port=(\d+)/gm)].map(([, port]) =>
        Number(port),
      ),
    )
  }

  /** How many bytes it has written to its replicas, or read as one. */
  replicationOffset(): Promise<number> {
    return this.ask(async (redis) =>
      Number(/^(?:slave|master)_repl_offset:(\d+)/m.exec(await redis.info("replication"))?.[1]),
    )
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) process.kill(this.pid, signal)
  }

  /** Ends the process, by default as a power failure would, and waits until it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child
    if (child === null || !this.running) return
    const gone = new Promise((resolve) => child.once("exit", resolve))
    child.kill(signal)
    const insisting = setInterval(() => child.kill(signal), INSIST_MS)
    await gone
    clearInterval(insisting)
  }
}

/** Redis or Valkey from this machine's packages, with the append-only file on. */
import { readdirSync, realpathSync, statSync, writeFileSync } from "node:fs"
import { totalmem } from "node:os"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { secretIn } from "../config/secretFile.ts"
import { DAY_MS } from "../domain/time.ts"
import { CUT_OFF, mendAppendOnlyFile } from "./appendOnlyFile.ts"
import type { EmbeddedStoreError } from "./error.ts"
import { FILE_MODE, makeFolder } from "./folder.ts"
import { checkSnapshot, findRedis, type RedisBinary } from "./redisBinary.ts"
import { discard, type RunningStore, runStore } from "./store.ts"
import type { StoreProgram } from "./storeProgram.ts"

export interface RedisOptions {
  readonly dataDir: string
  /** When a write is flushed to disk: before it is answered, or once a second, which may lose two seconds when Redis is killed. */
  readonly fsync: "always" | "everysec"
  /** Beyond this, writes are refused and nothing is evicted. Default: a quarter of the memory, at least 256 MiB. */
  readonly maxMemoryBytes?: number
}

const CONFIG_FILE = "redis.conf"

/** It holds raw events, so it is not kept for ever. */
const CUT_OFF_KEPT_MS = 30 * DAY_MS

/**
 * A Redis of this program's own on a free port of 127.0.0.1, its data in `<dataDir>/redis`. Run under `lockDataDir`.
 * It fails when the machine has no Redis 7 / Valkey 8 and none can be installed, or when Redis does not start.
 */
export const embeddedRedis = (
  options: RedisOptions,
): Effect.Effect<RunningStore, EmbeddedStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const binary = yield* findRedis
    makeFolder(options.dataDir)
    const dataDir = realpathSync(options.dataDir)
    const password = secretIn(join(dataDir, "redis.password"))
    const running = yield* runStore(redisProgram(options, binary, dataDir, password))
    return { ...running, url: `redis://:${password}@127.0.0.1:${running.port}/0` }
  })

const redisProgram = (
  options: RedisOptions,
  binary: RedisBinary,
  dataDir: string,
  password: string,
): StoreProgram => {
  const directory = join(dataDir, "redis")
  const configFile = join(directory, CONFIG_FILE)
  const maxMemoryBytes = options.maxMemoryBytes ?? Math.max(256 * 1024 * 1024, Math.floor(totalmem() / 4))
  return {
    store: "Redis",
    directory,
    prepare: Effect.sync(() => {
      makeFolder(directory)
      sweep(directory)
      writeFileSync(configFile, configuration(directory, password), { mode: FILE_MODE })
    }),
    mend: mendAppendOnlyFile(directory, (path) => checkSnapshot(binary, path)),
    command: (port) => ({
      file: binary.file,
      argv0: binary.name,
      args: [
        asPattern(configFile),
        ...["--port", String(port)],
        ...["--appendfsync", options.fsync],
        ...["--maxmemory", String(maxMemoryBytes)],
      ],
      cwd: directory,
    }),
    environment: () => ({}),
    isProcess: ([, config = "", next]) => basename(config) === CONFIG_FILE && next === "--port",
    probe: (port) => probe(port, password, directory),
    stopSignal: "SIGTERM",
    haltSignal: "SIGKILL",
  }
}

/** Removes what a killed Redis has left half written, and what was cut off from its file long ago. */
const sweep = (directory: string): void => {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const outdated = name.endsWith(CUT_OFF) && statSync(path).mtimeMs < Date.now() - CUT_OFF_KEPT_MS
    if (outdated || /^temp-.*\.(aof|rdb)$/.test(name)) discard(path)
  }
}

/** Redis takes the name of its configuration file for a pattern if it looks like one, and starts with no file if none matches. */
const asPattern = (path: string): string => (/[*?[]/.test(path) ? path.replaceAll(/[\\*?[]/g, "\\$&") : path)

/** A value in a configuration file: a line of it has C's escapes within double quotes. */
const quoted = (value: string): string =>
  `"${value.replaceAll(/[\\"]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\r", "\\r")}"`

/** In a file, because anybody can read a command line. */
const configuration = (directory: string, password: string): string => `bind 127.0.0.1
requirepass ${password}
dir ${quoted(directory)}
daemonize no
logfile ""
# The command line must keep naming this file: it tells this process from others.
set-proc-title no
appendonly yes
# Done by this program instead, exactly: see src/embedded/appendOnlyFile.ts.
aof-load-truncated no
# Most of what is appended is soon deleted. At the default of 64 MB a busy log would be rewritten every few seconds; and where
# the file system discards deleted blocks, the flushes of appends wait for that: half a second for 512 MB has been observed.
auto-aof-rewrite-min-size 128mb
save ""
maxmemory-policy noeviction
`

const probe = async (port: number, password: string, directory: string): Promise<void> => {
  const client = new Redis({
    host: "127.0.0.1",
    port,
    password,
    lazyConnect: true,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // The ready check waits while data are loaded; this has to report that instead.
    enableReadyCheck: false,
  })
  let refusal: Error | undefined
  client.on("error", (error) => {
    refusal = error
  })
  try {
    await client.connect()
    await client.ping()
    const reply = (await client.config("GET", "dir")) as ReadonlyArray<string>
    if (reply[1] !== directory) throw new Error(`another Redis answers on port ${port}`)
  } catch (error) {
    throw refusal ?? error
  } finally {
    client.disconnect()
  }
}

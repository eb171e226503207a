/** Starts the product the way users do: `npm start` with embedded stores in a scratch folder. */
import { type ChildProcess, spawn } from "node:child_process"
import { createWriteStream, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { WEBSOCKET_PATH } from "../../src/domain/paths.ts"
import { commandLineOf, isAlive } from "../../src/embedded/process.ts"
import type { Context } from "../scenario.ts"

export const ROOT = fileURLToPath(new URL("../..", import.meta.url))
/** How long a start may take, milliseconds, on the slowest and busiest of machines. */
export const READY_MS = 300_000
const STOP_MS = 30_000
/** What nodes log, in the scenario's folder. */
export const SERVER_LOG = "server.log"

/** Lets the bench download visitors. */
export const BENCH_TOKEN = "bench-token-0123456789"

export interface BenchNode {
  readonly url: string
  /** The URL that dashboards connect to. */
  readonly webSocketUrl: string
  readonly port: number
  /** The pid of the Node process, not of npm. */
  readonly pid: number
  readonly redisPid: number
  readonly postgresPid: number
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly dataDir: string
  /** From `npm start` to the banner, milliseconds. */
  readonly startMs: number
  /** Sends SIGTERM and waits until the node and its stores have ended. */
  readonly stop: () => Promise<void>
  /** Sends SIGKILL to the node. Its stores keep running, as designed. */
  readonly kill: () => Promise<void>
}

export interface NodeOptions {
  /** A folder below the scenario's; the same folder finds its data again. */
  readonly dataDir?: string
  readonly env?: Readonly<Record<string, string>>
}

const numberIn = (file: string, key: "pid"): number => {
  const parsed: unknown = JSON.parse(readFileSync(file, "utf8"))
  if (typeof parsed === "object" && parsed !== null && key in parsed && typeof parsed[key] === "number")
    return parsed[key]
  throw new Error(`${file} names no ${key}`)
}

const urlsIn = (file: string): { readonly redisUrl: string; readonly databaseUrl: string } => {
  const parsed: unknown = JSON.parse(readFileSync(file, "utf8"))
  if (
    typeof parsed === "object" &&
    parsed !== null &&
    "redisUrl" in parsed &&
    "databaseUrl" in parsed &&
    typeof parsed.redisUrl === "string" &&
    typeof parsed.databaseUrl === "string"
  )
    return { redisUrl: parsed.redisUrl, databaseUrl: parsed.databaseUrl }
  throw new Error(`${file} names no stores`)
}

/** What a load test needs to change; everything else is at its default. */
export const LOAD_ENV = {
  PORT: "0",
  RATE_LIMIT_PER_MINUTE: "0",
  ADMIN_TOKEN: BENCH_TOKEN,
  WS_MAX_CONNECTIONS_PER_IP: "20000",
  // So that figures and rows are the same number.
  BOTS: "count",
}

/** The PATH of the machine's own Node and npm, without what npm has added to it for this run. */
const userPath = (): string =>
  (process.env.PATH ?? "")
    .split(":")
    .filter((entry) => !entry.includes("node_modules"))
    .join(":")

/** The URL of a node, once its banner tells; fails with the end of its log when it ends first, or takes too long. */
export const bannerOf = async (child: ChildProcess, log: string): Promise<string> => {
  let text = ""
  let ended = false
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString()
  })
  child.once("exit", () => {
    ended = true
  })
  const deadline = performance.now() + READY_MS
  while (performance.now() < deadline) {
    const url = /dashboard\s+(http:\S+?)\/\n/.exec(text)?.[1]
    if (url !== undefined) return url
    if (ended) break
    await sleep(5)
  }
  throw new Error(`the server did not start; its log ends with:\n${readFileSync(log, "utf8").slice(-2000)}`)
}

/** Needed because a store outlives a node that was killed and not restarted. */
const endStore = (dataDir: string, handle: string): void => {
  try {
    const pid = numberIn(join(dataDir, handle), "pid")
    if (commandLineOf(pid)?.includes(dataDir) === true) process.kill(pid, "SIGKILL")
  } catch {
    // It never existed, or has ended.
  }
}

/** Stops the stores of a data folder that no process is using any more. */
export const endStores = (dataDir: string): void => {
  for (const handle of ["redis.json", "postgres.json"]) endStore(dataDir, handle)
}

/** Starts a node and waits for its banner. It is stopped with the scenario. */
export const startNode = async (context: Context, options: NodeOptions = {}): Promise<BenchNode> => {
  const dataDir = options.dataDir ?? join(context.folder, "data")
  mkdirSync(dataDir, { recursive: true })
  const logFile = join(context.folder, SERVER_LOG)
  const began = performance.now()
  const child = spawn("npm", ["start"], {
    cwd: ROOT,
    env: {
      HOME: process.env.HOME,
      LANG: process.env.LANG,
      ...LOAD_ENV,
      ...options.env,
      PATH: userPath(),
      DATA_DIR: dataDir,
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  })
  const log = createWriteStream(logFile, { flags: "a" })
  child.stderr?.pipe(log)
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  let nodePid: number | null = null
  const stop = async (): Promise<void> => {
    if (nodePid !== null && isAlive(nodePid)) process.kill(nodePid, "SIGTERM")
    else if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGTERM")
    await Promise.race([exited, sleep(STOP_MS, undefined, { ref: false })])
    endStores(dataDir)
  }
  context.onEnd(stop)
  const url = await bannerOf(child, logFile)
  const startMs = performance.now() - began
  nodePid = numberIn(join(dataDir, "lock"), "pid")
  const pid = nodePid
  return {
    url,
    webSocketUrl: `${url.replace("http", "ws")}${WEBSOCKET_PATH}`,
    port: Number(new URL(url).port),
    pid,
    redisPid: numberIn(join(dataDir, "redis.json"), "pid"),
    postgresPid: numberIn(join(dataDir, "postgres.json"), "pid"),
    ...urlsIn(join(dataDir, "stores.json")),
    dataDir,
    startMs,
    stop,
    kill: async () => {
      process.kill(pid, "SIGKILL")
      await exited
    },
  }
}

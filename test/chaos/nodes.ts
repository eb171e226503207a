/** Nodes as processes, each on a port that it keeps when it is restarted. */
import { type ChildProcess, spawn } from "node:child_process"
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { relative } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { ROOT } from "../support/documents.ts"
import { freePort } from "../support/freePort.ts"
import { PROGRAM } from "../support/program.ts"

export interface NodeOptions {
  readonly name: string
  /** Its address. */
  readonly host: string
  /** Prefix of its command. */
  readonly command: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  /** Everything it wrote to stderr. */
  readonly logFile: string
}

const READY_MS = 240_000

/** What runs in a folder: the project's own bundle, as users start it; of a copy of its sources, these. */
export const programOf = (root: string): string => (relative(ROOT, root) === "" ? PROGRAM : "src/main.ts")

export class ChaosNode {
  readonly #options: NodeOptions
  readonly port: number
  /** The folder whose program the next start runs ({@link programOf}). */
  root: string
  #child: ChildProcess | null = null
  #exited: Promise<number | null> = Promise.resolve(null)
  /** The number of starts. */
  starts = 0
  /** The number of unexpected exits. */
  crashes = 0
  #expected = false

  private constructor(options: NodeOptions, root: string, port: number) {
    this.#options = options
    this.root = root
    this.port = port
  }

  static async make(options: NodeOptions, root: string): Promise<ChaosNode> {
    return new ChaosNode(options, root, await freePort())
  }

  get name(): string {
    return this.#options.name
  }
  get url(): string {
    return `http://${this.#options.host}:${this.port}`
  }
  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** Starts it and waits until it answers. Retries, like a supervisor, if a store is unavailable. */
  async start(): Promise<void> {
    const deadline = performance.now() + READY_MS
    while (true) {
      this.#launch()
      while (this.#child !== null) {
        if (await this.#answers()) return
        if (performance.now() > deadline) throw this.#notStarted()
        await sleep(50)
      }
      if (performance.now() > deadline) throw this.#notStarted()
      await sleep(300)
    }
  }

  #notStarted(): Error {
    const log = existsSync(this.#options.logFile) ? readFileSync(this.#options.logFile, "utf8") : ""
    return new Error(`node ${this.name} did not start; its log ends with:\n${log.slice(-2000)}`)
  }

  #launch(): void {
    const { host, command, env, logFile } = this.#options
    const [file = process.execPath, ...args] = [...command, process.execPath, programOf(this.root)]
    const { PATH, NODE_COMPILE_CACHE } = process.env
    const child = spawn(file, args, {
      cwd: this.root,
      env: { PATH, NODE_COMPILE_CACHE, HOST: host, PORT: String(this.port), ...env },
      stdio: ["ignore", "ignore", "pipe"],
    })
    this.#child = child
    this.#expected = false
    this.starts++
    let ready = false
    child.stderr?.on("data", (chunk: Buffer) => appendFileSync(logFile, chunk))
    this.#exited = new Promise((resolve) =>
      child.once("exit", (code) => {
        if (this.#child === child) this.#child = null
        if (ready && !this.#expected) this.crashes++
        resolve(code)
      }),
    )
    this.#markReady = () => {
      ready = true
    }
  }
  #markReady: () => void = () => {}

  async #answers(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(5000) })
      await response.arrayBuffer()
      if (response.ok) this.#markReady()
      return response.ok
    } catch {
      return false
    }
  }

  /** Sends a signal to the process, if it is running. */
  signal(signal: NodeJS.Signals): void {
    if (signal === "SIGKILL" || signal === "SIGTERM") this.#expected = true
    this.#child?.kill(signal)
  }

  /** Stops it and waits. Returns the exit code, `null` if the signal killed it. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    if (this.#child === null) return null
    this.signal(signal)
    return await this.#exited
  }

  /** Resident memory in MiB. */
  memory(): number | null {
    try {
      const pages = Number(readFileSync(`/proc/${this.pid}/statm`, "utf8").split(" ")[1])
      return (pages * 4096) / 1024 ** 2
    } catch {
      return null
    }
  }
}

/**
 * A reader who follows a document word for word: with a node, a checkout of the project, and a shell that remembers
 * what was set. Addresses of the documents stand for those of the reader's own.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { Redis } from "ioredis"
import { onTestFinished } from "vitest"
import { streamKeys } from "../../../src/stores/redisKeys.ts"
import { ROOT } from "../../support/documents.ts"
import { eventually, privatePostgres, temporaryFolder } from "../../support/index.ts"
import { runNode, settings, TOKEN } from "../../support/node.ts"
import { STARTED_WITHIN } from "../../support/process.ts"

/** How a block ended. */
export interface Outcome {
  /** `null`: it was stopped. */
  readonly exitCode: number | null
  readonly output: string
}

/** What the node was asked, by its own metrics. */
interface Activity {
  /** Requests and WebSocket frames. */
  readonly heard: number
  /** Answers with a status from 400 on, except those of 408. */
  readonly refused: number
  /** Answers of 408: the machine was too busy for a question, which is no fault of whoever asked it. */
  readonly late: number
}

/** A line of a combined access log, of some seconds ago. */
const accessLog = (): string => {
  // `Tue, 25 Nov 2026 09:00:00 GMT` to `25/Nov/2026:09:00:00 +0000`.
  const [, day, month, year, time] = new Date().toUTCString().split(" ")
  return `203.0.113.7 - - [${day}/${month}/${year}:${time} +0000] "GET /cv HTTP/1.1" 200 512 "-" "Mozilla/5.0"\n`
}

export class Reader {
  readonly base: string
  readonly folder: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #substitutions: ReadonlyArray<readonly [string, string]>
  /** `NAME=value` lines of blocks so far. */
  #variables = ""

  constructor(
    base: string,
    folder: string,
    environment: NodeJS.ProcessEnv,
    substitutions: ReadonlyArray<readonly [string, string]>,
  ) {
    this.base = base
    this.folder = folder
    this.#environment = environment
    this.#substitutions = substitutions
  }

  /** The text with the reader's addresses in place of the document's. */
  own(text: string): string {
    return this.#substitutions.reduce((so, [from, to]) => so.replaceAll(from, to), text)
  }

  async #metrics(): Promise<string> {
    return (await fetch(`${this.base}/metrics`)).text()
  }

  /** Events that the node has counted since its start, of whatever day. */
  async counted(): Promise<number> {
    const counters = (await this.#metrics()).matchAll(/^maicivy_events_total\{.*\} (\d+)$/gm)
    return [...counters].reduce((sum, [, count]) => sum + Number(count), 0)
  }

  async activity(): Promise<Activity> {
    const text = await this.#metrics()
    let heard = 0
    let refused = 0
    let late = 0
    for (const [, labels = "", value] of text.matchAll(
      /^maicivy_(?:analytics_request_duration_seconds_count|websocket_messages_total)\{(.*)\} (\d+)$/gm,
    )) {
      if (labels.includes('endpoint="metrics"')) continue
      heard += Number(value)
      if (labels.includes('status="408"')) late += Number(value)
      else if (/status="[45]/.test(labels)) refused += Number(value)
    }
    return { heard, refused, late }
  }

  #start(command: string, args: ReadonlyArray<string>, environment: NodeJS.ProcessEnv): ChildProcess {
    const child = spawn(command, args, {
      cwd: this.folder,
      env: environment,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    })
    onTestFinished(() => killGroup(child, "SIGKILL"))
    return child
  }

  /** Runs to the end; what has none is ended with the test. */
  async #toTheEnd(child: ChildProcess): Promise<Outcome> {
    child.stdin?.end()
    const output = gather(child)
    const exitCode = await exited(child)
    return { exitCode, output: output() }
  }

  /** Runs until `heard`, then stops it as a supervisor would. */
  async #until(child: ChildProcess, heard: (output: string) => Promise<boolean>): Promise<Outcome> {
    const output = gather(child)
    const end = exited(child)
    await eventually(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      if (!(await heard(output()))) throw new Error(`nothing is heard of it:\n${output()}`)
    }, STARTED_WITHIN)
    const endedEarly = child.exitCode
    killGroup(child, "SIGTERM")
    await end
    return { exitCode: endedEarly, output: output() }
  }

  /** A shell block. What it sets with `NAME=value` lines, later ones know. */
  async shell(text: string, untilStopped: boolean): Promise<Outcome> {
    const own = this.own(text)
    const script = `set -euo pipefail\n${this.#variables}${own}`
    this.#variables += [...own.matchAll(/^[A-Z_]+=\S+$/gm)].map((match) => `${match[0]}\n`).join("")
    if (!untilStopped) return await this.#toTheEnd(this.#start("bash", ["-c", script], this.#environment))
    const before = await this.activity()
    // A node of its own takes whatever port is free, and stores of its own unless the block names some.
    const { REDIS_URL: _, DATABASE_URL: __, ...environment } = this.#environment
    const child = this.#start("bash", ["-c", script], { ...environment, PORT: "0" })
    return await this.#until(
      child,
      async (output) =>
        // A server says where it is; a listener shows frames.
        /http:\/\/127\.0\.0\.1:\d+/.test(output.replaceAll(this.base, "")) ||
        (/^[<{]/m.test(output) && (await this.activity()).heard > before.heard),
    )
  }

  /** A script in a file of the checkout; `globals` come before it. */
  async script(name: string, text: string, globals: string, untilStopped: boolean): Promise<Outcome> {
    writeFileSync(join(this.folder, "globals.mjs"), globals)
    writeFileSync(join(this.folder, name), this.own(text))
    const child = this.#start("node", ["--import", "./globals.mjs", name], this.#environment)
    return untilStopped
      ? await this.#until(child, async (output) => output.includes("\n"))
      : await this.#toTheEnd(child)
  }

  /** Any other program in the checkout. */
  async run(command: string, args: ReadonlyArray<string>): Promise<Outcome> {
    return await this.#toTheEnd(this.#start(command, args, this.#environment))
  }

  /** Any program of which something is heard in time. */
  async runUntil(
    command: string,
    args: ReadonlyArray<string>,
    heard: () => Promise<boolean>,
  ): Promise<Outcome> {
    return await this.#until(this.#start(command, args, this.#environment), heard)
  }
}

const gather = (child: ChildProcess): (() => string) => {
  let text = ""
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (part: Buffer) => {
      text += part.toString()
    })
  return () => text
}

const exited = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once("close", (code) => resolve(code)))

const killGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group has ended by itself.
  }
}

/** The project as a checkout of its own, whose files are links, so that what a block writes stays in it. */
const checkout = (): string => {
  const folder = temporaryFolder()
  for (const name of readdirSync(ROOT))
    if (!["dist", "coverage", ".data"].includes(name)) symlinkSync(join(ROOT, name), join(folder, name))
  mkdirSync(join(folder, "data"))
  return folder
}

/** Puts the dead letters that a document speaks of where it says they are. */
const seedDeadLetters = async (redisUrl: string, prefix: string, text: string): Promise<void> => {
  const named = [...text.matchAll(/dead-letters (?:replay|drop) (\d+)\/(\d+-\d+)/g)]
  if (named.length === 0) return
  const redis = new Redis(redisUrl)
  const payload = JSON.stringify({ unreadable: true })
  // A takeover makes the stream, empty, with a last id of now.
  const seeding = redis.multi()
  for (const partition of new Set(named.map(([, partition]) => Number(partition))))
    seeding.del(streamKeys(prefix, partition).dead)
  for (const [, partition, id = ""] of named.sort((a, b) => (a[2] ?? "").localeCompare(b[2] ?? "")))
    seeding.xadd(
      streamKeys(prefix, Number(partition)).dead,
      ...[id, "e", payload, "entry", id, "reason", "unreadable"],
    )
  for (const [failure] of (await seeding.exec()) ?? []) if (failure !== null) throw failure
  redis.disconnect()
}

/** A reader of a text, with a node of its own that is stopped after the test. */
export const reader = async (text: string): Promise<Reader> => {
  const config = await settings({
    adminToken: TOKEN,
    // The doctor finds fault with the run's, which waits for no disk.
    ...(/\bdoctor\b/.test(text) && { databaseUrl: (await privatePostgres()).url }),
  })
  // The blocks' programs know no clock but the machine's.
  const { base } = await runNode(config, Date.now)
  const folder = checkout()
  const redisUrl = config.redisUrl ?? ""
  const log = join(folder, "access.log")
  writeFileSync(log, accessLog())
  await seedDeadLetters(redisUrl, config.redisKeyPrefix, text)
  const { host, port } = new URL(base)
  const websocket = `ws://${host}`
  return new Reader(
    base,
    folder,
    {
      ...process.env,
      PATH: [join(folder, "node_modules/.bin"), process.env.PATH].join(delimiter),
      PORT: port,
      DATA_DIR: join(folder, "data"),
      REDIS_URL: redisUrl,
      DATABASE_URL: config.databaseUrl ?? "",
      REDIS_KEY_PREFIX: config.redisKeyPrefix,
      PARTITIONS: String(config.partitions),
      SITES: config.sites.join(","),
      ANALYTICS_URL: base,
      ADMIN_TOKEN: TOKEN,
      LOG_LEVEL: "error",
      NO_COLOR: "1",
    },
    [
      ["npm run replay -- ", `npm run replay -- --url ${base} `],
      ["http://127.0.0.1:8080", base],
      ["https://analytics.example", base],
      ["ws://127.0.0.1:8080", websocket],
      ["wss://analytics.example", websocket],
      ["127.0.0.1:8080", host],
      ["/var/log/nginx/access.log", log],
      ["redis://:secret@10.0.0.5:6379", redisUrl],
      ["postgresql://analytics:secret@10.0.0.6/analytics", config.databaseUrl],
    ],
  )
}

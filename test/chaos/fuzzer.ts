/** Malformed requests and frames, half of them mutations of valid ones, and how a server handles them. */

import { randomBytes } from "node:crypto"
import { readdirSync } from "node:fs"
import { createConnection } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type { Random } from "../../src/tools/traffic/random.ts"
import type { ChaosNode } from "./nodes.ts"

const PATHS = [
  "/api/v1/analytics/event",
  "/api/v1/analytics/events",
  "/api/v1/analytics/stats?period=week",
  "/api/v1/analytics/themes?limit=3",
  "/api/v1/analytics/letters?period=month",
  "/api/v1/analytics/timeline?limit=2&offset=1",
  "/api/v1/analytics/heatmap?hours=5&page_url=/a",
  "/api/v1/analytics/export/themes?format=json",
  "/api/v1/analytics/realtime",
  "/api/v1/analytics/visitors/00000000-0000-4000-8000-000000000000",
  "/metrics",
  "/ready",
  "/",
  "/tracker.js",
] as const

const event = (random: Random): string =>
  JSON.stringify({
    event_type: random.pick(["page_view", "letter_generate", "cv_theme_change", "button_click", "x:y"]),
    event_data: { theme: "dark", letter_type: "motivation", x: 1, y: 2, deep: [[{ a: "é\u2028" }]] },
    id: random.uuid(),
    visitor_id: random.uuid(),
    timestamp: Date.now() - random.integer(0, 10_000_000),
    page_url: "/a?b=c",
    site: random.pick(["main", "blog", "nowhere"]),
  })

/** Changes, removes, duplicates or inserts bytes at random places. */
const mutate = (random: Random, bytes: Buffer, most: number): Buffer => {
  let out: Buffer = Buffer.from(bytes)
  const times = random.integer(1, most)
  for (let i = 0; i < times; i++) {
    const at = random.integer(0, Math.max(0, out.length - 1))
    const kind = random.integer(0, 4)
    if (kind === 0 && out.length > 0) out[at] = random.integer(0, 255)
    else if (kind === 1) out = Buffer.concat([out.subarray(0, at), out.subarray(at + random.integer(1, 20))])
    else if (kind === 2) out = Buffer.concat([out.subarray(0, at), out.subarray(Math.max(0, at - 15))])
    else if (kind === 3)
      out = Buffer.concat([out.subarray(0, at), randomBytes(random.integer(1, 12)), out.subarray(at)])
    else {
      const piece = random.pick([
        "\r\n",
        "\u0000",
        '"',
        "}",
        "1e999",
        "\\ud800",
        "null",
        "%00",
        "-1",
        "Content-Length: 5\r\n",
      ])
      out = Buffer.concat([out.subarray(0, at), Buffer.from(piece), out.subarray(at)])
    }
  }
  return out
}

const request = (random: Random): Buffer => {
  const path = random.pick(PATHS)
  const posting = path.includes("/event")
  let body: Buffer = posting
    ? Buffer.from(
        path.endsWith("s")
          ? `[${Array.from({ length: random.integer(0, 5) }, () => event(random)).join(",")}]`
          : event(random),
      )
    : Buffer.alloc(0)
  const where = random.integer(0, 3)
  if (where === 1) body = mutate(random, body, 4)
  const method =
    where === 2
      ? random.pick(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
      : posting
        ? "POST"
        : "GET"
  const head = Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
      (body.length > 0
        ? `Content-Type: ${random.pick(["application/json", "text/plain", "application/x-ndjson", "image/png"])}\r\nContent-Length: ${body.length}\r\n`
        : "") +
      "\r\n",
  )
  return Buffer.concat([where === 3 ? mutate(random, head, 3) : head, body])
}

/** A client's frame (RFC 6455) with a random flaw. */
const frame = (random: Random): Buffer => {
  const text = random.pick([
    '{"type":"refresh_stats"}',
    '{"type":"ping"}',
    '{"type":"subscribe","topics":["themes","letters"]}',
    '{"type":"unsubscribe","topics":["stats"]}',
    '{"type":"subscribe","topics":[1,null,"x"]}',
    "[]",
  ])
  const payload = random.chance(0.5) ? Buffer.from(text) : mutate(random, Buffer.from(text), 4)
  const mask = randomBytes(4)
  const masked = Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)))
  const opcode = random.chance(0.7) ? 1 : random.integer(0, 15)
  const length = Math.min(payload.length, 125)
  const whole = Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | length]), mask, masked.subarray(0, length)])
  return random.chance(0.3) ? mutate(random, whole, 3) : whole
}

const upgrade = (): Buffer =>
  Buffer.from(
    `GET /ws/analytics HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
  )

/** Sends bytes and reads until the connection ends, or for a while. */
const exchange = (port: number, chunks: ReadonlyArray<Buffer>, wait: number): Promise<string> =>
  new Promise((resolve) => {
    let text = ""
    const socket = createConnection({ port, host: "127.0.0.1" })
    const timer = setTimeout(() => socket.destroy(), wait)
    socket.on("data", (data) => {
      if (text.length < 4096) text += data.toString("latin1")
    })
    socket.on("error", () => {})
    socket.on("close", () => {
      clearTimeout(timer)
      resolve(text)
    })
    for (const chunk of chunks) socket.write(chunk)
  })

export interface FuzzOptions {
  readonly node: ChaosNode
  /** The number of requests and frames to send. */
  readonly count: number
  /** Concurrent connections. */
  readonly concurrency: number
  readonly random: Random
  readonly print: (line: string) => void
}

export interface FuzzReport {
  readonly requests: number
  readonly frames: number
  readonly alive: boolean
  /** How often the process ended. */
  readonly crashes: number
  /** Answers by status; `ws` for connections that requested an upgrade, `none` if there was no answer. */
  readonly answers: Readonly<Record<string, number>>
  /** Failures, each with the request that caused it; at most 20. */
  readonly wrong: ReadonlyArray<string>
  /** Resident memory in MiB: the maximum, and once the node is idle. */
  readonly memory: readonly [most: number, idle: number]
  /** Open files before, and after every connection is closed. */
  readonly files: readonly [before: number, after: number]
}

const openFiles = ({ pid }: ChaosNode): number => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}

const isAlive = async (node: ChaosNode): Promise<boolean> => {
  try {
    return node.pid !== null && (await fetch(`${node.url}/health`, { signal: AbortSignal.timeout(5000) })).ok
  } catch {
    return false
  }
}

/**
 * 505 is the parser's answer to a request line that does not end in an HTTP version, and as correct as a 400. Refusing
 * more than a few concurrent downloads is a limit that works; the answer to a HEAD says so in its headers alone.
 */
const isFailure = (status: string, answer: string, request: string): boolean => {
  const putOff = status === "503" && request.includes("/export/") && /^retry-after:/im.test(answer)
  return /5\d\d$/.test(status) && !status.endsWith("505") && !putOff
}

/** The most memory an idle node may keep, MiB. Heaps grow under load because V8 collects late, which is not a leak. */
const MAX_IDLE = 250
/** An idle node returns memory after about 10 s (src/runtime/idleMemory.ts). */
const IDLES_WITHIN_MS = 240_000
/** The most files that may be open in addition. */
const MAX_MORE_FILES = 20

/** What a node keeps, resident memory in MiB and open files, once it is idle; the last values if it keeps too much. */
const keptBy = async (node: ChaosNode, filesBefore: number): Promise<readonly [number, number]> => {
  const deadline = performance.now() + IDLES_WITHIN_MS
  for (;;) {
    const memory = Math.round(node.memory() ?? 0)
    const files = openFiles(node)
    const isIdle = memory < MAX_IDLE && files - filesBefore < MAX_MORE_FILES
    if (isIdle || performance.now() > deadline) return [memory, files]
    await sleep(250)
  }
}

/** What an answer is waited for, milliseconds: much longer than one takes at present, and as long as that on a quick machine. */
const patience = async (node: ChaosNode): Promise<number> => {
  const began = performance.now()
  await isAlive(node)
  return Math.min(250 + 10 * (performance.now() - began), 2000)
}

/** Sends until the count is reached or the node dies. */
export const fuzz = async ({ node, count, concurrency, random, print }: FuzzOptions): Promise<FuzzReport> => {
  const answers = new Map<string, number>()
  const wrong: Array<string> = []
  const sent = { requests: 0, frames: 0 }
  let wait = await patience(node)
  const one = async (): Promise<void> => {
    const webSocket = random.chance(0.15)
    const chunks = webSocket
      ? [upgrade(), ...Array.from({ length: random.integer(1, 16) }, () => frame(random))]
      : [request(random)]
    sent.requests++
    sent.frames += chunks.length - 1
    const answer = await exchange(node.port, chunks, webSocket ? wait / 4 : wait)
    const status = `${webSocket ? "ws " : ""}${answer === "" ? "none" : answer.slice(9, 12)}`
    answers.set(status, (answers.get(status) ?? 0) + 1)
    const asked = Buffer.concat(chunks).toString("latin1")
    if (isFailure(status, answer, asked) && wrong.length < 20)
      wrong.push(`${answer.split("\r\n")[0]} to ${JSON.stringify(asked).slice(0, 600)}`)
  }
  const before = openFiles(node)
  const done = () => sent.requests + sent.frames
  const memory: Array<number> = []
  const PARTS = 20
  for (let part = 1; part <= PARTS && node.pid !== null; part++) {
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (done() < (count * part) / PARTS && node.pid !== null) await one()
      }),
    )
    memory.push(Math.round(node.memory() ?? 0))
    wait = await patience(node)
    print(`${done()} sent, ${memory.at(-1)} MiB`)
  }
  const alive = await isAlive(node)
  const [idle, after] = await keptBy(node, before)
  return {
    ...sent,
    alive,
    crashes: node.crashes,
    answers: Object.fromEntries([...answers].sort()),
    wrong,
    memory: [Math.max(...memory), idle],
    files: [before, after],
  }
}

/** Broken promises, one sentence each. */
export const complaintsAbout = (report: FuzzReport): ReadonlyArray<string> => {
  const [most, idle] = report.memory
  const [before, after] = report.files
  return [
    ...(report.alive && report.crashes === 0 ? [] : ["the node ended"]),
    ...report.wrong,
    ...(idle < MAX_IDLE ? [] : [`an idle node keeps ${idle} MiB, of ${most} under the load`]),
    ...(after - before < MAX_MORE_FILES ? [] : [`open files grew from ${before} to ${after}`]),
  ]
}

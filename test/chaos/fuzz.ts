/** `npm run fuzz`: malformed requests and frames, half of them valid ones mutated. No crash, no 5xx but 503, memory flat. */
import { randomBytes } from "node:crypto"
import { rmSync } from "node:fs"
import { createConnection } from "node:net"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { newFolder } from "../support/temporaryFolder.ts"
import { Random } from "../traffic/random.ts"
import { startWorld } from "./world.ts"

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "20000" },
    seed: { type: "string" },
    concurrency: { type: "string", default: "8" },
  },
})
const requests = Number(values.requests)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)
const random = new Random(seed)

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

const event = (): string =>
  JSON.stringify({
    event_type: random.pick(["page_view", "letter_generate", "cv_theme_change", "button_click", "x:y"]),
    event_data: { theme: "dark", letter_type: "motivation", x: 1, y: 2, deep: [[{ a: "é\u2028" }]] },
    id: random.uuid(),
    visitor_id: random.uuid(),
    timestamp: Date.now() - random.integer(0, 10_000_000),
    page_url: "/a?b=c",
    site: random.pick(["main", "blog", "nowhere"]),
  })

/** Bytes changed, taken out, doubled or put in at random places. */
const mutate = (bytes: Buffer, most: number): Buffer => {
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

const request = (): Buffer => {
  const path = random.pick(PATHS)
  const posting = path.includes("/event")
  let body: Buffer = posting
    ? Buffer.from(
        path.endsWith("s") ? `[${Array.from({ length: random.integer(0, 5) }, event).join(",")}]` : event(),
      )
    : Buffer.alloc(0)
  const where = random.integer(0, 3)
  if (where === 1) body = mutate(body, 4)
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
  return Buffer.concat([where === 3 ? mutate(head, 3) : head, body])
}

/** A client's frame (RFC 6455); what is wrong with it is drawn. */
const frame = (): Buffer => {
  const text = random.pick([
    '{"type":"refresh_stats"}',
    '{"type":"ping"}',
    '{"type":"subscribe","topics":["themes","letters"]}',
    '{"type":"unsubscribe","topics":["stats"]}',
    '{"type":"subscribe","topics":[1,null,"x"]}',
    "[]",
  ])
  const payload = random.chance(0.5) ? Buffer.from(text) : mutate(Buffer.from(text), 4)
  const mask = randomBytes(4)
  const masked = Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)))
  const opcode = random.chance(0.7) ? 1 : random.integer(0, 15)
  const length = Math.min(payload.length, 125)
  const whole = Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | length]), mask, masked.subarray(0, length)])
  return random.chance(0.3) ? mutate(whole, 3) : whole
}

const upgrade = (): Buffer =>
  Buffer.from(
    `GET /ws/analytics HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
  )

const statuses = new Map<string, number>()
const bad: Array<string> = []

/** Sends bytes and reads what comes until the end, or for a while. */
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

const one = async (port: number): Promise<void> => {
  if (random.chance(0.15)) {
    const answer = await exchange(port, [upgrade(), ...Array.from({ length: 8 }, frame)], 60)
    const status = answer.slice(9, 12)
    statuses.set(`ws ${status}`, (statuses.get(`ws ${status}`) ?? 0) + 1)
    return
  }
  const sent = request()
  const answer = await exchange(port, [sent], 250)
  const status = answer === "" ? "none" : answer.slice(9, 12)
  statuses.set(status, (statuses.get(status) ?? 0) + 1)
  if (/^5/.test(status) && status !== "503" && bad.length < 20)
    bad.push(`${answer.split("\r\n")[0]} to ${JSON.stringify(sent.toString("latin1")).slice(0, 600)}`)
}

console.log(`seed ${seed}`)
const base = newFolder()
const world = await startWorld(
  {
    folder: join(base, "fuzz"),
    root: process.cwd(),
    newRoot: process.cwd(),
    nodes: 1,
    random,
    env: {},
    between: "nothing",
    fsync: "everysec",
    postgresMegabytes: null,
  },
  console.log,
)
try {
  const node = world.seats[0]?.node
  if (node === undefined) throw new Error("there is no node")
  let left = requests
  const memory: Array<number> = []
  const began = performance.now()
  while (left > 0 && node.pid !== null) {
    const part = Math.min(left, Math.max(500, Math.ceil(requests / 20)))
    let open = part
    await Promise.all(
      Array.from({ length: Number(values.concurrency) }, async () => {
        while (open-- > 0) await one(node.port)
      }),
    )
    left -= part
    memory.push(Math.round(node.memory() ?? 0))
    console.log(`${requests - left} sent, ${memory.at(-1)} MiB`)
  }
  const alive = node.pid !== null && (await fetch(`${node.url}/health`)).ok
  // The first half warms up; the second must not climb.
  const half = memory[Math.floor(memory.length / 2)] ?? 0
  const grown = (memory.at(-1) ?? 0) - half
  console.log(`answers ${JSON.stringify(Object.fromEntries([...statuses].sort()))}`)
  for (const each of bad) console.log(`  ${each}`)
  const rate = Math.round((requests - left) / ((performance.now() - began) / 1000))
  const ok = alive && node.crashes === 0 && bad.length === 0 && grown < 60
  console.log(
    `${ok ? "kept" : "BROKEN"}: ${requests - left} requests and connections (${rate}/s), alive ${alive}, ` +
      `${bad.length} wrong answers, memory ${half} MiB at the half, ${memory.at(-1)} MiB at the end`,
  )
  process.exitCode = ok ? 0 : 1
} finally {
  await world.stop()
  rmSync(base, { recursive: true, force: true, maxRetries: 5 })
}

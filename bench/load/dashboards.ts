/**
 * Dashboards, a process of their own: so many WebSocket clients that note when frames arrive.
 *
 * Arguments: {@link DashboardOptions} as JSON. Sends `{connected, connectMs}` when all are connected. Its parent may say:
 *
 * - `{watch: epoch}`: from now on take the time since an event's stamp (see sender.ts) in every client's frames
 * - `{collect: true}`: send what was taken, as {@link DashboardReport}
 * - `{expect: text}`: send `{armed}` at once, and `{last}` when every reading client has had a frame with this text: milliseconds
 *   of the machine's clock (clock.ts)
 */
import { createHistogram } from "node:perf_hooks"
import { WebSocket } from "ws"
import { machineNow } from "./clock.ts"
import { type Percentiles, percentilesOf } from "./percentiles.ts"

export interface DashboardOptions {
  readonly url: string
  readonly clients: number
  /** Of them, clients that read nothing. */
  readonly slow: number
}

export interface DashboardReport {
  readonly frames: number
  readonly latency: Percentiles
  /** Clients that were closed or lost meanwhile, the slow ones apart. */
  readonly lost: number
  readonly slowLost: number
}

const options: DashboardOptions = JSON.parse(process.argv[2] ?? "{}")
/** Connections that are being made at a time. */
const CONNECTING = 200
/** Before an event's stamp in a frame. */
const MARK = Buffer.from('"due":"')
const STAMP_DIGITS = 12

const latency = createHistogram()
let frames = 0
let lost = 0
let slowLost = 0
let epoch: number | null = null
let expected: { readonly text: Buffer; left: number } | null = null

const onFrame = (data: Buffer) => {
  frames++
  if (expected !== null && data.includes(expected.text)) {
    if (--expected.left === 0) {
      process.send?.({ last: machineNow() })
      expected = null
    }
  }
  if (epoch === null) return
  const found = data.indexOf(MARK)
  if (found < 0) return
  const from = found + MARK.length
  const due = Number.parseInt(data.toString("latin1", from, from + STAMP_DIGITS), 16) / 1000
  latency.record(Math.max(1, Math.round((machineNow() - epoch - due) * 1000)))
}

const open = (index: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const slow = index < options.slow
    const ws = new WebSocket(options.url, { perMessageDeflate: false, skipUTF8Validation: true })
    ws.binaryType = "nodebuffer"
    ws.once("open", () => {
      // A client that has stopped reading, though its socket is open.
      if (slow) ws.pause()
      resolve()
    })
    ws.on("message", (data) => {
      if (!slow && data instanceof Buffer) onFrame(data)
    })
    ws.once("error", reject)
    ws.on("error", () => {})
    ws.on("close", () => {
      if (slow) slowLost++
      else lost++
    })
  })

const connectAll = async () => {
  let next = 0
  const connector = async () => {
    while (next < options.clients) await open(next++)
  }
  await Promise.all(Array.from({ length: CONNECTING }, connector))
}

process.on("message", (message: unknown) => {
  if (typeof message !== "object" || message === null) return
  if ("watch" in message && typeof message.watch === "number") epoch = message.watch
  if ("expect" in message && typeof message.expect === "string") {
    expected = { text: Buffer.from(message.expect), left: options.clients - options.slow }
    process.send?.({ armed: 1 })
  }
  if ("collect" in message) {
    const report: DashboardReport = { frames, latency: percentilesOf(latency), lost, slowLost }
    process.send?.(report)
    latency.reset()
    frames = 0
  }
})
process.on("disconnect", () => process.exit())

const began = performance.now()
await connectAll()
process.send?.({ connected: options.clients, connectMs: performance.now() - began })

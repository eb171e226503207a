/**
 * Dashboards, a process of their own: so many WebSocket clients that note when frames arrive.
 *
 * Arguments: {@link DashboardOptions} as JSON. Sends `{connected, connectMs}` when all are connected. Its parent may say:
 *
 * - `{watch: epoch, since}`: from now on take the time since an event's stamp (see sender.ts) in every client's frames, of events
 *   that were due `since` milliseconds after the epoch or later
 * - `{collect: true}`: send what was taken, as {@link DashboardReport}
 * - `{expect: text}`: send `{armed}` at once, and `{last}` when every reading client has had a frame with this text: milliseconds
 *   of the machine's clock (clock.ts)
 */
import { createHistogram } from "node:perf_hooks"
import { machineNow } from "./clock.ts"
import { FrameReader } from "./frameReader.ts"
import { type Percentiles, percentilesOf } from "./percentiles.ts"
import { STAMP_DIGITS } from "./stamps.ts"

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
/** Before an event's stamp in a frame, and what follows it where it is the last of the event's data, as nearly always. */
const MARK = Buffer.from('"due":"')
const FRAME_END = '"}}'.length

const latency = createHistogram()
let frames = 0
let lost = 0
let slowLost = 0
let epoch: number | null = null
let since = 0
let expected: { readonly text: Buffer; left: number } | null = null

const url = new URL(options.url)

const onFrame = (bytes: Buffer, from: number, to: number) => {
  frames++
  if (expected !== null && contains(bytes, expected.text, from, to)) {
    if (--expected.left === 0) {
      process.send?.({ last: machineNow() })
      expected = null
    }
  }
  if (epoch === null) return
  const stamp = stampAt(bytes, from, to)
  if (stamp < 0) return
  let due = 0
  for (let at = stamp; at < stamp + STAMP_DIGITS; at++) due = due * 16 + hexDigit(bytes[at] ?? 48)
  due /= 1000
  if (due < since) return
  latency.record(Math.max(1, Math.round((machineNow() - epoch - due) * 1000)))
}

/** Where the digits of the frame's stamp are; below 0 when it has none. */
const stampAt = (bytes: Buffer, from: number, to: number): number => {
  const last = to - FRAME_END - STAMP_DIGITS
  if (last - MARK.length > from && MARK.compare(bytes, last - MARK.length, last) === 0) return last
  const found = bytes.subarray(from, to).indexOf(MARK)
  return found < 0 ? -1 : from + found + MARK.length
}

/** Of a digit that is 0 to 9 or a to f. */
const hexDigit = (code: number): number => (code < 58 ? code - 48 : code - 87)

const contains = (bytes: Buffer, text: Buffer, from: number, to: number): boolean => {
  const found = bytes.indexOf(text, from)
  return found >= 0 && found < to
}

const open = (index: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const slow = index < options.slow
    const reader = new FrameReader({
      host: url.hostname,
      port: Number(url.port),
      path: url.pathname + url.search,
      opened: () => {
        // A client that has stopped reading, though its socket is open.
        if (slow) reader.pause()
        resolve()
      },
      frame: (bytes, from, to) => {
        if (!slow) onFrame(bytes, from, to)
      },
      closed: (failure) => {
        if (failure !== null) reject(new Error(`dashboard ${index}: ${failure}`))
        else if (slow) slowLost++
        else lost++
      },
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
  if ("since" in message && typeof message.since === "number") since = message.since
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

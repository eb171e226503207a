/**
 * Dashboards, in their own process: a number of WebSocket clients that record when frames arrive.
 *
 * Arguments: {@link DashboardOptions} as JSON. Sends `{connected, connectMs}` when all are connected. Its parent may
 * send:
 *
 * - `{watch: epoch, since}`: from now on, measure the time since an event's stamp (see sender.ts) in every client's
 *   frames, for events that were due `since` milliseconds after the epoch or later
 * - `{collect: true}`: send the measurements, as {@link DashboardReport}
 * - `{expect: text}`: send `{armed}` immediately, and `{last}` once every reading client has received a frame with this
 *   text, in milliseconds of the machine's clock (clock.ts)
 */
import { createHistogram } from "node:perf_hooks"
import { machineNow } from "./clock.ts"
import { FrameReader } from "./frameReader.ts"
import { type Percentiles, percentilesOf } from "./percentiles.ts"
import { STAMP_DIGITS } from "./stamps.ts"

export interface DashboardOptions {
  readonly url: string
  readonly clients: number
  /** How many of the clients read nothing. */
  readonly slow: number
}

export interface DashboardReport {
  readonly frames: number
  readonly latency: Percentiles
  /** Clients that were closed or lost in the meantime, not counting those that read nothing. */
  readonly lost: number
  readonly slowLost: number
}

const options: DashboardOptions = JSON.parse(process.argv[2] ?? "{}")
/** Concurrent connection attempts. */
const CONNECTING = 200
/** What precedes an event's stamp in a frame, and what follows if it is last in the event's data, as nearly always. */
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

/** The offset of the digits of a frame's stamp; negative if it has none. */
const stampAt = (bytes: Buffer, from: number, to: number): number => {
  const last = to - FRAME_END - STAMP_DIGITS
  if (last - MARK.length > from && MARK.compare(bytes, last - MARK.length, last) === 0) return last
  const found = bytes.subarray(from, to).indexOf(MARK)
  return found < 0 ? -1 : from + found + MARK.length
}

/** The value of a digit, 0 to 9 or a to f. */
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
        // This client stops reading, though its socket stays open.
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

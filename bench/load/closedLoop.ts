/**
 * Closed loop: a number of connections, each sending its next request once the last one is answered. Uses wrk if it is
 * installed, because it takes the least CPU from the server it shares two cores with; otherwise autocannon.
 */
import { spawn, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import autocannon from "autocannon"
import { type Aim, atLeast } from "../scenario.ts"
import type { WrittenCorpus } from "./corpus.ts"
import { partsOf, stamped } from "./stamps.ts"

/** The outcome of a slice of load. */
export interface Slice {
  readonly generator: "wrk" | "autocannon"
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  /** Half of the answers came within so long, milliseconds. */
  readonly p50: number
  /** Answers other than 2xx, and connections that failed. */
  readonly failed: number
}

/** What came of it, after slices without an answer. */
export interface AnsweredSlice extends Slice {
  /** How many slices there were: each may have left a request of each connection unanswered. */
  readonly slices: number
}

export interface SliceOptions {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  readonly corpus: WrittenCorpus
}

/** After which a request counts as failed, seconds. */
const TIMEOUT_S = 20

const SCRIPT = fileURLToPath(new URL("./corpus.lua", import.meta.url))

export const hasWrk = (): boolean => spawnSync("wrk", ["--version"]).error === undefined

/** An aim relative to the bare server's rate. Only wrk is fast enough to find that rate, so there is none without it. */
export const aimBesideBare = (percent: number): Aim | null => (hasWrk() ? atLeast(percent) : null)

/** The note that goes with such ratios. */
export const besideBareRemarks = (): ReadonlyArray<string> =>
  hasWrk()
    ? []
    : [
        "wrk is not installed: the bare server's rate is that of the slower load generator, and parts of it are not judged",
      ]

/** Starts wrk on a corpus; `until` is when it stops sending, unix seconds, 0 for its own `seconds`. */
export const spawnWrk = (
  options: Omit<SliceOptions, "corpus"> & { readonly corpusFile: string; readonly until: number },
) =>
  spawn(
    "wrk",
    [
      "--threads=1",
      `--connections=${options.connections}`,
      `--duration=${options.seconds}s`,
      `--timeout=${TIMEOUT_S}s`,
      `--script=${SCRIPT}`,
      `http://127.0.0.1:${options.port}`,
      options.corpusFile,
      String(options.until),
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  )

/** The line of JSON that corpus.lua prints at the end. */
export const readSummary = (output: string): Slice => {
  const line = output.split("\n").find((each) => each.startsWith("{"))
  if (line === undefined) throw new Error(`wrk said: ${output}`)
  const parsed: unknown = JSON.parse(line)
  const number = (key: string): number => {
    const value: unknown = typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, key) : null
    if (typeof value !== "number") throw new Error(`wrk's summary has no ${key}: ${line}`)
    return value
  }
  const seconds = number("microseconds") / 1e6
  return {
    generator: "wrk",
    requests: number("requests"),
    seconds,
    perSecond: number("requests") / seconds,
    p50: number("p50") / 1000,
    failed: number("failed") + number("broken"),
  }
}

const byWrk = (options: SliceOptions): Promise<Slice> =>
  new Promise((resolve, reject) => {
    const wrk = spawnWrk({ ...options, corpusFile: options.corpus.file, until: 0 })
    let output = ""
    for (const stream of [wrk.stdout, wrk.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString()
      })
    wrk.once("error", reject)
    wrk.once("close", () => {
      try {
        resolve(readSummary(output))
      } catch (error) {
        reject(error)
      }
    })
  })

/**
 * How many copies of requests autocannon may make: one of each for every connection, within the time that is measured. A
 * quarter of a million took 2.7 s of CPU, during which it sent nothing.
 */
const AUTOCANNON_COPIES = 50_000

const byAutocannon = async (options: SliceOptions): Promise<Slice> => {
  const count = Math.max(1, Math.floor(AUTOCANNON_COPIES / options.connections))
  const requests = options.corpus.requests.slice(0, count).map(({ text }, i) => {
    const [head = "", body = ""] = stamped(partsOf(text), i, 0).split("\r\n\r\n")
    const [start = "", ...lines] = head.split("\r\n")
    const headers = Object.fromEntries(
      lines
        .map((line) => line.split(": ", 2) as [string, string])
        .filter(([name]) => name !== "Content-Length" && name !== "Host"),
    )
    return { method: "POST" as const, path: start.split(" ")[1] ?? "", headers, body }
  })
  const result = await autocannon({
    url: `http://127.0.0.1:${options.port}`,
    connections: options.connections,
    duration: options.seconds,
    timeout: TIMEOUT_S,
    requests,
  })
  return {
    generator: "autocannon",
    requests: result["2xx"],
    seconds: result.duration,
    perSecond: result["2xx"] / result.duration,
    p50: result.latency.p50,
    // Timeouts are among the errors.
    failed: result.non2xx + result.errors,
  }
}

/** How many slices in a row may have no answer; the last one of 1 second has become one of 32. */
const SILENT_SLICES = 6

/**
 * Loads a server for some seconds. Batches always use autocannon: wrk stalls for about 40 ms whenever a body does not
 * fit into the socket's buffer (observed: 20 requests of 180 kB per second, where a plain socket sent 330). A slice in
 * which nothing was answered says nothing. It is run again for twice as long, because a slow server first answers what
 * the slice before has left with it; what failed counts.
 */
export const runSlice = async (options: SliceOptions): Promise<AnsweredSlice> => {
  let failed = 0
  let { seconds } = options
  for (let slices = 1; slices <= SILENT_SLICES; slices++) {
    const once = { ...options, seconds }
    const slice = await (options.corpus.perRequest === 1 && hasWrk() ? byWrk(once) : byAutocannon(once))
    failed += slice.failed
    if (slice.requests > 0) return { ...slice, failed, slices }
    seconds *= 2
  }
  throw new Error(`nothing was answered in ${SILENT_SLICES} slices, and ${failed} requests failed`)
}

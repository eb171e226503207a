/**
 * A load generator in its own process: sends a corpus over a number of connections.
 *
 * - **Open loop** (`rate`): requests are due at fixed times, whatever happened to earlier ones. A request that finds no
 *   free connection waits, and its latency counts from when it was due, so that a stall is charged to every request
 *   that would have come during it (no coordinated omission). How late the generator itself was although a connection
 *   was free is reported as `lag`, because it is part of the latencies.
 * - **Closed loop** (`rate: null`): each connection sends its next request once the last one is answered.
 *
 * Arguments: {@link SenderOptions} as JSON. Sends {@link Report} to its parent at the end.
 */
import { readFileSync } from "node:fs"
import { createHistogram, type RecordableHistogram } from "node:perf_hooks"
import { machineTime } from "./clock.ts"
import { Connection } from "./connection.ts"
import { type Percentiles, percentilesOf } from "./percentiles.ts"
import { partsOf, STAMPS, stamped } from "./stamps.ts"

export interface SenderOptions {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  readonly corpusFile: string
  /** Requests per second; `null` for a closed loop. */
  readonly rate: number | null
  /**
   * The moment that stamps count from, milliseconds of the machine's clock (clock.ts). A stamp is in microseconds and
   * tells a receiver when its event was due. `null` stamps events with their number.
   */
  readonly epoch?: number | null
}

export interface Report {
  readonly answered: number
  /** Answers other than 2xx, and broken connections. */
  readonly failed: number
  /** Milliseconds from when a request was due. */
  readonly latency: Percentiles
  /** Milliseconds by which requests were sent late although a connection was free. */
  readonly lag: Percentiles
  /** Requests that were due in this time. */
  readonly due: number
}

const options: SenderOptions = JSON.parse(process.argv[2] ?? "{}")
const { port, connections, corpusFile, rate } = options
const epoch = options.epoch ?? null
const lines = readFileSync(corpusFile, "latin1").trimEnd().split("\n")
/** Requests in parts, with the stamps between them. */
const requests = lines.map((line) => partsOf(line.replaceAll(STAMPS.lineEnd, "\r\n")))

const latency = createHistogram()
const lag = createHistogram()
const milliseconds = options.seconds * 1000
let began = 0
let sent = 0
let answered = 0
let failed = 0

const record = (histogram: RecordableHistogram, ms: number) => {
  // The histogram accepts whole numbers from 1.
  histogram.record(Math.max(1, Math.round(ms * 1000)))
}

const textOf = (number: number, due: number): string => {
  const stamp = epoch === null ? number : Math.round((machineTime(due) - epoch) * 1000)
  return stamped(requests[number % requests.length] ?? [], stamp, Math.floor(number / requests.length))
}

const idle: Array<Connection> = Array.from({ length: connections }, () => new Connection(port))
const all = [...idle]

const finish = () => {
  const report: Report = {
    answered,
    failed,
    latency: percentilesOf(latency),
    lag: percentilesOf(lag),
    due: rate === null ? answered : Math.floor((rate * milliseconds) / 1000),
  }
  for (const connection of all) connection.close()
  process.send?.(report, () => process.exit())
}

/** Sends one request that was due at `due`, and passes the connection on when it is answered. */
const send = (connection: Connection, due: number, then: (connection: Connection) => void) => {
  connection.send(textOf(sent++, due), (status) => {
    record(latency, performance.now() - due)
    answered++
    if (status < 200 || status > 299) failed++
    then(connection)
  })
}

const closedLoop = () => {
  let open = connections
  const next = (connection: Connection) => {
    const now = performance.now()
    if (now - began < milliseconds) send(connection, now, next)
    else if (--open === 0) finish()
  }
  for (const connection of idle) next(connection)
}

/** How long to wait for missing answers when the time is over, milliseconds. */
const PATIENCE_MS = 10_000

const openLoop = (perSecond: number) => {
  const total = Math.floor((perSecond * milliseconds) / 1000)
  const dueOf = (number: number) => began + (number * 1000) / perSecond
  const free = (connection: Connection) => {
    // A request that was already due waited for a connection, not for this process.
    if (sent < total && dueOf(sent) <= performance.now()) send(connection, dueOf(sent), free)
    else idle.push(connection)
    if (answered === total) finish()
  }
  const tick = () => {
    const now = performance.now()
    while (sent < total && dueOf(sent) <= now) {
      const connection = idle.pop()
      if (connection === undefined) break
      record(lag, now - dueOf(sent))
      send(connection, dueOf(sent), free)
    }
    if (sent < total) setTimeout(tick, 1)
    else setTimeout(finish, PATIENCE_MS)
  }
  tick()
}

// Connections are opened before anything is due.
setTimeout(() => {
  began = performance.now()
  if (rate === null) closedLoop()
  else openLoop(rate)
}, 200)

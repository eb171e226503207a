/** Starts the sender (sender.ts) at a fixed rate and dashboards (dashboards.ts), and reads their reports. */
import type { Context } from "../scenario.ts"
import { type Child, numberOf, startChild } from "../server/child.ts"
import type { DashboardOptions, DashboardReport } from "./dashboards.ts"
import type { Percentiles } from "./percentiles.ts"
import type { Report, SenderOptions } from "./sender.ts"

const isPercentiles = (value: unknown): value is Percentiles =>
  typeof value === "object" && value !== null && "count" in value && "at" in value && Array.isArray(value.at)

const isReport = (message: unknown): message is Report =>
  numberOf(message, "answered") !== null &&
  typeof message === "object" &&
  message !== null &&
  "latency" in message &&
  isPercentiles(message.latency) &&
  "lag" in message &&
  isPercentiles(message.lag)

/** How long the sender may take beyond its duration, milliseconds. */
const PATIENCE_MS = 240_000
/** How long a frame may take to the last client, milliseconds. */
const FRAME_MS = 120_000

/** Sends at a fixed rate for some seconds; resolves when every request is answered. */
export const sendAtRate = (
  context: Context,
  options: SenderOptions & { readonly rate: number },
): Promise<Report> => {
  const child = startChild(context, new URL("./sender.ts", import.meta.url), [JSON.stringify(options)])
  return child.next((message) => (isReport(message) ? message : null), options.seconds * 1000 + PATIENCE_MS)
}

const isDashboardReport = (message: unknown): message is DashboardReport =>
  numberOf(message, "frames") !== null &&
  typeof message === "object" &&
  message !== null &&
  "latency" in message &&
  isPercentiles(message.latency)

export interface Dashboards {
  /** Milliseconds until all clients were connected. */
  readonly connectMs: number
  /**
   * Starts measuring the age of frames. Stamps count from `epoch`, milliseconds of the machine's clock (clock.ts);
   * events due earlier than `since` milliseconds after it do not count.
   */
  readonly watch: (epoch: number, since: number) => void
  /** The measurements since the last call. */
  readonly collect: () => Promise<DashboardReport>
  /** Prepares for a frame with this text; `last` is when the last reading client had it, by the machine's clock. */
  readonly expect: (text: string) => Promise<{ readonly last: Promise<number> }>
  readonly end: () => void
}

const childOf = (context: Context, options: DashboardOptions): Child =>
  startChild(context, new URL("./dashboards.ts", import.meta.url), [JSON.stringify(options)])

/** Connects dashboards; resolves when all are connected. */
export const connectDashboards = async (context: Context, options: DashboardOptions): Promise<Dashboards> => {
  const child = childOf(context, options)
  const connectMs = await child.next((message) => numberOf(message, "connectMs"))
  return {
    connectMs,
    watch: (epoch, since) => child.send({ watch: epoch, since }),
    collect: () => {
      child.send({ collect: true })
      return child.next((message) => (isDashboardReport(message) ? message : null))
    },
    expect: async (text) => {
      const last = child.next((message) => numberOf(message, "last"), FRAME_MS)
      const armed = child.next((message) => numberOf(message, "armed"))
      child.send({ expect: text })
      await armed
      return { last }
    },
    end: child.end,
  }
}

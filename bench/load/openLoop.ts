/** Starts the sender (sender.ts) at a fixed rate, and dashboards (dashboards.ts), and reads their reports. */
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

/** Sends at a fixed rate for some seconds; resolves when every request is answered. */
export const sendAtRate = (
  context: Context,
  options: SenderOptions & { readonly rate: number },
): Promise<Report> => {
  const child = startChild(context, new URL("./sender.ts", import.meta.url), [JSON.stringify(options)])
  return child.next((message) => (isReport(message) ? message : null))
}

const isDashboardReport = (message: unknown): message is DashboardReport =>
  numberOf(message, "frames") !== null &&
  typeof message === "object" &&
  message !== null &&
  "latency" in message &&
  isPercentiles(message.latency)

export interface Dashboards {
  /** Milliseconds until all were connected. */
  readonly connectMs: number
  /** From now on frames' ages are taken: unix milliseconds that stamps count from. */
  readonly watch: (epoch: number) => void
  /** What was taken since the last time. */
  readonly collect: () => Promise<DashboardReport>
  /** Resolves when every reading client has had a frame with this text: unix milliseconds at the last one. */
  readonly expect: (text: string) => Promise<number>
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
    watch: (epoch) => child.send({ watch: epoch }),
    collect: () => {
      child.send({ collect: true })
      return child.next((message) => (isDashboardReport(message) ? message : null))
    },
    expect: (text) => {
      child.send({ expect: text })
      return child.next((message) => numberOf(message, "last"))
    },
    end: child.end,
  }
}

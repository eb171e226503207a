/**
 * In the actors' thread: its entry. Decoding, aggregation and the stores' replies of batches do not delay the answers of the main
 * thread.
 */
import { getPriority, platform, setPriority } from "node:os"
import { parentPort, workerData } from "node:worker_threads"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Metrics } from "../../metrics/metrics.ts"
import { giveBackWhenIdle } from "../../runtime/idleMemory.ts"
import { loggingLayer } from "../../runtime/logging.ts"
import { runActors } from "../runActors.ts"
import type { FromThread, ThreadData, ToThread } from "./messages.ts"

/**
 * Steps of niceness, as getpriority(2) counts them: two are about 40 % of a processor that another thread wants, too (sched(7)).
 * Measured in bench/README.md: with more, dashboards wait longer; with none, senders do when the machine is at its limit.
 */
const LOWER_PRIORITY = 2
/** Milliseconds between two reports that none has asked for: what a scrape lags behind at most when the thread is busy. */
const REPORT_MS = 1000

if (parentPort === null) throw new Error("src/actors/thread/entry.ts runs as a worker thread only")
const port = parentPort
const { config, stores, node }: ThreadData = workerData
const metrics = new Metrics(config.metricsPrefix)
const send = (message: FromThread) => port.postMessage(message)

// Answers come first: the streams are there to let batches wait. On Linux a priority is the calling thread's.
if (platform() === "linux") setPriority(Math.min(getPriority() + LOWER_PRIORITY, 19))

const fiber = Effect.runFork(
  Effect.andThen(giveBackWhenIdle, runActors(config, stores, node, metrics, Date.now)).pipe(
    Effect.scoped,
    Effect.provide(loggingLayer(config.logLevel)),
  ),
)

const report = async (request: number | null): Promise<void> =>
  send({ type: "metrics", request, json: await metrics.registry.getMetricsAsJSON() })

setInterval(() => void report(null), REPORT_MS).unref()

port.on("message", (message: ToThread) => {
  if (message.type === "stop") Effect.runFork(Fiber.interrupt(fiber))
  else void report(message.request)
})

fiber.addObserver(async (exit) => {
  await report(null)
  const failed = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
  send({ type: "ended", failure: failed ? Cause.pretty(exit.cause) : null })
  port.close()
})

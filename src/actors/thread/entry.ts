/**
 * In the actors' thread: its entry. Decoding, aggregation and the stores' replies of batches do not delay the answers of the main
 * thread.
 */
import { getPriority, platform, setPriority } from "node:os"
import { workerData } from "node:worker_threads"
import { Metrics } from "../../metrics/metrics.ts"
import { runInside } from "../../runtime/thread/inside.ts"
import { runActors } from "../runActors.ts"
import type { ThreadData } from "./parent.ts"

/**
 * Steps of niceness, as getpriority(2) counts them: two are about 40 % of a processor that another thread wants, too (sched(7)).
 * Measured in bench/README.md: with more, dashboards wait longer; with none, senders do when the machine is at its limit.
 */
const LOWER_PRIORITY = 2

const { config, stores, node }: ThreadData = workerData
const metrics = new Metrics(config.metricsPrefix, "actors")

// Answers come first: the streams are there to let batches wait. On Linux a priority is the calling thread's.
if (platform() === "linux") setPriority(Math.min(getPriority() + LOWER_PRIORITY, 19))

runInside({
  registry: metrics.registry,
  logLevel: config.logLevel,
  run: () => runActors(config, stores, node, metrics, Date.now),
})

/**
 * In the main thread: keeps the actors' thread running. Starts it, starts it again when it ends on its own, and stops it with the
 * scope.
 */
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { AppConfig } from "../../config/settings.ts"
import { STOP_BUDGET } from "../../config/stopBudget.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import type { StoreAddresses } from "../../stores/addresses.ts"
import type { FromThread, MetricsJson, ThreadData, ToThread } from "./messages.ts"
import { ThreadMetrics } from "./metrics.ts"

export interface ActorsThread {
  /** The thread's metrics; see {@link ThreadMetrics.read}. */
  readonly metrics: Effect.Effect<MetricsJson>
}

const newWorker = (workerData: ThreadData): Worker => {
  const worker = new Worker(new URL("./entry.ts", import.meta.url), {
    workerData,
    stdout: true,
    stderr: true,
  })
  // Node itself would stop passing its log on at the first error of this process' own, and keep it in memory.
  worker.stdout.on("data", (chunk: Buffer) => process.stdout.write(chunk))
  worker.stderr.on("data", (chunk: Buffer) => process.stderr.write(chunk))
  return worker
}

/** Starts the thread in the background and supervises it until the scope ends. */
export const startActorsThread = (
  config: AppConfig,
  stores: StoreAddresses,
  node: string,
  metrics: Metrics,
): Effect.Effect<ActorsThread, never, Scope.Scope> =>
  Effect.gen(function* () {
    let current: Worker | null = null
    const threadMetrics = new ThreadMetrics()
    const data: ThreadData = { config, stores, node }

    /** Runs one thread to its end: succeeds when it was stopped, fails with the reason when it ended on its own. */
    const runThread = Effect.callback<void, string>((resume) => {
      const worker = newWorker(data)
      current = worker
      let failure: string | null = "the thread ended without a word"
      worker.on("message", (message: FromThread) => {
        if (message.type === "ended") failure = message.failure
        else threadMetrics.reported(message.request, message.json)
      })
      worker.on("error", (error) => {
        failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
      })
      worker.on("exit", () => {
        current = null
        void threadMetrics.threadEnded()
        resume(failure === null ? Effect.void : Effect.fail(failure))
      })
      return Effect.callback<void>((stopped) => {
        if (current !== worker) return stopped(Effect.void)
        worker.once("exit", () => stopped(Effect.void))
        worker.postMessage({ type: "stop" } satisfies ToThread)
      }).pipe(
        Effect.timeoutOrElse({
          duration: STOP_BUDGET.batches,
          orElse: () =>
            Effect.logWarning("batch not finished in time: the partition's next owner continues it").pipe(
              Effect.andThen(Effect.promise(() => worker.terminate())),
            ),
        }),
        Effect.asVoid,
      )
    })

    yield* Effect.forkScoped(
      runThread.pipe(
        Effect.tapError((reason) =>
          Effect.sync(() => metrics.actorRestarts.inc()).pipe(
            Effect.andThen(Effect.logError("actors' thread ended: restarting it")),
            Effect.annotateLogs({ reason }),
          ),
        ),
        Effect.retry(Schedule.spaced("1 second")),
      ),
    )

    return {
      metrics: Effect.suspend(() => {
        const worker = current
        if (worker === null) return threadMetrics.read(null)
        return threadMetrics.read((request) => {
          worker.postMessage({ type: "metrics", request } satisfies ToThread)
        })
      }),
    }
  })

/** In the main thread: keeps another one running. Starts it, starts it again when it ends on its own, and stops it with the scope. */
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { FromThread, MetricsJson, ToThread } from "./messages.ts"
import { ThreadMetrics } from "./metrics.ts"

export interface Thread<Told = never> {
  /** The thread's metrics; see {@link ThreadMetrics.read}. */
  readonly metrics: Effect.Effect<MetricsJson>
  /** Says something to the running thread; nobody hears it while there is none. */
  readonly tell: (message: Told) => void
}

export interface ThreadOptions<Said> {
  /** In the log: `actors' thread`. */
  readonly name: string
  /** The module that the thread runs, with {@link runInside}. */
  readonly entry: URL
  /** Given to the thread at its start. */
  readonly data: object
  /** What a stop waits for the thread, milliseconds. */
  readonly stopMs: number
  /** What it means that the thread has not stopped by then, for the log. */
  readonly late: string
  /** Whether it is terminated then. One that has open sockets of uWebSockets.js would take the process with it. */
  readonly terminable: boolean
  /** Called when the thread has ended on its own, before the next one is started. */
  readonly onEnded?: () => void
  /** Takes what threads of this kind say. */
  readonly onSaid?: (message: Said) => void
}

const newWorker = (entry: URL, workerData: object): Worker => {
  const worker = new Worker(entry, { workerData, stdout: true, stderr: true })
  // Node itself would stop passing its log on at the first error of this process' own, and keep it in memory.
  worker.stdout.on("data", (chunk: Buffer) => process.stdout.write(chunk))
  worker.stderr.on("data", (chunk: Buffer) => process.stderr.write(chunk))
  return worker
}

/** Starts a thread in the background and supervises it until the scope ends. */
export const startThread = <Told = never, Said = never>(
  options: ThreadOptions<Said>,
): Effect.Effect<Thread<Told>, never, Scope.Scope> =>
  Effect.gen(function* () {
    let current: Worker | null = null
    const threadMetrics = new ThreadMetrics()

    /** Runs one thread to its end: succeeds when it was stopped, fails with the reason when it ended on its own. */
    const runThread = Effect.callback<void, string>((resume) => {
      const worker = newWorker(options.entry, options.data)
      current = worker
      let failure: string | null = "the thread ended without a word"
      worker.on("message", (message: FromThread<Said>) => {
        if (message.type === "ended") failure = message.failure
        else if (message.type === "metrics") threadMetrics.reported(message.request, message.json)
        else options.onSaid?.(message.own)
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
          duration: options.stopMs,
          orElse: () =>
            Effect.andThen(
              Effect.logWarning(options.late),
              options.terminable ? Effect.promise(() => worker.terminate()) : Effect.void,
            ),
        }),
        Effect.asVoid,
      )
    })

    yield* Effect.forkScoped(
      runThread.pipe(
        Effect.tapError((reason) =>
          Effect.sync(() => options.onEnded?.()).pipe(
            Effect.andThen(Effect.logError(`${options.name} ended: restarting it`)),
            Effect.annotateLogs({ reason }),
          ),
        ),
        Effect.retry(Schedule.spaced("1 second")),
      ),
    )

    const tell = (message: ToThread<Told>) => current?.postMessage(message)
    return {
      metrics: Effect.suspend(() =>
        threadMetrics.read(current === null ? null : (request) => tell({ type: "metrics", request })),
      ),
      tell: (own) => tell({ type: "own", own }),
    }
  })

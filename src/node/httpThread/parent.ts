/** In the main thread: keeps the threads running that take requests beside it, and answers what they ask. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AppConfig } from "../../config/settings.ts"
import { STOP_BUDGET } from "../../config/stopBudget.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import { startThread, type Thread } from "../../runtime/thread/parent.ts"
import { AttachedThread, type ForThreads } from "../../server/threads/attached.ts"
import type { Asked, Told } from "../../server/threads/messages.ts"
import { SharedPlaces } from "../../server/threads/sharedPlaces.ts"
import { SharedWindows } from "../../server/threads/sharedWindows.ts"
import type { StoreAddresses } from "../../stores/addresses.ts"

/** Given to each thread at its start. */
export interface ThreadData {
  readonly config: AppConfig
  readonly stores: StoreAddresses
  readonly localWriteKey: string | null
  /** From `tableMemory`. */
  readonly windows: SharedArrayBuffer
  /** From `tableMemory`. */
  readonly places: SharedArrayBuffer
  /** From 1: the main thread is 0. */
  readonly thread: number
}

/** What a start waits for a thread to take connections. */
const LISTENING = "10 seconds"

/** Starts one thread and supervises it until the scope ends. Returns when it takes connections. */
const startHttpThread = (
  data: ThreadData,
  main: ForThreads,
  metrics: Metrics,
): Effect.Effect<Thread<Told>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const windows = new SharedWindows(data.windows, data.thread)
    const places = new SharedPlaces(data.config, data.places, data.thread)
    const isListening = yield* Deferred.make<void>()
    let attached: AttachedThread | null = null
    const thread: Thread<Told> = yield* startThread<Told, Asked>({
      name: "HTTP thread",
      entry: new URL("./entry.ts", import.meta.url),
      data,
      // It stops as the main thread does, at the same time.
      stopMs: STOP_BUDGET.answers + STOP_BUDGET.linger + STOP_BUDGET.pool,
      terminable: false,
      late: "HTTP thread not stopped in time: its connections end with the process",
      onSaid: (message) => {
        if (message.type !== "listening") return attached?.heard(message)
        attached = new AttachedThread(main, message.descriptor, (answer) => thread.tell(answer))
        Deferred.doneUnsafe(isListening, Effect.void)
      },
      onEnded: () => {
        windows.ended()
        places.ended()
        attached?.ended()
        attached = null
        metrics.httpThreadRestarts.inc()
      },
    })
    yield* Effect.timeoutOption(Deferred.await(isListening), LISTENING)
    return thread
  })

/** Starts the threads that take requests beside the main one, as many as `HTTP_THREADS` says. */
export const startHttpThreads = (
  data: Omit<ThreadData, "thread">,
  main: ForThreads,
  metrics: Metrics,
): Effect.Effect<ReadonlyArray<Thread<Told>>, never, Scope.Scope> =>
  Effect.forEach(
    Array.from({ length: data.config.httpThreads - 1 }, (_, i) => i + 1),
    (thread) => startHttpThread({ ...data, thread }, main, metrics),
    { concurrency: "unbounded" },
  )

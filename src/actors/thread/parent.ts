/** In the main thread: keeps the actors' thread running. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AppConfig } from "../../config/settings.ts"
import { STOP_BUDGET } from "../../config/stopBudget.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import { startThread, type Thread } from "../../runtime/thread/parent.ts"
import type { StoreAddresses } from "../../stores/addresses.ts"

/** Given to the thread at its start. */
export interface ThreadData {
  readonly config: AppConfig
  readonly stores: StoreAddresses
  readonly node: string
}

/** Starts the thread in the background and supervises it until the scope ends. */
export const startActorsThread = (
  data: ThreadData,
  metrics: Metrics,
): Effect.Effect<Thread, never, Scope.Scope> =>
  startThread({
    name: "actors' thread",
    entry: new URL("./entry.ts", import.meta.url),
    data,
    stopMs: STOP_BUDGET.batches,
    terminable: true,
    late: "batch not finished in time: the partition's next owner continues it",
    onEnded: () => metrics.actorRestarts.inc(),
  })

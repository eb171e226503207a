/**
 * Gives memory back after work. V8 collects when something is allocated, so a thread that has nothing more to do would keep
 * what its last burst left, some 200 MB, for as long as it idles.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Milliseconds between two looks. */
const LOOK_MS = 5000
/** Share of a look's time with work, up to which a thread idles: nobody is kept waiting by a collection of some 30 ms. */
const IDLE_UTILIZATION = 0.02
/** Looks in a row that find a thread idle before it collects. */
const IDLE_LOOKS = 2
/** Bytes of heap above what the last collection left that are worth another. */
const WORTHWHILE_BYTES = 8 * 1024 * 1024

/** Decides when a thread has idled long enough to collect, and has something to give back. */
export class IdleWatch {
  #idleLooks = 0
  #leftBytes = 0

  /**
   * @param utilization share of the time since the last look with work, 0 to 1
   * @param heapBytes what the heap holds of the system's memory now
   * @returns whether to collect; {@link collected} is told afterwards
   */
  look(utilization: number, heapBytes: number): boolean {
    this.#idleLooks = utilization <= IDLE_UTILIZATION ? this.#idleLooks + 1 : 0
    return this.#idleLooks >= IDLE_LOOKS && heapBytes >= this.#leftBytes + WORTHWHILE_BYTES
  }

  /** @param heapBytes what the heap holds after a collection */
  collected(heapBytes: number): void {
    this.#leftBytes = heapBytes
  }
}

const heapBytes = (): number => getHeapStatistics().total_physical_size

/** Collects everything and shrinks the heap. Only contexts made after the flag was set have the function. */
const collect = (): void => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })")
}

const watch = async (signal: AbortSignal): Promise<void> => {
  const idle = new IdleWatch()
  let since = performance.eventLoopUtilization()
  for (;;) {
    await sleep(LOOK_MS, undefined, { ref: false, signal })
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, since)
    since = now
    if (!idle.look(utilization, heapBytes())) continue
    collect()
    idle.collected(heapBytes())
  }
}

/** Watches the calling thread until the scope closes. */
export const giveBackWhenIdle: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(
  Effect.forkScoped(Effect.promise((signal) => watch(signal))),
)

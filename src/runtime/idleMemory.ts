/**
 * Returns memory to the system after a burst. V8 collects garbage when something is allocated, so a thread that has nothing
 * more to do would keep what its last burst left behind, about 200 MB, for as long as it is idle.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Milliseconds between two checks. */
const LOOK_MS = 5000
/**
 * Up to this share of busy time a thread counts as idle: a collection of about 30 ms keeps nobody waiting then. What it does once a
 * second is part of that, and takes longer on a core that others share.
 */
const IDLE_UTILIZATION = 0.05
/** Checks in a row that must find a thread idle before it collects. */
const IDLE_LOOKS = 2
/** Bytes of heap beyond what the last collection left that make another one worthwhile. */
const WORTHWHILE_BYTES = 8 * 1024 * 1024

/** Decides when a thread has been idle long enough to collect, and has something to return. */
export class IdleWatch {
  #idleLooks = 0
  #leftBytes = 0

  /**
   * @param utilization share of busy time since the last check, 0 to 1
   * @param heapBytes memory that the heap takes from the system now
   * @returns whether to collect; {@link collected} is told afterwards
   */
  look(utilization: number, heapBytes: number): boolean {
    this.#idleLooks = utilization <= IDLE_UTILIZATION ? this.#idleLooks + 1 : 0
    return this.#idleLooks >= IDLE_LOOKS && heapBytes >= this.#leftBytes + WORTHWHILE_BYTES
  }

  /** @param heapBytes memory that the heap takes after a collection */
  collected(heapBytes: number): void {
    this.#leftBytes = heapBytes
  }
}

const heapBytes = (): number => getHeapStatistics().total_physical_size

/** Collects everything and shrinks the heap. Only contexts that are created after the flag was set have the function. */
const collect = (): void => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })")
}

const watch = async (signal: AbortSignal): Promise<void> => {
  const idle = new IdleWatch()
  let since = performance.now()
  let cpu = process.threadCpuUsage()
  for (;;) {
    await sleep(LOOK_MS, undefined, { ref: false, signal })
    // Processor time: on a busy machine a thread that waits for a processor looks busy by the clock.
    const { user, system } = process.threadCpuUsage(cpu)
    const now = performance.now()
    const utilization = (user + system) / 1000 / (now - since)
    since = now
    cpu = process.threadCpuUsage()
    if (!idle.look(utilization, heapBytes())) continue
    collect()
    idle.collected(heapBytes())
  }
}

/** Watches the calling thread until the scope closes. */
export const giveBackWhenIdle: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(
  Effect.forkScoped(Effect.promise((signal) => watch(signal))),
)

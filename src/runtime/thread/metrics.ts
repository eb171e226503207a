/**
 * In the main thread: what another thread has counted, as far as it is known. A scrape that the thread misses must not show
 * less than the last.
 */
import * as Effect from "effect/Effect"
import { AggregatorRegistry } from "prom-client"
import type { MetricsJson } from "./messages.ts"

/** What a scrape waits for the thread, milliseconds. A busy one has reported within the last second, see inside.ts. */
const ANSWER_MS = 10

/** What remains true of a thread that has ended: what it has counted. */
const counted = (json: MetricsJson): MetricsJson => json.filter(({ type }) => String(type) !== "gauge")

/** Asks one thread after the other for its metrics and keeps what they reported last. */
export class ThreadMetrics {
  #last: MetricsJson = []
  /** Of all threads that have ended, summed. */
  #ended: MetricsJson = []
  #requests = 0
  readonly #waiting = new Map<number, (json: MetricsJson) => void>()

  /** Takes what the thread reports: unasked, with `null`, or for a request, also too late for the scrape that has asked. */
  reported(request: number | null, json: MetricsJson): void {
    this.#last = json
    if (request === null) return
    this.#waiting.get(request)?.(json)
    this.#waiting.delete(request)
  }

  /** The thread has ended; the next one counts from 0. */
  async threadEnded(): Promise<void> {
    const all = [...this.#ended, ...counted(this.#last)]
    this.#last = []
    this.#ended = all
    this.#ended = await AggregatorRegistry.aggregate([all]).getMetricsAsJSON()
  }

  /**
   * The metrics of all threads up to now; those of its last report when the running one does not answer in time.
   *
   * @param ask sends a request to the running thread; `null` while there is none
   */
  read(ask: ((request: number) => void) | null): Effect.Effect<MetricsJson> {
    const last = Effect.sync(() => this.#last)
    const running =
      ask === null
        ? last
        : Effect.callback<MetricsJson>((resume) => {
            const request = this.#requests++
            this.#waiting.set(request, (json) => resume(Effect.succeed(json)))
            ask(request)
            return Effect.sync(() => this.#waiting.delete(request))
          }).pipe(Effect.timeoutOrElse({ duration: ANSWER_MS, orElse: () => last }))
    return Effect.map(running, (json) => [...this.#ended, ...json])
  }
}

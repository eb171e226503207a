/** What the actor of a partition is doing, as a value. What each mode means stands in partitionActor.ts. */
import * as Effect from "effect/Effect"
import type { ActorModeLabel, Metrics } from "../metrics/metrics.ts"
import { logFailure } from "../stores/advice.ts"
import type { StoreError } from "../stores/errors.ts"

/** The last two are ends; the others are those of a running actor, which a gauge counts. */
export type Mode = ActorModeLabel | "fenced" | "ended"

const ENDS = ["fenced", "ended"] as const

/** The modes that may follow each one. */
const NEXT: { readonly [M in Mode]: ReadonlyArray<Mode> } = {
  takeover: ["reading", ...ENDS],
  reading: ["committing", "careful", "waiting", ...ENDS],
  committing: ["reading", "isolating", "waiting", ...ENDS],
  careful: ["reading", "isolating", "waiting", ...ENDS],
  isolating: ["committing", "careful", "waiting", ...ENDS],
  // Never to reading: either a batch waits, or a read has met a Redis that may have lost its last writes.
  waiting: ["committing", "careful", "isolating", ...ENDS],
  fenced: [],
  ended: [],
}

const isRunning = (mode: Mode): mode is ActorModeLabel => mode !== "fenced" && mode !== "ended"

/** The mode of one actor, from its takeover to its end. */
export class ActorMode {
  readonly #partition: number
  readonly #metrics: Metrics
  #now: Mode = "takeover"
  /** Of the store's error that the log has told of. */
  #code = ""

  constructor(partition: number, metrics: Metrics) {
    this.#partition = partition
    this.#metrics = metrics
    metrics.actorModes.inc({ mode: "takeover" })
  }

  get now(): Mode {
    return this.#now
  }

  /**
   * Changes the mode, and logs a line if not every batch brings the new one. Entering the present mode again does nothing,
   * except that `waiting` is logged again for an error of another code. A transition that {@link NEXT} does not have is a
   * defect.
   *
   * @param error why the actor waits
   */
  enter(mode: Mode, error?: StoreError): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.#now
      const code = error === undefined ? "" : `${error.store} ${error.code}`
      if (mode === before && (error === undefined || code === this.#code)) return Effect.void
      if (mode !== before) this.#change(before, mode)
      this.#code = code
      const line = this.#line(before, error)
      if (line === null) return Effect.void
      return line.pipe(Effect.annotateLogs({ partition: this.#partition, before, mode }))
    })
  }

  #change(before: Mode, mode: Mode): void {
    if (!NEXT[before].includes(mode)) throw new RangeError(`an actor does not go from ${before} to ${mode}`)
    if (isRunning(before)) this.#metrics.actorModes.dec({ mode: before })
    if (isRunning(mode)) this.#metrics.actorModes.inc({ mode })
    this.#now = mode
  }

  /** What the log says of the present mode, if anything. */
  #line(before: Mode, error: StoreError | undefined): Effect.Effect<void> | null {
    switch (this.#now) {
      case "waiting":
        return error === undefined ? null : logFailure(error, "the partition waits")
      case "isolating":
        return Effect.logWarning("batch refused by Postgres: halving it until the event at fault is found")
      case "careful":
        return Effect.logWarning(
          "poison event suspected: several owners have met the same first event, trying a few at a time",
        )
      default:
        return before === "waiting" && isRunning(this.#now)
          ? Effect.logInfo("store available again: the partition continues")
          : null
    }
  }
}

/** Figures as the JSON that frames carry: read once for all who wait for them, and again after a change. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isSeveral } from "../../domain/siteChoice.ts"
import { FRESH_MS } from "../../query/engine/index.ts"
import { waitingLine } from "../../runtime/waitingLine.ts"
import type { StoreError } from "../../stores/errors.ts"
import { failureProblem, Problem } from "../http/problem.ts"
import type { ChoiceFigures } from "../services/choiceFigures.ts"
import { ReadCache, type Runner } from "../services/readCache.ts"
import type { FigureTopic } from "./protocol.ts"
import { RETRY_MS } from "./retry.ts"

/** Figures of several sites that are asked for at the same time, so that others find the query engine free. */
const MAX_ASKED = 1
/** Those that may wait for that. */
export const MAX_WAITING = 200
/** Themes in a frame, the most viewed. */
const TOP_THEMES = 5

const TOO_MANY = new Problem("TOO_MANY_QUERIES", "Too many figures of several sites are being read.")

/** What can be read of a choice of sites. */
export type FigureKind = "realtime" | FigureTopic

const keyOf = (site: string, kind: FigureKind): string => `${kind} ${site}`

/** Why figures could not be read, until they may be again. */
interface Failure {
  readonly problem: Problem
  readonly until: number
}

export class FigureReads {
  readonly #figures: ChoiceFigures
  /** For figures of several sites. */
  readonly #inTurn = waitingLine({ running: MAX_ASKED, waiting: MAX_WAITING, full: TOO_MANY })
  /** Of several sites, by what was read; those that end first come first. */
  readonly #failures = new Map<string, Failure>()
  /** Only joins reads in progress. */
  readonly #reads: ReadCache<string>

  constructor(figures: ChoiceFigures, run: Runner) {
    this.#figures = figures
    this.#reads = new ReadCache({
      run,
      keepMs: () => 0,
      // At most every kind of every site, while it is read.
      maxEntries: Number.POSITIVE_INFINITY,
      weigh: () => 0,
      maxWeight: 0,
    })
  }

  #load(site: string, kind: FigureKind): Effect.Effect<unknown, Problem | StoreError> {
    const loaded = this.#asked(site, kind)
    // The engine may look at what it knew a moment ago, and what has just been counted is to be in the figures.
    return isSeveral(site) ? Effect.andThen(Effect.sleep(FRESH_MS), this.#inTurn(loaded)) : loaded
  }

  #asked(site: string, kind: FigureKind): Effect.Effect<unknown, Problem | StoreError> {
    switch (kind) {
      case "realtime":
        return this.#figures.realtime(site)
      case "themes":
        return this.#figures.themes(site, TOP_THEMES, null)
      case "letters":
        return this.#figures.letters(site, "day")
      default:
        return Effect.all(
          { stats: this.#figures.stats(site, kind), letters: this.#figures.letters(site, kind) },
          { concurrency: isSeveral(site) ? MAX_ASKED : 2 },
        )
    }
  }

  /** JSON of the figures of a choice of sites, or why there are none; of several sites they are not read if they just could not be. */
  json(site: string, kind: FigureKind): Promise<string | Problem> {
    const failure = this.#failures.get(keyOf(site, kind))
    return failure !== undefined && failure.until > performance.now()
      ? Promise.resolve(failure.problem)
      : this.again(site, kind)
  }

  /** The same, read in any case: for who has waited since they could not be. */
  again(site: string, kind: FigureKind): Promise<string | Problem> {
    const key = keyOf(site, kind)
    return new Promise((resolve) => {
      this.#reads.get(
        key,
        () => Effect.map(this.#load(site, kind), (value) => JSON.stringify(value)),
        (result) => {
          const read = Exit.isSuccess(result) ? result.value : failureProblem(Cause.squash(result.cause))
          if (isSeveral(site)) this.#note(key, read)
          resolve(read)
        },
      )
    })
  }

  #note(key: string, read: string | Problem): void {
    const now = performance.now()
    this.#failures.delete(key)
    if (read instanceof Problem) this.#failures.set(key, { problem: read, until: now + RETRY_MS })
    for (const [each, { until }] of this.#failures) {
      if (until > now) break
      this.#failures.delete(each)
    }
  }

  /** Makes the next `json` read again: a read in progress may have begun before the figures changed. */
  changed(site: string, kind: FigureKind): void {
    this.#reads.forget(keyOf(site, kind))
  }
}

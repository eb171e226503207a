/** Figures as the JSON that frames carry: read once for all who wait for them, and again after a change. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { StoreError } from "../../stores/errors.ts"
import { ReadCache, type Runner } from "../services/readCache.ts"
import type { Figures } from "../services/services.ts"
import type { FigureTopic } from "./protocol.ts"

/** Themes in a frame, the most viewed. */
const TOP_THEMES = 5

/** What can be read of a site. */
export type FigureKind = "realtime" | FigureTopic

export class FigureReads {
  readonly #figures: Figures
  /** Only joins reads in progress. */
  readonly #reads: ReadCache<string>

  constructor(figures: Figures, run: Runner) {
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

  #load(site: string, kind: FigureKind): Effect.Effect<unknown, StoreError> {
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
          { concurrency: 2 },
        )
    }
  }

  /** JSON of a site's figures; `null` if they cannot be read now. */
  json(site: string, kind: FigureKind): Promise<string | null> {
    return new Promise((resolve) => {
      this.#reads.get(
        `${kind} ${site}`,
        () => Effect.map(this.#load(site, kind), (value) => JSON.stringify(value)),
        (result) => resolve(Exit.isSuccess(result) ? result.value : null),
      )
    })
  }

  /** Makes the next `json` read again: a read in progress may have begun before the figures changed. */
  changed(site: string, kind: FigureKind): void {
    this.#reads.forget(`${kind} ${site}`)
  }
}

/**
 * When a part of the page is read again because a frame told of a change that it did not bring: soon, not often, never while
 * the part is being read, and once more when no cached answer is older than the change.
 */

/** Minimum milliseconds between two reads of a part. */
const READ_AGAIN_MS = 2000
/** Minimum milliseconds from a frame to the read: the server caches most answers for 200 ms. */
const SOON_MS = 250
/** Milliseconds after an event when every answer includes it: the server caches none for longer than 5 s. */
const SETTLED_MS = 6000

export interface RereadsOptions<Part> {
  /** Asked just before a read, because it may no longer be needed. */
  readonly isWanted: (part: Part) => boolean
  /** A read in progress is not aborted for another: a slow server would then never answer any. */
  readonly isLoading: (part: Part) => boolean
  readonly load: (part: Part) => void
}

type Timers<Part> = Map<Part, ReturnType<typeof setTimeout>>

export class Rereads<Part> {
  readonly #options: RereadsOptions<Part>
  readonly #soon: Timers<Part> = new Map()
  readonly #settled: Timers<Part> = new Map()
  readonly #began = new Map<Part, number>()

  constructor(options: RereadsOptions<Part>) {
    this.#options = options
  }

  /** A frame told of a change that it did not bring. */
  changed(part: Part): void {
    this.#readSoon(part)
    this.#readWhenSettled(part)
  }

  /** A frame brought a change. A last read that is still to come is delayed until answers include this change, too. */
  brought(part: Part): void {
    if (this.#settled.has(part)) this.#readWhenSettled(part)
  }

  /** A read of the part begins, for whatever reason. */
  began(part: Part): void {
    clearTimeout(this.#soon.get(part))
    this.#soon.delete(part)
    this.#began.set(part, performance.now())
  }

  stop(): void {
    for (const timer of [...this.#soon.values(), ...this.#settled.values()]) clearTimeout(timer)
  }

  #readSoon(part: Part): void {
    if (this.#soon.has(part)) return
    const since = performance.now() - (this.#began.get(part) ?? 0)
    const pause = Math.max(SOON_MS, READ_AGAIN_MS - since)
    this.#readAfter(pause, part, this.#soon)
  }

  #readWhenSettled(part: Part): void {
    clearTimeout(this.#settled.get(part))
    this.#readAfter(SETTLED_MS, part, this.#settled)
  }

  #readAfter(pause: number, part: Part, timers: Timers<Part>): void {
    const timer = setTimeout(() => {
      timers.delete(part)
      if (!this.#options.isWanted(part)) return
      if (this.#options.isLoading(part)) this.#readSoon(part)
      else this.#options.load(part)
    }, pause)
    timers.set(part, timer)
  }
}

/** Events that wait for their answer, in order, bounded by number and by bytes. */

/** A waiting event, serialised except for its time. */
export interface Waiting {
  readonly id: string
  readonly eventType: string
  /** JSON without a timestamp and without the closing brace. */
  readonly json: string
  /** UTF-8 bytes. */
  readonly bytes: number
  /** The caller's timestamp, unix milliseconds; `null` to go by the event's age. */
  readonly at: number | null
  /** `performance.now()`. */
  readonly trackedAt: number
}

const MAX_QUEUE_BYTES = 32 * 1024 * 1024

export class Queue {
  readonly #events: Array<Waiting> = []
  readonly #maxEvents: number
  #bytes = 0

  constructor(maxEvents: number) {
    this.#maxEvents = maxEvents
  }

  get length(): number {
    return this.#events.length
  }

  get last(): Waiting | undefined {
    return this.#events.at(-1)
  }

  has(event: Waiting): boolean {
    return this.#events.includes(event)
  }

  /** Returns false, and leaves the event out, if there is no room for it. */
  push(event: Waiting): boolean {
    if (this.#events.length >= this.#maxEvents || this.#bytes + event.bytes > MAX_QUEUE_BYTES) return false
    this.#events.push(event)
    this.#bytes += event.bytes
    return true
  }

  /** Events from the head that fit into one request; at least one, if there is any. */
  head(maxEvents: number, maxBytes: number): ReadonlyArray<Waiting> {
    let bytes = 0
    let count = 0
    for (const event of this.#events) {
      bytes += event.bytes
      if (count === maxEvents || (count > 0 && bytes > maxBytes)) break
      count++
    }
    return this.#events.slice(0, count)
  }

  /** Removes events from the head, and returns them. */
  remove(count: number): ReadonlyArray<Waiting> {
    const removed = this.#events.splice(0, count)
    for (const event of removed) this.#bytes -= event.bytes
    return removed
  }

  /** Returns events to the head, even if it is full by now: they were accepted before. */
  putBack(events: ReadonlyArray<Waiting>): void {
    this.#events.unshift(...events)
    for (const event of events) this.#bytes += event.bytes
  }
}

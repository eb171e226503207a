/** In the main thread: the dashboards of all threads, as the hub sees them. */
import { type FanOut, ListenerCounts, type PublishOptions } from "../dashboards/fanOut.ts"
import type { Told } from "./messages.ts"

type Publishing = Pick<FanOut, "publish" | "listeners">

/** The dashboards of another thread. */
export class RemoteFanOut implements Publishing {
  readonly #counts = new ListenerCounts()
  readonly #tell: (message: Told) => void

  constructor(tell: (message: Told) => void) {
    this.#tell = tell
  }

  /** The thread has said how many more listen. */
  changed(topic: string, group: number, change: number): void {
    this.#counts.change(topic, group, change)
  }

  listeners(topic: string, group?: number): number {
    return this.#counts.of(topic, group)
  }

  publish(topic: string, frame: string, options: PublishOptions = {}): void {
    if (this.listeners(topic, options.group) > 0) this.#tell({ type: "publish", topic, frame, options })
  }
}

export class AllFanOuts implements Publishing {
  /** The main thread's own, and those of others that run. */
  readonly #each: Set<Publishing>

  constructor(own: Publishing) {
    this.#each = new Set([own])
  }

  add(fanOut: RemoteFanOut): void {
    this.#each.add(fanOut)
  }

  remove(fanOut: RemoteFanOut): void {
    this.#each.delete(fanOut)
  }

  listeners(topic: string, group?: number): number {
    let sum = 0
    for (const each of this.#each) sum += each.listeners(topic, group)
    return sum
  }

  publish(topic: string, frame: string, options?: PublishOptions): void {
    for (const each of this.#each) each.publish(topic, frame, options)
  }
}

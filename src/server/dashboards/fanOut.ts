/**
 * Sends frames to all listeners of a topic, or to those of one group, a few at a time: a thousand dashboards take about
 * 10 ms, and other requests must not wait for all of them.
 *
 * Each connection belongs to one of {@link SHARDS} shards, and each shard to one of {@link GROUPS} groups. A round sends the
 * frames that wait for a group to its shards, one packet per listener however many frames; one turn of the event loop serves
 * shards until it has reached {@link TURN_LISTENERS} listeners. Groups take turns, those with urgent frames first.
 */
import type { TemplatedApp, WebSocket } from "uWebSockets.js"
import type { Topic } from "../../domain/frames.ts"
import { GROUPS } from "../../live/budget.ts"
import type { Metrics } from "../../metrics/metrics.ts"

/** A multiple of {@link GROUPS}: a shard's group is its remainder. */
const SHARDS = 8 * GROUPS
/** About a millisecond of work: sending to one listener takes 5 to 10 µs, nearly all of it in the kernel. */
const TURN_LISTENERS = 128

/** How many listen to each topic, by group. */
export class ListenerCounts {
  readonly #counts = new Map<string, Array<number>>()

  change(topic: string, group: number, by: number): void {
    let counts = this.#counts.get(topic)
    if (counts === undefined) {
      counts = Array.from({ length: GROUPS }, () => 0)
      this.#counts.set(topic, counts)
    }
    counts[group] = (counts[group] ?? 0) + by
    // Questions have topics of their own, of which there is no end.
    if (by < 0 && counts.every((each) => each === 0)) this.#counts.delete(topic)
  }

  /** Of one group, or of all. */
  of(topic: string, group?: number): number {
    const counts = this.#counts.get(topic)
    if (counts === undefined) return 0
    return group === undefined ? counts.reduce((sum, each) => sum + each, 0) : (counts[group] ?? 0)
  }
}

/** What fan-out needs of a connection's user data. */
export interface Listener {
  /** From {@link FanOut.shard}. */
  readonly shard: number
  readonly topics: Set<string>
}

interface Message {
  readonly topic: string
  readonly frame: string
}

interface Round {
  readonly messages: ReadonlyArray<Message>
  readonly topics: ReadonlySet<string>
  /** The next of the group's shards. */
  shard: number
}

/** Who gets a frame, and how urgently. */
export interface PublishOptions {
  /** The number of a group; all groups if absent. */
  readonly group?: number
  /** Sent before the frames that wait for other groups. */
  readonly soon?: boolean
}

const EVERYONE: PublishOptions = {}

/** Where a site's frames of a kind are published; every connection of the site listens to `all`. */
export const topicOf = (site: string, topic: Topic | "all"): string => `${site}/${topic}`

const shardTopic = (topic: string, shard: number): string => `${topic}/${shard}`

export class FanOut {
  readonly #app: Pick<TemplatedApp, "publish" | "numSubscribers">
  readonly #metrics: Metrics
  readonly #listeners = new ListenerCounts()
  /** Told of every change of a count. */
  readonly #onChange: (topic: string, group: number, change: number) => void
  #joined = 0
  /** Frames that wait, by group. */
  readonly #waiting: Array<Array<Message>> = Array.from({ length: GROUPS }, () => [])
  /** Groups with urgent frames, in order. */
  #soon: Array<number> = []
  /** The next group after those. */
  #next = 0
  #round: Round | null = null
  #turn: NodeJS.Immediate | null = null
  #stopped = false

  constructor(
    app: Pick<TemplatedApp, "publish" | "numSubscribers">,
    metrics: Metrics,
    onChange: (topic: string, group: number, change: number) => void = () => {},
  ) {
    this.#app = app
    this.#metrics = metrics
    this.#onChange = onChange
  }

  /** The shard of the next connection. */
  shard(): number {
    return this.#joined++ % SHARDS
  }

  #count(topic: string, { shard }: Listener, change: number): void {
    this.#listeners.change(topic, shard % GROUPS, change)
    this.#onChange(topic, shard % GROUPS, change)
  }

  /** Subscribes a connection; `false` if it was already listening to the topic. */
  subscribe(ws: WebSocket<Listener>, topic: string): boolean {
    const listener = ws.getUserData()
    if (listener.topics.has(topic) || !ws.subscribe(shardTopic(topic, listener.shard))) return false
    listener.topics.add(topic)
    this.#count(topic, listener, 1)
    return true
  }

  unsubscribe(ws: WebSocket<Listener>, topic: string): void {
    const listener = ws.getUserData()
    if (!listener.topics.delete(topic)) return
    ws.unsubscribe(shardTopic(topic, listener.shard))
    this.#count(topic, listener, -1)
  }

  /** Forgets a connection that has closed. */
  left(listener: Listener): void {
    for (const topic of listener.topics) this.#count(topic, listener, -1)
    listener.topics.clear()
  }

  /** How many listen to a topic, in one group or in all. */
  listeners(topic: string, group?: number): number {
    return this.#listeners.of(topic, group)
  }

  /** Sends a frame to everyone who listens to the topic. */
  publish(topic: string, frame: string, { group, soon = false }: PublishOptions = EVERYONE): void {
    if (this.#stopped) return
    this.#metrics.websocketMessages.inc({ direction: "out" }, this.listeners(topic, group))
    for (const [each, waiting] of this.#waiting.entries()) {
      if ((group !== undefined && group !== each) || this.listeners(topic, each) === 0) continue
      waiting.push({ topic, frame })
      if (soon && !this.#soon.includes(each)) this.#soon.push(each)
      this.#turn ??= setImmediate(this.#serve)
    }
  }

  /** The round of the next group; `null` if nothing waits. */
  #begin(): Round | null {
    let group = this.#soon.shift()
    for (let i = 0; i < GROUPS && group === undefined; i++) {
      const candidate = (this.#next + i) % GROUPS
      if ((this.#waiting[candidate] ?? []).length === 0) continue
      group = candidate
      this.#next = candidate + 1
    }
    if (group === undefined) return null
    const messages = this.#waiting[group] ?? []
    this.#waiting[group] = []
    return { messages, topics: new Set(messages.map(({ topic }) => topic)), shard: group }
  }

  readonly #serve = (): void => {
    this.#turn = null
    for (let served = 0; served < TURN_LISTENERS; ) {
      this.#round ??= this.#begin()
      const round = this.#round
      if (round === null) return
      for (const { topic, frame } of round.messages) this.#app.publish(shardTopic(topic, round.shard), frame)
      for (const topic of round.topics) served += this.#app.numSubscribers(shardTopic(topic, round.shard))
      round.shard += GROUPS
      if (round.shard >= SHARDS) this.#round = null
    }
    this.#turn = setImmediate(this.#serve)
  }

  /** Sends nothing more, because the app must not be called once it is closed. */
  stop(): void {
    this.#stopped = true
    for (const waiting of this.#waiting) waiting.length = 0
    this.#soon = []
    this.#round = null
    if (this.#turn !== null) clearImmediate(this.#turn)
    this.#turn = null
  }
}

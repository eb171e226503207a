/**
 * Sends frames to all listeners of a topic, or to those of one group, some at a time: a thousand dashboards take some ten
 * milliseconds, and those who send and ask meanwhile must not wait for all of them.
 *
 * Each connection belongs to one of {@link SHARDS} shards, and each shard to one of {@link GROUPS} groups. A round sends what
 * waits for a group to its shards, one packet a listener however many frames; a turn of the event loop serves as many shards as have
 * {@link TURN_LISTENERS} listeners. Groups have their rounds in turn, those first that have frames which are to be there soon.
 */
import type { TemplatedApp, WebSocket } from "uWebSockets.js"
import type { Topic } from "../../domain/frames.ts"
import { GROUPS } from "../../live/budget.ts"
import type { Metrics } from "../../metrics/metrics.ts"

/** A multiple of {@link GROUPS}: a shard's group is its remainder. */
const SHARDS = 8 * GROUPS
/** About a millisecond's work: sending to one takes 5 to 10 µs, nearly all of it in the kernel. */
const TURN_LISTENERS = 128

/** What a connection's user data has for this. */
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
  /** The group's shard that is next. */
  shard: number
}

/** Whom a frame is for, and when. */
export interface PublishOptions {
  /** A group's number; all groups without it. */
  readonly group?: number
  /** Before what waits for other groups. */
  readonly soon?: boolean
}

const EVERYONE: PublishOptions = {}

/** Where a site's frames of a kind are published; every connection of the site listens to `all`. */
export const topicOf = (site: string, topic: Topic | "all"): string => `${site}/${topic}`

const shardTopic = (topic: string, shard: number): string => `${topic}/${shard}`

export class FanOut {
  readonly #app: Pick<TemplatedApp, "publish" | "numSubscribers">
  readonly #metrics: Metrics
  /** Of each topic, by group. */
  readonly #listeners = new Map<string, Array<number>>()
  #joined = 0
  /** What waits, by group. */
  readonly #waiting: Array<Array<Message>> = Array.from({ length: GROUPS }, () => [])
  /** Groups that come first. */
  #soon: Array<number> = []
  /** The group that is next after those. */
  #next = 0
  #round: Round | null = null
  #turn: NodeJS.Immediate | null = null
  #stopped = false

  constructor(app: Pick<TemplatedApp, "publish" | "numSubscribers">, metrics: Metrics) {
    this.#app = app
    this.#metrics = metrics
  }

  /** The shard of the next connection. */
  shard(): number {
    return this.#joined++ % SHARDS
  }

  #count(topic: string, { shard }: Listener, change: number): void {
    let counts = this.#listeners.get(topic)
    if (counts === undefined) {
      counts = Array.from({ length: GROUPS }, () => 0)
      this.#listeners.set(topic, counts)
    }
    counts[shard % GROUPS] = (counts[shard % GROUPS] ?? 0) + change
  }

  /** Whether the connection did not listen to the topic before. */
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
    const counts = this.#listeners.get(topic)
    if (counts === undefined) return 0
    return group === undefined ? counts.reduce((sum, each) => sum + each, 0) : (counts[group] ?? 0)
  }

  /** Sends a frame to whoever listens to the topic. */
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

  /** The round of the group that is next; `null` when nothing waits. */
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

  /** Sends nothing more: the app must not be asked once it is closed. */
  stop(): void {
    this.#stopped = true
    for (const waiting of this.#waiting) waiting.length = 0
    this.#soon = []
    this.#round = null
    if (this.#turn !== null) clearImmediate(this.#turn)
    this.#turn = null
  }
}

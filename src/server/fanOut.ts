/**
 * Sends frames to all listeners of a topic, some at a time: a thousand dashboards take some ten milliseconds, and those who
 * send and ask meanwhile must not wait for all of them. Each connection belongs to one of {@link SHARDS} shards; a turn of
 * the event loop serves as many shards as have {@link TURN_LISTENERS} listeners. What comes while a round is under way goes
 * out in the next one, one packet a listener however many frames.
 */
import type { TemplatedApp, WebSocket } from "uWebSockets.js"

const SHARDS = 64
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

const shardTopic = (topic: string, shard: number): string => `${topic}/${shard}`

export class FanOut {
  readonly #app: TemplatedApp
  readonly #listeners = new Map<string, number>()
  #joined = 0
  #waiting: Array<Message> = []
  /** Messages of the round that is under way, their topics, and the shard that is next. */
  #round: ReadonlyArray<Message> = []
  #topics: ReadonlySet<string> = new Set()
  #shard = 0
  #turn: NodeJS.Immediate | null = null
  #stopped = false

  constructor(app: TemplatedApp) {
    this.#app = app
  }

  /** The shard of the next connection. */
  shard(): number {
    return this.#joined++ % SHARDS
  }

  /** Whether the connection did not listen to the topic before. */
  subscribe(ws: WebSocket<Listener>, topic: string): boolean {
    const { shard, topics } = ws.getUserData()
    if (topics.has(topic) || !ws.subscribe(shardTopic(topic, shard))) return false
    topics.add(topic)
    this.#listeners.set(topic, this.listeners(topic) + 1)
    return true
  }

  unsubscribe(ws: WebSocket<Listener>, topic: string): void {
    const { shard, topics } = ws.getUserData()
    if (!topics.delete(topic)) return
    ws.unsubscribe(shardTopic(topic, shard))
    this.#listeners.set(topic, this.listeners(topic) - 1)
  }

  /** Forgets a connection that has closed. */
  left({ topics }: Listener): void {
    for (const topic of topics) this.#listeners.set(topic, this.listeners(topic) - 1)
    topics.clear()
  }

  listeners(topic: string): number {
    return this.#listeners.get(topic) ?? 0
  }

  /** Sends a frame to whoever listens to the topic. */
  publish(topic: string, frame: string): void {
    if (this.#stopped || this.listeners(topic) === 0) return
    this.#waiting.push({ topic, frame })
    this.#turn ??= setImmediate(this.#serve)
  }

  readonly #serve = (): void => {
    this.#turn = null
    if (this.#shard === 0) {
      this.#round = this.#waiting
      this.#waiting = []
      this.#topics = new Set(this.#round.map(({ topic }) => topic))
    }
    for (let served = 0; served < TURN_LISTENERS && this.#shard < SHARDS; this.#shard++) {
      for (const { topic, frame } of this.#round) this.#app.publish(shardTopic(topic, this.#shard), frame)
      for (const topic of this.#topics) served += this.#app.numSubscribers(shardTopic(topic, this.#shard))
    }
    if (this.#shard === SHARDS) this.#shard = 0
    if (this.#shard > 0 || this.#waiting.length > 0) this.#turn = setImmediate(this.#serve)
  }

  /** Sends nothing more: the app must not be asked once it is closed. */
  stop(): void {
    this.#stopped = true
    this.#waiting = []
    this.#shard = 0
    if (this.#turn !== null) clearImmediate(this.#turn)
    this.#turn = null
  }
}

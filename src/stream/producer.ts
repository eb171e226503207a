/**
 * The producer: events become durable here, before they are answered.
 *
 * One event's states:
 *
 * - **gathered**: `append` put it with the others of this event-loop turn, partition by partition;
 * - **sent**: at the end of the turn each partition's events go to Redis as one script call, which appends all or none;
 * - **durable**: the reply has come; `done(null)`;
 * - **refused**: the partition is full, Redis said no, the reply is late, or the connection is away; `done(failure)`.
 *
 * Nothing is queued while Redis is away and nothing is sent twice: a refused event may be durable all the same (its reply
 * was lost), which is what senders' ids are for.
 */
import type { Metrics } from "../metrics/metrics.ts"
import { type RedisConnection, redisError, Script } from "../stores/redis.ts"
import { streamKeys } from "./keys.ts"

/** Why an event could not be made durable. */
export type AppendFailure = "BACKLOG_FULL" | "STREAM_UNAVAILABLE"

export type AppendDone = (failure: AppendFailure | null) => void

export interface ProducerOptions {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly partitions: number
  /** Unprocessed events of all partitions after which events are refused. */
  readonly maxBacklog: number
  readonly metrics: Metrics
  /** Told about refusals other than a full backlog, for the log. */
  readonly onFailure: (message: string) => void
}

/** Bytes that may be on their way to Redis; what comes above is refused, so that a stalled Redis cannot fill the memory. */
const MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024
/** Events of one script call; Lua's stack takes about 7,000 arguments, and a long script delays everybody. */
const MAX_CALL_EVENTS = 1000

/** What ioredis says of a reply that is late. */
const TIMED_OUT = "Command timed out"

const appendScript = Script.load(new URL("./lua/append.lua", import.meta.url))

interface Turn {
  payloads: Array<string>
  done: Array<AppendDone>
}

/** Micro-batching appender; see the file's head for an event's states. */
export class Producer {
  readonly #options: ProducerOptions
  readonly #keys: ReadonlyArray<readonly [events: string, dead: string]>
  readonly #perPartition: number
  #turns: Array<Turn | null>
  #scheduled = false
  #inFlightBytes = 0
  #inFlightCalls = 0
  #idle: Array<() => void> = []

  constructor(options: ProducerOptions) {
    this.#options = options
    this.#keys = Array.from({ length: options.partitions }, (_, partition) => {
      const keys = streamKeys(options.prefix, partition)
      return [keys.events, keys.dead] as const
    })
    this.#perPartition = Math.ceil(options.maxBacklog / options.partitions)
    this.#turns = this.#keys.map(() => null)
  }

  /** Hands over an event. `done` is called once, later: with `null` when the event is durable, else with the reason. */
  append(partition: number, payload: string, done: AppendDone): void {
    if (this.#inFlightBytes > MAX_IN_FLIGHT_BYTES) {
      queueMicrotask(() => done("STREAM_UNAVAILABLE"))
      return
    }
    this.#inFlightBytes += payload.length
    let turn = this.#turns[partition]
    if (turn === null || turn === undefined) {
      turn = { payloads: [], done: [] }
      this.#turns[partition] = turn
    }
    turn.payloads.push(payload)
    turn.done.push(done)
    if (turn.payloads.length === MAX_CALL_EVENTS) {
      this.#turns[partition] = null
      this.#send(partition, turn)
    } else if (!this.#scheduled) {
      this.#scheduled = true
      // After the poll phase: every request that this turn of the event loop has read is gathered by then.
      setImmediate(() => this.#flush())
    }
  }

  /** Resolves when nothing is gathered or on its way. */
  drain(): Promise<void> {
    if (!this.#scheduled && this.#inFlightCalls === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #flush(): void {
    this.#scheduled = false
    const turns = this.#turns
    this.#turns = this.#keys.map(() => null)
    turns.forEach((turn, partition) => {
      if (turn !== null) this.#send(partition, turn)
    })
    this.#settle()
  }

  #send(partition: number, turn: Turn): void {
    const keys = this.#keys[partition]
    if (keys === undefined) throw new RangeError(`there is no partition ${partition}`)
    const { metrics, redis } = this.#options
    this.#inFlightCalls++
    const end = metrics.redisDuration.startTimer({ operation: "append" })
    metrics.appendBatchSize.observe(turn.payloads.length)
    appendScript
      .run(redis, keys, [this.#perPartition, ...turn.payloads])
      .then(
        () => {
          metrics.eventsAccepted.inc(turn.payloads.length)
          return null
        },
        (cause: unknown) => this.#failure(cause),
      )
      .then((failure) => {
        end()
        this.#inFlightCalls--
        for (const payload of turn.payloads) this.#inFlightBytes -= payload.length
        for (const done of turn.done) done(failure)
        this.#settle()
      })
  }

  #failure(cause: unknown): AppendFailure {
    const error = redisError("append", cause)
    if (error.code === "BACKLOG") return "BACKLOG_FULL"
    // What a Redis that hangs has not read yet would be appended when it goes on, long after it was refused, and would
    // fill the memory until then: with its connection it is gone.
    if (error.message.includes(TIMED_OUT)) this.#options.redis.disconnect(true)
    this.#options.onFailure(error.message)
    return "STREAM_UNAVAILABLE"
  }

  #settle(): void {
    if (this.#scheduled || this.#inFlightCalls > 0 || this.#idle.length === 0) return
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }
}

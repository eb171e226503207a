/**
 * A lane: partitions whose events travel together. A single Redis has one lane, and a cluster one for each partition, which lies with
 * one of its masters: what the others do, be it that one hangs, does not keep its events waiting.
 *
 * One event's states:
 *
 * - **gathered**: `append` put it with the others of this event-loop turn, partition by partition; while
 *   {@link MAX_CALLS} calls are on their way, or the last one has only just left, the turn goes on, and the fuller the streams
 *   the longer it lasts, so that senders who wait for their answers slow down before they are refused;
 * - **sent**: at the end of the turn all go to Redis as one script call, which appends all or none of a partition's;
 * - **durable**: the reply has come, and `replicas` replicas have the event; `done(null)`;
 * - **refused**: the partition is full, Redis said no, replicas are missing, the reply is late, or the connection is
 *   lost; `done(failure)`.
 *
 * Nothing is queued while Redis is unavailable and nothing is sent twice: a refused event may be durable all the same (its reply
 * was lost), which is what senders' ids are for.
 */
import { toFields } from "../domain/payload.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import type { RedisConnection } from "../stores/redis.ts"
import { redisError } from "../stores/redisError.ts"
import { EncodedArguments, encoded } from "../stores/resp.ts"
import { Script } from "../stores/script.ts"
import { runAcknowledged, TooFewReplicas } from "./acknowledged.ts"

/** Why an event could not be made durable. */
export type AppendFailure = "BACKLOG_FULL" | "STREAM_UNAVAILABLE"

export type AppendDone = (failure: AppendFailure | null) => void

export interface LaneOptions {
  readonly redis: RedisConnection
  /** Of each partition of the deployment: its stream and its dead letters. */
  readonly keys: ReadonlyArray<readonly [events: string, dead: string]>
  /** Unprocessed events of a partition after which its events are refused. */
  readonly perPartition: number
  /** Replicas that must have an event before it is acknowledged; 0 asks for none. */
  readonly replicas: number
  readonly metrics: Metrics
  /** Told about refusals other than a full backlog, for the log. */
  readonly onFailure: (error: StoreError) => void
}

/** Events of one script call; Lua's stack takes about 7,000 arguments, an event is two, and a long script delays everybody. */
const MAX_CALL_EVENTS = 1000

/**
 * Calls on their way at a time. While Redis writes one to its disk the next is on its way; what comes meanwhile travels
 * together, which costs everybody less the busier they are.
 */
const MAX_CALLS = 2

/**
 * Least milliseconds between two calls. What a call costs whatever it carries, a tenth of a millisecond for this thread and as much
 * for Redis, is a quarter of a processor at a thousand a second; but who waits for each answer waits for the next call, too. Measured
 * with 64 connections: 17,000 events a second at 2 ms, 18,300 at 1 ms, not more at none; with 512 as many at each. An event that
 * comes after a pause leaves at once.
 */
const SPACING_MS = 1

/** Part of the bound that may wait before turns last longer: a burst is taken as fast as it comes. */
const SLOW_FROM = 0.5
/** How long a turn lasts when the streams are full, milliseconds; in proportion before. */
const SLOWEST_TURN_MS = 250

/** Pause after replicas were missing, milliseconds. */
const PAUSE_MS = 1000

const appendScript = Script.load(new URL("./lua/append.lua", import.meta.url))

/** Events of one partition that travel together. */
class Group {
  readonly partition: number
  /** The fields of their entries, encoded for Redis: two arguments an event. */
  readonly fields: EncodedArguments
  /** Code units of the payloads. */
  size = 0
  readonly done: Array<AppendDone> = []

  constructor(partition: number, fields: EncodedArguments) {
    this.partition = partition
    this.fields = fields
  }
}

/** What the events that are gathered or on their way may take of the memory, so that a Redis that stalls cannot fill it. */
export class Room {
  readonly #most: number
  readonly #share: number
  #taken = 0

  /** `most` is in code units. */
  constructor(most: number, lanes: number) {
    this.#most = most
    this.#share = most / lanes
  }

  /** Whether a lane that holds so much may take no more. Those that stall may fill it: the others still have an even share each. */
  isFullFor(held: number): boolean {
    return this.#taken > this.#most && held >= this.#share
  }

  /** Takes room, or with a negative size gives it back. */
  take(size: number): void {
    this.#taken += size
  }
}

/** Micro-batching appender; see the file's head for an event's states. */
export class Lane {
  readonly #options: LaneOptions
  readonly #room: Room
  /** The first argument of every call. */
  readonly #bound: EncodedArguments
  #groups: Array<Group | null>
  /** What calls that were sent have been encoded in. */
  readonly #spare: Array<EncodedArguments> = []
  #gathered = 0
  /** Calls' worth of events that were gathered before the present groups. */
  #filled: Array<ReadonlyArray<Group>> = []
  /** How long the present turn lasts beyond the event loop's, milliseconds. */
  #lingerMs = 0
  /** When the last call left, `performance.now()` milliseconds. */
  #sentAt = Number.NEGATIVE_INFINITY
  #scheduled = false
  /** By partition, `performance.now()` milliseconds; 0 where replicas were there at the last call. */
  readonly #pausedUntil: Array<number>
  /** How the last call has failed, and when (`performance.now()` milliseconds); `null` when it has not. */
  #failed: { readonly error: StoreError; readonly at: number } | null = null
  /** Code units of what is gathered or on its way. */
  #held = 0
  #inFlightCalls = 0
  #idle: Array<() => void> = []

  constructor(options: LaneOptions, room: Room) {
    this.#options = options
    this.#room = room
    this.#bound = encoded([options.perPartition])
    this.#groups = options.keys.map(() => null)
    this.#pausedUntil = options.keys.map(() => 0)
  }

  /** Hands over an event. `done` is called once, later: with `null` when the event is durable, else with the reason. */
  append(partition: number, payload: string, done: AppendDone): void {
    if (this.#room.isFullFor(this.#held) || this.#pausing(partition)) {
      queueMicrotask(() => done("STREAM_UNAVAILABLE"))
      return
    }
    this.#take(payload.length)
    let group = this.#groups[partition]
    if (group === null || group === undefined) {
      group = new Group(partition, this.#spare.pop() ?? new EncodedArguments())
      this.#groups[partition] = group
    }
    const { event, facts } = toFields(payload)
    group.fields.add(event)
    group.fields.add(facts)
    group.size += payload.length
    group.done.push(done)
    if (++this.#gathered === MAX_CALL_EVENTS) {
      this.#closeCall()
      if (this.#lingerMs === 0) this.#flush()
    }
    if (!this.#scheduled && this.#inFlightCalls < MAX_CALLS) this.#schedule()
  }

  #take(size: number): void {
    this.#held += size
    this.#room.take(size)
  }

  /** Whether a partition's replicas were missing a moment ago: no more is appended that could not be acknowledged. */
  #pausing(partition: number): boolean {
    const until = this.#pausedUntil[partition] ?? 0
    if (until === 0) return false
    if (performance.now() < until) return true
    this.#pausedUntil[partition] = 0
    return false
  }

  /** How the last append has failed, if that is less than some milliseconds ago; `null` when it has not. */
  failedWithin(milliseconds: number): StoreError | null {
    const failed = this.#failed
    return failed !== null && performance.now() - failed.at < milliseconds ? failed.error : null
  }

  /** Resolves when nothing is gathered or on its way. */
  settled(): Promise<void> {
    if (!this.#waiting && this.#inFlightCalls === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  get #waiting(): boolean {
    return this.#gathered > 0 || this.#filled.length > 0
  }

  #schedule(): void {
    this.#scheduled = true
    const flush = () => {
      this.#scheduled = false
      this.#flush()
    }
    const wait = Math.max(this.#lingerMs, Math.ceil(this.#sentAt + SPACING_MS - performance.now()))
    // After the poll phase: every request that this turn of the event loop has read is gathered by then.
    if (wait <= 0) setImmediate(flush)
    else setTimeout(flush, wait)
  }

  #closeCall(): void {
    this.#filled.push(this.#groups.filter((group) => group !== null))
    this.#groups = this.#options.keys.map(() => null)
    this.#gathered = 0
  }

  #flush(): void {
    if (this.#gathered > 0) this.#closeCall()
    const calls = this.#filled
    this.#filled = []
    for (const groups of calls) this.#send(groups)
  }

  #send(groups: ReadonlyArray<Group>): void {
    const { metrics } = this.#options
    const keys: Array<string> = []
    const args: Array<EncodedArguments> = [this.#bound]
    let events = 0
    for (const { partition, fields, done } of groups) {
      const own = this.#options.keys[partition]
      if (own === undefined) throw new RangeError(`there is no partition ${partition}`)
      keys.push(...own)
      args.push(encoded([done.length]), fields)
      events += done.length
    }
    this.#inFlightCalls++
    this.#sentAt = performance.now()
    const end = metrics.redisDuration.startTimer({ operation: "append" })
    metrics.appendBatchSize.observe(events)
    const call = this.#run(groups, keys, args)
    for (const { fields } of groups) {
      fields.clear()
      this.#spare.push(fields)
    }
    call.then(
      (reply) => {
        end()
        this.#failed = null
        const held = (Array.isArray(reply) ? reply : []).map(Number)
        this.#slowDown(held)
        this.#settle(groups, (i) => ((held[i] ?? -1) >= 0 ? null : "BACKLOG_FULL"))
      },
      (cause: unknown) => {
        end()
        const failure = this.#failure(cause)
        this.#settle(groups, () => failure)
      },
    )
  }

  /** Appends; rejects when fewer replicas than are wanted have the events by the time that an append may take. */
  async #run(
    groups: ReadonlyArray<Group>,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<EncodedArguments>,
  ): Promise<unknown> {
    const { redis, replicas } = this.#options
    try {
      return await runAcknowledged(appendScript, redis, keys, args, replicas)
    } catch (cause) {
      // What was refused is in the stream all the same, and would be there again with each try of its sender.
      if (cause instanceof TooFewReplicas)
        for (const { partition } of groups) this.#pausedUntil[partition] = performance.now() + PAUSE_MS
      throw cause
    }
  }

  /** Lets the next turns last as long as it suits the fullest of the streams that a call has met. */
  #slowDown(held: ReadonlyArray<number>): void {
    let fullest = 0
    for (const entries of held)
      fullest = Math.max(fullest, entries < 0 ? 1 : entries / this.#options.perPartition)
    const beyond = Math.max(fullest - SLOW_FROM, 0) / (1 - SLOW_FROM)
    this.#lingerMs = Math.ceil(SLOWEST_TURN_MS * beyond)
  }

  /** Answers the events of a call, and lets those go that have gathered meanwhile. */
  #settle(groups: ReadonlyArray<Group>, outcome: (group: number) => AppendFailure | null): void {
    this.#inFlightCalls--
    if (this.#waiting && !this.#scheduled) this.#schedule()
    let accepted = 0
    groups.forEach(({ size, done }, i) => {
      const failure = outcome(i)
      if (failure === null) accepted += done.length
      this.#take(-size)
      for (const each of done) each(failure)
    })
    this.#options.metrics.eventsAccepted.inc(accepted)
    if (this.#waiting || this.#inFlightCalls > 0) return
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }

  #failure(cause: unknown): AppendFailure {
    const error = redisError("append", cause)
    this.#failed = { error, at: performance.now() }
    this.#options.onFailure(error)
    return "STREAM_UNAVAILABLE"
  }
}

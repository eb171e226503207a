/** The producer: events become durable here, before they are answered. Each travels in a lane ({@link ./lane.ts}). */
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { isCluster, type RedisConnection } from "../stores/redis.ts"
import { streamKeys } from "../stores/redisKeys.ts"
import { type AppendDone, Lane, Room } from "./lane.ts"

export type { AppendDone, AppendFailure } from "./lane.ts"

export interface ProducerOptions {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly partitions: number
  /** Unprocessed events of all partitions after which events are refused. */
  readonly maxBacklog: number
  /** Replicas that must have an event before it is acknowledged; 0 asks for none. */
  readonly replicas: number
  readonly metrics: Metrics
  /** Told about refusals other than a full backlog, for the log. */
  readonly onFailure: (error: StoreError) => void
}

/** Code units of events that may be on their way to Redis; on a cluster, those of partitions that stall, and as much for the others. */
const MAX_IN_FLIGHT = 64 * 1024 * 1024

export class Producer {
  /** Each once. */
  readonly #lanes: ReadonlyArray<Lane>

  constructor({ prefix, partitions, maxBacklog, ...options }: ProducerOptions) {
    const keys = Array.from({ length: partitions }, (_, partition) => {
      const { events, dead } = streamKeys(prefix, partition)
      return [events, dead] as const
    })
    const lanes = isCluster(options.redis) ? partitions : 1
    const room = new Room(MAX_IN_FLIGHT, lanes)
    const perPartition = Math.ceil(maxBacklog / partitions)
    this.#lanes = Array.from({ length: lanes }, () => new Lane({ ...options, keys, perPartition }, room))
  }

  /** Hands over an event. `done` is called once, later: with `null` when the event is durable, else with the reason. */
  append(partition: number, payload: string, done: AppendDone): void {
    const lane = this.#lanes[partition % this.#lanes.length]
    if (lane === undefined) throw new RangeError(`there is no partition ${partition}`)
    lane.append(partition, payload, done)
  }

  /** How the last append of a lane has failed, if that is less than some milliseconds ago; `null` when none has. */
  failedWithin(milliseconds: number): StoreError | null {
    for (const lane of this.#lanes) {
      const error = lane.failedWithin(milliseconds)
      if (error !== null) return error
    }
    return null
  }

  /** Resolves when nothing is gathered or on its way. */
  async settled(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.settled()))
  }
}

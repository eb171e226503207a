/** The owner of a partition: what the functions of its actor share, and how a partition gets its next owner. */
import { TaggedError } from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Calendar } from "../domain/period.ts"
import type { SchemaTooNew } from "../events/schema/index.ts"
import type { BatchWriter, UnknownPartition } from "../events/write/index.ts"
import type { LiveFeed } from "../live/feed.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { dropErasedFigures } from "../privacy/erasedFigures.ts"
import type { Fenced, StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import type { RedisConnection } from "../stores/redis.ts"
import type { PartitionLog, Takeover } from "../stream/partitionLog.ts"
import type { ActorMode } from "./mode.ts"

export interface PartitionActorOptions {
  readonly partition: number
  readonly prefix: string
  readonly log: PartitionLog
  readonly redis: RedisConnection
  readonly postgres: Postgres
  readonly writer: BatchWriter
  /** Those of `SITES`. */
  readonly sites: ReadonlyArray<string>
  readonly calendar: Calendar
  readonly metrics: Metrics
  readonly live: LiveFeed
  /** Unix milliseconds. */
  readonly now: () => number
}

/** One owner, from its takeover to its end. */
export interface Owner extends PartitionActorOptions {
  readonly epoch: number
  /** The id of the deployment. */
  readonly deployment: string
  readonly mode: ActorMode
  /** The last id that Postgres had at the takeover. */
  readonly storedUpTo: string
  /** The last id whose effects are in Redis; reading continues after it. */
  position: string
  /** The careful try that Redis has noted, while its failure would be blamed on the entries. */
  noted: { readonly from: string; readonly to: string } | null
}

/** Between two tries while a store is unavailable. */
export const whileUnavailable = Schedule.exponential("100 millis", 2).pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(3)))),
  Schedule.jittered,
)

/** Redis is behind Postgres and no longer has the entries in between: figures of the partition are missing. */
export class FiguresLost extends TaggedError("FiguresLost")<{ readonly partition: number }> {}

/** How a takeover fails. */
export type TakeoverError = Fenced | StoreError | UnknownPartition | SchemaTooNew | FiguresLost

/** Makes the holder of the lease `token` the partition's owner; from here on every earlier owner is fenced off. */
export const takeOver = (
  options: PartitionActorOptions,
  mode: ActorMode,
  token: string,
): Effect.Effect<{ readonly owner: Owner; readonly takeover: Takeover }, TakeoverError> =>
  Effect.gen(function* () {
    const { partition, log, writer } = options
    const acquired = yield* writer.acquireEpoch(partition)
    const { epoch, lastStreamId, deployment } = acquired
    const takeover = yield* log.takeOver(token, acquired)
    const { applied: position, deliveries } = takeover
    yield* Effect.logInfo("partition taken over").pipe(
      Effect.annotateLogs({ partition, epoch, position, deliveries }),
    )
    yield* dropErasedFigures(options, partition, epoch)
    if (takeover.lost) return yield* new FiguresLost({ partition })
    return {
      owner: { ...options, epoch, deployment, mode, storedUpTo: lastStreamId, position, noted: null },
      takeover,
    }
  })

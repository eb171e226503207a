/** One partition's stream, as its owner sees it: take over, read on, dead-letter. Every change is fenced by the epoch. */
import * as Effect from "effect/Effect"
import { toFields } from "../domain/payload.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { Fenced, type StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { noAnswer } from "../stores/redisError.ts"
import { streamKeys } from "../stores/redisKeys.ts"
import { encoded } from "../stores/resp.ts"
import { Script } from "../stores/script.ts"
import { payloadIn } from "./fields.ts"

/** A stream entry: its id and its payload. */
export interface Entry {
  readonly id: string
  readonly payload: string
}

/** What Postgres has given a new owner. */
export interface NewOwner {
  readonly epoch: number
  /** The last stream id that Postgres has. */
  readonly lastStreamId: string
  /** The id of the deployment whose Postgres it is. The partition of another one is refused, with the code `FOREIGN`. */
  readonly deployment: string
}

/** What a new owner finds. */
export interface Takeover {
  /** The last id whose effects are in Redis; reading goes on after it. */
  readonly applied: string
  /** How often the first waiting entry has been met by a new owner, this time included; 0 when none waits. */
  readonly deliveries: number
  /** The last of the entries, from the first waiting one on, that an owner was trying when it ended; empty when none. */
  readonly suspects: string
  /** Redis lacks figures of events that Postgres has, and the events: it came back without its data, or its last writes. */
  readonly lost: boolean
}

export interface PartitionLogOptions {
  readonly prefix: string
  readonly partition: number
  /** For scripts. */
  readonly redis: RedisConnection
  /** For blocking reads, used by nothing else. */
  readonly reader: RedisConnection
  /** Replicas that must have entries before they are read; 0 asks for none. */
  readonly replicas: number
  readonly metrics: Metrics
}

const takeOverScript = Script.load(new URL("./lua/takeOver.lua", import.meta.url))
const seenScript = Script.load(new URL("./lua/seen.lua", import.meta.url))
const tryScript = Script.load(new URL("./lua/try.lua", import.meta.url))
const deadLetterScript = Script.load(new URL("./lua/deadLetter.lua", import.meta.url))

/** Most time a read waits for an entry, milliseconds: short enough for a stop not to be felt. */
const BLOCK_MS = 1000
/** Most time a read waits for replicas, milliseconds. */
const REPLICATED_MS = 1000
/** A reply that does not come within the wait and this is a lost connection. */
const READ_GRACE_MS = 4000

/** Runs a fenced script, timed; `Fenced` when Redis refuses it because another epoch owns the partition. */
export const fencedCall = <A>(
  metrics: Metrics,
  partition: number,
  operation: string,
  call: () => Promise<A>,
): Effect.Effect<A, Fenced | StoreError> =>
  redisCall(metrics, operation, call).pipe(
    Effect.mapError((error) =>
      error.code === "FENCED" ? new Fenced({ partition, message: error.message }) : error,
    ),
  )

/** The entries of an XREAD reply for one stream; an entry without the payload's field has an empty payload. */
const decodeEntries = (reply: unknown): ReadonlyArray<Entry> => {
  if (reply === null || !Array.isArray(reply)) return []
  const stream: unknown = reply[0]
  const entries: unknown = Array.isArray(stream) ? stream[1] : []
  if (!Array.isArray(entries)) return []
  return entries.map((entry: unknown) => {
    const [id, fields]: ReadonlyArray<unknown> = Array.isArray(entry) ? entry : []
    return { id: String(id), payload: Array.isArray(fields) ? payloadIn(fields) : "" }
  })
}

export interface PartitionLog {
  /** Makes the holder of the lease `token` the owner. */
  readonly takeOver: (token: string, owner: NewOwner) => Effect.Effect<Takeover, Fenced | StoreError>
  /**
   * Up to `count` entries after `after`, waiting about a second for the first. Reading changes nothing that counts. Where replicas are
   * asked for, entries that too few of them have are an error that is over when they do: Postgres would keep what a failover takes
   * away.
   */
  readonly read: (after: string, count: number) => Effect.Effect<ReadonlyArray<Entry>, StoreError>
  /** Notes an attempt at the entries from one id to another (or takes one back) and returns how many there were. */
  readonly noteTry: (
    epoch: number,
    from: string,
    to: string,
    change: 1 | -1,
  ) => Effect.Effect<number, Fenced | StoreError>
  /** Moves the first waiting entry to the dead-letter stream, with a reason. */
  readonly deadLetter: (
    epoch: number,
    applied: string,
    entry: Entry,
    reason: string,
  ) => Effect.Effect<void, Fenced | StoreError>
}

export const makePartitionLog = (options: PartitionLogOptions): PartitionLog => {
  const { prefix, partition, redis, reader, metrics } = options
  const keys = streamKeys(prefix, partition)

  const replicated = (last: Entry) =>
    redisCall(metrics, "replicated", async () => {
      const { replicas } = await seenScript.runReplicated(
        reader,
        [keys.state, keys.events],
        [encoded([last.id])],
        { replicas: options.replicas, waitMs: REPLICATED_MS },
      )
      if (replicas < options.replicas)
        throw new Error(`NOREPLICAS ${replicas} of ${options.replicas} replicas have what is to be processed`)
    })

  return {
    takeOver: (token, { epoch, lastStreamId, deployment }) =>
      fencedCall(metrics, partition, "take_over", async () => {
        const reply = await takeOverScript.run(
          redis,
          [keys.lease, keys.state, keys.events, keys.dead],
          [token, epoch, lastStreamId, deployment],
        )
        const [applied, deliveries, lost, suspects]: ReadonlyArray<unknown> = Array.isArray(reply)
          ? reply
          : []
        return {
          applied: String(applied),
          deliveries: Number(deliveries),
          lost: lost === 1,
          suspects: String(suspects),
        }
      }),

    read: (after, count) =>
      redisCall(metrics, "read", () =>
        reader.xread("COUNT", count, "BLOCK", BLOCK_MS, "STREAMS", keys.events, after),
      ).pipe(
        Effect.map(decodeEntries),
        Effect.timeoutOrElse({
          duration: BLOCK_MS + READ_GRACE_MS,
          orElse: () => {
            // The socket may be half open: nothing but a new connection helps.
            reader.disconnect(true)
            return Effect.fail(noAnswer("read", "a blocking read got no reply"))
          },
        }),
        Effect.tap((entries) => {
          const last = entries.at(-1)
          return last === undefined || options.replicas === 0 ? Effect.void : replicated(last)
        }),
      ),

    noteTry: (epoch, from, to, change) =>
      fencedCall(metrics, partition, "note_try", async () =>
        Number(await tryScript.run(redis, [keys.state], [epoch, from, to, change])),
      ),

    deadLetter: (epoch, applied, entry, reason) =>
      fencedCall(metrics, partition, "dead_letter", async () => {
        const fields = toFields(entry.payload)
        await deadLetterScript.run(
          redis,
          [keys.state, keys.events, keys.dead],
          [epoch, applied, entry.id, fields.event, fields.facts, reason],
        )
      }),
  }
}

/** Dead letters: events that could not be processed, with the reason; listed, sent through again, or dropped by command. */
import type * as Effect from "effect/Effect"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { streamKeys } from "../stores/redisKeys.ts"
import { Script } from "../stores/script.ts"
import { payloadIn } from "./fields.ts"

export interface DeadLetter {
  readonly partition: number
  /** Its id in the dead-letter stream, with the partition what names it: `0/1733650000000-0`. */
  readonly id: string
  /** The stream entry it was. */
  readonly entry: string
  readonly reason: string
  readonly payload: string
}

export interface DeadLettersOptions {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly partitions: number
  readonly metrics: Metrics
}

const replayScript = Script.load(new URL("./lua/replayDeadLetter.lua", import.meta.url))

/** Letters read at a time. */
const PAGE = 100

const decode = (partition: number, [id, fields]: readonly [string, ReadonlyArray<string>]): DeadLetter => {
  const field = (name: string) => {
    const at = fields.findIndex((text, index) => index % 2 === 0 && text === name)
    return at < 0 ? "" : (fields[at + 1] ?? "")
  }
  return {
    partition,
    id,
    entry: field("entry"),
    reason: field("reason"),
    payload: payloadIn(fields),
  }
}

/** Every dead letter, partition by partition, oldest first. */
export async function* deadLetters(
  options: Pick<DeadLettersOptions, "redis" | "prefix" | "partitions">,
): AsyncGenerator<DeadLetter> {
  for (let partition = 0; partition < options.partitions; partition++) {
    const { dead } = streamKeys(options.prefix, partition)
    let after = "-"
    while (true) {
      const page = await options.redis.xrange(dead, after, "+", "COUNT", PAGE)
      yield* page.map((entry) => decode(partition, entry))
      const last = page.at(-1)
      if (last === undefined) break
      after = `(${last[0]}`
    }
  }
}

/** Up to `limit` dead letters, partition by partition, oldest first. */
export const listDeadLetters = (
  options: DeadLettersOptions,
  limit: number,
): Effect.Effect<ReadonlyArray<DeadLetter>, StoreError> =>
  redisCall(options.metrics, "dead_letters", async () => {
    const letters: Array<DeadLetter> = []
    if (limit <= 0) return letters
    for await (const letter of deadLetters(options)) {
      letters.push(letter)
      if (letters.length >= limit) break
    }
    return letters
  })

/**
 * Sends a dead letter through its partition again. False when there is none of that id. An event with a client's id
 * counts once however often it is sent through.
 */
export const replayDeadLetter = (
  options: DeadLettersOptions,
  partition: number,
  id: string,
): Effect.Effect<boolean, StoreError> =>
  redisCall(options.metrics, "dead_letters", async () => {
    const keys = streamKeys(options.prefix, partition)
    return (await replayScript.run(options.redis, [keys.events, keys.dead], [id])) === 1
  })

/** Drops a dead letter for good. False when there is none of that id. */
export const dropDeadLetter = (
  options: DeadLettersOptions,
  partition: number,
  id: string,
): Effect.Effect<boolean, StoreError> =>
  redisCall(
    options.metrics,
    "dead_letters",
    async () => (await options.redis.xdel(streamKeys(options.prefix, partition).dead, id)) === 1,
  )

/**
 * How often somebody may try a password: by address, and by what it is for, across all nodes. Counted in Redis before the password is
 * looked at, under hashes that are keyed for the day, so that no address is there.
 */
import { createHmac } from "node:crypto"
import * as Effect from "effect/Effect"
import type { Metrics } from "../metrics/metrics.ts"
import type { VisitorKeys } from "../privacy/dayKeys.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { attemptsKey } from "../stores/redisKeys.ts"

/** Seconds, from the first attempt. */
const WINDOW_S = 15 * 60
export const MAX_ATTEMPTS_OF_ADDRESS = 30
export const MAX_ATTEMPTS_AT_ACCOUNT = 10

export interface AttemptsOptions {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly metrics: Metrics
  readonly keys: VisitorKeys
  /** Unix milliseconds. */
  readonly now: () => number
}

export interface Attempts {
  /** Counts an attempt. Returns the seconds to wait if there were too many; 0 if it may be made. */
  readonly count: (address: string, account: string) => Effect.Effect<number, StoreError>
  /** The right password was given. */
  readonly succeeded: (account: string) => Effect.Effect<void, StoreError>
}

export const makeAttempts = ({ redis, prefix, metrics, keys, now }: AttemptsOptions): Attempts => {
  const keyOf = (what: string) =>
    attemptsKey(
      prefix,
      createHmac("sha256", keys.current(now()) ?? "")
        .update(what)
        .digest("base64url"),
    )
  const one = async (key: string, most: number): Promise<number> => {
    const attempts = await redis.hincrby(key, "attempts", 1)
    await redis.expire(key, WINDOW_S, "NX")
    if (attempts <= most) return 0
    return Math.max(1, await redis.ttl(key))
  }
  return {
    count: (address, account) =>
      redisCall(metrics, "attempts", async () => {
        const wait = await one(keyOf(`address ${address}`), MAX_ATTEMPTS_OF_ADDRESS)
        // An address that has to wait neither locks accounts nor makes keys.
        return wait > 0 ? wait : one(keyOf(`account ${account}`), MAX_ATTEMPTS_AT_ACCOUNT)
      }),
    succeeded: (account) =>
      Effect.asVoid(redisCall(metrics, "attempts", () => redis.del(keyOf(`account ${account}`)))),
  }
}

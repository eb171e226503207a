/**
 * The lease of a partition: a Redis key that names its holder and ends by itself. It only keeps two from doing the same work;
 * what makes a second owner harmless is the epoch.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { streamKeys } from "../stores/redisKeys.ts"
import { Script } from "../stores/script.ts"

/** What the token of a lease begins with that a rebuild holds. */
export const REBUILD_TOKEN = "rebuild/"

/** A partition's lease as one holder sees it. */
export interface Lease {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly partition: number
  /** Names the holder; different for every one. */
  readonly token: string
  /** What the lease is held for at a time, milliseconds. */
  readonly leaseMs: number
  readonly metrics: Metrics
}

const leaseScript = Script.load(new URL("./lua/lease.lua", import.meta.url))

const keyOf = ({ prefix, partition }: Pick<Lease, "prefix" | "partition">) =>
  streamKeys(prefix, partition).lease

const callFor = (lease: Lease, milliseconds: number, renew: 0 | 1): Effect.Effect<boolean, StoreError> =>
  redisCall(
    lease.metrics,
    "lease",
    async () =>
      (await leaseScript.run(lease.redis, [keyOf(lease)], [lease.token, milliseconds, renew])) === 1,
  )

/** Takes a lease that nobody else holds; false when another token does. */
export const takeLease = (lease: Lease): Effect.Effect<boolean, StoreError> =>
  callFor(lease, lease.leaseMs, 0)

/** Renews a lease; false when the token does not hold it any more, for Redis may have lost more with it. */
export const renewLease = (lease: Lease): Effect.Effect<boolean, StoreError> =>
  callFor(lease, lease.leaseMs, 1)

/** Gives a lease back, if the token still holds it. */
export const giveLeaseBack = (lease: Lease): Effect.Effect<void, StoreError> =>
  Effect.asVoid(callFor(lease, 0, 0))

/** Takes a lease from whoever holds it, which the epoch makes safe, and keeps it until the scope ends. */
export const seizeLease = (lease: Lease): Effect.Effect<void, StoreError, Scope.Scope> =>
  Effect.acquireRelease(
    redisCall(lease.metrics, "lease", () => lease.redis.set(keyOf(lease), lease.token, "PX", lease.leaseMs)),
    () => Effect.ignore(giveLeaseBack(lease)),
  ).pipe(
    // A renewal may fail twice; should all do, or another holder seize the lease, the epoch of the next one ends this one's work.
    Effect.andThen(
      Effect.sleep(lease.leaseMs / 3).pipe(
        Effect.andThen(Effect.ignore(takeLease(lease))),
        Effect.forever,
        Effect.forkScoped,
      ),
    ),
    Effect.asVoid,
  )

/** Whether a rebuild holds the lease of a partition. */
export const isBeingRebuilt = (
  partition: Pick<Lease, "redis" | "prefix" | "partition" | "metrics">,
): Effect.Effect<boolean, StoreError> =>
  redisCall(partition.metrics, "lease", async () =>
    ((await partition.redis.get(keyOf(partition))) ?? "").startsWith(REBUILD_TOKEN),
  )

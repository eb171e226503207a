/** Who owns which partition: live nodes by heartbeat, one preferred owner a partition, and a lease for the handover. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { STOP_BUDGET } from "../config/stopBudget.ts"
import { fnv1a, mix } from "../domain/hash.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { nodesKey } from "../stores/redisKeys.ts"
import { Script } from "../stores/script.ts"
import { giveLeaseBack, holdLease } from "../stream/lease.ts"

/** A lease and a heartbeat end this long after their last renewal, milliseconds: what a killed node's partitions wait. */
export const LEASE_MS = 6000
/** Between renewals; two may be missed. */
export const RENEW_MS = LEASE_MS / 3

/** First part of the name of a node without actors. It says that it lives, too: some commands must not run beside any node. */
const HTTP_ONLY = "http/"

/** Whether a node takes partitions. */
export const hasActors = (node: string): boolean => !node.startsWith(HTTP_ONLY)

const heartbeatScript = Script.load(new URL("./lua/heartbeat.lua", import.meta.url))

/** How much a node wants a partition. */
const weight = (node: string, partition: number): number => mix(fnv1a(`${partition}:${node}`))

/**
 * The node that should own each partition: rendezvous hashing (Thaler & Ravishankar, 1996), so that most partitions stay
 * where they are when a node comes or goes. No node is given more than its even share; what would exceed it goes to the
 * partition's next choice.
 */
export const preferredOwners = (
  nodes: ReadonlyArray<string>,
  partitions: number,
): ReadonlyArray<string | null> => {
  if (nodes.length === 0) return Array.from({ length: partitions }, () => null)
  const share = Math.ceil(partitions / nodes.length)
  const load = new Map<string, number>()
  return Array.from({ length: partitions }, (_, partition) => {
    const owner = nodes
      .filter((node) => (load.get(node) ?? 0) < share)
      .reduce((best, node) => {
        const difference = weight(node, partition) - weight(best, partition)
        return difference > 0 || (difference === 0 && node < best) ? node : best
      })
    load.set(owner, (load.get(owner) ?? 0) + 1)
    return owner
  })
}

export interface Ownership {
  /** Renews this node's heartbeat and gives all live nodes, sorted. */
  readonly heartbeat: Effect.Effect<ReadonlyArray<string>, StoreError>
  /** Ends this node's heartbeat. */
  readonly leave: Effect.Effect<void, StoreError>
  /** Takes or renews the lease of a partition; false when another token holds it. */
  readonly hold: (partition: number, token: string) => Effect.Effect<boolean, StoreError>
  /** Gives a lease back, if the token still holds it. */
  readonly giveBack: (partition: number, token: string) => Effect.Effect<void, StoreError>
}

export const makeOwnership = (
  redis: RedisConnection,
  prefix: string,
  node: string,
  metrics: Metrics,
): Ownership => ({
  heartbeat: redisCall(metrics, "heartbeat", async () => {
    const reply = await heartbeatScript.run(redis, [nodesKey(prefix)], [node, LEASE_MS])
    return Array.isArray(reply) ? reply.map(String).sort() : []
  }),
  leave: redisCall(metrics, "heartbeat", async () => {
    await heartbeatScript.run(redis, [nodesKey(prefix)], [node, 0])
  }),
  hold: (partition, token) => holdLease({ redis, prefix, partition, token, leaseMs: LEASE_MS, metrics }),
  giveBack: (partition, token) =>
    giveLeaseBack({ redis, prefix, partition, token, leaseMs: LEASE_MS, metrics }),
})

/** The nodes that live, those without actors included, by Redis' clock, which their heartbeats go by. */
export const liveNodes = (
  redis: RedisConnection,
  prefix: string,
  metrics: Metrics,
): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  redisCall(metrics, "heartbeat", async () => {
    const reply = await heartbeatScript.run(redis, [nodesKey(prefix)], ["", 0])
    return Array.isArray(reply) ? reply.map(String) : []
  })

/** Says that a node without actors lives, until the scope ends. */
export const announceHttpNode = (
  redis: RedisConnection,
  prefix: string,
  node: string,
  metrics: Metrics,
): Effect.Effect<void, never, Scope.Scope> => {
  const { heartbeat, leave } = makeOwnership(redis, prefix, HTTP_ONLY + node, metrics)
  return Effect.forkScoped(
    Effect.forever(Effect.ignore(heartbeat).pipe(Effect.andThen(Effect.sleep(RENEW_MS)))),
  ).pipe(
    Effect.andThen(Effect.addFinalizer(() => leave.pipe(Effect.timeout(STOP_BUDGET.batches), Effect.ignore))),
  )
}

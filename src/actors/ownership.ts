/** Who owns which partition: one preferred owner each, for as long as it renews the partition's lease. */
import * as Effect from "effect/Effect"
import { fnv1a, mix } from "../domain/hash.ts"
import { logFailure } from "../stores/advice.ts"
import { Fenced } from "../stores/errors.ts"
import { type Lease, renewLease } from "../stream/lease.ts"

/** A lease and a heartbeat end this long after their last renewal, milliseconds: what a killed node's partitions wait. */
export const LEASE_MS = 6000
/** Between renewals; two may be missed. */
export const RENEW_MS = LEASE_MS / 3

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

/** Renews a lease that is held until it is lost; a Redis that is unavailable for longer than the lease counts as losing it. */
export const keepLease = (lease: Lease): Effect.Effect<never, Fenced> =>
  Effect.gen(function* () {
    const { partition } = lease
    // Monotonic: a wall clock that is set must not end a lease.
    let heldAt = performance.now()
    while (true) {
      yield* Effect.sleep(RENEW_MS)
      const held = yield* renewLease(lease).pipe(
        Effect.catch((error) =>
          logFailure(error, "lease not renewed").pipe(Effect.annotateLogs({ partition }), Effect.as(null)),
        ),
      )
      if (held === true) heldAt = performance.now()
      if (held === false || performance.now() - heldAt > lease.leaseMs) {
        return yield* new Fenced({ partition, message: "the lease was lost" })
      }
    }
  })

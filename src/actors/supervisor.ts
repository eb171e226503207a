/**
 * The supervisor: every second it says that this node lives, sees which others do, starts actors for the partitions that
 * are this node's and stops those that are not any more. An actor that fails is started again at the next turn.
 */
import { randomUUID } from "node:crypto"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as Scope from "effect/Scope"
import { SchemaTooNew } from "../events/schema/index.ts"
import { Fenced } from "../stores/errors.ts"
import { awaitReady, connectRedis, type RedisConnection, type RedisSettings } from "../stores/redis.ts"
import { makePartitionLog } from "../stream/partitionLog.ts"
import type { PartitionActorOptions } from "./owner.ts"
import {
  announceHttpNode,
  hasActors,
  LEASE_MS,
  makeOwnership,
  type Ownership,
  preferredOwners,
  RENEW_MS,
} from "./ownership.ts"
import { runPartitionActor } from "./partitionActor.ts"

/** Between two looks at who owns what, milliseconds. */
const TICK_MS = 1000

export interface SupervisorOptions extends Omit<PartitionActorOptions, "partition" | "log"> {
  /** Names this node to the others; different for every process. */
  readonly node: string
  readonly partitions: number
  readonly redisSettings: RedisSettings
  /** For scripts of all partitions of this node. */
  readonly redis: RedisConnection
}

/** Renews the lease until it is lost; a Redis that is away longer than the lease counts as losing it. */
const keepLease = (ownership: Ownership, partition: number, token: string) =>
  Effect.gen(function* () {
    // Monotonic: a wall clock that is set must not end a lease.
    let heldAt = performance.now()
    while (true) {
      yield* Effect.sleep(RENEW_MS)
      const held = yield* ownership
        .hold(partition, token)
        .pipe(
          Effect.catch((error) =>
            Effect.logWarning("the lease could not be renewed").pipe(
              Effect.annotateLogs({ partition, code: error.code }),
              Effect.as(null),
            ),
          ),
        )
      if (held === true) heldAt = performance.now()
      if (held === false || performance.now() - heldAt > LEASE_MS) {
        return yield* new Fenced({ partition, message: "the lease was lost" })
      }
    }
  })

/**
 * Owns one partition while its lease can be held; ends when it cannot, or when the actor fails. `outdated` is told when a
 * newer version of the program has migrated the schema.
 */
const ownPartition = (
  options: SupervisorOptions,
  ownership: Ownership,
  partition: number,
  outdated: Deferred.Deferred<string>,
) =>
  Effect.gen(function* () {
    const token = `${options.node}/${randomUUID()}`
    const held = yield* Effect.acquireRelease(ownership.hold(partition, token), (taken) =>
      taken ? ownership.giveBack(partition, token).pipe(Effect.ignore) : Effect.void,
    )
    if (!held) return
    const reader = yield* connectRedis(options.redisSettings, "read", `read-${partition}`)
    // To the actor, a read that fails means that Redis was away.
    yield* awaitReady(reader, LEASE_MS)
    const log = makePartitionLog({
      prefix: options.prefix,
      partition,
      redis: options.redis,
      reader,
      metrics: options.metrics,
    })
    options.metrics.partitionsOwned.inc()
    yield* Effect.addFinalizer(() => Effect.sync(() => options.metrics.partitionsOwned.dec()))
    yield* Effect.raceFirst(
      runPartitionActor({ ...options, partition, log }, token),
      keepLease(ownership, partition, token),
    )
  }).pipe(
    Effect.scoped,
    Effect.catchCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.void
      const error = Cause.squash(cause)
      if (error instanceof SchemaTooNew) return Effect.asVoid(Deferred.succeed(outdated, error.message))
      const fenced = error instanceof Fenced
      if (!fenced) options.metrics.actorRestarts.inc()
      const reason = error instanceof Error ? error.message : String(error)
      return (
        fenced ? Effect.logWarning("actor fenced off") : Effect.logError("actor failed; it starts again")
      ).pipe(Effect.annotateLogs({ partition, reason }))
    }),
  )

/**
 * Runs until interrupted; then every actor ends its batch, leases go back and the node leaves. A node whose version is older
 * than the schema leaves its partitions to the others, and says from then on that it lives without actors.
 */
export const runSupervisor = (options: SupervisorOptions): Effect.Effect<never, never, Scope.Scope> =>
  Effect.gen(function* () {
    const ownership = makeOwnership(options.redis, options.prefix, options.node, options.metrics)
    yield* Effect.addFinalizer(() => ownership.leave.pipe(Effect.ignore))
    const actors = yield* FiberMap.make<number>()
    const outdated = yield* Deferred.make<string>()
    while (!(yield* Deferred.isDone(outdated))) {
      const nodes = yield* ownership.heartbeat.pipe(
        Effect.catch((error) =>
          Effect.logWarning("no heartbeat: Redis is away").pipe(
            Effect.annotateLogs({ code: error.code }),
            Effect.as(null),
          ),
        ),
      )
      if (nodes !== null) {
        const owners = preferredOwners(nodes.filter(hasActors), options.partitions)
        for (const [partition, owner] of owners.entries()) {
          const running = yield* FiberMap.has(actors, partition)
          if (owner === options.node && !running) {
            yield* FiberMap.run(actors, partition, ownPartition(options, ownership, partition, outdated))
          } else if (owner !== options.node && running) {
            // Not awaited: the others must not wait for this one's last batch.
            yield* Effect.forkChild(FiberMap.remove(actors, partition))
          }
        }
      }
      yield* Effect.raceFirst(Effect.sleep(TICK_MS), Effect.ignore(Deferred.await(outdated)))
    }
    yield* FiberMap.clear(actors)
    yield* Effect.ignore(ownership.leave)
    yield* Effect.logError("this node processes no events any more; newer ones do").pipe(
      Effect.annotateLogs({ reason: yield* Deferred.await(outdated) }),
    )
    yield* announceHttpNode(options.redis, options.prefix, options.node, options.metrics)
    return yield* Effect.never
  })

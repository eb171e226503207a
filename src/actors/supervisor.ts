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
import { rebuildPartition } from "../rebuild/partition.ts"
import { logFailure } from "../stores/advice.ts"
import { Fenced, StoreError } from "../stores/errors.ts"
import { awaitReady, connectRedis, type RedisConnection, type RedisSettings } from "../stores/redis.ts"
import { giveLeaseBack, type Lease, takeLease } from "../stream/lease.ts"
import { makePartitionLog } from "../stream/partitionLog.ts"
import { announceHttpNode, makeMembership } from "./membership.ts"
import type { PartitionActorOptions } from "./owner.ts"
import { keepLease, LEASE_MS, preferredOwners } from "./ownership.ts"
import { runPartitionActor } from "./partitionActor.ts"

/** Lease of a rebuild, milliseconds: what the partition waits for at most when Redis goes again meanwhile. */
const REBUILD_LEASE_MS = 2 * LEASE_MS
/** Between two looks at who owns what, milliseconds. */
const TICK_MS = 1000

export interface SupervisorOptions extends Omit<PartitionActorOptions, "partition" | "log"> {
  /** Names this node to the others; different for every process. */
  readonly node: string
  readonly partitions: number
  readonly redisSettings: RedisSettings
  /** For scripts of all partitions of this node. */
  readonly redis: RedisConnection
  /** Replicas that must have an event before it is processed. */
  readonly replicas: number
}

/** The partition's stream, read over a connection of its own that closes with the scope. */
const openLog = ({ redis, redisSettings, prefix, replicas, metrics }: SupervisorOptions, partition: number) =>
  Effect.gen(function* () {
    const reader = yield* connectRedis(redisSettings, "read", `read-${partition}`)
    // To the actor, a read that fails means that Redis was unavailable.
    yield* awaitReady(reader, LEASE_MS)
    return makePartitionLog({ prefix, partition, redis, reader, replicas, metrics })
  })

/** Rebuilds figures that Redis has lost, as it does that comes back without its last writes; then the partition is owned as ever. */
const restoreFigures = (options: SupervisorOptions, partition: number) =>
  Effect.gen(function* () {
    options.metrics.figureLosses.inc()
    yield* Effect.logError("figures lost in Redis: the partition is being rebuilt from Postgres")
    const log = yield* openLog(options, partition)
    const days = yield* rebuildPartition({ ...options, partition, log, leaseMs: REBUILD_LEASE_MS })
    yield* Effect.logInfo("figures restored").pipe(Effect.annotateLogs({ days }))
  }).pipe(Effect.scoped, Effect.annotateLogs({ partition }))

/**
 * Owns one partition while its lease can be held; ends when it cannot, or when the actor fails. `outdated` is told when a
 * newer version of the program has migrated the schema.
 */
const ownPartition = (options: SupervisorOptions, partition: number, outdated: Deferred.Deferred<string>) =>
  Effect.gen(function* () {
    const { redis, prefix, metrics } = options
    const token = `${options.node}/${randomUUID()}`
    const lease: Lease = { redis, prefix, partition, token, leaseMs: LEASE_MS, metrics }
    const held = yield* Effect.acquireRelease(takeLease(lease), (taken) =>
      taken ? Effect.ignore(giveLeaseBack(lease)) : Effect.void,
    )
    if (!held) return
    const log = yield* openLog(options, partition)
    metrics.partitionsOwned.inc()
    yield* Effect.addFinalizer(() => Effect.sync(() => metrics.partitionsOwned.dec()))
    yield* Effect.raceFirst(runPartitionActor({ ...options, partition, log }, token), keepLease(lease))
  }).pipe(
    Effect.scoped,
    Effect.catchTag("FiguresLost", () => restoreFigures(options, partition)),
    Effect.catchCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.void
      const error = Cause.squash(cause)
      if (error instanceof SchemaTooNew) return Effect.asVoid(Deferred.succeed(outdated, error.message))
      const reason = error instanceof Error ? error.message : String(error)
      const logged = Effect.annotateLogs({ partition, reason })
      if (error instanceof Fenced) return logged(Effect.logWarning("actor fenced"))
      if (error instanceof StoreError && error.unavailable)
        return logged(Effect.logWarning("store unavailable: restarting the actor"))
      options.metrics.actorRestarts.inc()
      return logged(Effect.logError("actor failed: restarting it"))
    }),
  )

/**
 * Runs until interrupted; then every actor ends its batch, leases go back and the node leaves. A node whose version is older
 * than the schema leaves its partitions to the others, and says from then on that it lives without actors.
 */
export const runSupervisor = (options: SupervisorOptions): Effect.Effect<never, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { node, redis, prefix, metrics } = options
    const membership = makeMembership(redis, prefix, { node, hasActors: true }, metrics)
    yield* Effect.addFinalizer(() => Effect.ignore(membership.leave))
    const actors = yield* FiberMap.make<number>()
    const outdated = yield* Deferred.make<string>()
    let failed = ""
    while (!(yield* Deferred.isDone(outdated))) {
      const members = yield* membership.heartbeat.pipe(
        Effect.catch((error) =>
          Effect.gen(function* () {
            // Once for what it is, not every second for as long as it lasts.
            if (error.code !== failed) yield* logFailure(error, "no heartbeat")
            failed = error.code
            return null
          }),
        ),
      )
      if (members !== null) {
        failed = ""
        const nodes = members.filter(({ hasActors }) => hasActors).map((member) => member.node)
        const owners = preferredOwners(nodes, options.partitions)
        for (const [partition, owner] of owners.entries()) {
          const running = yield* FiberMap.has(actors, partition)
          if (owner === node && !running) {
            yield* FiberMap.run(actors, partition, ownPartition(options, partition, outdated))
          } else if (owner !== node && running) {
            // Not awaited: the others must not wait for this one's last batch.
            yield* Effect.forkChild(FiberMap.remove(actors, partition))
          }
        }
      }
      yield* Effect.raceFirst(Effect.sleep(TICK_MS), Effect.ignore(Deferred.await(outdated)))
    }
    yield* FiberMap.clear(actors)
    yield* Effect.ignore(membership.leave)
    yield* Effect.logError("schema newer than this node: it no longer processes events").pipe(
      Effect.annotateLogs({ reason: yield* Deferred.await(outdated) }),
    )
    yield* announceHttpNode(redis, prefix, node, metrics)
    return yield* Effect.never
  })

/** Asks Redis whether an event would be taken: as an append does, over the same connection, with no event. */
import * as Effect from "effect/Effect"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { awaitReady, isCluster, type RedisConnection, redisCall } from "../stores/redis.ts"
import { streamKeys } from "../stores/redisKeys.ts"
import { encoded } from "../stores/resp.ts"
import { Script } from "../stores/script.ts"
import { runAcknowledged } from "./acknowledged.ts"

export interface ProbeOptions {
  /** That of the appends. */
  readonly redis: RedisConnection
  readonly prefix: string
  readonly partitions: number
  /** Replicas that must have what is written. */
  readonly replicas: number
  /** The id of the deployment. */
  readonly deployment: string
  readonly metrics: Metrics
}

const probeScript = Script.load(new URL("./lua/probe.lua", import.meta.url))

/** A connection that is being made again, as after a master became a replica, would hide what Redis says. */
const CONNECTED_MS = 500

/** Fails with what an append to any of the partitions would meet. Those who ask at the same time share one answer. */
export const makeProbe = ({
  redis,
  prefix,
  partitions,
  replicas,
  deployment,
  metrics,
}: ProbeOptions): Effect.Effect<void, StoreError> => {
  const keys = Array.from({ length: partitions }, (_, partition) => {
    const { state, events, dead } = streamKeys(prefix, partition)
    return [state, events, dead]
  })
  const calls = isCluster(redis) ? keys : [keys.flat()]
  const argument = encoded([deployment])

  const probe = () =>
    Promise.all(calls.map((call) => runAcknowledged(probeScript, redis, call, [argument], replicas)))
  let running: Promise<unknown> | null = null
  const joined = () => {
    running ??= probe().finally(() => {
      running = null
    })
    return running
  }
  // Also without the last of a cluster's masters: it may have no partition.
  return Effect.ignore(awaitReady(redis, CONNECTED_MS)).pipe(
    Effect.andThen(redisCall(metrics, "probe", joined)),
    Effect.asVoid,
  )
}

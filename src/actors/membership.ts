/** Which nodes are alive, by the heartbeats that they send. */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { STOP_BUDGET } from "../config/stopBudget.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { nodesKey } from "../stores/redisKeys.ts"
import { Script } from "../stores/script.ts"
import { LEASE_MS, RENEW_MS } from "./ownership.ts"

/** A node as the others know it. */
export interface Member {
  /** Different for every process. */
  readonly node: string
  /** Whether it takes partitions. One that does not is a member, too: some commands must not run beside any node. */
  readonly hasActors: boolean
}

/** A name for this process, that of its host for people to read. `place` is that of its database (`DeploymentIdentity`). */
export const nodeName = (place: string | null): string =>
  `${hostname()}/${process.pid}/${randomBytes(4).toString("hex")}${place === null ? "" : `@${place}`}`

/** The place of a node's database; `null` where its name does not tell. */
export const placeOf = (node: string): string | null => /@([0-9a-f]{8})$/.exec(node)?.[1] ?? null

/** What Redis calls a node without actors begins with. */
const HTTP_ONLY = "http/"

const encode = ({ node, hasActors }: Member): string => (hasActors ? node : HTTP_ONLY + node)

const decode = (name: string): Member =>
  name.startsWith(HTTP_ONLY)
    ? { node: name.slice(HTTP_ONLY.length), hasActors: false }
    : { node: name, hasActors: true }

const heartbeatScript = Script.load(new URL("./lua/heartbeat.lua", import.meta.url))

/** Returns all live nodes; the heartbeat of `name`, if there is one, is renewed for some milliseconds, or ended by 0. */
const heartbeat = (
  redis: RedisConnection,
  prefix: string,
  metrics: Metrics,
  [name, milliseconds]: readonly [name: string, milliseconds: number],
): Effect.Effect<ReadonlyArray<Member>, StoreError> =>
  redisCall(metrics, "heartbeat", async () => {
    const reply = await heartbeatScript.run(redis, [nodesKey(prefix)], [name, milliseconds])
    return Array.isArray(reply) ? reply.map((each) => decode(String(each))) : []
  })

export interface Membership {
  /** Renews this node's heartbeat and returns all live nodes, in no order. */
  readonly heartbeat: Effect.Effect<ReadonlyArray<Member>, StoreError>
  /** Ends this node's heartbeat. */
  readonly leave: Effect.Effect<void, StoreError>
}

export const makeMembership = (
  redis: RedisConnection,
  prefix: string,
  member: Member,
  metrics: Metrics,
): Membership => ({
  heartbeat: heartbeat(redis, prefix, metrics, [encode(member), LEASE_MS]),
  leave: Effect.asVoid(heartbeat(redis, prefix, metrics, [encode(member), 0])),
})

/** The nodes that are alive, by Redis' clock, which their heartbeats go by. */
export const liveNodes = (
  redis: RedisConnection,
  prefix: string,
  metrics: Metrics,
): Effect.Effect<ReadonlyArray<Member>, StoreError> => heartbeat(redis, prefix, metrics, ["", 0])

/** Says that a node without actors is alive, until the scope ends. */
export const announceHttpNode = (
  redis: RedisConnection,
  prefix: string,
  node: string,
  metrics: Metrics,
): Effect.Effect<void, never, Scope.Scope> => {
  const membership = makeMembership(redis, prefix, { node, hasActors: false }, metrics)
  return Effect.forkScoped(
    Effect.forever(Effect.ignore(membership.heartbeat).pipe(Effect.andThen(Effect.sleep(RENEW_MS)))),
  ).pipe(
    Effect.andThen(
      Effect.addFinalizer(() => membership.leave.pipe(Effect.timeout(STOP_BUDGET.batches), Effect.ignore)),
    ),
  )
}

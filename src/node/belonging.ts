/**
 * Makes sure that Redis and Postgres belong together. What lies under a prefix in Redis belongs to one database: nodes of another one
 * would take partitions, write the events of these to their own database, and rebuild the figures from it.
 *
 * - Redis has the id of the deployment, beside the streams and in each partition's state, which every takeover compares.
 * - A Redis without an id, as versions before left it, has no later epoch than the database that it belongs to.
 * - A copy of a database has its id. It is told by the nodes that are alive: their names say in which database they write.
 * - A Redis has a mark, at random, by which a node's connections to Postgres are called. Nodes that are alive there and not here are on
 *   another Redis: two that both serve a database take each other's entries for written.
 */
import { randomBytes } from "node:crypto"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { liveNodes, placeOf } from "../actors/membership.ts"
import { type DeploymentIdentity, deploymentIdentity, partitionEpochs } from "../events/schema/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { dropFigures } from "../rebuild/partition.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { deploymentKey } from "../stores/redisKeys.ts"
import { keysLike } from "../stores/scan.ts"
import { Script } from "../stores/script.ts"

/** Redis has streams and figures of another database. The message is one sentence with the way out. */
export class ForeignRedis extends TaggedError("ForeignRedis")<{ readonly message: string }> {}

export interface BothStores {
  readonly redis: RedisConnection
  readonly postgres: Postgres
  readonly prefix: string
  readonly metrics: Metrics
}

/** The deployment that Redis belongs to. */
export interface OwnRedis extends DeploymentIdentity {
  /** Eight hexadecimal digits that another Redis, or prefix, does not share. */
  readonly mark: string
}

/** What the connections of a node are called whose Redis has a mark. */
export const connectionName = (mark: string): string => `maicivy http ${mark}`

const claimScript = Script.load(new URL("./lua/claim.lua", import.meta.url))

/** Notes in Redis whose it is. Returns the database of the other deployment that has it, or `null`, and the mark of the Redis. */
const claim = (
  { redis, prefix, metrics }: BothStores,
  { id, database }: DeploymentIdentity,
  adopt: boolean,
): Effect.Effect<{ readonly other: string | null; readonly mark: string }, StoreError> =>
  redisCall(metrics, "claim", async () => {
    const args = [id, database, adopt ? 1 : 0, randomBytes(4).toString("hex")]
    const reply = await claimScript.run(redis, [deploymentKey(prefix)], args)
    const [other, mark]: ReadonlyArray<unknown> = Array.isArray(reply) ? reply : []
    return { other: other === "" ? null : String(other), mark: String(mark) }
  })

const partitionOfKey = (key: string): number => Number(/\{(\d+)\}/.exec(key)?.[1])

/** Whether Redis bears no id yet and has an epoch that this database has not given. */
const isAheadUnclaimed = ({ redis, postgres, prefix, metrics }: BothStores) =>
  Effect.gen(function* () {
    const seen = yield* redisCall(metrics, "claim", async () => {
      if ((await redis.hget(deploymentKey(prefix), "id")) !== null) return []
      const keys = await keysLike(redis, `${prefix}:{*}:state`)
      return Promise.all(
        keys.map(async (key) => ({
          partition: partitionOfKey(key),
          epoch: Number(await redis.hget(key, "epoch")),
        })),
      )
    })
    if (seen.length === 0) return false
    // After Redis, for both go on meanwhile, and Postgres first.
    const given = yield* partitionEpochs(postgres)
    return seen.some(({ partition, epoch }) => epoch > (given.get(partition) ?? 0))
  })

/** Whether a deployment has used the prefix; changes nothing. Versions before left states and no id. */
export const isUsed = ({
  redis,
  prefix,
  metrics,
}: Omit<BothStores, "postgres">): Effect.Effect<boolean, StoreError> =>
  redisCall(
    metrics,
    "claim",
    async () =>
      (await redis.exists(deploymentKey(prefix))) === 1 ||
      (await keysLike(redis, `${prefix}:{*}:state`)).length > 0,
  )

/** Nodes ask Postgres every five seconds how it is; connections of those that are gone may be kept by a pooler. */
const SELECT_ELSEWHERE = `
  SELECT FROM pg_stat_activity
  WHERE datname = current_database() AND application_name LIKE '${connectionName("________")}' AND application_name <> $1
    AND (state = 'active' OR state_change > clock_timestamp() - interval '8 seconds')
  LIMIT 1`

/** What connections take to be forgotten, and nodes to say again that they are alive after Redis has lost that. */
const SETTLED = "10 seconds"

/** Whether nodes of the database are alive, and none of them on this Redis. */
const areElsewhere = ({ redis, postgres, prefix, metrics }: BothStores, mark: string) =>
  Effect.gen(function* () {
    if ((yield* liveNodes(redis, prefix, metrics)).length > 0) return false
    return (yield* postgres.query("claim", SELECT_ELSEWHERE, [connectionName(mark)])).length > 0
  })

/** The same, once that is no more than what was a moment ago. */
const stayElsewhere = (stores: BothStores, mark: string) =>
  areElsewhere(stores, mark).pipe(
    Effect.repeat({ until: (are) => !are, schedule: Schedule.spaced("500 millis") }),
    Effect.timeoutOrElse({ duration: SETTLED, orElse: () => Effect.succeed(true) }),
  )

/** Fails unless Redis has nothing of another database, and the database no nodes on another Redis. */
export const ensureOwnRedis = (stores: BothStores): Effect.Effect<OwnRedis, StoreError | ForeignRedis> =>
  Effect.gen(function* () {
    const { redis, postgres, prefix, metrics } = stores
    const identity = yield* deploymentIdentity(postgres)
    const refusal = (theirs: string) =>
      new ForeignRedis({
        message: `Redis has the events and figures of another database${theirs} under the prefix ${prefix}: set another REDIS_KEY_PREFIX or REDIS_URL, or, if this database (${identity.database}) is to take its place, stop every node and run \`npm start -- rebuild --adopt-redis\`.`,
      })
    if (yield* isAheadUnclaimed(stores)) return yield* refusal("")
    const { other, mark } = yield* claim(stores, identity, false)
    if (other !== null) return yield* refusal(` (${other})`)
    for (const { node } of yield* liveNodes(redis, prefix, metrics)) {
      const place = placeOf(node)
      if (place === null || identity.place === null || place === identity.place) continue
      return yield* new ForeignRedis({
        message: `A node that writes to a copy of this database (${identity.database}) runs on this Redis under the prefix ${prefix}: set another REDIS_KEY_PREFIX or REDIS_URL, or stop every such node first.`,
      })
    }
    if (yield* stayElsewhere(stores, mark))
      return yield* new ForeignRedis({
        message: `Nodes of this database (${identity.database}) run on another Redis, or under another REDIS_KEY_PREFIX: stop every one of them before this one starts, or what waits there would be taken for processed.`,
      })
    return { ...identity, mark }
  })

/**
 * Makes what Redis has under the prefix this deployment's. Events that wait there are counted by it; figures of another database are
 * dropped, and have to be rebuilt. No node may run.
 */
export const adoptRedis = (stores: BothStores): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const { redis, postgres, prefix, metrics } = stores
    const identity = yield* deploymentIdentity(postgres)
    const isForeign = (yield* claim(stores, identity, false)).other !== null
    const states = yield* redisCall(metrics, "claim", () => keysLike(redis, `${prefix}:{*}:state`))
    for (const state of states) {
      if (isForeign) yield* dropFigures(stores, partitionOfKey(state))
      yield* redisCall(metrics, "claim", () => redis.hset(state, "deployment", identity.id))
    }
    yield* claim(stores, identity, true)
  })

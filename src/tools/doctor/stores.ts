/** Checks the stores' own settings, which decide what an acknowledgement is worth. */
import * as Effect from "effect/Effect"
import { Metrics } from "../../metrics/metrics.ts"
import { checkRedis, type Expectations } from "../../stores/checkRedis.ts"
import { checkPostgres, type StoreWarning, type UnusableStore } from "../../stores/checks.ts"
import { makePostgres } from "../../stores/postgres.ts"
import { type Finding, failed, ok, skipped, warning } from "./finding.ts"

export interface StoreAddresses {
  readonly redisUrl: string | null
  /** What the nodes expect of it. */
  readonly redis?: Expectations
  readonly databaseUrl: string | null
}

interface Facts {
  readonly server: string
  readonly warnings: ReadonlyArray<StoreWarning>
  readonly hints?: ReadonlyArray<StoreWarning>
}

const judged =
  (check: string, well: string) =>
  ({ server, warnings, hints = [] }: Facts): ReadonlyArray<Finding> => [
    ...(warnings.length === 0 ? [ok(check, `${server}: ${well}`)] : []),
    ...[...warnings, ...hints].map(({ text, grave }) => (grave ? failed : warning)(check, text)),
  ]

const unusable = (check: string) => (error: UnusableStore) => Effect.succeed([failed(check, error.message)])

const notAsked = (check: string, setting: string): ReadonlyArray<Finding> => [
  skipped(check, `set ${setting} (or DATA_DIR) as the nodes have it, and its settings are looked at, too`),
]

/** Checks the stores whose addresses are known. */
export const stores = ({
  redisUrl,
  redis: expectations,
  databaseUrl,
}: StoreAddresses): Effect.Effect<ReadonlyArray<Finding>, never> =>
  Effect.gen(function* () {
    const redis =
      redisUrl === null
        ? notAsked("Redis", "REDIS_URL")
        : yield* checkRedis(redisUrl, expectations).pipe(
            Effect.map(judged("Redis", "append-only file, flushed always; nothing is evicted")),
            Effect.catch(unusable("Redis")),
          )
    const postgres =
      databaseUrl === null
        ? notAsked("Postgres", "DATABASE_URL")
        : yield* Effect.scoped(
            makePostgres(
              { url: databaseUrl, max: 1, name: "maicivy doctor", statementTimeoutMs: CONNECT_MS },
              new Metrics("doctor_"),
            ).pipe(Effect.flatMap((pool) => checkPostgres(pool, databaseUrl))),
          ).pipe(
            Effect.map(judged("Postgres", "fsync and synchronous_commit are on")),
            Effect.catch(unusable("Postgres")),
          )
    return [...redis, ...postgres]
  })

const CONNECT_MS = 5000

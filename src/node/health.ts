/** How the stores are doing, as this node finds them: it tries what an event needs, whether one comes or not. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { type SchemaTooNew, SELECT_NEWEST, tooNew } from "../events/schema/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { hasAnswered } from "../stores/advice.ts"
import { CONNECTION, StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import type { PartitionBacklog } from "../stream/backlog.ts"
import type { Producer } from "../stream/producer.ts"

/** A store that has not answered by then is down. */
const ANSWER = "2 seconds"
/** How long a failed append counts against a probe that succeeds, milliseconds. */
const FAILED_APPEND_MS = 2000

export interface HealthOptions {
  readonly postgres: Postgres
  readonly backlog: Effect.Effect<ReadonlyArray<PartitionBacklog>, StoreError>
  /** Fails as an append would. */
  readonly probe: Effect.Effect<void, StoreError>
  readonly appender: Pick<Producer, "failedWithin">
  readonly metrics: Metrics
}

/** How a store is doing, and what it has said if that is not well. */
export interface StoreHealth {
  /** `refusing`: it answers, but would not take an event. */
  readonly state: "up" | "refusing" | "down"
  readonly error: StoreError | null
}

export interface Health {
  readonly redis: StoreHealth
  readonly postgres: StoreHealth
  /** Where a newer version has migrated the schema. */
  readonly schema: SchemaTooNew | null
  /** `null` where Redis does not tell. */
  readonly streams: ReadonlyArray<PartitionBacklog> | null
}

const late = (store: StoreError["store"]) =>
  new StoreError({
    store,
    operation: "probe",
    unavailable: true,
    code: CONNECTION,
    message: `${store === "redis" ? "Redis" : "Postgres"}: no answer within ${ANSWER}`,
  })

const inTime = <A, E>(store: StoreError["store"], effect: Effect.Effect<A, E>) =>
  effect.pipe(
    Effect.timeoutOrElse({ duration: ANSWER, orElse: () => Effect.fail(late(store)) }),
    Effect.result,
  )

const healthOf = (error: StoreError | null): StoreHealth => ({
  state: error === null ? "up" : hasAnswered(error) ? "refusing" : "down",
  error,
})

/**
 * Writes some 250 kB to the disk, and leaves nothing there: a set that is larger than its memory goes through a temporary file. Rows
 * would not do: where there is room on a page, a full disk takes them all the same.
 */
const WRITE = `
  SELECT count(*) FROM set_config('work_mem', '64', true) AS small,
    LATERAL unnest(array_fill(repeat('x', 8000) || left(small, 0), ARRAY[32]))`

/** configuration_limit_exceeded: this role may write no temporary file of that size, which tells nothing of the disk. */
const TEMP_FILE_LIMIT = "53400"

/** Fails where Postgres would take no rows, with the code of the failure that a batch would meet. */
const takesRows = (postgres: Postgres): Effect.Effect<void, StoreError | SchemaTooNew> =>
  Effect.gen(function* () {
    const [row] = yield* postgres.query<{ version: number; name: string; read_only: boolean }>(
      "ping",
      `SELECT newest.*, current_setting('transaction_read_only')::boolean AS read_only FROM (${SELECT_NEWEST}) AS newest`,
    )
    const newer = tooNew(row)
    if (newer !== null) return yield* newer
    if (row?.read_only === true)
      yield* new StoreError({
        store: "postgres",
        operation: "ping",
        unavailable: true,
        code: "25006",
        message: "Postgres: it is read-only",
      })
    yield* postgres.query("ping", WRITE).pipe(
      Effect.catchIf(
        ({ code }) => code === TEMP_FILE_LIMIT,
        () => Effect.succeed([]),
      ),
    )
  })

/** Asks both stores, and sets the gauge that says whether they are up. */
export const health = ({
  postgres,
  backlog,
  probe,
  appender,
  metrics,
}: HealthOptions): Effect.Effect<Health> =>
  Effect.gen(function* () {
    const [append, partitions, rows] = yield* Effect.all(
      [inTime("redis", probe), inTime("redis", backlog), inTime("postgres", takesRows(postgres))],
      { concurrency: 3 },
    )
    const refusal = Result.isFailure(append) ? append.failure : appender.failedWithin(FAILED_APPEND_MS)
    const unread = Result.isFailure(partitions) ? partitions.failure : null
    const failed = Result.isFailure(rows) ? rows.failure : null
    const found: Health = {
      redis: healthOf(refusal ?? unread),
      postgres: healthOf(failed?._tag === "StoreError" ? failed : null),
      schema: failed?._tag === "SchemaTooNew" ? failed : null,
      streams: Result.isSuccess(partitions) ? partitions.success : null,
    }
    for (const store of ["redis", "postgres"] as const)
      metrics.storeUp.set({ store }, found[store].state === "up" ? 1 : 0)
    return found
  })

/** How often the stores are asked though nobody wants to know: alerts go by the gauge. */
export const PROBE_EVERY = "5 seconds"

/** Waits until the stores answer over every connection, so that the first who asks is told the truth; five seconds at most. */
export const awaitHealth = (ask: Effect.Effect<Health>): Effect.Effect<void> =>
  ask.pipe(
    Effect.flatMap(({ redis, postgres }) =>
      redis.state === "down" || postgres.state === "down" ? Effect.fail("down" as const) : Effect.void,
    ),
    Effect.retry(Schedule.spaced("100 millis")),
    Effect.timeout("5 seconds"),
    Effect.ignore,
  )

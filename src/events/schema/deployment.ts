/** What a deployment decides at its first start and keeps: its id, the number of partitions and the time zone. */

import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { ensureSites } from "./sites.ts"

/** The settings differ from those the stored figures were made with. The message is one sentence with the way out. */
export class DeploymentMismatch extends TaggedError("DeploymentMismatch")<{
  readonly setting: "PARTITIONS" | "TIME_ZONE"
  readonly message: string
}> {}

/** A restore into this database has not ended: what is there is not all of the backup. */
export class RestoreUnfinished extends TaggedError("RestoreUnfinished")<{ readonly message: string }> {}

/** Marks a database whose restore has not ended. */
export const MARK_UNFINISHED = "CREATE TABLE unfinished_restore ()"
export const MARK_FINISHED = "DROP TABLE unfinished_restore"
const SELECT_UNFINISHED = "SELECT to_regclass('unfinished_restore') IS NOT NULL AS unfinished"

/** Fails where a restore has not ended. */
export const requireFinishedRestore = (
  postgres: Postgres,
): Effect.Effect<void, StoreError | RestoreUnfinished> =>
  postgres.query<{ unfinished: boolean }>("ensure_deployment", SELECT_UNFINISHED).pipe(
    Effect.flatMap(([row]) =>
      row?.unfinished === true
        ? new RestoreUnfinished({
            message:
              "A restore into this database is going on, or was interrupted: wait for it, or empty the database (with embedded stores, remove DATA_DIR) and restore again.",
          })
        : Effect.void,
    ),
  )

export interface DeploymentSettings {
  readonly partitions: number
  /** IANA name. */
  readonly timeZone: string
  /** Slugs of the declared sites. */
  readonly sites: ReadonlyArray<string>
}

const INSERT_FIRST = "INSERT INTO deployment (partitions, time_zone) VALUES ($1, $2) ON CONFLICT DO NOTHING"
const SELECT_STORED = "SELECT partitions, time_zone FROM deployment"
/** Stops every batch until the end of the transaction, and those of earlier owners for good: no actor owns its partition any more. */
export const FENCE_ALL = "UPDATE stream_partitions SET epoch = epoch + 1"

/** Sites that an erasure had removed, and that `SITES` has now, are sites again: their events count from now on. `$1`: slugs. */
const BACK_AGAIN = "UPDATE erased_entries SET gone = false WHERE gone AND site = ANY ($1::text[])"

/** Rows of partitions beyond the count stay: their epochs must go on should the count grow again. */
export const INSERT_STREAM_PARTITIONS = `
  INSERT INTO stream_partitions (partition)
  SELECT generate_series(0, $1::integer - 1) ON CONFLICT DO NOTHING`

/** The stored settings; `null` before the first start. */
export const storedDeployment = (
  postgres: Postgres,
): Effect.Effect<Omit<DeploymentSettings, "sites"> | null, StoreError> =>
  Effect.map(
    postgres.query<{ partitions: number; time_zone: string }>("ensure_deployment", SELECT_STORED),
    ([row]) => (row === undefined ? null : { partitions: row.partitions, timeZone: row.time_zone }),
  )

const SELECT_IS_MIGRATED = "SELECT to_regclass('deployment') IS NOT NULL AS migrated"

/** Whether a node has been started on this database; changes nothing. */
export const hasDeployment = (postgres: Postgres): Effect.Effect<boolean, StoreError> =>
  Effect.gen(function* () {
    const [row] = yield* postgres.query<{ migrated: boolean }>("ensure_deployment", SELECT_IS_MIGRATED)
    return row?.migrated === true && (yield* storedDeployment(postgres)) !== null
  })

/** Which deployment this is, and where its rows are. */
export interface DeploymentIdentity {
  /** Random, made with the database's first start; a copy of the database has the same. */
  readonly id: string
  /** For people: `analytics on 10.0.0.6:5432`. */
  readonly database: string
  /** Eight hexadecimal digits that a copy elsewhere does not share, but a standby does; `null` where Postgres does not tell. */
  readonly place: string | null
}

const SELECT_IDENTITY = `
  SELECT id, current_database() || coalesce(' on ' || host(inet_server_addr()) || ':' || inet_server_port(), '') AS database
  FROM deployment`

const SELECT_PLACE = `
  SELECT left(md5(system_identifier || '/' || pg_database.oid), 8) AS place
  FROM pg_control_system(), pg_database WHERE datname = current_database()`

/** The identity of a deployment whose settings are stored. */
export const deploymentIdentity = Effect.fnUntraced(function* (
  postgres: Postgres,
): Effect.fn.Return<DeploymentIdentity, StoreError> {
  const [row] = yield* postgres.query<Omit<DeploymentIdentity, "place">>("ensure_deployment", SELECT_IDENTITY)
  if (row === undefined) return yield* Effect.die(new Error("the deployment's settings are not stored yet"))
  const [found] = yield* postgres
    .query<{ place: string }>("ensure_deployment", SELECT_PLACE)
    // What is not Postgres itself, or a role that may not ask, has no answer; then copies are not told apart.
    .pipe(
      Effect.catchIf(
        (error) => !error.unavailable,
        () => Effect.succeed([]),
      ),
    )
  return { ...row, place: found?.place ?? null }
})

/** The last epoch that was given for each partition. */
export const partitionEpochs = (postgres: Postgres): Effect.Effect<ReadonlyMap<number, number>, StoreError> =>
  Effect.map(
    postgres.query<{ partition: number; epoch: string }>(
      "ensure_deployment",
      "SELECT partition, epoch FROM stream_partitions",
    ),
    (rows) => new Map(rows.map(({ partition, epoch }) => [partition, Number(epoch)])),
  )

/**
 * Stores the settings at the first start; afterwards fails with {@link DeploymentMismatch} when they differ from what was
 * stored, and with {@link RestoreUnfinished} where not all of a backup is back. Returns the ids of the declared sites.
 */
export const ensureDeployment = Effect.fnUntraced(function* (
  postgres: Postgres,
  settings: DeploymentSettings,
): Effect.fn.Return<
  { readonly siteIds: ReadonlyMap<string, number> },
  StoreError | DeploymentMismatch | RestoreUnfinished
> {
  yield* requireFinishedRestore(postgres)
  yield* postgres.query("ensure_deployment", INSERT_FIRST, [settings.partitions, settings.timeZone])
  const stored = yield* storedDeployment(postgres)
  if (stored !== null) {
    if (stored.partitions !== settings.partitions)
      return yield* new DeploymentMismatch({
        setting: "PARTITIONS",
        message: `PARTITIONS is ${settings.partitions}, but the stored figures are spread over ${stored.partitions}: set it back, or run \`rebuild --partitions ${settings.partitions}\` while no other node runs.`,
      })
    if (stored.timeZone !== settings.timeZone)
      return yield* new DeploymentMismatch({
        setting: "TIME_ZONE",
        message: `TIME_ZONE is ${settings.timeZone}, but the stored figures count days of ${stored.timeZone}: set it back, or run \`rebuild --time-zone ${settings.timeZone}\` while no other node runs.`,
      })
  }
  yield* postgres.query("ensure_deployment", INSERT_STREAM_PARTITIONS, [settings.partitions])
  // Before this node takes events of them: an owner that does not have them in its SITES finds it here.
  yield* postgres.query("ensure_deployment", BACK_AGAIN, [settings.sites])
  return { siteIds: yield* ensureSites(postgres, settings.sites) }
})

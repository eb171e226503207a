/**
 * The journal of erasures: which visitors were erased and when, so that what was copied before (a backup, an archive) can be made to
 * forget them, too. It holds no visitor's id, only {@link visitorHash}es.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"

/** One erasure. */
export interface Erasure {
  /** {@link visitorHash} */
  readonly visitor: string
  /** ISO 8601, UTC, with milliseconds. */
  readonly erasedAt: string
}

/**
 * What the journal of a deployment has in a visitor's place: SHA-256 of both ids, 64 hexadecimal digits. Two deployments' journals
 * cannot be compared, and only who knows a visitor's id finds it.
 */
export const visitorHash = (deploymentId: string, visitorId: string): string =>
  createHash("sha256").update(`${deploymentId} ${visitorId.toLowerCase()}`).digest("hex")

const SELECT_DEPLOYMENT = "SELECT id FROM deployment"

const INSERT = `
  INSERT INTO erasures (visitor, erased_at) VALUES (decode($1, 'hex'), now()) ON CONFLICT DO NOTHING`

/** Notes an erasure, in the transaction that deletes the visitor's rows: a copy of the database has both or neither. */
export const noteErasure = (sql: Sql, visitorId: string): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const { rows } = yield* sql.query<{ id: string }>(SELECT_DEPLOYMENT)
    for (const { id } of rows) yield* sql.query(INSERT, [visitorHash(id, visitorId)])
  })

const SELECT = `
  SELECT encode(visitor, 'hex') AS visitor,
    to_char(erased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "erasedAt"
  FROM erasures ORDER BY erasures.erased_at, erasures.visitor`

/** Every erasure, oldest first. */
export const erasures = (postgres: Postgres): Effect.Effect<ReadonlyArray<Erasure>, StoreError> =>
  postgres.query<Record<keyof Erasure, string>>("erasures", SELECT)

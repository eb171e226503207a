/** The part of an erasure that Postgres has: a visitor's raw events. */
import * as Effect from "effect/Effect"
import type { KeptOnSite } from "../domain/answers.ts"
import { type ChunkPlace, LOCK_CHUNKS, rewriteChunks } from "../events/chunks/index.ts"
import { keptOfVisitor } from "../events/read/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"
import { noteErasure } from "./journal.ts"

/** Chunks that hold events of the visitor. */
const SELECT_CHUNKS =
  "SELECT site_id, first_at, ctid::text AS place FROM event_chunks WHERE $1 = ANY (visitors)"

/** What went with a visitor's rows. */
export interface ErasedRows {
  /** Raw events. */
  readonly deleted: number
  /** The sites that had them. */
  readonly sites: ReadonlyArray<KeptOnSite>
}

/**
 * Deletes every raw event of a visitor, over all sites, notes it in the journal and where `note` does, and returns what there was. Daily totals and numbers of
 * unique visitors stay: they are counts that name nobody. Events that still wait in a stream are not here yet; the caller sees to those.
 */
export const eraseVisitorRows = (
  postgres: Postgres,
  visitorId: string,
  note: (sql: Sql) => Effect.Effect<void, StoreError>,
): Effect.Effect<ErasedRows, StoreError> =>
  postgres.transaction("erase_visitor", (sql) =>
    Effect.gen(function* () {
      yield* sql.query("SET LOCAL statement_timeout = 0")
      yield* sql.query(LOCK_CHUNKS)
      const sites = yield* keptOfVisitor(sql, visitorId)
      const { rows } = yield* sql.query<ChunkPlace>(SELECT_CHUNKS, [visitorId])
      yield* noteErasure(sql, visitorId)
      yield* note(sql)
      const erased = visitorId.toLowerCase()
      const deleted = yield* rewriteChunks(sql, rows, (event) => event.visitorId !== erased)
      return { deleted, sites }
    }),
  )

/** {@link eraseVisitorRows}, noted in the journal only; returns the number of events. */
export const eraseRows = (postgres: Postgres, visitorId: string): Effect.Effect<number, StoreError> =>
  Effect.map(
    eraseVisitorRows(postgres, visitorId, () => Effect.void),
    ({ deleted }) => deleted,
  )

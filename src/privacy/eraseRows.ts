/** The part of an erasure that Postgres has: a visitor's raw events. */
import * as Effect from "effect/Effect"
import { type ChunkPlace, LOCK_CHUNKS, rewriteChunks } from "../events/chunks/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { noteErasure } from "./journal.ts"

/** Chunks that hold events of the visitor. */
const SELECT_CHUNKS =
  "SELECT site_id, first_at, ctid::text AS place FROM event_chunks WHERE $1 = ANY (visitors)"

/**
 * Deletes every raw event of a visitor, over all sites, notes it in the journal, and returns their number. Daily totals and numbers of
 * unique visitors stay: they are counts that name nobody. Events that still wait in a stream are not here yet; the caller sees to those.
 */
export const eraseRows = (postgres: Postgres, visitorId: string): Effect.Effect<number, StoreError> =>
  postgres.transaction("erase_visitor", (sql) =>
    Effect.gen(function* () {
      yield* sql.query("SET LOCAL statement_timeout = 0")
      yield* sql.query(LOCK_CHUNKS)
      const { rows } = yield* sql.query<ChunkPlace>(SELECT_CHUNKS, [visitorId])
      yield* noteErasure(sql, visitorId)
      const erased = visitorId.toLowerCase()
      return yield* rewriteChunks(sql, rows, (event) => event.visitorId !== erased)
    }),
  )

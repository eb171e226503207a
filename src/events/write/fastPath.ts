/** A batch as one statement: what a batch is as a rule, when the partition is where this process left it and every id is new. */
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { compareIds } from "../../stream/id.ts"
import type { UnstorableEvent } from "../chunks/index.ts"
import { type Batch, chunksOf, keysOf, type SiteIds, type Stored, totalRowsOf, totalsOf } from "./batch.ts"
import * as statements from "./statements.ts"

/** The partition was elsewhere, or an id was known, whose event is in the chunks all the same: all of it is rolled back. */
class NotAsExpected extends TaggedError("NotAsExpected") {}

/**
 * Writes a batch in one statement, provided that the partition is at `from` in the batch's epoch, all entries come after that
 * and all their ids are new. `null` when nothing was written because it is not so, or because the batch is too large for it.
 */
export const fastPath = Effect.fnUntraced(function* (
  postgres: Postgres,
  batch: Batch,
  siteIds: SiteIds,
  from: string,
): Effect.fn.Return<Stored | null, StoreError | UnstorableEvent> {
  const { partition, epoch, entries, kept = entries, calendar } = batch
  const [first] = entries
  const last = entries.at(-1)
  if (first === undefined || last === undefined || compareIds(first.streamId, from) <= 0) return null
  const chunks = yield* chunksOf(partition, kept, siteIds)
  if (chunks.length > statements.MAX_CHUNKS) return null
  const keys = keysOf(kept, siteIds)
  const totals = totalsOf(kept, calendar)
  const statement = statements.wholeBatch({
    partition,
    epoch,
    from,
    to: last.streamId,
    totals: totalRowsOf(totals, siteIds),
    chunks,
    keys,
  })
  const isWritten = yield* keys.length === 0
    ? Effect.map(
        postgres.query<statements.WholeBatchRow>("write_batch", statement),
        ([row]) => row?.moved === true,
      )
    : postgres
        .transaction("write_batch", (sql) =>
          Effect.flatMap(sql.query<statements.WholeBatchRow>(statement), ({ rows: [row] }) =>
            row?.moved === true && row.new_ids === keys.length ? Effect.succeed(true) : new NotAsExpected(),
          ),
        )
        .pipe(Effect.catchTag("NotAsExpected", () => Effect.succeed(false)))
  return isWritten ? { counted: kept, totals, duplicates: 0, redelivered: 0 } : null
})

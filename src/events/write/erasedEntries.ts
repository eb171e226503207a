/** Which entries of a partition's stream are of a site that was erased while they waited: they count for nothing. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { compareIds } from "../../stream/id.ts"
import type { BatchEntry } from "./batch.ts"

/** Up to where a site's entries in a partition are erased. */
interface Erased {
  /** A stream id. */
  readonly upTo: string
  /** Whether it is no site any more: then the others are, too. */
  readonly gone: boolean
}

type ErasedSites = ReadonlyMap<string, Erased>

const SELECT = `SELECT site, up_to AS "upTo", gone FROM erased_entries WHERE partition = $1`

/**
 * Knows the erased entries of partitions. A partition's are read by each of its owners: an erasure ends all of them, so none writes
 * that does not know of it.
 */
export class ErasedEntries {
  readonly #postgres: Postgres
  readonly #known = new Map<number, ErasedSites>()

  constructor(postgres: Postgres) {
    this.#postgres = postgres
  }

  /** Reads what has been erased of a partition. */
  learn(partition: number): Effect.Effect<ErasedSites, StoreError> {
    return Effect.map(
      this.#postgres.query<Erased & { site: string }>("erased_entries", SELECT, [partition]),
      (rows) => {
        const sites = new Map(rows.map((row) => [row.site, row]))
        this.#known.set(partition, sites)
        return sites
      },
    )
  }

  /** The entries that count; the same array where all do. */
  kept(
    partition: number,
    entries: ReadonlyArray<BatchEntry>,
  ): Effect.Effect<ReadonlyArray<BatchEntry>, StoreError> {
    const known = this.#known.get(partition)
    if (known === undefined || known.size === 0) return Effect.succeed(entries)
    if (!entries.some(({ event }) => known.has(event.site))) return Effect.succeed(entries)
    // It may be a site again by now.
    const isLate = ({ streamId, event }: BatchEntry) => {
      const erased = known.get(event.site)
      return erased?.gone === true && compareIds(streamId, erased.upTo) > 0
    }
    return Effect.map(entries.some(isLate) ? this.learn(partition) : Effect.succeed(known), (sites) =>
      entries.filter(({ streamId, event }) => {
        const erased = sites.get(event.site)
        return erased === undefined || (!erased.gone && compareIds(streamId, erased.upTo) > 0)
      }),
    )
  }
}

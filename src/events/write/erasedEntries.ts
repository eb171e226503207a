/** Which entries of the partitions' streams are of a site that was erased while they waited: they count for nothing. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { compareIds } from "../../stream/id.ts"
import type { BatchEntry } from "./batch.ts"

/** Up to where a site's entries in a partition are erased. */
interface Erased {
  /** A stream id. */
  readonly upTo: string
  /** Whether the erasure has removed it, and it is no site since: then what nodes take that have not heard of it is erased, too. */
  readonly gone: boolean
}

type ErasedSites = ReadonlyMap<string, Erased>

interface ErasedRow extends Erased {
  readonly site: string
  readonly partition: number
}

/**
 * `$1`: a partition, or `null` for all of them; `$2`: those of `SITES`, which are sites whatever Postgres knows. What is not of them
 * may be a site to another node, so only what is stored tells that it is none.
 */
const SELECT = `
  SELECT site, partition, up_to AS "upTo", gone AND site <> ALL ($2::text[]) AS gone
  FROM erased_entries WHERE partition = coalesce($1::smallint, partition)`

const rowsOf = (postgres: Postgres, settings: ReadonlyArray<string>, partition: number | null) =>
  postgres.query<ErasedRow & Record<string, unknown>>("erased_entries", SELECT, [partition, settings])

/** The one rule of what is erased; `undefined`: nothing of the site. */
const isErased = (erased: Erased | undefined, entry: string): boolean =>
  erased !== undefined && (erased.gone || compareIds(entry, erased.upTo) <= 0)

/** Tells of an entry of any stream whether its site was erased while it waited, or is none any more. */
export const erasedEntries = (
  postgres: Postgres,
  settings: ReadonlyArray<string>,
): Effect.Effect<(site: string, partition: number, entry: string) => boolean, StoreError> =>
  Effect.map(rowsOf(postgres, settings, null), (rows) => {
    const known = new Map(rows.map((row) => [`${row.partition} ${row.site}`, row]))
    return (site, partition, entry) => isErased(known.get(`${partition} ${site}`), entry)
  })

/**
 * Knows the erased entries of partitions. A partition's are read by each of its owners: an erasure ends all of them, so none writes
 * that does not know of it.
 */
export class ErasedEntries {
  readonly #postgres: Postgres
  readonly #settings: ReadonlyArray<string>
  readonly #known = new Map<number, ErasedSites>()

  /** @param settings those of `SITES` */
  constructor(postgres: Postgres, settings: ReadonlyArray<string>) {
    this.#postgres = postgres
    this.#settings = settings
  }

  /** Reads what has been erased of a partition. */
  learn(partition: number): Effect.Effect<ErasedSites, StoreError> {
    return Effect.map(rowsOf(this.#postgres, this.#settings, partition), (rows) => {
      const sites = new Map(rows.map((row) => [row.site, row]))
      this.#known.set(partition, sites)
      return sites
    })
  }

  /** The entries that count; the same array where all do. */
  kept(
    partition: number,
    entries: ReadonlyArray<BatchEntry>,
  ): Effect.Effect<ReadonlyArray<BatchEntry>, StoreError> {
    const known = this.#known.get(partition)
    if (known === undefined || known.size === 0) return Effect.succeed(entries)
    const erasedBy = (sites: ErasedSites) => (entry: BatchEntry) =>
      isErased(sites.get(entry.event.site), entry.streamId)
    if (!entries.some(erasedBy(known))) return Effect.succeed(entries)
    // It may be a site again by now.
    return Effect.map(
      [...known.values()].some(({ gone }) => gone) ? this.learn(partition) : Effect.succeed(known),
      (sites) => entries.filter((entry) => !erasedBy(sites)(entry)),
    )
  }
}

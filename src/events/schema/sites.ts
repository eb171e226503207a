/** Sites are slugs outside and small numbers in Postgres; this is where one becomes the other. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

/** Gives sites their numbers that have none yet: `$1`, their slugs. */
// Not `ON CONFLICT`: that would use up a number of the smallint identity for every site already there, at every start.
export const INSERT_MISSING_SITES = `
  INSERT INTO sites (slug)
  SELECT slug FROM unnest($1::text[]) AS wanted (slug)
  WHERE NOT EXISTS (SELECT FROM sites WHERE sites.slug = wanted.slug)
  ORDER BY slug
  ON CONFLICT (slug) DO NOTHING`

const SELECT_IDS = "SELECT slug, id FROM sites WHERE slug = ANY ($1::text[])"

/** The ids of the given sites; those that have none yet get one. */
export const ensureSites = Effect.fnUntraced(function* (
  postgres: Postgres,
  slugs: ReadonlyArray<string>,
): Effect.fn.Return<ReadonlyMap<string, number>, StoreError> {
  yield* postgres.query("ensure_sites", INSERT_MISSING_SITES, [slugs])
  const rows = yield* postgres.query<{ slug: string; id: number }>("ensure_sites", SELECT_IDS, [slugs])
  return new Map(rows.map((row) => [row.slug, row.id]))
})

/** Remembers the ids of sites, so that a batch asks only for new ones. */
export class KnownSites {
  readonly #ids = new Map<string, number>()
  readonly #postgres: Postgres

  constructor(postgres: Postgres) {
    this.#postgres = postgres
  }

  /** By their slugs. */
  get ids(): ReadonlyMap<string, number> {
    return this.#ids
  }

  /** After this the sites have ids. */
  ensure(slugs: Iterable<string>): Effect.Effect<void, StoreError> {
    const missing = new Set<string>()
    for (const slug of slugs) if (!this.#ids.has(slug)) missing.add(slug)
    if (missing.size === 0) return Effect.void
    return Effect.map(ensureSites(this.#postgres, [...missing]), (found) => {
      for (const [slug, id] of found) this.#ids.set(slug, id)
    })
  }
}

/** Sites are slugs outside and small numbers in Postgres; this is where one becomes the other. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

// Not `ON CONFLICT`: that would use up a number of the smallint identity for every site already there, at every start.
const INSERT_MISSING = `
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
  yield* postgres.query("ensure_sites", INSERT_MISSING, [slugs])
  const rows = yield* postgres.query<{ slug: string; id: number }>("ensure_sites", SELECT_IDS, [slugs])
  return new Map(rows.map((row) => [row.slug, row.id]))
})

/**
 * The straightforward alternative to the query engine: a row an event, the usual indexes, and the same questions in SQL. In the same
 * Postgres, so that both have the same machine, disk and cache.
 */
import type pg from "pg"

const CREATE = `
  CREATE TABLE plain_events AS
    SELECT site_id, visitor_id, created_at, event_type, regexp_replace(split_part(page_url, '?', 1), '^https?://[^/]*', '') AS page,
      source, browser, country, device
    FROM analytics_events WHERE NOT is_bot`

/** By time, and by time within what is filtered on most. */
const INDEXES = [
  "CREATE INDEX ON plain_events (site_id, created_at)",
  "CREATE INDEX ON plain_events (site_id, page, created_at)",
  "CREATE INDEX ON plain_events (site_id, source, created_at)",
  "CREATE INDEX ON plain_events (site_id, visitor_id, created_at)",
]

/** Makes the rows of what is stored; returns how many bytes they take with their indexes. */
export const fillPlainRows = async (postgres: pg.Pool): Promise<number> => {
  const client = await postgres.connect()
  try {
    await client.query("SET statement_timeout = 0")
    await client.query(CREATE)
    for (const index of INDEXES) await client.query(index)
    await client.query("ANALYZE plain_events")
    const { rows } = await client.query<{ bytes: string }>(
      "SELECT pg_total_relation_size('plain_events') AS bytes",
    )
    return Number(rows[0]?.bytes)
  } finally {
    client.release()
  }
}

export const dropPlainRows = (postgres: pg.Pool) => postgres.query("DROP TABLE IF EXISTS plain_events")

/** Events since a number of days, `$1`. */
const SINCE = "site_id = 1 AND created_at >= now() - make_interval(days => $1::integer)"
const FILTERS = "country = 'FR' AND device = 'desktop'"

/** Questions as an engineer would put them; visits are left out, for they would need a window over all rows. */
export const PLAIN = {
  total: `SELECT count(DISTINCT visitor_id) FROM plain_events WHERE ${SINCE}`,
  pages: `SELECT page, count(DISTINCT visitor_id) AS visitors FROM plain_events WHERE ${SINCE} GROUP BY page ORDER BY visitors DESC LIMIT 100`,
  filtered: `SELECT page, count(DISTINCT visitor_id) AS visitors FROM plain_events WHERE ${SINCE} AND ${FILTERS} GROUP BY page ORDER BY visitors DESC LIMIT 100`,
  funnel: `
    WITH first AS (SELECT visitor_id, min(created_at) AS at FROM plain_events WHERE ${SINCE} AND page = '/' GROUP BY visitor_id),
    second AS (SELECT e.visitor_id, min(created_at) AS at FROM plain_events e JOIN first USING (visitor_id)
      WHERE ${SINCE} AND page = '/cv' AND created_at > first.at GROUP BY e.visitor_id),
    third AS (SELECT DISTINCT e.visitor_id FROM plain_events e JOIN second USING (visitor_id)
      WHERE ${SINCE} AND event_type = 'letter_generate' AND created_at > second.at)
    SELECT (SELECT count(*) FROM first), (SELECT count(*) FROM second), (SELECT count(*) FROM third)`,
} as const

/** Milliseconds that a statement takes. */
export const plainTime = async (
  postgres: pg.Pool,
  name: keyof typeof PLAIN,
  days: number,
): Promise<number> => {
  const began = performance.now()
  await postgres.query(PLAIN[name], [days])
  return performance.now() - began
}

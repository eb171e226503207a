/**
 * Erases a site: raw events, totals, figures, what waits and what was set aside, goals, share links, and keys that are its alone.
 *
 * One transaction of Postgres is the erasure: before it nothing has happened, and after it the site is erased, whatever is killed. It
 * fences every actor, and says up to which entry of each stream the site's events count for nothing. What is left then is in Redis,
 * deleted right after it, or by whoever owns a partition next, or by a node that looks every minute.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { noteIn } from "../access/accounts.ts"
import { BEYOND_ERASURE, type SiteReceipt } from "../domain/answers.ts"
import { requireKnownSchema, type SchemaTooNew } from "../events/schema/index.ts"
import { type ErasedFiguresOptions, lastEntries } from "../privacy/erasedFigures.ts"
import { finishErasures } from "../privacy/finishErasures.ts"
import { eraseSiteRows, type SiteRows } from "../privacy/siteRows.ts"
import type { StoreError } from "../stores/errors.ts"
import { LOCKS } from "../stores/locks.ts"
import type { Sql } from "../stores/postgres.ts"
import { SiteRefused } from "./sites.ts"

export interface EraseSiteOptions extends ErasedFiguresOptions {
  /** Tells the nodes, after the transaction. */
  readonly changed: Effect.Effect<void>
}

const LOCK_SITES = "UPDATE site_changes SET version = version + 1"
const LOCK_ACCESS = "UPDATE access_changes SET version = version + 1"
/** Retention keeps numbers of visitors that it has read of Redis before. */
const TRY_RETENTION = `SELECT pg_try_advisory_xact_lock(${LOCKS.retention}) AS locked`
/** A process that stops in the middle stops every partition for no longer. */
const IDLE = "SET LOCAL idle_in_transaction_session_timeout = '10s'"
const SELECT_PARTITIONS = "SELECT partitions FROM deployment"
const IS_ADDED = "SELECT FROM declared_sites WHERE slug = $1 AND added_at IS NOT NULL"

const DELETE_GOALS = "DELETE FROM goals WHERE site = $1"
const DELETE_TOKENS = `
  WITH gone AS (DELETE FROM access_tokens WHERE kind IN ('key', 'share') AND sites = ARRAY[$1] RETURNING kind)
  SELECT count(*) FILTER (WHERE kind = 'share')::integer AS shares, count(*) FILTER (WHERE kind = 'key')::integer AS keys
  FROM gone`
/** What others have of several sites, they have of the others. Nobody's last one becomes "all". */
const LEAVE = [
  "UPDATE access_tokens SET sites = array_remove(sites, $1) WHERE $1 = ANY (sites)",
  "UPDATE users SET sites = array_remove(sites, $1) WHERE $1 = ANY (sites)",
  "DELETE FROM declared_sites WHERE slug = $1",
]

const NOTE = "INSERT INTO site_erasures (id, site, erased_at) VALUES ($1, $2, $3)"
const NOTE_ENTRIES = `
  INSERT INTO erased_entries (site, partition, up_to, gone, figures, erasure)
  SELECT $1, partition, up_to, $3::boolean, true, $4::uuid FROM unnest($2::text[]) WITH ORDINALITY AS last (up_to, place)
  CROSS JOIN LATERAL (SELECT (place - 1)::smallint AS partition) AS numbered
  ON CONFLICT (site, partition) DO UPDATE
    SET up_to = excluded.up_to, gone = excluded.gone, figures = true, erasure = excluded.erasure`

/** What went with a site in Postgres. */
interface Erased extends SiteRows {
  readonly goals: number
  readonly shares: number
  readonly keys: number
  readonly removed: boolean
}

/** Erases a site's rows and all that is of it in the transaction; `removed`: it is no site any more. */
export const eraseSiteIn = (
  sql: Sql,
  site: string,
  { removed, now }: { readonly removed: boolean; readonly now: number },
): Effect.Effect<Erased, StoreError> =>
  Effect.gen(function* () {
    const rows = yield* eraseSiteRows(sql, site, now)
    const { count: goals } = yield* sql.query(DELETE_GOALS, [site])
    yield* sql.query(LOCK_ACCESS)
    const tokens = yield* sql.query<{ shares: number; keys: number }>(DELETE_TOKENS, [site])
    if (removed) for (const statement of LEAVE) yield* sql.query(statement, [site])
    return { ...rows, goals, removed, ...(tokens.rows[0] ?? { shares: 0, keys: 0 }) }
  })

/** The erasure, as a transaction. */
const erase = (options: EraseSiteOptions, who: string, site: string, id: string, erasedAt: Date) =>
  options.postgres.transaction("erase_site", (sql) =>
    Effect.gen(function* () {
      yield* sql.query("SET LOCAL statement_timeout = 0")
      yield* sql.query(IDLE)
      yield* sql.query(LOCK_SITES)
      const isOfSettings = options.settings.includes(site)
      const added = yield* sql.query(IS_ADDED, [site])
      if (!isOfSettings && added.rows.length === 0) return yield* new SiteRefused({ reason: "missing" })
      const { rows } = yield* sql.query<{ locked: boolean }>(TRY_RETENTION)
      if (rows[0]?.locked !== true) return yield* new SiteRefused({ reason: "busy" })
      const erased = yield* eraseSiteIn(sql, site, { removed: !isOfSettings, now: erasedAt.getTime() })
      // Of the deployment, whatever this process has been told. After the fence: what any node has taken until now.
      const deployment = yield* sql.query<{ partitions: number }>(SELECT_PARTITIONS)
      const last = yield* lastEntries(options, deployment.rows[0]?.partitions ?? 0)
      yield* sql.query(NOTE, [id, site, erasedAt])
      yield* sql.query(NOTE_ENTRIES, [site, last, erased.removed, id])
      yield* noteIn(sql, who, "site erased", `${site}, ${erased.events} events, receipt ${id}`)
      return erased
    }),
  )

/** Erases a site, and returns the receipt. Has to wait while retention runs. */
export const eraseSite = (
  options: EraseSiteOptions,
  who: string,
  site: string,
  now: number,
): Effect.Effect<SiteReceipt, SiteRefused | StoreError | SchemaTooNew> =>
  Effect.gen(function* () {
    yield* requireKnownSchema(options.postgres, "erase_site")
    const id = randomUUID()
    const erasedAt = new Date(now)
    const erased = yield* erase(options, who, site, id, erasedAt)
    yield* options.changed
    const { complete, deadLetters } = yield* finishErasures(options, PATIENCE_MS)
    // Nodes may have read figures meanwhile that have gone since.
    yield* options.changed
    const { shares, events, ...counts } = erased
    return {
      ...{ id, erased_at: erasedAt.toISOString(), by: who, events, site },
      dead_letters: deadLetters.get(site) ?? 0,
      ...counts,
      share_links: shares,
      complete,
      not_reached: BEYOND_ERASURE,
    }
  })

/** What an erasure waits for Redis, milliseconds. */
const PATIENCE_MS = 20_000

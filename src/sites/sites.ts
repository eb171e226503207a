/**
 * Sites in Postgres: added, changed. Every change is one transaction with its line in the audit log, and raises the version that
 * nodes go by; whoever makes one tells the nodes afterwards (`changed`).
 */
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import { noteIn } from "../access/accounts.ts"
import type { OtherHosts } from "../domain/answers.ts"
import { INSERT_MISSING_SITES } from "../events/schema/index.ts"
import { type FigureStores, lastEntries } from "../privacy/erasedFigures.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"
import type { FromSettings, SiteRow } from "./allSites.ts"

/** Sites that are added, at most: every node has all of them in memory, and every scrape reads figures of each. */
export const MAX_SITES = 200

/** Why a site cannot be added or changed. */
export class SiteRefused extends TaggedError("SiteRefused")<{
  readonly reason: "taken" | "missing" | "default" | "too_many" | "busy"
}> {}

type Refusable<A> = Effect.Effect<A, SiteRefused | StoreError>

/** A site that is to be added. */
export interface NewSite {
  readonly slug: string
  /** `null`: it is called as its slug is. */
  readonly name: string | null
  readonly hosts: ReadonlyArray<string>
  readonly otherHosts: OtherHosts
  /** IANA's name; `null` for the deployment's. */
  readonly timeZone: string | null
}

/** What is to be changed of a site; what is `null` stays, or `undefined` where `null` says something. */
export interface SiteChange {
  readonly name: string | null
  readonly hosts: ReadonlyArray<string> | null
  readonly otherHosts: OtherHosts | null
  /** What clients say that know of counting and refusing only: `false` refuses no more, and leaves marking as it is. */
  readonly onlyHosts: boolean | null
  /** IANA's name; `null` for the deployment's again. */
  readonly timeZone: string | null | undefined
  /** Days for which its raw events are kept; `null` for as long as the deployment's again. */
  readonly retentionDays: number | null | undefined
  readonly excludedPaths: ReadonlyArray<string> | null
  readonly excludedAddresses: ReadonlyArray<string> | null
  readonly archived: boolean | null
}

/** Everything stays. */
export const NO_CHANGE: SiteChange = {
  ...{ name: null, hosts: null, otherHosts: null, onlyHosts: null, archived: null },
  ...{ timeZone: undefined, retentionDays: undefined },
  ...{ excludedPaths: null, excludedAddresses: null },
}

/** All that is known of sites, and how often it had changed by then. */
export interface StoredSites {
  readonly version: number
  readonly rows: ReadonlyArray<SiteRow>
}

export const NO_SITES_STORED: StoredSites = { version: -1, rows: [] }

const SELECT_VERSION = "SELECT version::float8 AS version FROM site_changes"
const SELECT = `
  SELECT slug, name, hosts, archived_at IS NOT NULL AS archived, added_at IS NOT NULL AS added,
    other_hosts AS "otherHosts", time_zone AS "timeZone", retention_days AS "retentionDays",
    excluded_paths AS "excludedPaths", excluded_addresses AS "excludedAddresses"
  FROM declared_sites ORDER BY added_at, slug`
/** One change at a time. Who reads waits for nobody. */
const LOCK = "UPDATE site_changes SET version = version + 1"
const COUNT = "SELECT count(*)::integer AS count FROM declared_sites WHERE added_at IS NOT NULL"
const REMOVED =
  "SELECT partitions FROM deployment WHERE EXISTS (SELECT FROM erased_entries WHERE site = $1 AND gone)"
// Arrays count from 1.
const ERASE_UP_TO = `
  UPDATE erased_entries SET gone = false, up_to = coalesce(($2::text[])[partition + 1], up_to) WHERE site = $1 AND gone`
// One that SITES had once may have left a row.
const ADD = `
  INSERT INTO declared_sites (slug, name, hosts, other_hosts, time_zone, added_at) VALUES ($1, $2, $3, $4, $5, now())
  ON CONFLICT (slug) DO UPDATE SET name = excluded.name, hosts = excluded.hosts,
    other_hosts = excluded.other_hosts, time_zone = excluded.time_zone, retention_days = NULL, excluded_paths = '{}', excluded_addresses = '{}',
    added_at = now(), archived_at = NULL
  WHERE declared_sites.added_at IS NULL
  RETURNING slug`
const CHANGE = `
  INSERT INTO declared_sites (slug, name, hosts, archived_at, other_hosts, excluded_paths, excluded_addresses, time_zone,
    retention_days)
  VALUES ($1, $2, coalesce($3::text[], '{}'), CASE WHEN $4 THEN now() END,
    coalesce($5::text, CASE WHEN $12::boolean THEN 'refuse' ELSE 'count' END),
    coalesce($6::text[], '{}'), coalesce($7::text[], '{}'), $9, $11)
  ON CONFLICT (slug) DO UPDATE SET
    name = coalesce($2, declared_sites.name),
    hosts = coalesce($3::text[], declared_sites.hosts),
    other_hosts = coalesce($5::text, CASE WHEN $12::boolean THEN 'refuse'
      WHEN NOT $12::boolean AND declared_sites.other_hosts = 'refuse' THEN 'count' END, declared_sites.other_hosts),
    excluded_paths = coalesce($6::text[], declared_sites.excluded_paths),
    excluded_addresses = coalesce($7::text[], declared_sites.excluded_addresses),
    time_zone = CASE WHEN $8 THEN $9 ELSE declared_sites.time_zone END,
    retention_days = CASE WHEN $10 THEN $11 ELSE declared_sites.retention_days END,
    archived_at = CASE $4 WHEN true THEN coalesce(declared_sites.archived_at, now()) WHEN false THEN NULL
      ELSE declared_sites.archived_at END
  RETURNING other_hosts AS "otherHosts"`

/** Reads what is known of sites; `null` if that is still what the version says. */
export const loadSites = (postgres: Postgres, since: number): Effect.Effect<StoredSites | null, StoreError> =>
  Effect.gen(function* () {
    // Before the rest: what is changed meanwhile is read again.
    const [row] = yield* postgres.query<{ version: number }>("sites", SELECT_VERSION)
    const version = row?.version ?? 0
    if (version === since) return null
    return { version, rows: yield* postgres.query<SiteRow & Record<string, unknown>>("sites", SELECT) }
  })

const number = (addresses: number): string => `${addresses} ${addresses === 1 ? "address" : "addresses"}`

const keepsText = (days: number | null): string =>
  days === null
    ? "keeps events as the deployment does"
    : `keeps events for ${days} ${days === 1 ? "day" : "days"}`

const OTHERS: { readonly [others in OtherHosts]: string } = {
  count: "events of every host",
  refuse: "events of its hosts only",
  mark: "events of other hosts marked",
}

/** What a change does, for the audit log. */
// Not the addresses: the log is kept for ever.
const changeText = (slug: string, change: Omit<SiteChange, "onlyHosts">): string => {
  const { name, hosts, otherHosts, timeZone, retentionDays, excludedPaths, excludedAddresses, archived } =
    change
  return [
    slug,
    ...(name === null ? [] : [`called ${name}`]),
    ...(hosts === null ? [] : [`at ${hosts.length === 0 ? "no host" : hosts.join(" ")}`]),
    ...(otherHosts === null ? [] : [OTHERS[otherHosts]]),
    ...(timeZone === undefined ? [] : [timeZone === null ? "in the deployment's zone" : `in ${timeZone}`]),
    ...(retentionDays === undefined ? [] : [keepsText(retentionDays)]),
    ...(excludedPaths === null ? [] : [`leaves out ${excludedPaths.join(" ") || "no path"}`]),
    ...(excludedAddresses === null ? [] : [`leaves out ${number(excludedAddresses.length)}`]),
    ...(archived === null ? [] : [archived ? "archived" : "not archived"]),
  ].join(", ")
}

type Streams = Pick<FigureStores, "redis" | "prefix" | "metrics">

export class Sites {
  readonly #postgres: Postgres
  readonly #settings: FromSettings
  readonly #streams: Streams
  readonly #changed: Effect.Effect<void>

  /**
   * @param settings those of `SITES`
   * @param streams where events wait
   * @param changed tells the nodes, after a change
   */
  constructor(postgres: Postgres, settings: FromSettings, streams: Streams, changed: Effect.Effect<void>) {
    this.#postgres = postgres
    this.#settings = settings
    this.#streams = streams
    this.#changed = changed
  }

  #change(body: (sql: Sql) => Refusable<void>): Refusable<void> {
    return this.#postgres
      .transaction("sites", (sql) => Effect.andThen(sql.query(LOCK), body(sql)))
      .pipe(Effect.tap(this.#changed))
  }

  /**
   * Adds a site. Events and figures that there are of its slug, because `SITES` had it before, are its. One that an erasure had
   * removed begins empty: what nodes have taken of it since, because they had not heard of that, counts for nothing, even where it
   * still waits.
   */
  add(who: string, { slug, name, hosts, otherHosts, timeZone }: NewSite): Refusable<void> {
    return this.#change((sql) =>
      Effect.gen({ self: this }, function* () {
        if (this.#settings.includes(slug)) return yield* new SiteRefused({ reason: "taken" })
        const { rows: counts } = yield* sql.query<{ count: number }>(COUNT)
        if ((counts[0]?.count ?? 0) >= MAX_SITES) return yield* new SiteRefused({ reason: "too_many" })
        const { rows } = yield* sql.query(ADD, [slug, name, hosts, otherHosts, timeZone])
        if (rows.length === 0) return yield* new SiteRefused({ reason: "taken" })
        yield* this.#beginEmpty(sql, slug)
        // As sites of SITES have theirs from the start.
        yield* sql.query(INSERT_MISSING_SITES, [[slug]])
        yield* noteIn(
          sql,
          who,
          "site added",
          changeText(slug, {
            ...{ ...NO_CHANGE, name, hosts, otherHosts: otherHosts === "count" ? null : otherHosts },
            timeZone: timeZone ?? undefined,
          }),
        )
      }),
    )
  }

  #beginEmpty(sql: Sql, slug: string): Effect.Effect<void, StoreError> {
    return Effect.gen({ self: this }, function* () {
      const { rows } = yield* sql.query<{ partitions: number }>(REMOVED, [slug])
      for (const { partitions } of rows)
        yield* sql.query(ERASE_UP_TO, [slug, yield* lastEntries(this.#streams, partitions)])
    })
  }

  /** Changes a site, whether it was added or is one of `SITES`. The default one cannot be archived: it takes events that name none. */
  change(who: string, slug: string, change: SiteChange): Refusable<void> {
    const { name, hosts, otherHosts, onlyHosts, archived, excludedPaths, excludedAddresses } = change
    const { timeZone, retentionDays } = change
    return this.#change((sql) =>
      Effect.gen({ self: this }, function* () {
        if (!this.#settings.includes(slug)) {
          const added = "SELECT FROM declared_sites WHERE slug = $1 AND added_at IS NOT NULL"
          const { rows } = yield* sql.query(added, [slug])
          if (rows.length === 0) return yield* new SiteRefused({ reason: "missing" })
        }
        if (archived === true && slug === this.#settings[0])
          return yield* new SiteRefused({ reason: "default" })
        const changed = yield* sql.query<{ otherHosts: OtherHosts }>(CHANGE, [
          ...[slug, name, hosts, archived, otherHosts, excludedPaths, excludedAddresses],
          ...[timeZone !== undefined, timeZone ?? null],
          ...[retentionDays !== undefined, retentionDays ?? null, onlyHosts],
        ])
        // What is stored: who knows of counting and refusing only may have left it at marking.
        const others = otherHosts ?? (onlyHosts === null ? null : (changed.rows[0]?.otherHosts ?? null))
        yield* noteIn(sql, who, "site changed", changeText(slug, { ...change, otherHosts: others }))
      }),
    )
  }
}

/**
 * The journal of erasures: which visitors were erased and when, so that what was copied before (a backup, an archive) can be made to
 * forget them, too. It holds no visitor's id, only {@link visitorHash}es.
 */
import { createHash } from "node:crypto"
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import { SITE_SLUG } from "../config/values.ts"
import { UUID } from "../domain/limits.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"

/** An erasure of a visitor. */
export interface Erasure {
  /** {@link visitorHash} */
  readonly visitor: string
  /** ISO 8601, UTC, with milliseconds. */
  readonly erasedAt: string
}

/** An erasure of a site, which has a name of its own. */
export interface SiteErasure {
  /** The receipt's number. */
  readonly id: string
  /** Its slug. */
  readonly site: string
  /** ISO 8601, UTC, with milliseconds. */
  readonly erasedAt: string
}

/** All of a journal. */
export interface Journal {
  readonly visitors: ReadonlyArray<Erasure>
  readonly sites: ReadonlyArray<SiteErasure>
}

export const NO_ERASURES: Journal = { visitors: [], sites: [] }

/**
 * What the journal of a deployment has in a visitor's place: SHA-256 of both ids, 64 hexadecimal digits. Two deployments' journals
 * cannot be compared, and only who knows a visitor's id finds it.
 */
export const visitorHash = (deploymentId: string, visitorId: string): string =>
  createHash("sha256").update(`${deploymentId} ${visitorId.toLowerCase()}`).digest("hex")

const SELECT_DEPLOYMENT = "SELECT id FROM deployment"

const INSERT = `
  INSERT INTO erasures (visitor, erased_at) VALUES (decode($1, 'hex'), now()) ON CONFLICT DO NOTHING`

/** Notes an erasure, in the transaction that deletes the visitor's rows: a copy of the database has both or neither. */
export const noteErasure = (sql: Sql, visitorId: string): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const { rows } = yield* sql.query<{ id: string }>(SELECT_DEPLOYMENT)
    for (const { id } of rows) yield* sql.query(INSERT, [visitorHash(id, visitorId)])
  })

const SELECT = `
  SELECT encode(visitor, 'hex') AS visitor,
    to_char(erased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "erasedAt"
  FROM erasures ORDER BY erasures.erased_at, erasures.visitor`

const SELECT_SITES = `
  SELECT id::text AS id, site, to_char(erased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "erasedAt"
  FROM site_erasures ORDER BY site_erasures.erased_at, id`

/** Every erasure of a site, oldest first. */
export const siteErasures = (postgres: Postgres): Effect.Effect<ReadonlyArray<SiteErasure>, StoreError> =>
  postgres.query<Record<keyof SiteErasure, string>>("erasures", SELECT_SITES)

/** All of the journal. */
export const journal = (postgres: Postgres): Effect.Effect<Journal, StoreError> =>
  Effect.all({ visitors: erasures(postgres), sites: siteErasures(postgres) })

/** Every erasure of a visitor, oldest first. */
export const erasures = (postgres: Postgres): Effect.Effect<ReadonlyArray<Erasure>, StoreError> =>
  postgres.query<Record<keyof Erasure, string>>("erasures", SELECT)

const KEEP = `
  INSERT INTO erasures (visitor, erased_at)
  SELECT decode(visitor, 'hex'), erased_at FROM unnest($1::text[], $2::timestamptz[]) AS told (visitor, erased_at)
  ON CONFLICT DO NOTHING`

/** Adds erasures that another copy of the database has. */
export const keepErasures = (
  postgres: Postgres,
  told: ReadonlyArray<Erasure>,
): Effect.Effect<void, StoreError> =>
  Effect.asVoid(
    postgres.query("erasures", KEEP, [
      told.map(({ visitor }) => visitor),
      told.map(({ erasedAt }) => erasedAt),
    ]),
  )

/** A journal is no journal. */
export class JournalUnreadable extends TaggedError("JournalUnreadable")<{ readonly message: string }> {}

/**
 * A journal as text, a line an erasure: `{"visitor":"<64 hexadecimal digits>","erased_at":"2026-12-08T10:00:00.000Z"}`, or with a
 * site's slug and the receipt's number in the visitor's place.
 */
export const journalText = ({ visitors, sites }: Journal): string =>
  [
    ...visitors.map(({ visitor, erasedAt }) => ({ visitor, erased_at: erasedAt })),
    ...sites.map(({ id, site, erasedAt }) => ({ site, erased_at: erasedAt, receipt: id })),
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("")

/** The erasures in a journal's text. Throws {@link JournalUnreadable} with the first line that is none. */
export const parseJournal = (text: string): Journal => {
  const visitors: Array<Erasure> = []
  const sites: Array<SiteErasure> = []
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue
    const read = lineOf(line)
    if (read === null)
      throw new JournalUnreadable({
        message: `Line ${index + 1} of the journal is no erasure: it should look like {"visitor":"<64 hexadecimal digits>","erased_at":"2026-12-08T10:00:00.000Z"}.`,
      })
    if ("site" in read) sites.push(read)
    else visitors.push(read)
  }
  return { visitors, sites }
}

const lineOf = (line: string): Erasure | SiteErasure | null => {
  let read: unknown
  try {
    read = JSON.parse(line)
  } catch {
    return null
  }
  if (typeof read !== "object" || read === null || !("erased_at" in read)) return null
  const { erased_at: erasedAt } = read
  if (typeof erasedAt !== "string" || Number.isNaN(Date.parse(erasedAt))) return null
  if ("visitor" in read) {
    const { visitor } = read
    return typeof visitor === "string" && /^[0-9a-f]{64}$/.test(visitor) ? { visitor, erasedAt } : null
  }
  if (!("site" in read) || !("receipt" in read)) return null
  const { site, receipt: id } = read
  return typeof site === "string" && SITE_SLUG.test(site) && typeof id === "string" && UUID.test(id)
    ? { id, site, erasedAt }
    : null
}

const SELECT_ID = "SELECT id FROM deployment"

/** Tells of an event, by its visitor, its site and its time in unix milliseconds, whether either was erased after it. */
export const erasedAfter = (
  postgres: Postgres,
): Effect.Effect<(visitorId: string, site: string, createdAt: number) => boolean, StoreError> =>
  Effect.gen(function* () {
    const [deployment] = yield* postgres.query<{ id: string }>("erasures", SELECT_ID)
    const last = new Map(
      (yield* erasures(postgres)).map(({ visitor, erasedAt }) => [visitor, Date.parse(erasedAt)]),
    )
    const sites = new Map(
      (yield* siteErasures(postgres)).map(({ site, erasedAt }) => [site, Date.parse(erasedAt)]),
    )
    const never = Number.NEGATIVE_INFINITY
    return (visitorId, site, createdAt) =>
      (sites.get(site) ?? never) >= createdAt ||
      (last.get(visitorHash(deployment?.id ?? "", visitorId)) ?? never) >= createdAt
  })

const SELECT_ERASED = `
  SELECT DISTINCT known::text AS visitor FROM event_chunks CROSS JOIN unnest(visitors) AS known
  WHERE sha256(convert_to($1 || ' ' || known, 'UTF8')) = ANY (SELECT decode(told, 'hex') FROM unnest($2::text[]) AS told)`

/** Visitors with raw events whose hashes are among those given. */
export const visitorsOf = (
  postgres: Postgres,
  deploymentId: string,
  hashes: ReadonlyArray<string>,
): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  Effect.map(postgres.query<{ visitor: string }>("erasures", SELECT_ERASED, [deploymentId, hashes]), (rows) =>
    rows.map(({ visitor }) => visitor),
  )

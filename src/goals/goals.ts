/** Goals in Postgres: listed, made, removed. Every change is one transaction with its line in the audit log. */
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import { iso, noteIn } from "../access/accounts.ts"
import type { SiteGoal } from "../query/language/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"

/** Goals of a site, at most: a page may show all of them, each by a question of its own. */
export const MAX_GOALS = 20

/** A goal as it is listed. */
export interface GoalRow extends SiteGoal {
  readonly id: number
  readonly created_at: string
}

/** What changes of a goal; `null` for what stays. */
export interface ChangedGoal {
  readonly name: string | null
  readonly filters: SiteGoal["filters"] | null
}

/** Why a goal cannot be made or removed. */
export class GoalRefused extends TaggedError("GoalRefused")<{
  readonly reason: "taken" | "missing" | "too_many"
}> {}

type Refusable<A> = Effect.Effect<A, GoalRefused | StoreError>

const SELECT = `SELECT id, site, name, filters, ${iso("created_at")} FROM goals WHERE site = ANY ($1::text[]) ORDER BY id`
/** One at a time, so that there are never too many; whoever reads waits for nobody. */
const LOCK = "LOCK TABLE goals IN SHARE ROW EXCLUSIVE MODE"
const COUNT = "SELECT count(*)::integer AS count FROM goals WHERE site = $1"
const INSERT =
  "INSERT INTO goals (site, name, filters) VALUES ($1, $2, $3::jsonb) ON CONFLICT (site, name) DO NOTHING RETURNING id"
/** No row where another goal of the site has the name. */
const UPDATE = `
  UPDATE goals SET name = coalesce($3, name), filters = coalesce($4::jsonb, filters)
  WHERE id = $1 AND site = ANY ($2::text[])
    AND NOT EXISTS (SELECT FROM goals other WHERE other.site = goals.site AND other.name = $3 AND other.id <> $1)
  RETURNING site, name`
const DELETE = "DELETE FROM goals WHERE id = $1 AND site = ANY ($2::text[]) RETURNING site, name"

export class Goals {
  readonly #postgres: Postgres

  constructor(postgres: Postgres) {
    this.#postgres = postgres
  }

  #change<A>(body: (sql: Sql) => Refusable<A>): Refusable<A> {
    return this.#postgres.transaction("goals", body)
  }

  /** The goals of some sites, the oldest first. */
  of(sites: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<GoalRow>, StoreError> {
    return this.#postgres.query<GoalRow & Record<string, unknown>>("goals", SELECT, [sites])
  }

  /** Makes a goal of filters that have been read. Returns its id. */
  add(who: string, { site, name, filters }: SiteGoal): Refusable<number> {
    return this.#change((sql) =>
      Effect.gen(function* () {
        yield* sql.query(LOCK)
        const { rows: counts } = yield* sql.query<{ count: number }>(COUNT, [site])
        if ((counts[0]?.count ?? 0) >= MAX_GOALS) return yield* new GoalRefused({ reason: "too_many" })
        const values = [site, name, JSON.stringify(filters)]
        const { rows } = yield* sql.query<{ id: number }>(INSERT, values)
        if (rows[0] === undefined) return yield* new GoalRefused({ reason: "taken" })
        yield* noteIn(sql, who, "goal made", `${rows[0].id}, ${site}, ${name}`)
        return rows[0].id
      }),
    )
  }

  /** Gives a goal of one of the sites another name, and other filters. */
  change(
    who: string,
    sites: ReadonlyArray<string>,
    id: number,
    { name, filters }: ChangedGoal,
  ): Refusable<void> {
    return this.#change((sql) =>
      Effect.gen(function* () {
        yield* sql.query(LOCK)
        const values = [id, sites, name, filters === null ? null : JSON.stringify(filters)]
        const { rows } = yield* sql.query<{ site: string; name: string }>(UPDATE, values)
        if (rows[0] === undefined) {
          const found = "SELECT FROM goals WHERE id = $1 AND site = ANY ($2::text[])"
          const there = (yield* sql.query(found, [id, sites])).rows.length > 0
          return yield* new GoalRefused({ reason: there ? "taken" : "missing" })
        }
        yield* noteIn(sql, who, "goal changed", `${id}, ${rows[0].site}, ${rows[0].name}`)
      }),
    )
  }

  /** Removes a goal of one of the sites; to whom these are closed there is none. */
  remove(who: string, sites: ReadonlyArray<string>, id: number): Refusable<void> {
    return this.#change((sql) =>
      Effect.gen(function* () {
        const { rows } = yield* sql.query<{ site: string; name: string }>(DELETE, [id, sites])
        if (rows[0] === undefined) return yield* new GoalRefused({ reason: "missing" })
        yield* noteIn(sql, who, "goal removed", `${id}, ${rows[0].site}, ${rows[0].name}`)
      }),
    )
  }
}

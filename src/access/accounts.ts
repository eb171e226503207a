/**
 * Users and tokens in Postgres: made, listed, changed, revoked. Every change is one transaction with its line in the audit log, and
 * raises the version that nodes go by; whoever makes one tells the nodes afterwards (`changed`).
 */
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { KeyScope, Role } from "../domain/roles.ts"
import { DAY_MS, HOUR_MS } from "../domain/time.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres, Sql } from "../stores/postgres.ts"
import { hashPassword, isPassword } from "./passwords.ts"
import { digestOf, newToken, type TokenKind } from "./tokens.ts"

/** Why something cannot be done: nobody is told more than that. */
export class AccountRefused extends TaggedError("AccountRefused")<{
  readonly reason: "wrong" | "taken" | "missing" | "last_owner" | "too_many"
}> {}

/** Days that a session lasts. */
export const SESSION_DAYS = 30
/** Hours that the link of the first start is good for. */
const SETUP_HOURS = 24
/** Sessions of a user: the oldest ends with the next one. */
const MAX_SESSIONS = 20
/** Users, keys and share links, each: every node has all of them in memory. */
const MAX_OF_A_KIND = 1000

export interface UserRow {
  readonly id: number
  readonly name: string
  readonly role: Role
  readonly sites: ReadonlyArray<string> | null
  readonly created_at: string
}

/** A key or a share link, as it is listed. */
export interface TokenInfo {
  readonly id: number
  readonly name: string
  readonly scopes: ReadonlyArray<string>
  readonly sites: ReadonlyArray<string> | null
  readonly has_password: boolean
  readonly embed_on: ReadonlyArray<string>
  /** Of a share link; `null` for a key, whose token is nowhere, and for links of versions that did not keep them. */
  readonly token: string | null
  readonly created_at: string
  /** When a key was last used, to the minute; `null` for one that was not, and for share links. */
  readonly last_used_at: string | null
  readonly expires_at: string | null
}

export interface AuditRow {
  readonly at: string
  readonly who: string
  readonly action: string
  readonly what: string
}

export interface NewToken {
  readonly kind: "key" | "share"
  readonly name: string
  readonly scopes: ReadonlyArray<KeyScope | "figures">
  readonly sites: ReadonlyArray<string> | null
  readonly password?: string | null
  readonly embedOn?: ReadonlyArray<string>
  /** Unix milliseconds; `null` for never. */
  readonly expiresAt: number | null
}

const ISO = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`
/** A column's instant as answers have it. */
export const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', ${ISO}) AS ${column}`

const LOCK = "UPDATE access_changes SET version = version + 1"
const INSERT_AUDIT = "INSERT INTO audit_log (who, action, what) VALUES ($1, $2, $3)"
const INSERT_USER =
  "INSERT INTO users (name, password, role, sites) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id"
const INSERT_TOKEN = `
  INSERT INTO access_tokens (kind, digest, name, scopes, sites, user_id, password, embed_on, expires_at, token)
  VALUES ($1, decode($2, 'hex'), $3, $4, $5, $6, $7, $8, to_timestamp($9::float8 / 1000), $10) RETURNING id`
const DELETE_OLD_SESSIONS = `
  DELETE FROM access_tokens WHERE kind = 'session' AND user_id = $1 AND (expires_at < now() OR id NOT IN (
    SELECT id FROM access_tokens WHERE kind = 'session' AND user_id = $1 ORDER BY id DESC LIMIT ${MAX_SESSIONS}))`
/** With the role that it was. An owner has all sites. */
const UPDATE_USER = `
  UPDATE users SET role = coalesce($2, users.role), password = coalesce($3, password),
    sites = CASE WHEN coalesce($2, users.role) <> 'owner' THEN CASE WHEN $4 THEN $5::text[] ELSE sites END END
  FROM (SELECT id, role FROM users WHERE id = $1 FOR UPDATE) AS before
  WHERE users.id = before.id RETURNING users.name, users.role, before.role AS was`
const SELECT_PASSWORD = "SELECT id, password FROM users WHERE name = $1"
const SELECT_SETUP =
  "SELECT FROM access_tokens WHERE kind = 'setup' AND digest = decode($1, 'hex') AND expires_at > now()"

/** Of the nodes that tell of one minute, the first writes. */
const UPDATE_USED = `
  UPDATE access_tokens SET last_used_at = to_timestamp($2::float8 / 1000)
  WHERE id = $1 AND kind = 'key' AND (last_used_at IS NULL OR last_used_at < to_timestamp($2::float8 / 1000))`

/** Names are the same however they are typed. */
export const userName = (name: string): string => name.trim().normalize("NFKC").toLowerCase()

export interface Credentials {
  readonly name: string
  readonly password: string
}

/** What changes of a user. */
export interface ChangedUser {
  /** `null` for the one that they have. */
  readonly role: Role | null
  /** Nothing for those that they have, `null` for all. */
  readonly sites?: ReadonlyArray<string> | null
  /** `null` for the one that they have. */
  readonly password: string | null
}

type Refusable<A> = Effect.Effect<A, AccountRefused | StoreError>

const refused = (reason: AccountRefused["reason"]) => new AccountRefused({ reason })

/** Notes what somebody does, in the transaction in which it is done. */
export const noteIn = (
  sql: Sql,
  who: string,
  action: string,
  what: string,
): Effect.Effect<void, StoreError> => Effect.asVoid(sql.query(INSERT_AUDIT, [who, action, what]))

const countOf = (sql: Sql, what: string, values: ReadonlyArray<unknown> = []) =>
  Effect.map(
    sql.query<{ count: number }>(`SELECT count(*)::integer AS count FROM ${what}`, values),
    ({ rows }) => rows[0]?.count ?? 0,
  )

export class Accounts {
  readonly #postgres: Postgres
  readonly #changed: Effect.Effect<void>

  /** @param changed tells the nodes, after a change */
  constructor(postgres: Postgres, changed: Effect.Effect<void> = Effect.void) {
    this.#postgres = postgres
    this.#changed = changed
  }

  /** One at a time, because the version's row is locked first. */
  #change<A>(
    who: string,
    action: string,
    body: (sql: Sql) => Refusable<readonly [A, what: string]>,
  ): Refusable<A> {
    return this.#postgres
      .transaction("access", (sql) =>
        Effect.gen(function* () {
          yield* sql.query(LOCK)
          const [value, what] = yield* body(sql)
          yield* noteIn(sql, who, action, what)
          return value
        }),
      )
      .pipe(Effect.tap(this.#changed))
  }

  /** Notes what somebody has done elsewhere. */
  note(who: string, action: string, what: string): Effect.Effect<void, StoreError> {
    return Effect.asVoid(this.#postgres.query("access", INSERT_AUDIT, [who, action, what]))
  }

  /** A link for the first owner; `null` where there is a user already. */
  setupToken(now: number): Refusable<string | null> {
    return Effect.flatMap(this.users(), (users) =>
      users.length > 0 ? Effect.succeed(null) : this.#newSetup(newToken("setup"), now),
    )
  }

  #newSetup(token: string, now: number): Refusable<string | null> {
    return this.#change<string | null>("start", "setup link made", (sql) =>
      Effect.gen(function* () {
        yield* sql.query("DELETE FROM access_tokens WHERE kind = 'setup' AND expires_at < now()")
        yield* insertToken(sql, "setup", token, {
          ...{ name: "first owner", scopes: [], sites: null, expiresAt: now + SETUP_HOURS * HOUR_MS },
        })
        return [token, "for the first owner"] as const
      }),
    )
  }

  /** Makes the first owner, by the link of the first start. */
  setUp(setup: string, { name, password }: Credentials): Refusable<void> {
    return Effect.flatMap(hashPassword(password), (hash) =>
      this.#change(userName(name), "first owner made", (sql) =>
        Effect.gen(function* () {
          const { rows } = yield* sql.query(SELECT_SETUP, [digestOf(setup)])
          if (rows.length === 0 || (yield* countOf(sql, "users")) > 0) return yield* refused("wrong")
          yield* sql.query(INSERT_USER, [userName(name), hash, "owner", null])
          yield* sql.query("DELETE FROM access_tokens WHERE kind = 'setup'")
          return [undefined, userName(name)] as const
        }),
      ),
    )
  }

  /** The user of a name and a password. A wrong name takes as long as a wrong password, and is refused alike. */
  #userOf({ name, password }: Credentials): Refusable<{ readonly id: number; readonly password: string }> {
    return Effect.gen({ self: this }, function* () {
      const [user] = yield* this.#postgres.query<{ id: number; password: string }>(
        "access",
        SELECT_PASSWORD,
        [userName(name)],
      )
      const right = yield* isPassword(password, user?.password ?? null)
      return right && user !== undefined ? user : yield* refused("wrong")
    })
  }

  /** Begins a session. */
  logIn({ name, password }: Credentials, now: number): Refusable<string> {
    return Effect.gen({ self: this }, function* () {
      const user = yield* this.#userOf({ name, password })
      const token = newToken("session")
      return yield* this.#change(userName(name), "logged in", (sql) =>
        Effect.gen(function* () {
          // While it was looked at, the password may have been changed, or the user removed.
          const still = yield* countOf(sql, "users WHERE id = $1 AND password = $2", [user.id, user.password])
          if (still === 0) return yield* refused("wrong")
          yield* insertSession(sql, token, name, user.id, now)
          yield* sql.query(DELETE_OLD_SESSIONS, [user.id])
          return [token, ""] as const
        }),
      )
    })
  }

  /** Ends a session, or every session of its user. */
  logOut(who: string, sessionId: number, everywhere: boolean): Refusable<void> {
    return this.#change(who, everywhere ? "logged out everywhere" : "logged out", (sql) =>
      Effect.as(
        sql.query(
          everywhere
            ? "DELETE FROM access_tokens WHERE kind = 'session' AND user_id = (SELECT user_id FROM access_tokens WHERE id = $1)"
            : "DELETE FROM access_tokens WHERE kind = 'session' AND id = $1",
          [sessionId],
        ),
        [undefined, ""] as const,
      ),
    )
  }

  users(): Effect.Effect<ReadonlyArray<UserRow>, StoreError> {
    return this.#postgres.query<UserRow & Record<string, unknown>>(
      "access",
      `SELECT id, name, role, sites, ${iso("created_at")} FROM users ORDER BY name`,
    )
  }

  addUser(
    who: string,
    user: Credentials & { readonly role: Role; readonly sites: ReadonlyArray<string> | null },
  ): Refusable<number> {
    return Effect.flatMap(hashPassword(user.password), (hash) =>
      this.#change(who, "user added", (sql) =>
        Effect.gen(function* () {
          if ((yield* countOf(sql, "users")) >= MAX_OF_A_KIND) return yield* refused("too_many")
          const values = [userName(user.name), hash, user.role, user.sites]
          const { rows } = yield* sql.query<{ id: number }>(INSERT_USER, values)
          const [row] = rows
          if (row === undefined) return yield* refused("taken")
          return [row.id, `${userName(user.name)}, ${user.role}`] as const
        }),
      ),
    )
  }

  /** Gives a user another password; every session of theirs ends. */
  setPassword(who: string, { name, password }: Credentials): Refusable<void> {
    return Effect.flatMap(hashPassword(password), (hash) =>
      this.#change(who, "password changed", (sql) =>
        Effect.gen(function* () {
          const { rows } = yield* sql.query<{ id: number }>(
            "UPDATE users SET password = $2 WHERE name = $1 RETURNING id",
            [userName(name), hash],
          )
          if (rows[0] === undefined) return yield* refused("missing")
          yield* sql.query("DELETE FROM access_tokens WHERE user_id = $1", [rows[0].id])
          return [undefined, userName(name)] as const
        }),
      ),
    )
  }

  /** Gives whoever knows their password another one; every session of theirs ends, and a new one begins. */
  changePassword({ name, password }: Credentials, next: string, now: number): Refusable<string> {
    return Effect.gen({ self: this }, function* () {
      const user = yield* this.#userOf({ name, password })
      const hash = yield* hashPassword(next)
      const token = newToken("session")
      return yield* this.#change(userName(name), "password changed", (sql) =>
        Effect.gen(function* () {
          const values = [user.id, user.password, hash]
          const { rows } = yield* sql.query(
            "UPDATE users SET password = $3 WHERE id = $1 AND password = $2 RETURNING id",
            values,
          )
          if (rows.length === 0) return yield* refused("wrong")
          yield* sql.query("DELETE FROM access_tokens WHERE user_id = $1", [user.id])
          yield* insertSession(sql, token, name, user.id, now)
          return [token, userName(name)] as const
        }),
      )
    })
  }

  /** Gives a user another role, other sites, and another password if there is one, which ends their sessions. The last owner stays one. */
  changeUser(who: string, id: number, { role, sites, password }: ChangedUser): Refusable<void> {
    return Effect.gen({ self: this }, function* () {
      const hash = password === null ? null : yield* hashPassword(password)
      return yield* this.#change(who, "user changed", (sql) =>
        Effect.gen(function* () {
          const { rows } = yield* sql.query<{ name: string; role: Role; was: Role }>(UPDATE_USER, [
            ...[id, role, hash, sites !== undefined, sites ?? null],
          ])
          const [user] = rows
          if (user === undefined) return yield* refused("missing")
          if (user.was === "owner" && (yield* countOf(sql, "users WHERE role = 'owner'")) === 0)
            return yield* refused("last_owner")
          if (hash !== null) yield* sql.query("DELETE FROM access_tokens WHERE user_id = $1", [id])
          return [
            undefined,
            `${user.name}, ${user.role}${hash === null ? "" : ", another password"}`,
          ] as const
        }),
      )
    })
  }

  /** Removes a user, by id or by name, and with them their sessions. The last owner stays. */
  removeUser(who: string, user: number | string): Refusable<void> {
    return this.#change(who, "user removed", (sql) =>
      Effect.gen(function* () {
        const { rows } = yield* sql.query<{ name: string; role: Role }>(
          typeof user === "number"
            ? "DELETE FROM users WHERE id = $1 RETURNING name, role"
            : "DELETE FROM users WHERE name = $1 RETURNING name, role",
          [typeof user === "number" ? user : userName(user)],
        )
        const [row] = rows
        if (row === undefined) return yield* refused("missing")
        if (row.role === "owner" && (yield* countOf(sql, "users WHERE role = 'owner'")) === 0)
          return yield* refused("last_owner")
        return [undefined, row.name] as const
      }),
    )
  }

  /** Keys or share links. */
  tokens(kind: NewToken["kind"]): Effect.Effect<ReadonlyArray<TokenInfo>, StoreError> {
    return this.#postgres.query<TokenInfo & Record<string, unknown>>(
      "access",
      `SELECT id, name, scopes, sites, password IS NOT NULL AS has_password, embed_on, token,
         ${iso("created_at")}, ${iso("last_used_at")}, ${iso("expires_at")}
       FROM access_tokens WHERE kind = $1 ORDER BY id`,
      [kind],
    )
  }

  /** Makes a key or a share link. Returns its id, and the token, which is told this once. */
  addToken(who: string, made: NewToken): Refusable<{ readonly id: number; readonly token: string }> {
    return Effect.gen({ self: this }, function* () {
      const password = made.password ? yield* hashPassword(made.password) : null
      const token = newToken(made.kind)
      return yield* this.#change(who, `${made.kind} made`, (sql) =>
        Effect.gen(function* () {
          if ((yield* countOf(sql, "access_tokens WHERE kind = $1", [made.kind])) >= MAX_OF_A_KIND)
            return yield* refused("too_many")
          const id = yield* insertToken(sql, made.kind, token, { ...made, password })
          return [{ id, token }, `${id}, ${made.name}`] as const
        }),
      )
    })
  }

  /** Revokes a key or a share link: it is good for nothing any more, on any node. */
  revoke(who: string, kind: NewToken["kind"], id: number): Refusable<void> {
    return this.#change(who, `${kind} revoked`, (sql) =>
      Effect.gen(function* () {
        const { rows } = yield* sql.query<{ name: string }>(
          "DELETE FROM access_tokens WHERE kind = $1 AND id = $2 RETURNING name",
          [kind, id],
        )
        if (rows[0] === undefined) return yield* refused("missing")
        return [undefined, `${id}, ${rows[0].name}`] as const
      }),
    )
  }

  /** A key was used in the minute that begins then, unix milliseconds. */
  used(key: number, minute: number): Effect.Effect<void, StoreError> {
    return Effect.asVoid(this.#postgres.query("access", UPDATE_USED, [key, minute]))
  }

  /** Whether a share link's password is right; a link that there is not takes as long. Its id, and the hash it was compared with. */
  openShare(
    token: string,
    password: string,
  ): Refusable<{ readonly id: number; readonly passwordHash: string }> {
    return Effect.gen({ self: this }, function* () {
      const [share] = yield* this.#postgres.query<{ id: number; password: string | null }>(
        "access",
        `SELECT id, password FROM access_tokens WHERE kind = 'share' AND digest = decode($1, 'hex')
         AND (expires_at IS NULL OR expires_at > now())`,
        [digestOf(token)],
      )
      const right = yield* isPassword(password, share?.password ?? null)
      if (!right || share === undefined || share.password === null) return yield* refused("wrong")
      return { id: share.id, passwordHash: share.password }
    })
  }

  /** What was done, newest first. */
  audit(limit: number): Effect.Effect<ReadonlyArray<AuditRow>, StoreError> {
    return this.#postgres.query<AuditRow & Record<string, unknown>>(
      "access",
      `SELECT ${iso("at")}, who, action, what FROM audit_log ORDER BY id DESC LIMIT $1`,
      [limit],
    )
  }
}

interface TokenFields extends Omit<NewToken, "kind"> {
  readonly userId?: number
}

const insertToken = (
  sql: Sql,
  kind: TokenKind,
  token: string,
  { name, scopes, sites, userId = undefined, password = null, embedOn = [], expiresAt }: TokenFields,
): Effect.Effect<number, StoreError> =>
  Effect.map(
    sql.query<{ id: number }>(INSERT_TOKEN, [
      ...[kind, digestOf(token), name, scopes, sites, userId ?? null, password, embedOn, expiresAt],
      kind === "share" ? token : null,
    ]),
    ({ rows }) => rows[0]?.id ?? 0,
  )

const insertSession = (sql: Sql, token: string, name: string, userId: number, now: number) =>
  insertToken(sql, "session", token, {
    ...{ name: userName(name), scopes: [], sites: null, userId },
    expiresAt: now + SESSION_DAYS * DAY_MS,
  })

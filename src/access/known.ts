/**
 * Who has access, as every node and thread has it in memory: all of it, so that a request is let in without asking a store, and what
 * has been revoked is gone at once. Plain data, which threads hand each other.
 */
import * as Effect from "effect/Effect"
import { type KeyScope, type Role, SCOPES_OF } from "../domain/roles.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { unlockKey } from "./tokens.ts"

export interface KnownToken {
  readonly id: number
  readonly kind: "session" | "key" | "share"
  /** See `digestOf`. */
  readonly digest: string
  readonly name: string
  /** `figures` is what a share link shows. */
  readonly scopes: ReadonlyArray<KeyScope | "figures">
  /** Slugs; `null` for all. */
  readonly sites: ReadonlyArray<string> | null
  /** Unix milliseconds; `null` for never. */
  readonly expiresAt: number | null
  /** What the password of a share link opens it with; `null` where there is none. */
  readonly unlockKey: string | null
  /** Origins whose pages may embed a share link; `*` for all. */
  readonly embedOn: ReadonlyArray<string>
}

export interface KnownUser {
  readonly name: string
  readonly role: Role
  readonly sites: ReadonlyArray<string> | null
}

export interface Known {
  readonly version: number
  readonly tokens: ReadonlyArray<KnownToken>
  readonly users: ReadonlyArray<KnownUser>
}

export const NOBODY_KNOWN: Known = { version: -1, tokens: [], users: [] }

interface TokenRow {
  readonly id: number
  readonly kind: KnownToken["kind"]
  readonly digest: string
  readonly name: string
  readonly scopes: KnownToken["scopes"]
  readonly sites: ReadonlyArray<string> | null
  readonly expires_at: number | null
  readonly password: string | null
  readonly embed_on: ReadonlyArray<string>
  readonly role: Role | null
}

const SELECT_VERSION = "SELECT version::float8 AS version FROM access_changes"

const SELECT_TOKENS = `
  SELECT t.id, kind, encode(digest, 'hex') AS digest, coalesce(u.name, t.name) AS name, scopes,
    CASE WHEN u.id IS NULL THEN t.sites ELSE u.sites END AS sites,
    (extract(epoch FROM expires_at) * 1000)::float8 AS expires_at, t.password, embed_on, u.role
  FROM access_tokens t LEFT JOIN users u ON u.id = user_id
  WHERE kind <> 'setup' AND (expires_at IS NULL OR expires_at > now())`

const SELECT_USERS = "SELECT name, role, sites FROM users"

/** Reads who has access; `null` if that is still what the version says. */
export const loadKnown = (postgres: Postgres, known: number): Effect.Effect<Known | null, StoreError> =>
  Effect.gen(function* () {
    // Before the rest: what is changed meanwhile is read again.
    const [row] = yield* postgres.query<{ version: number }>("access", SELECT_VERSION)
    const version = row?.version ?? 0
    if (version === known) return null
    const tokens = yield* postgres.query<TokenRow & Record<string, unknown>>("access", SELECT_TOKENS)
    const users = yield* postgres.query<KnownUser & Record<string, unknown>>("access", SELECT_USERS)
    return {
      version,
      tokens: tokens.map(({ role, expires_at, password, embed_on, ...rest }) => ({
        ...rest,
        scopes: role === null ? rest.scopes : SCOPES_OF[role],
        expiresAt: expires_at,
        unlockKey: password === null ? null : unlockKey(password),
        embedOn: embed_on,
      })),
      users,
    }
  })

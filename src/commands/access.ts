/** `users` and `keys`: who has access, for whoever runs the deployment. Passwords are made here, so that none is in a shell's history. */
import { randomBytes } from "node:crypto"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { AccountRefused, Accounts } from "../access/accounts.ts"
import type { AppConfig } from "../config/settings.ts"
import type { KeyScope, Role } from "../domain/roles.ts"
import { deploymentIdentity } from "../events/schema/index.ts"
import { announceChange } from "../live/changes.ts"
import type { Postgres } from "../stores/postgres.ts"
import { CommandError } from "./error.ts"
import { sitesOf } from "./sites.ts"
import { type CommandStores, withStores } from "./stores.ts"

/** Who the audit log says it was. */
const WHO = "command"

const SENTENCES: { readonly [reason in AccountRefused["reason"]]: string } = {
  wrong: "The name, the password or the link is wrong.",
  taken: "There is a user of this name.",
  missing: "There is none of this name or id.",
  last_owner: "This is the last owner: make another one first.",
  too_many: "There are as many as there may be: remove some first.",
}

/** Does something with the accounts of a deployment, and tells its nodes. */
const withAccounts = <A, E>(
  config: AppConfig,
  body: (accounts: Accounts, postgres: Postgres) => Effect.Effect<A, E | AccountRefused>,
) =>
  Effect.gen(function* () {
    const { postgres, redis, metrics }: CommandStores = yield* withStores(config, "deployment")
    const { id } = yield* deploymentIdentity(postgres)
    const accounts = new Accounts(
      postgres,
      announceChange(redis, metrics, config.redisKeyPrefix, id, "access"),
    )
    return yield* Effect.mapError(body(accounts, postgres), (error) =>
      error instanceof AccountRefused ? new CommandError({ message: SENTENCES[error.reason] }) : error,
    )
  })

const newPassword = (): string => randomBytes(18).toString("base64url")

const sitesText = (sites: ReadonlyArray<string> | null): string => sites?.join(",") ?? "all sites"

/** Sites that are named have to be there. */
const declared = (postgres: Postgres, config: AppConfig, named: ReadonlyArray<string> | null) =>
  Effect.gen(function* () {
    const sites = yield* sitesOf(config, postgres)
    const unknown = named?.find((site) => !sites.declared.has(site))
    if (unknown !== undefined) return yield* new CommandError({ message: `There is no site ${unknown}.` })
  })

export const addUser = (
  config: AppConfig,
  user: { readonly name: string; readonly role: Role; readonly sites: ReadonlyArray<string> | null },
) =>
  Effect.gen(function* () {
    if (user.role === "owner" && user.sites !== null)
      return yield* new CommandError({ message: "An owner has all sites: leave --sites out." })
    const password = newPassword()
    yield* withAccounts(config, (accounts, postgres) =>
      Effect.andThen(declared(postgres, config, user.sites), accounts.addUser(WHO, { ...user, password })),
    )
    yield* Console.log(`${user.name}, ${user.role} of ${sitesText(user.sites)}, logs in with ${password}`)
  })

export const listUsers = (config: AppConfig) =>
  Effect.gen(function* () {
    const users = yield* withAccounts(config, (accounts) => accounts.users())
    for (const { name, role, sites } of users) yield* Console.log(`${name}\t${role}\t${sitesText(sites)}`)
    if (users.length === 0) yield* Console.log("There are no users.")
  })

export const changePassword = (config: AppConfig, name: string) =>
  Effect.gen(function* () {
    const password = newPassword()
    yield* withAccounts(config, (accounts) => accounts.setPassword(WHO, { name, password }))
    yield* Console.log(`${name} logs in with ${password} from now on; every session has ended.`)
  })

export const removeUser = (config: AppConfig, name: string) =>
  Effect.andThen(
    withAccounts(config, (accounts) => accounts.removeUser(WHO, name)),
    Console.log(`${name} is no user any more.`),
  )

export const addKey = (
  config: AppConfig,
  key: {
    readonly name: string
    readonly scopes: ReadonlyArray<KeyScope>
    readonly sites: ReadonlyArray<string> | null
  },
) =>
  Effect.gen(function* () {
    if (key.scopes.includes("admin") && key.sites !== null)
      return yield* new CommandError({
        message: "A key with the scope admin has all sites: leave --sites out.",
      })
    const { id, token } = yield* withAccounts(config, (accounts, postgres) =>
      Effect.andThen(
        declared(postgres, config, key.sites),
        accounts.addToken(WHO, { kind: "key", ...key, expiresAt: null }),
      ),
    )
    yield* Console.log(`Key ${id}, ${key.name}, is told this once: ${token}`)
  })

export const listKeys = (config: AppConfig) =>
  Effect.gen(function* () {
    const keys = yield* withAccounts(config, (accounts) => accounts.tokens("key"))
    for (const { id, name, scopes, sites, last_used_at: used } of keys)
      yield* Console.log(
        [id, name, scopes.join(","), sitesText(sites), used === null ? "not used" : `used ${used}`].join(
          "\t",
        ),
      )
    if (keys.length === 0) yield* Console.log("There are no keys.")
  })

export const revokeKey = (config: AppConfig, id: number) =>
  Effect.andThen(
    withAccounts(config, (accounts) => accounts.revoke(WHO, "key", id)),
    Console.log(`Key ${id} is good for nothing any more.`),
  )

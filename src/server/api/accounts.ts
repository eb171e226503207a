/**
 * Who has access: logging in and out, the first owner, users, keys, share links, and the log of what was done. Passwords are looked at
 * after an attempt has been counted, and every refusal of one is the same, however it is wrong.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { AccountRefused, userName } from "../../access/accounts.ts"
import { unlockedToken, unlockKey } from "../../access/tokens.ts"
import { MAX_ACCOUNT_BODY_BYTES } from "../../domain/limits.ts"
import { KEY_SCOPES, ROLES } from "../../domain/roles.ts"
import { DAY_MS } from "../../domain/time.ts"
import { sessionLine } from "../access/cookie.ts"
import type { Gate } from "../access/gate.ts"
import { type Bodies, readJson } from "../http/body.ts"
import { limitKey, socketAddress, type TrustedProxies } from "../http/clientAddress.ts"
import type { Exchange } from "../http/exchange.ts"
import { isOwnOrigin } from "../http/ownOrigin.ts"
import { Problem } from "../http/problem.ts"
import { Parameters } from "../http/query.ts"
import { askingOf } from "../http/router.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Runner } from "../services/readCache.ts"
import type { Services } from "../services/services.ts"
import { Fields, idOf } from "./fields.ts"
import { AUDIT_LIMIT } from "./parameters.ts"

/** Milliseconds for which the password of a share link opens it. */
const UNLOCKED_MS = DAY_MS

/** Who may let others in could let them into every site. */
const OWNS_ALL = new Problem(
  "INVALID_FIELD",
  "sites should be absent: an owner, or a key with the scope admin, has all.",
)
const WRONG = Problem.of("WRONG_CREDENTIALS")
const NOT_LOGGED_IN = Problem.of("UNAUTHORIZED")
const FOREIGN = Problem.of("ORIGIN_NOT_ALLOWED")

const REFUSALS: { readonly [reason in AccountRefused["reason"]]: Problem } = {
  wrong: WRONG,
  taken: new Problem("CONFLICT", "There is a user of this name."),
  missing: Problem.of("NOT_FOUND"),
  last_owner: new Problem("CONFLICT", "This is the last owner: make another one first."),
  too_many: new Problem("CONFLICT", "There are as many as there may be: remove some first."),
}

export interface AccountsOptions {
  readonly accounts: Services["accounts"]
  readonly attempts: Services["attempts"]
  readonly gate: Gate
  readonly bodies: Bodies
  readonly proxies: TrustedProxies
  /** Where the server answers; empty for the root. */
  readonly basePath: string
  readonly run: Runner
  /** Unix milliseconds. */
  readonly now: () => number
}

type Answer = Effect.Effect<unknown, unknown>

export class AccountsEndpoint {
  readonly #options: AccountsOptions

  constructor(options: AccountsOptions) {
    this.#options = options
  }

  /** Answers with what an effect gives, or with why it was refused. */
  #answer(exchange: Exchange, effect: Answer) {
    const refusable = Effect.mapError(effect, (error) =>
      error instanceof AccountRefused ? REFUSALS[error.reason] : error,
    )
    this.#options.run(refusable).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json({ success: true, data: exit.value ?? null })
    })
  }

  /** Reads a body's fields, and answers with what `act` makes of them. */
  #withBody(exchange: Exchange, act: (fields: Fields) => Answer | Problem) {
    readJson(this.#options.bodies, exchange, MAX_ACCOUNT_BODY_BYTES, (body) => {
      const fields = new Fields(body)
      const made = act(fields)
      if (fields.problem !== null) return exchange.refuse(fields.problem)
      if (made instanceof Problem) return exchange.refuse(made)
      this.#answer(exchange, made)
    })
  }

  /** Whether a request comes from a page of another origin, which has no business with passwords. */
  #isForeign({ res, headers }: Exchange): boolean {
    const behindProxy = this.#options.proxies.trusts(socketAddress(res.getRemoteAddress()))
    return headers.origin !== "" && !isOwnOrigin(headers.origin, headers, behindProxy)
  }

  /** Counts an attempt at an account, makes it, and forgets the attempts if it was right. */
  #attempt<A, E>(address: string, account: string, effect: Effect.Effect<A, E>) {
    const { attempts } = this.#options
    return Effect.gen(function* () {
      const wait = yield* attempts.count(address, account)
      if (wait > 0) return yield* Effect.fail(Problem.of("TOO_MANY_ATTEMPTS", `Retry-After: ${wait}\r\n`))
      const value = yield* effect
      yield* attempts.succeeded(account)
      return value
    })
  }

  #addressOf({ res, headers }: Exchange): string {
    return limitKey(this.#options.proxies.clientOf(res, headers))
  }

  #isSecure({ res, headers }: Exchange, forwardedProto: string): boolean {
    return (
      headers.origin.startsWith("https://") ||
      (this.#options.proxies.trusts(socketAddress(res.getRemoteAddress())) && /^https/i.test(forwardedProto))
    )
  }

  logIn(exchange: Exchange, req: IncomingRequest) {
    if (this.#isForeign(exchange)) return exchange.refuse(FOREIGN)
    const { accounts, gate, basePath, now } = this.#options
    const secure = this.#isSecure(exchange, req.getHeader("x-forwarded-proto"))
    const before = gate.look(askingOf(exchange, req)).grant
    const address = this.#addressOf(exchange)
    this.#withBody(exchange, (fields) => {
      const credentials = { name: fields.text("name", 1, 100), password: fields.text("password", 1, 200) }
      return Effect.gen({ self: this }, function* () {
        const account = `user ${userName(credentials.name)}`
        const token = yield* this.#attempt(address, account, accounts.logIn(credentials, now()))
        // Whoever knew the session before this one knows nothing of the new one.
        if (before.kind === "session" && before.id !== null)
          yield* accounts.logOut(before.name ?? "", before.id, false)
        exchange.lines += sessionLine(token, basePath, secure)
      })
    })
  }

  logOut(exchange: Exchange, req: IncomingRequest) {
    if (this.#isForeign(exchange)) return exchange.refuse(FOREIGN)
    const { accounts, gate, basePath } = this.#options
    const secure = this.#isSecure(exchange, req.getHeader("x-forwarded-proto"))
    const { grant } = gate.look(askingOf(exchange, req))
    this.#withBody(exchange, (fields) => {
      const everywhere = fields.flag("everywhere")
      return Effect.gen(function* () {
        if (grant.kind === "session" && grant.id !== null)
          yield* accounts.logOut(grant.name ?? "", grant.id, everywhere)
        exchange.lines += sessionLine(null, basePath, secure)
      })
    })
  }

  /** Whoever is logged in changes their own password, which they have to know. */
  changePassword(exchange: Exchange, req: IncomingRequest) {
    if (this.#isForeign(exchange)) return exchange.refuse(FOREIGN)
    const { accounts, gate, basePath, now } = this.#options
    const secure = this.#isSecure(exchange, req.getHeader("x-forwarded-proto"))
    const { grant } = gate.look(askingOf(exchange, req))
    const address = this.#addressOf(exchange)
    this.#withBody(exchange, (fields) => {
      const password = fields.text("password", 1, 200)
      const next = fields.newPassword("new_password")
      if (grant.kind !== "session" || grant.name === null) return NOT_LOGGED_IN
      const { name } = grant
      const change = accounts.changePassword({ name, password }, next, now())
      return Effect.map(this.#attempt(address, `user ${name}`, change), (token) => {
        exchange.lines += sessionLine(token, basePath, secure)
      })
    })
  }

  setUp(exchange: Exchange) {
    if (this.#isForeign(exchange)) return exchange.refuse(FOREIGN)
    const { accounts } = this.#options
    const address = this.#addressOf(exchange)
    this.#withBody(exchange, (fields) => {
      const token = fields.text("token", 1, 200)
      const credentials = { name: fields.text("name", 1, 100), password: fields.newPassword("password") }
      // What is guessed is counted by itself, so that nobody's guesses keep the owner out.
      return this.#attempt(address, `setup ${token}`, accounts.setUp(token, credentials))
    })
  }

  openShare(exchange: Exchange) {
    const { accounts, now } = this.#options
    const address = this.#addressOf(exchange)
    this.#withBody(exchange, (fields) => {
      const token = fields.text("token", 1, 200)
      const password = fields.text("password", 1, 200)
      return Effect.map(
        this.#attempt(address, `share ${token}`, accounts.openShare(token, password)),
        ({ id, passwordHash }) => ({
          token: unlockedToken(id, unlockKey(passwordHash), now() + UNLOCKED_MS),
        }),
      )
    })
  }

  users(exchange: Exchange) {
    this.#answer(exchange, this.#options.accounts.users())
  }

  addUser(exchange: Exchange) {
    this.#withBody(exchange, (fields) => {
      const user = {
        name: fields.text("name", 1, 100),
        password: fields.newPassword("password"),
        role: fields.oneOf("role", ROLES),
        sites: fields.sites("sites", exchange.access.sites),
      }
      if (user.role === "owner" && user.sites !== null) return OWNS_ALL
      return Effect.map(this.#options.accounts.addUser(whoIs(exchange), user), (id) => ({ id }))
    })
  }

  changeUser(exchange: Exchange, id: string) {
    const user = idOf(id)
    if (user === null) return exchange.refuse(REFUSALS.missing)
    this.#withBody(exchange, (fields) => {
      const sites = fields.sites("sites", exchange.access.sites)
      const change = {
        role: fields.optional("role", () => fields.oneOf("role", ROLES)),
        ...(fields.value("sites") !== undefined && { sites }),
        password: fields.optional("password", () => fields.newPassword("password")),
      }
      if (change.role === "owner" && sites !== null) return OWNS_ALL
      return this.#options.accounts.changeUser(whoIs(exchange), user, change)
    })
  }

  removeUser(exchange: Exchange, id: string) {
    const user = idOf(id)
    if (user === null) return exchange.refuse(REFUSALS.missing)
    this.#answer(exchange, this.#options.accounts.removeUser(whoIs(exchange), user))
  }

  tokens(exchange: Exchange, kind: "key" | "share") {
    this.#answer(exchange, this.#options.accounts.tokens(kind))
  }

  addKey(exchange: Exchange) {
    this.#withBody(exchange, (fields) => {
      const made = {
        kind: "key",
        name: fields.text("name", 1, 100),
        scopes: fields.someOf("scopes", KEY_SCOPES),
        sites: fields.sites("sites", exchange.access.sites),
        expiresAt: fields.time("expires_at"),
      } as const
      if (made.scopes.includes("admin") && made.sites !== null) return OWNS_ALL
      return this.#options.accounts.addToken(whoIs(exchange), made)
    })
  }

  addShare(exchange: Exchange) {
    this.#withBody(exchange, (fields) => {
      const made = {
        kind: "share",
        name: fields.text("name", 1, 100),
        scopes: ["figures"],
        sites: [fields.site("site", exchange.access.sites)],
        password: fields.optional("password", () => fields.newPassword("password")),
        embedOn: fields.origins("embed_on"),
        expiresAt: fields.time("expires_at"),
      } as const
      return this.#options.accounts.addToken(whoIs(exchange), made)
    })
  }

  revoke(exchange: Exchange, kind: "key" | "share", id: string) {
    const token = idOf(id)
    if (token === null) return exchange.refuse(REFUSALS.missing)
    this.#answer(exchange, this.#options.accounts.revoke(whoIs(exchange), kind, token))
  }

  audit(exchange: Exchange, req: IncomingRequest) {
    const parameters = new Parameters(req.getQuery() ?? "")
    const limit = parameters.integer("limit", AUDIT_LIMIT)
    if (parameters.problem !== null) return exchange.refuse(parameters.problem)
    this.#answer(exchange, this.#options.accounts.audit(limit))
  }
}

const whoIs = ({ access }: Exchange): string => access.grant.name ?? "nobody"

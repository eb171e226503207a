/** Lets requests in: finds out whose a request is, and whether that suffices for what it asks. */
import * as Effect from "effect/Effect"
import { userName } from "../../access/accounts.ts"
import { type Known, type KnownToken, NOBODY_KNOWN } from "../../access/known.ts"
import { digestOf, unlockedShare } from "../../access/tokens.ts"
import { type AppConfig, isExposed } from "../../config/settings.ts"
import { type Role, SCOPES_OF } from "../../domain/roles.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import type { SiteDirectory } from "../../sites/index.ts"
import {
  type Access,
  type Asking,
  type Gatekeeper,
  type Grant,
  type Granter,
  type Need,
  NO_ACCESS,
  NOBODY,
} from "../http/access.ts"
import { limitKey, socketAddress, type TrustedProxies } from "../http/clientAddress.ts"
import { Guesses } from "../http/guesses.ts"
import { isOwnOrigin } from "../http/ownOrigin.ts"
import { Problem } from "../http/problem.ts"
import type { Sites } from "../http/query.ts"
import { bearerToken, Secrets } from "../http/secrets.ts"
import { sessionIn } from "./cookie.ts"
import { needsOf, type Scope, visibleOf } from "./grant.ts"

const UNAUTHORIZED = Problem.of("UNAUTHORIZED", "WWW-Authenticate: Bearer\r\n")
const FORBIDDEN = Problem.of("FORBIDDEN")

/** Whose guesses they are is nobody's business: an address is in no log. */
const logGuesses = (guesses: number) =>
  Effect.logWarning("access: wrong tokens").pipe(Effect.annotateLogs({ guesses }))

export interface GateOptions {
  readonly access: AppConfig["access"]
  /** Where the node listens. */
  readonly host: string
  readonly adminToken: string | null
  readonly metricsToken: string | null
  /** Those that lift the rate limit of senders, and give nothing else. */
  readonly writeKeys: ReadonlyArray<string>
  /** Known on this machine only: tools that run beside the node read with it. */
  readonly localKey: string | null
  /** Field in which a trusted proxy names whom it has authenticated; `null` for none. */
  readonly authProxyHeader: string | null
  /** The role of those whom it names and who are no users; `null` for none. */
  readonly authProxyRole: Role | null
  readonly proxies: TrustedProxies
  readonly sites: Pick<SiteDirectory, "current">
  /** Hears of a key that is used, once a minute at most: the minute's beginning, unix milliseconds. */
  readonly onUsed: (key: number, minute: number) => void
  readonly run: (effect: Effect.Effect<void>) => unknown
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Tokens that a setting gives, and what comes with them. */
interface Setting {
  readonly secrets: Secrets
  readonly grant: Grant
}

const secretOf = (text: string | null): Secrets => new Secrets(text === null ? [] : [text])

export class Gate implements Gatekeeper {
  readonly isPublic: boolean
  /** Whether somebody has chosen who may see the figures. */
  readonly isChosen: boolean
  /** Whether nobody has, and others than this machine's users see them. */
  readonly isExposed: boolean
  readonly #metrics: Secrets
  readonly #settings: ReadonlyArray<Setting>
  readonly #proxies: TrustedProxies
  readonly #guesses: Guesses
  readonly #options: GateOptions
  #known = NOBODY_KNOWN
  #byDigest: ReadonlyMap<string, KnownToken> = new Map()
  #byId: ReadonlyMap<number, KnownToken> = new Map()
  /** The minute in which each key was last used here. */
  readonly #used = new Map<number, number>()

  constructor(options: GateOptions) {
    const { access, adminToken, metricsToken, writeKeys, localKey, proxies, run, now } = options
    this.#options = options
    this.isPublic = access !== "private"
    this.isChosen = access !== null
    this.isExposed = isExposed(options)
    this.#metrics = secretOf(metricsToken)
    this.#settings = [
      settingOf("ADMIN_TOKEN", secretOf(adminToken), ["admin"]),
      settingOf("METRICS_TOKEN", this.#metrics, ["metrics"]),
      settingOf("this machine", secretOf(localKey), ["read"]),
      settingOf("a write key", new Secrets(writeKeys), []),
    ]
    this.#proxies = proxies
    this.#guesses = new Guesses({ onGuesses: (guesses) => run(logGuesses(guesses)), now })
  }

  /** Whether who has been granted something may have it. */
  suffices(grant: Grant, need: Need): boolean {
    return this.isOpen(need) || grant.needs.has(need)
  }

  /** Whether everybody may have it. */
  isOpen(need: Need): boolean {
    if (need === "open") return true
    return this.isPublic && (need === "figures" || (need === "metrics" && !this.#metrics.any))
  }

  /** What a request may see that asks for nothing in particular; a wrong token is as good as none. */
  look(asking: Asking): Access {
    const grant = this.#grantOf(asking)
    const known = grant instanceof Problem ? NOBODY : grant
    return this.seenWith(known)
  }

  /** What may be seen, as of now, with what was granted. */
  seenWith(grant: Grant): Access {
    return { grant, sites: this.isPublic ? this.#sites : visibleOf(this.#sites, grant.sites) }
  }

  get #sites(): Sites {
    return this.#options.sites.current
  }

  /** What a request may see, or why it may not have what it asks for. */
  admit(asking: Asking, need: Need): Access | Problem {
    // What is open is so with a wrong token, too: clients have always sent some.
    if (this.isOpen(need)) return this.look(asking)
    if (need === "metrics" && !this.#metrics.any && isOfThisMachine(asking)) return NO_ACCESS
    const grant = this.#grantOf(asking)
    if (grant instanceof Problem) return grant
    if (grant === NOBODY) return UNAUTHORIZED
    const sites = visibleOf(this.#sites, grant.sites)
    return grant.needs.has(need) && sites.declared.size > 0 ? { grant, sites } : FORBIDDEN
  }

  /** Who has access from now on. */
  learn(known: Known): void {
    this.#known = known
    this.#byDigest = new Map(known.tokens.map((token) => [token.digest, token]))
    this.#byId = new Map(known.tokens.map((token) => [token.id, token]))
    for (const id of this.#used.keys()) if (!this.#byId.has(id)) this.#used.delete(id)
  }

  /** A key was used, here or in another thread. */
  used(key: number): void {
    const now = this.#options.now()
    const minute = now - (now % MINUTE_MS)
    if (this.#used.get(key) === minute) return
    this.#used.set(key, minute)
    this.#options.onUsed(key, minute)
  }

  /** All of who has access. */
  get known(): Known {
    return this.#known
  }

  /** What is granted now to whom something was granted before; `null` where that has ended. */
  current({ id, kind, name, digest }: Granter): Grant | null {
    if (kind === "proxy") return this.#ofName(name ?? "")
    if (id !== null) {
      const token = this.#byId.get(id)
      return token !== undefined && !this.#isOver(token) ? grantOf(token) : null
    }
    if (name === null) return NOBODY
    const setting = this.#settings.find(({ grant }) => grant.name === name && grant.digest === digest)
    return setting?.secrets.any === true ? setting.grant : null
  }

  /** Whether what was granted still is, no more and no less. */
  holds(grant: Grant): boolean {
    const now = this.current(grant)
    return now !== null && isSame(now.needs, grant.needs) && isSame(now.sites, grant.sites)
  }

  /** The share link of a token; `null` if it is none. */
  shareOf(token: string): KnownToken | null {
    const known = this.#byDigest.get(digestOf(token))
    return known?.kind === "share" && !this.#isOver(known) ? known : null
  }

  #isOver({ expiresAt }: KnownToken): boolean {
    return expiresAt !== null && expiresAt <= this.#options.now()
  }

  #grantOf(asking: Asking): Grant | Problem {
    const given = bearerToken(asking.headers.authorization) ?? asking.share ?? null
    if (given !== null) return this.#ofToken(given, asking)
    // What a browser sends by itself counts for pages of ours only.
    if (!this.#isOwn(asking)) return NOBODY
    return this.#ofCookie(asking.headers.cookie) ?? this.#ofProxy(asking) ?? NOBODY
  }

  /** Whether a request comes from a page of this server, or from no page: browsers name the origin of all but plain reads. */
  #isOwn({ res, headers, method }: Asking): boolean {
    const { origin } = headers
    if (origin === "") return method === "GET" || method === "HEAD"
    return isOwnOrigin(origin, headers, this.#proxies.trusts(socketAddress(res.getRemoteAddress())))
  }

  #ofCookie(cookie: string): Grant | null {
    const token = sessionIn(cookie)
    const known = token === null ? undefined : this.#byDigest.get(digestOf(token))
    return known?.kind === "session" && !this.#isOver(known) ? grantOf(known) : null
  }

  #ofProxy({ res, header }: Asking): Grant | null {
    const { authProxyHeader } = this.#options
    if (authProxyHeader === null) return null
    if (!this.#proxies.trusts(socketAddress(res.getRemoteAddress()))) return null
    return this.#ofName(userName(header(authProxyHeader)))
  }

  /** What somebody may whom a proxy has authenticated. */
  #ofName(name: string): Grant | null {
    if (name === "" || this.#options.authProxyHeader === null) return null
    const user = this.#known.users.find((each) => each.name === name)
    const role = user?.role ?? this.#options.authProxyRole
    if (role === null) return null
    const sites = user?.sites ?? null
    return {
      ...{ id: null, kind: "proxy", name, needs: needsOf(SCOPES_OF[role]) },
      sites: sites === null ? null : new Set(sites),
    }
  }

  #ofToken(given: string, { res, headers }: Asking): Grant | Problem {
    const address = limitKey(this.#proxies.clientOf(res, headers))
    // Whatever the token is: an answer that tells would be a guess more.
    const wait = this.#guesses.waitOf(address)
    if (wait > 0) return Problem.of("TOO_MANY_GUESSES", `Retry-After: ${wait}\r\n`)
    const grant = this.#ofSetting(given) ?? this.#ofKnown(given)
    if (grant !== null) return grant
    this.#guesses.wrong(address)
    return UNAUTHORIZED
  }

  #ofSetting(given: string): Grant | null {
    return this.#settings.find(({ secrets }) => secrets.accepts(given))?.grant ?? null
  }

  #ofKnown(given: string): Grant | null {
    const known = this.#byDigest.get(digestOf(given))
    if (known !== undefined) {
      const isBearer = known.kind === "key" || (known.kind === "share" && known.unlockKey === null)
      if (!isBearer || this.#isOver(known)) return null
      if (known.kind === "key") this.used(known.id)
      return grantOf(known)
    }
    const keyOf = (id: number) => this.#byId.get(id)?.unlockKey ?? null
    const share = this.#byId.get(unlockedShare(given, keyOf, this.#options.now()) ?? -1)
    return share !== undefined && !this.#isOver(share) ? grantOf(share) : null
  }
}

/** Whether two are the same things, `null` being all of them. */
const isSame = (some: Iterable<string> | null, others: Iterable<string> | null): boolean =>
  some === null || others === null ? some === others : String([...some].sort()) === String([...others].sort())

const settingOf = (name: string, secrets: Secrets, scopes: ReadonlyArray<Scope>): Setting => ({
  secrets,
  grant: { ...{ id: null, name, digest: secrets.shortDigest }, needs: needsOf(scopes), sites: null },
})

const grantOf = ({ id, kind, name, scopes, sites }: KnownToken): Grant => ({
  ...{ id, kind, name, needs: needsOf(scopes), sites: sites === null ? null : new Set(sites) },
})

const LOOPBACK = /^(127\.|0:0:0:0:0:0:0:1$)/

/** Whether a request comes from this machine, and no proxy on it has passed it on. */
const isOfThisMachine = ({ res, headers }: Asking): boolean =>
  LOOPBACK.test(socketAddress(res.getRemoteAddress())) &&
  res.getProxiedRemoteAddress().byteLength === 0 &&
  headers["x-forwarded-for"] === "" &&
  headers.forwarded === "" &&
  headers["x-real-ip"] === "" &&
  headers["x-forwarded-host"] === ""

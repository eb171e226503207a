/** Lets requests in: finds out whose a request is, and whether that suffices for what it asks. */
import * as Effect from "effect/Effect"
import type { AppConfig } from "../../config/settings.ts"
import {
  type Access,
  type Asking,
  type Gatekeeper,
  type Grant,
  type Need,
  NO_ACCESS,
  NOBODY,
} from "../http/access.ts"
import { limitKey, socketAddress, type TrustedProxies } from "../http/clientAddress.ts"
import { Guesses } from "../http/guesses.ts"
import { Problem } from "../http/problem.ts"
import type { Sites } from "../http/query.ts"
import { bearerToken, Secrets } from "../http/secrets.ts"
import { needsOf, visibleOf } from "./grant.ts"

const UNAUTHORIZED = Problem.of("UNAUTHORIZED", "WWW-Authenticate: Bearer\r\n")
const FORBIDDEN = Problem.of("FORBIDDEN")

/** Whose guesses they are is nobody's business: an address is in no log. */
const logGuesses = (guesses: number) =>
  Effect.logWarning("access: wrong tokens").pipe(Effect.annotateLogs({ guesses }))

const everything = (id: string): Grant => ({ id, name: id, needs: needsOf(["admin"]), sites: null })

export interface GateOptions {
  readonly access: AppConfig["access"]
  readonly adminToken: string | null
  readonly metricsToken: string | null
  /** Those that lift the rate limit of senders, and give nothing else. */
  readonly writeKeys: ReadonlyArray<string>
  /** Known on this machine only: tools that run beside the node read with it. */
  readonly localKey: string | null
  readonly proxies: TrustedProxies
  readonly sites: Sites
  readonly run: (effect: Effect.Effect<void>) => unknown
  /** Unix milliseconds. */
  readonly now: () => number
}

const secretOf = (text: string | null): Secrets => new Secrets(text === null ? [] : [text])

export class Gate implements Gatekeeper {
  readonly isPublic: boolean
  /** Whether somebody has chosen who may see the figures. */
  readonly isChosen: boolean
  readonly #writers: Secrets
  readonly #admin: Secrets
  readonly #metrics: Secrets
  readonly #local: Secrets
  readonly #proxies: TrustedProxies
  readonly #sites: Sites
  readonly #guesses: Guesses

  constructor(options: GateOptions) {
    const { access, adminToken, metricsToken, writeKeys, localKey, proxies, sites, run, now } = options
    this.isPublic = access !== "private"
    this.isChosen = access !== null
    this.#writers = new Secrets(writeKeys)
    this.#admin = secretOf(adminToken)
    this.#metrics = secretOf(metricsToken)
    this.#local = secretOf(localKey)
    this.#proxies = proxies
    this.#sites = sites
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
    return { grant: known, sites: this.isPublic ? this.#sites : visibleOf(this.#sites, known.sites) }
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

  #grantOf(asking: Asking): Grant | Problem {
    const given = bearerToken(asking.headers.authorization)
    return given === null ? NOBODY : this.#ofToken(given, asking)
  }

  #ofToken(given: string, { res, headers }: Asking): Grant | Problem {
    const address = limitKey(this.#proxies.clientOf(res, headers))
    // Whatever the token is: an answer that tells would be a guess more.
    const wait = this.#guesses.waitOf(address)
    if (wait > 0) return Problem.of("TOO_MANY_GUESSES", `Retry-After: ${wait}\r\n`)
    if (this.#admin.accepts(given)) return everything("ADMIN_TOKEN")
    if (this.#metrics.accepts(given))
      return { id: null, name: "METRICS_TOKEN", needs: needsOf(["metrics"]), sites: null }
    if (this.#local.accepts(given))
      return { id: null, name: "this machine", needs: needsOf(["read"]), sites: null }
    if (this.#writers.accepts(given)) return { ...NOBODY, name: "a write key" }
    this.#guesses.wrong(address)
    return UNAUTHORIZED
  }
}

const LOOPBACK = /^(127\.|0:0:0:0:0:0:0:1$)/

/** Whether a request comes from this machine, and no proxy on it has passed it on. */
const isOfThisMachine = ({ res, headers }: Asking): boolean =>
  LOOPBACK.test(socketAddress(res.getRemoteAddress())) &&
  res.getProxiedRemoteAddress().byteLength === 0 &&
  headers["x-forwarded-for"] === "" &&
  headers.forwarded === "" &&
  headers["x-real-ip"] === "" &&
  headers["x-forwarded-host"] === ""

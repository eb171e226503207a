/** What answers need, and what a request may see. */
import type { RequestHeaders } from "./headers.ts"
import type { Problem } from "./problem.ts"
import type { Sites } from "./query.ts"
import type { Addresses } from "./wire.ts"

/**
 * What an answer needs:
 *
 * - `open`: nothing, whatever `ACCESS` is: what senders and probes ask, and pages, which hold no figures
 * - `figures`: may see figures of the site; everybody may where `ACCESS` is `public`
 * - `read`: may see visitors and raw rows of the site, whatever `ACCESS` is
 * - `write`: may change what belongs to a site
 * - `admin`: may do everything
 * - `metrics`: may scrape: the bearer of `METRICS_TOKEN`, or who may do everything; without such a token everybody where
 *   `ACCESS` is `public`, else this machine
 */
export const NEEDS = ["open", "figures", "read", "write", "admin", "metrics"] as const
export type Need = (typeof NEEDS)[number]

/** The methods that requests are handled by; `HEAD` is a `GET`. */
export const METHODS = ["GET", "POST", "PATCH", "DELETE"] as const
export type Method = (typeof METHODS)[number]

/** What each method of a path needs. */
export type Row = { readonly [method in Method]?: Need }

export interface Grant {
  /** Of the token that grants it, and whose end ends it; `null` where there is none. */
  readonly id: number | null
  /** What that token is, or that a proxy says who it is. */
  readonly kind?: "session" | "key" | "share" | "proxy"
  /** Who it is, for people and the log. */
  readonly name: string | null
  /** A short one, of the secret of the setting that grants it: what another secret has granted has ended. */
  readonly digest?: string
  readonly needs: ReadonlySet<Need>
  /** The slugs that it reaches; `null` for all. */
  readonly sites: ReadonlySet<string> | null
}

/** To whom, or by which setting, something is granted: what may be kept, to look up later what is granted then. */
export type Granter = Pick<Grant, "id" | "kind" | "name" | "digest">

/** As little as tells it: a token's name is nobody's business who finds what keeps it. */
export const granterOf = ({ id, kind, name, digest }: Grant): Granter => ({
  ...(kind !== undefined && { kind }),
  ...(digest !== undefined && { digest }),
  ...(id === null ? { id, name } : { id, name: null }),
})

/** Somebody of whom nothing is known. */
export const NOBODY: Grant = { id: null, name: null, needs: new Set(), sites: new Set() }

/** What a request may see: set before its handler runs, and empty unless it was. */
export interface Access {
  readonly grant: Grant
  /** The sites that there are for it; to it there are no others. */
  readonly sites: Sites
}

export const NO_ACCESS: Access = { grant: NOBODY, sites: { declared: new Set(), default: "" } }

/** What a request says of itself, as far as access goes by it. */
export interface Asking {
  readonly res: Addresses
  readonly headers: RequestHeaders
  /** Of HTTP, or `UPGRADE` to a WebSocket. */
  readonly method: string
  /** The value of a header field by its name in lower case; empty if it is absent. */
  readonly header: (name: string) => string
  /** The token of a share link in the address, where a header cannot be sent. */
  readonly share?: string | null
}

/** Lets requests in. */
export interface Gatekeeper {
  /** What a request may see, or why it may not have what it asks for. */
  admit(asking: Asking, need: Need): Access | Problem
}

/**
 * Which part of a page's URL is kept. Its parameters may hold secrets, and make many pages of one; so only those are stored that
 * a deployment has named, and what looks like a secret is never.
 */
import { keepParameters } from "./pageUrl.ts"
import { Recent } from "./recent.ts"

/** Parameters that are kept whatever `PAGE_QUERY` says: the theme, and what tells where a visitor came from. */
const ALWAYS = /^(?:theme|utm_[a-z_]+|ref|source)$/i

/** Words that make a parameter a secret wherever they stand in its name. */
const SECRET_WORDS: ReadonlySet<string> = new Set([
  ...["token", "password", "passwd", "passphrase", "pwd", "secret", "signature", "jwt", "otp", "totp"],
  ...["apikey", "credential", "credentials", "session", "sessionid", "authorization", "bearer", "nonce"],
])
/** Names that are a secret as a whole: in others, such as `country_code`, these words mean something else. */
const SECRET_NAMES =
  /^(?:code|key|auth|sig|sid|pass|pin|hash|hmac|state|magic|invite|(?:api|access|private|auth|reset|license)[_.-]?key|(?:auth|oauth|reset|verif\w*|confirm\w*|login|invite|activation|access)[_.-]?code)$/i

/** Whether a parameter is known to hold a secret, which may be good for one use or for ever. */
export const isSecret = (name: string): boolean =>
  SECRET_NAMES.test(name) ||
  name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z]+/)
    .some((word) => SECRET_WORDS.has(word))

/** URLs that are remembered, of a deployment's pages and of what links there. */
const MAX_REMEMBERED = 2000
/** Code units of a URL that is remembered. */
const MAX_REMEMBERED_LENGTH = 300

/** Kept parts by their URLs: events share few, and taking one apart costs a microsecond and a half. */
type Known = Recent<string>

const keptOf = (known: Known, url: string, keeps: (name: string) => boolean): string => {
  if (!/[?#@]/.test(url)) return url
  if (url.length > MAX_REMEMBERED_LENGTH) return rewritten(url, keeps)
  return known.get(url) ?? known.set(url, rewritten(url, keeps))
}

/** What a deployment keeps of its pages' URLs. */
export class PageQuery {
  readonly #names: ReadonlySet<string> | "*"
  readonly #known: Known = new Recent(MAX_REMEMBERED)
  readonly #keeps = (name: string): boolean =>
    !isSecret(name) && (this.#names === "*" || ALWAYS.test(name) || this.#names.has(name))

  /** @param names parameters to keep beside those that always are; `*` for all that are no secrets */
  constructor(names: ReadonlyArray<string> | "*") {
    this.#names = names === "*" ? "*" : new Set(names)
  }

  /** The part of a page's URL that is kept; what has no query, fragment or password comes back as it is. */
  kept(url: string): string {
    return keptOf(this.#known, url, this.#keeps)
  }
}

const knownReferrers: Known = new Recent(MAX_REMEMBERED)
const isNoSecret = (name: string): boolean => !isSecret(name)

/** A referrer without secrets; the rest of its query is what the linking page chose to tell. */
export const keptReferrer = (url: string): string => keptOf(knownReferrers, url, isNoSecret)

const rewritten = (url: string, keeps: (name: string) => boolean): string => {
  const [, start = "", query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(url) ?? []
  let kept = start.replace(/^((?:[a-z][a-z0-9+.-]*:)?\/\/)[^/]*@/i, "$1")
  if (query !== undefined) {
    const parameters = keepParameters(query, keeps)
    if (parameters !== "") kept += `?${parameters}`
  }
  if (fragment === undefined) return kept
  // A fragment is a place in the page, but some put parameters there, behind a path or not.
  const safe = fragment.includes("=") ? keepParameters(fragment, isNoSecret) : fragment
  return safe === "" ? kept : `${kept}#${safe}`
}

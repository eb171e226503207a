/** What the text of a setting means, or what it should have been: one parser for each kind of value. */
import { isIP } from "node:net"
import { resolve } from "node:path"
import * as Cron from "effect/Cron"

/** What a value should have been, to end the sentence that refuses it. */
export class Expected {
  readonly what: string
  constructor(what: string) {
    this.what = what
  }
}

/** The sentence that refuses the value of a setting, a flag or an argument; `name` as the user writes it. A secret is not shown. */
export const refusal = (name: string, text: string, { what }: Expected, secret = false): string =>
  secret
    ? `${name} has a value that cannot be used: it should be ${what}.`
    : `${name} is ${JSON.stringify(text)}: it should be ${what}.`

export const integer = (min: number, max: number) => (text: string) => {
  const value = Number(text)
  return /^\d+$/.test(text) && value >= min && value <= max
    ? value
    : new Expected(`a whole number from ${min} to ${max}`)
}

export const flag = (text: string): boolean | Expected => {
  const value = text.toLowerCase()
  if (["true", "1", "yes", "on"].includes(value)) return true
  if (["false", "0", "no", "off", ""].includes(value)) return false
  return new Expected("true or false")
}

export const oneOf =
  <const A extends string>(...values: ReadonlyArray<A>) =>
  (text: string): A | Expected =>
    values.find((value) => value === text) ?? new Expected(`one of ${values.join(", ")}`)

const list = (text: string) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

/** A site's slug, also the name of its figures' keys: at most 64 of `a-z 0-9 - _ .`, starting with a letter or digit. */
export const SITE_SLUG = /^[a-z0-9][a-z0-9._-]{0,63}$/

export const siteSlug = (text: string): string | Expected =>
  SITE_SLUG.test(text)
    ? text
    : new Expected("a site's slug: at most 64 of a-z, 0-9, '.', '_' and '-', first a letter or digit")

/** An address of HTTP, without slashes at its end. */
export const httpUrl = (text: string): string | Expected =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
    ? text.replace(/\/+$/, "")
    : new Expected("an address that begins with http:// or https://")

export const sites = (text: string): readonly [string, ...ReadonlyArray<string>] | Expected => {
  const slugs = list(text)
  const [first, ...others] = slugs
  return first !== undefined &&
    slugs.every((slug) => SITE_SLUG.test(slug)) &&
    new Set(slugs).size === slugs.length
    ? [first, ...others]
    : new Expected("a comma-separated list of different slugs of at most 64 of a-z, 0-9, '.', '_' and '-'")
}

export const timeZone = (text: string): string | Expected => {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone
  } catch {
    return new Expected("an IANA time zone such as UTC or Europe/Paris")
  }
}

/** The zone of a site or a question: a name only, for offsets such as +01:00 are zones to newer engines only. */
export const namedTimeZone = (text: string): string | Expected =>
  /^[+-]/.test(text) ? new Expected("the name of a time zone such as Europe/Paris") : timeZone(text)

/** What the process does: `http` answers requests and serves dashboards, `actors` processes the streams. */
export type Role = "http" | "actors"

export const roles = (text: string): ReadonlyArray<Role> | Expected => {
  const chosen = list(text).filter((role) => role === "http" || role === "actors")
  return chosen.length > 0 && chosen.length === list(text).length
    ? [...new Set(chosen)]
    : new Expected("http, actors, or both separated by a comma")
}

export const secrets = (what: string) => (text: string) => {
  const values = list(text)
  return values.every((value) => value.length >= 16 && value.length <= 256)
    ? values
    : new Expected(`${what} of 16 to 256 characters each (the value is not shown)`)
}

/** Where everything answers: empty for the root, else a path without a slash at its end. */
export const basePath = (text: string): string | Expected => {
  const path = text.replace(/\/$/, "")
  return /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._~-]+)*$/.test(path)
    ? path
    : new Expected("a path such as /stats, of letters, digits, '.', '_', '~' and '-'")
}

/** First parts of paths that a node answers itself. */
const TAKEN = ["api", "ws", "assets", "health", "ready", "metrics", "openapi.json", "tracker.js", "event"]

/** A path of a site's own choice: of the script that its pages load, which ends in `.js`, or of what they send to. */
export const chosenPath =
  (isScript: boolean) =>
  (text: string): string | Expected =>
    text !== "/" &&
    basePath(text) === text &&
    text.endsWith(".js") === isScript &&
    !TAKEN.includes(text.split("/")[1] ?? "")
      ? text
      : new Expected(
          `a path such as /hello${isScript ? ".js, which ends in .js," : ", which does not end in .js,"} of letters, digits, '.', '_', '~' and '-', and does not begin with ${TAKEN.map((each) => `/${each}`).join(", ")}`,
        )

const isCidr = (text: string) => {
  const [address = "", bits, ...rest] = text.split("/")
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

export const cidrs = (text: string) =>
  list(text).every(isCidr)
    ? list(text)
    : new Expected("a comma-separated list of addresses or CIDRs such as 10.0.0.0/8")

export const origins = (text: string) => {
  if (text === "*") return "*" as const
  const values = list(text)
  return values.every((value) => URL.canParse(value) && new URL(value).origin === value)
    ? values
    : new Expected("* or a comma-separated list of origins such as https://example.com")
}

/** Names of a query's parameters; `*` for all. */
export const names = (text: string): ReadonlyArray<string> | "*" | Expected => {
  if (text === "*") return "*"
  const values = list(text)
  return values.every((value) => /^[^\s&=?#%]{1,100}$/.test(value))
    ? values
    : new Expected("* or a comma-separated list of parameters' names such as lang,page")
}

/** An IP address or a host's name. */
export const host = (text: string) =>
  isIP(text) !== 0 || /^[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*$/i.test(text)
    ? text
    : new Expected("an address such as 127.0.0.1 or ::, or a host's name")

/** Hosts of a site, at most. */
export const MAX_HOSTS = 20

/** A page's host as browsers name it, with its port if that is not the usual one; `null` for what is none. */
const pageHost = (text: string): string | null => {
  const address = `http://${text}`
  if (!URL.canParse(address)) return null
  const { href, host: found, hostname } = new URL(address)
  const isNamed = typeof host(hostname.replace(/^\[|\]$/g, "")) === "string" && found.length <= 253
  // Only what is in other letters has another spelling: to browsers, 0 is 0.0.0.0.
  const isItself = !/^[!-~]+$/.test(text) || found === text.toLowerCase()
  return isNamed && isItself && href === `http://${found}/` ? found : null
}

/** Hosts of a site's pages; none for an empty text. */
export const pageHosts = (text: string): ReadonlyArray<string> | Expected => {
  const found = list(text).map(pageHost)
  const hosts = found.filter((each) => each !== null)
  return hosts.length === found.length && hosts.length <= MAX_HOSTS
    ? [...new Set(hosts)]
    : new Expected(`a list of at most ${MAX_HOSTS} hosts such as example.com or blog.example.com:8080`)
}

/** Patterns of a site's paths, or its addresses, at most. */
export const MAX_EXCLUSIONS = 50

/** Patterns of paths, in which `*` stands for any characters. */
export const pathPatterns = (values: ReadonlyArray<string>): ReadonlyArray<string> | Expected =>
  values.length <= MAX_EXCLUSIONS && values.every((each) => /^[/*][^\s?#\p{Cc}]{0,199}$/u.test(each))
    ? [...new Set(values)]
    : new Expected(
        `a list of at most ${MAX_EXCLUSIONS} paths such as /admin/*, in which * stands for anything`,
      )

/** Addresses that are left out. */
export const excludedAddresses = (values: ReadonlyArray<string>): ReadonlyArray<string> | Expected =>
  values.length <= MAX_EXCLUSIONS && values.every(isCidr)
    ? [...new Set(values)]
    : new Expected(`a list of at most ${MAX_EXCLUSIONS} addresses or CIDRs such as 192.0.2.0/24`)

export const cron = (text: string) => {
  const parsed = Cron.parse(text)
  return parsed._tag === "Success" ? text : new Expected("a cron expression such as 0 2 * * *")
}

export const metricsPrefix = (text: string) =>
  /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(text)
    ? text
    : new Expected("letters, digits, '_' and ':', not first a digit")

export const keyPrefix = (text: string) =>
  /^[a-zA-Z0-9_.-]{1,64}$/.test(text) ? text : new Expected("1 to 64 letters, digits, '.', '_' or '-'")

export const optionalPath = (text: string) => (text === "" ? null : resolve(text))

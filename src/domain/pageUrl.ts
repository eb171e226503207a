/** What a page's URL tells: its path, its host, and its query's parameters. Pure; URLs are texts as senders gave them. */

/** Parameters that tell where a visitor came from: they are kept, and are dimensions of their own, so `page` is without them. */
const CAMPAIGN = /^(?:utm_[a-z_]+|ref|source)$/i

/** Where a URL's parts begin; a URL may be a path only. */
interface Parts {
  /** Lower case, without a port's default; `null` where the URL names none. */
  readonly host: string | null
  readonly path: string
  /** Without its question mark. */
  readonly query: string
  /** The fragment, with its `#`, where it names a page, as of sites that change theirs there; else empty. */
  readonly route: string
}

const ABSOLUTE = /^(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*)/i

/** Takes a URL apart without judging it: whatever a sender gave has a path. */
export const partsOf = (url: string): Parts => {
  const [origin = "", authority] = ABSOLUTE.exec(url) ?? []
  const fragment = url.indexOf("#", origin.length)
  const end = fragment < 0 ? url.length : fragment
  const mark = url.indexOf("?", origin.length)
  const query = mark < 0 || mark > end ? end : mark
  const path = url.slice(origin.length, query)
  return {
    host: authority === undefined ? null : hostOf(authority),
    path: path.startsWith("/") ? path : `/${path}`,
    query: url.slice(query + 1, end),
    route: /^#!?\/[^?]*/.exec(url.slice(end))?.[0] ?? "",
  }
}

/** The host of `user:password@host:port`; a port stays where it is not the scheme's own. */
const hostOf = (authority: string): string | null => {
  const host = authority
    .slice(authority.lastIndexOf("@") + 1)
    .toLowerCase()
    .replace(/:(?:80|443)?$/, "")
  return host === "" ? null : host
}

/** The name of a query's parameter, decoded; as it is where it cannot be decoded. */
const nameOf = (parameter: string): string => {
  const [name = ""] = parameter.split("=", 1)
  try {
    return decodeURIComponent(name.replaceAll("+", " "))
  } catch {
    return name
  }
}

/** A query's parameters whose names pass, as they were written and in their order. */
export const keepParameters = (query: string, keeps: (name: string) => boolean): string =>
  query
    .split("&")
    .filter((parameter) => parameter !== "" && keeps(nameOf(parameter)))
    .join("&")

/** An escape of a whole character in UTF-8, any other escape, a percent sign that begins none, and what no URL has as it is. */
const ESCAPES =
  /%(?:[c-d][\da-f]%[89ab][\da-f]|e[\da-f](?:%[89ab][\da-f]){2}|f[0-7](?:%[89ab][\da-f]){3}|[\da-f]{2})|%|[\s\p{Cc}]/giu

/** A character, decoded, that stays escaped; those that mean something in a URL are not even decoded. */
const STAYS = /[%\s\p{Cc}]/u

const spelledCharacter = (written: string): string => {
  if (written.length === 1) return encodeURIComponent(written)
  try {
    const character = decodeURI(written)
    return STAYS.test(character) ? written.toUpperCase() : character
  } catch {
    return written.toUpperCase()
  }
}

/**
 * Escapes in one spelling: browsers, servers' logs and senders each have another for what is no ASCII. What is spelled once stays as
 * it is when it is spelled again.
 */
const spelled = (text: string): string => text.replaceAll(ESCAPES, spelledCharacter)

/** The one spelling of a part of a page; at its end may be the beginning of an escape. */
export const spelledPart = (part: string): string => {
  const [cut = ""] = /%[\da-f]?$/i.exec(part) ?? []
  return spelled(part.slice(0, part.length - cut.length)) + cut
}

/** A path without the segments `.` and `..`, and with one slash where there are several. */
const resolved = (path: string): string => {
  if (!/\/[/.]/.test(path)) return path
  const segments: Array<string> = []
  for (const segment of path.replaceAll(/\/+/g, "/").slice(1).split("/")) {
    const isDots = segment === "." || segment === ".."
    if (segments.at(-1) === "") segments.pop()
    if (segment === "..") segments.pop()
    segments.push(isDots ? "" : segment)
  }
  return `/${segments.join("/")}`
}

/** The one spelling of a page: a path, with a query and a fragment or without. */
export const spelledPage = (page: string): string => {
  const text = spelled(page)
  if (!text.startsWith("/")) return text
  const end = text.search(/[?#]/)
  return end < 0 ? resolved(text) : resolved(text.slice(0, end)) + text.slice(end)
}

/** The dimensions `page` and `host` of a stored page_url. */
export const pageOf = (pageUrl: string): { readonly page: string; readonly host: string | null } => {
  const { host, path, query, route } = partsOf(pageUrl)
  const kept = query === "" ? "" : keepParameters(query, (name) => !CAMPAIGN.test(name))
  return { page: spelledPage((kept === "" ? path : `${path}?${kept}`) + route), host }
}

/** A text that two stored page_urls have in common where they are of one page of one host; see {@link isSamePage}. */
export const pageKey = (pageUrl: string): string => {
  const { page, host } = pageOf(pageUrl)
  // A page begins with a slash, and no host has any.
  return `${host ?? ""}${page}`
}

/** Whether two stored page_urls are of one page of one host, however they spell it, and wherever their visitors came from. */
export const isSamePage = (one: string, other: string): boolean =>
  one === other || pageKey(one) === pageKey(other)

/** A query's parameters by their names in lower case, decoded as forms are; of several with a name, the first. */
export const parametersOf = (query: string): ReadonlyMap<string, string> => {
  const values = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    const key = name.toLowerCase()
    if (!values.has(key)) values.set(key, value)
  }
  return values
}

/** A host and path as one text, without a slash at its end. */
export const hostAndPath = (host: string, path: string): string =>
  `${host}${path.endsWith("/") ? path.slice(0, -1) : path}`

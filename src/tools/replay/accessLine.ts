/** One request as a web server logged it, whatever its format, and what formats share. */

export interface AccessLine {
  /** Whoever was connected, and what was said of those behind, the farthest first. */
  readonly addresses: ReadonlyArray<string>
  /** Unix milliseconds. */
  readonly time: number
  /** The method in upper case; empty if there was no request, or none of HTTP. */
  readonly method: string
  /** Path with query. */
  readonly target: string
  readonly status: number
  /** `null` if the browser sent none. */
  readonly referrer: string | null
  /** Empty if the client sent none, `null` if the format has no place for it. */
  readonly agent: string | null
  /** Of the answer; `null` if the format has no place for it. */
  readonly contentType: string | null
}

const REQUEST = /^([A-Z]+) (\S.*?)(?: HTTP\/\d(?:\.\d)?)?$/
/** Requests through a proxy contain the whole URL; the page is its path. */
const ORIGIN = /^https?:\/\/[^/?#]*/i

/** The path with query of a request's target. */
export const pathOf = (target: string): string => {
  const path = target.replace(ORIGIN, "")
  return path.startsWith("/") ? path : `/${path}`
}

/** Method and target of a request line; the method is empty if it is none of HTTP. */
export const requestOf = (line: string): { readonly method: string; readonly target: string } => {
  const parts = REQUEST.exec(line)
  return { method: parts?.[1] ?? "", target: pathOf(parts?.[2] ?? "") }
}

/** A header's value as it is logged: `-` stands for none. */
export const given = (text: string): string => (text === "-" ? "" : text)

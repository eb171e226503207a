/** The header `Forwarded` (RFC 7239), in which each proxy tells of the hop before it. */

/** What a proxy tells: who asked it (`for`), for which host, by which protocol. Names are in lower case. */
export type ForwardedHop = ReadonlyMap<string, string>

/** A parameter up to the separator behind it. Values are tokens, or strings with escapes. */
const PARAMETER =
  /[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)=("(?:[^"\\]|\\.)*"|[!#$%&'*+.^_`|~0-9a-z:[\]-]*)[ \t]*([;,]|$)/giy

const unquoted = (value: string): string =>
  value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value

/**
 * The hops, nearest last. None if the header is malformed: a quote that a client leaves open could hide what a proxy has
 * appended.
 */
export const parseForwarded = (header: string): ReadonlyArray<ForwardedHop> => {
  const hops: Array<ForwardedHop> = []
  let hop = new Map<string, string>()
  let end = ","
  PARAMETER.lastIndex = 0
  for (let at = 0; at < header.length; at = PARAMETER.lastIndex) {
    const [, name = "", value = "", separator = ""] = PARAMETER.exec(header) ?? []
    if (name === "") return []
    hop.set(name.toLowerCase(), unquoted(value))
    end = separator
    if (separator === ";") continue
    hops.push(hop)
    hop = new Map()
  }
  return end === ";" ? [] : hops
}

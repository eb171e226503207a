/**
 * Lines of text: the common and the combined log format of Apache, nginx, Traefik and Caddy, with whatever stands before and after
 * (a virtual host, a forwarded address, the prefix of syslog or of a container), and HAProxy's.
 */
import { type AccessLine, given, requestOf } from "./accessLine.ts"
import { addressesIn, addressOf } from "./addresses.ts"
import { parseLogTime } from "./logTime.ts"

/** A time in brackets; what stands before it is told from what stands behind. */
const TIME = /\[(\d{2}\/[A-Z][a-z]{2}\/\d{4}:[^\]]{8,20}|\d{4}-\d{2}-\d{2}T[^\]]{9,22})\]/

/** A quoted field: anything but a quote, unless it is preceded by a backslash. */
const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`

/** `"%r" %>s %b "%{Referer}i" "%{User-Agent}i"`, the last two only in the combined format. */
const STRICT = new RegExp(
  String.raw`^\s+${QUOTED}\s+(\d{3})\s+(?:\d+|-)(?:\s+${QUOTED}\s+${QUOTED}(?:\s(.*))?|\s+[^"\s].*)?$`,
)

/** The same by a server that escapes no quotes: a field ends where the next one begins. */
const LENIENT = /^\s+"(.*?)"\s+(\d{3})\s+(?:\d+|-)(?:\s+"(.*?)"\s+"(.*)"(?:\s(.*))?|\s+[^"\s].*)?$/

/** `frontend backend/server timers status bytes … "request"`, of HAProxy's `option httplog`. */
const HAPROXY = /^ \S+ \S+\/\S+ [\d/+-]+ (\d{3}) \+?\d+ .*"(.*?)"$/

const ESCAPES = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["b", "\b"],
  ["v", "\v"],
  ["f", "\f"],
])

/**
 * Undoes a web server's escaping: `\"`, `\\`, Apache's C-style controls, and `\xhh` for other bytes (runs of them are
 * UTF-8). Control characters are percent-encoded, because they mean nothing in a URL and stores refuse NUL.
 */
const unescapeField = (text: string): string => {
  if (!text.includes("\\")) return text
  return text
    .replaceAll(/(?:\\x[0-9a-fA-F]{2})+|\\(.)/g, (run: string, single: string | undefined) =>
      single === undefined
        ? Buffer.from(run.replaceAll("\\x", ""), "hex").toString("utf8")
        : (ESCAPES.get(single) ?? single),
    )
    .replaceAll(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
      /[\u0000-\u001f\u007f]/g,
      (control) => `%${control.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`,
    )
}

/**
 * The addresses before the time: `%h %l %u`, of which the second is nearly always `-`, the third a name that may have spaces.
 * Forwarded ones stand before the host, or in its place, as a list.
 */
const addressesBefore = (text: string): ReadonlyArray<string> => {
  const words = text.trim().split(/\s+/)
  const isAddress = (word: string | undefined) =>
    word !== undefined && (addressOf(word.replace(/,$/, "")) !== null || word === "unix:")
  let host = words.findLastIndex((word, i) => isAddress(word) && words[i + 1] === "-")
  if (host < 0) host = words.findLastIndex(isAddress)
  if (host < 0) {
    // A name, or no address at all.
    const ident = words.indexOf("-")
    return [words[ident > 0 ? ident - 1 : 0] ?? ""]
  }
  let first = host
  while (first > 0 && isAddress(words[first - 1])) first--
  const found = words.slice(first, host + 1).map((word) => addressOf(word.replace(/,$/, "")) ?? word)
  // A list in the host's place is all of one header: nobody says who was connected.
  return words[host - 1]?.endsWith(",") ? found.slice(0, 1) : found
}

/** What some append: `"$http_x_forwarded_for"`. */
const addressesAfter = (rest: string): ReadonlyArray<string> => {
  const field = /^\s*(?:"([^"]*)"|(\S+))/.exec(rest)
  return addressesIn(field?.[1] ?? field?.[2] ?? "")
}

const haproxy = (before: string, after: string, time: number): AccessLine | null => {
  const parts = HAPROXY.exec(after)
  if (parts === null) return null
  const status = Number(parts[1])
  return {
    ...{ addresses: addressesBefore(before), time, status, ...requestOf(parts[2] ?? "") },
    ...{ referrer: null, agent: null, contentType: null },
  }
}

/** Parses a line of text; `null` if it is in none of these formats. */
export const parseTextLine = (line: string): AccessLine | null => {
  const bracket = TIME.exec(line)
  const time = bracket === null ? null : parseLogTime(bracket[1] ?? "")
  if (bracket === null || time === null) return null
  const before = line.slice(0, bracket.index)
  const after = line.slice(bracket.index + bracket[0].length)
  const fields = STRICT.exec(after) ?? LENIENT.exec(after)
  if (fields === null) return haproxy(before, after, time)
  const [, request = "", status = "", referrer = "", agent, rest = ""] = fields
  return {
    addresses: [...addressesAfter(agent === undefined ? "" : rest), ...addressesBefore(before)],
    time,
    ...requestOf(unescapeField(request)),
    status: Number(status),
    referrer: unescapeField(given(referrer)) || null,
    // HAProxy's common format has both fields, and leaves them empty; others write at least a "-" where there was no referrer.
    agent: agent === undefined || `${referrer}${agent}` === "" ? null : unescapeField(given(agent)),
    contentType: null,
  }
}

/** The combined log format of Apache and nginx: one line per request. */
import { MINUTE_MS } from "../../domain/time.ts"

/** One request as a web server logged it. */
export interface AccessLine {
  readonly address: string
  /** Unix milliseconds. */
  readonly time: number
  /** The method in upper case; empty if the request line was not HTTP. */
  readonly method: string
  /** Path with query. */
  readonly target: string
  readonly status: number
  /** `null` if the browser sent none. */
  readonly referrer: string | null
  readonly agent: string
}

/** A quoted field: anything but a quote, unless it is preceded by a backslash. */
const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`

/**
 * `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`
 * (https://httpd.apache.org/docs/current/logs.html#combined). A user name may contain spaces, and many deployments
 * append their own fields.
 */
const COMBINED = new RegExp(
  String.raw`^(\S+) [^"\[]*\[([^\]]{20,26})\] ${QUOTED} (\d{3}) (?:\d+|-) ${QUOTED} ${QUOTED}(?: .*)?$`,
)

const TIME = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/** Unix milliseconds of `17/May/2015:10:05:03 +0200`, or `null`. */
const parseTime = (text: string): number | null => {
  const parts = TIME.exec(text)
  if (parts === null) return null
  const month = MONTHS.indexOf(parts[2] ?? "")
  const [day, year, hour, minute, second] = [parts[1], parts[3], parts[4], parts[5], parts[6]].map(Number)
  if (month < 0 || day === undefined || year === undefined) return null
  if (hour === undefined || minute === undefined || second === undefined) return null
  // 60 is a leap second. `Date.UTC` would turn 31 June into 1 July.
  if (day < 1 || hour > 23 || minute > 59 || second > 60) return null
  if (new Date(Date.UTC(year, month, day)).getUTCDate() !== day) return null
  const offset = (Number(parts[8]) * 60 + Number(parts[9])) * MINUTE_MS
  return Date.UTC(year, month, day, hour, minute, second) - (parts[7] === "-" ? -offset : offset)
}

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

const REQUEST = /^([A-Z]+) (\S.*?)(?: HTTP\/\d(?:\.\d)?)?$/
/** Requests through a proxy contain the whole URL; the page is its path. */
const ORIGIN = /^https?:\/\/[^/?#]*/i

/** Parses a line of the combined format; `null` if it is malformed. */
export const parseAccessLine = (line: string): AccessLine | null => {
  const fields = COMBINED.exec(line)
  if (fields === null) return null
  const [, address = "", timeText = "", request = "", status = "", referrer = "", agent = ""] = fields
  const time = parseTime(timeText)
  if (time === null) return null
  const parts = REQUEST.exec(request)
  const target = unescapeField(parts?.[2] ?? "").replace(ORIGIN, "")
  return {
    address,
    time,
    method: parts?.[1] ?? "",
    target: target.startsWith("/") ? target : `/${target}`,
    status: Number(status),
    referrer: referrer === "" || referrer === "-" ? null : unescapeField(referrer),
    agent: unescapeField(agent),
  }
}

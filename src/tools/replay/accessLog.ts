/** A line of an access log, whichever web server wrote it. */
import type { AccessLine } from "./accessLine.ts"
import { parseJsonLine } from "./jsonLog.ts"
import { parseTextLine } from "./textLog.ts"

/** A line within another one's JSON, which wraps no third. */
const parseInner = (line: string): AccessLine | null => parseTextLine(line) ?? parseJsonLine(line, () => null)

/** Parses a line; `null` if it is of no access log that is known. */
export const parseAccessLine = (line: string): AccessLine | null =>
  parseTextLine(line) ?? parseJsonLine(line, parseInner)

/** What files are that are none, by what one of their lines looks like. */
const KINDS: ReadonlyArray<readonly [RegExp, string]> = [
  [/^#(?:Software|Version|Fields|Date):/, "in the W3C extended format (IIS, CloudFront)"],
  [
    /^\d{4}\/\d{2}\/\d{2} \d{2}:\d{2}:\d{2} \[(?:debug|info|notice|warn|error|crit|alert|emerg)\]/,
    "nginx's error log",
  ],
  [/^\[[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:.]+ \d{4}\] \[/, "Apache's error log"],
  [/^(?:https?|h2|grpcs?|wss?) \d{4}-\d{2}-\d{2}T\S+Z app\//, "of a load balancer of AWS"],
  [/^\d+\.\d+ +\d+ \S+ [A-Z_]+\/\d{3} /, "Squid's own log"],
  [/^[A-Z][a-z]{2} +\d+ [\d:]{8} \S+ \S+(?:\[\d+\])?: /, "the system's log"],
  [/^\s*[{[]/, "JSON without the fields of a request"],
]

/** What a file is of which no line could be read, in a sentence. */
export const notALog = (lines: ReadonlyArray<string>): string => {
  const kind = KINDS.find(([pattern]) => lines.some((line) => pattern.test(line)))?.[1]
  const known =
    "The common and the combined log format are read, of any web server, and JSON as Caddy, Traefik and nginx write it."
  return kind === undefined
    ? `None of the lines is of an access log. ${known}`
    : `None of the lines is of an access log: this is ${kind}. ${known}`
}

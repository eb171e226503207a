/** Lines of JSON: Caddy's, Traefik's, those that people make nginx and Apache write, and what containers' logs wrap lines in. */
import { type AccessLine, given, pathOf, requestOf } from "./accessLine.ts"
import { addressesIn, addressOf } from "./addresses.ts"
import { parseLogTime, parseUnixTime } from "./logTime.ts"

type Fields = { readonly [name: string]: unknown }

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The object that a line ends with, and the text before it. */
const objectIn = (line: string): { readonly fields: Fields; readonly before: string } | null => {
  const start = line.indexOf("{")
  if (start < 0 || !line.trimEnd().endsWith("}")) return null
  try {
    const fields: unknown = JSON.parse(line.slice(start))
    return isFields(fields) ? { fields, before: line.slice(0, start) } : null
  } catch {
    return null
  }
}

/** What fields are called, without case, `-` and `_`; of Caddy's and other nested ones, with their parents. */
const NAMES = {
  time: [
    "starttime",
    "startutc",
    "timestamp",
    "@timestamp",
    "timeiso8601",
    "timelocal",
    "time",
    "ts",
    "msec",
    "date",
  ],
  request: ["request", "requestline"],
  method: ["requestmethod", "method", "httpmethod", "verb"],
  target: ["requesturi", "requestpath", "uri", "path", "url", "httprequesturi"],
  query: ["args", "querystring"],
  status: ["downstreamstatus", "originstatus", "status", "statuscode", "responsestatus", "response"],
  address: [
    ...[
      "clienthost",
      "remoteaddr",
      "remoteip",
      "clientip",
      "clientaddr",
      "remotehost",
      "client",
      "ip",
      "host",
    ],
  ],
  forwarded: ["httpxforwardedfor", "xforwardedfor", "requestxforwardedfor", "xff"],
  referrer: ["httpreferer", "httpreferrer", "requestreferer", "referer", "referrer"],
  agent: ["httpuseragent", "requestuseragent", "useragent", "agent"],
  contentType: ["senthttpcontenttype", "contenttype", "downstreamcontenttype"],
} as const

/** Where Caddy's console has the time. */
const CONSOLE_TIME = /\d{4}\/\d{2}\/\d{2} \d{2}:\d{2}:\d{2}(?:\.\d+)?/

const flat = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, "")

/** A text of a value: of a list of header values, the first. */
const textOf = (value: unknown): string | undefined =>
  typeof value === "string"
    ? value
    : typeof value === "number"
      ? String(value)
      : Array.isArray(value)
        ? textOf((value as ReadonlyArray<unknown>)[0])
        : undefined

/** Fields by their flat names, with those of Caddy's `request`, its `headers` and `resp_headers`. */
const flattened = (fields: Fields): ReadonlyMap<string, unknown> => {
  const all = new Map<string, unknown>()
  const add = (from: unknown) => {
    if (isFields(from)) for (const [name, value] of Object.entries(from)) all.set(flat(name), value)
  }
  if (isFields(fields.request)) {
    add(fields.resp_headers)
    add(fields.request.headers)
    add(fields.request)
  }
  add(fields)
  return all
}

const timeOf = (value: unknown): number | null => {
  const text = textOf(value)
  if (text === undefined) return null
  return /^\d+(?:\.\d+)?$/.test(text) ? parseUnixTime(Number(text)) : parseLogTime(text)
}

/** Reads a field by the first of its names that has a text. */
const reader = (all: ReadonlyMap<string, unknown>) => {
  return (field: keyof typeof NAMES): string | undefined => {
    for (const name of NAMES[field]) {
      const text = textOf(all.get(name))
      if (text !== undefined && text !== "") return text
    }
    return undefined
  }
}

/** Whether a program that logs what it does has written it, and not a line of an access log. */
const askedFor = (read: ReturnType<typeof reader>): { method: string; target: string } | null => {
  const line = read("request")
  if (line !== undefined) return requestOf(line)
  const [method, target] = [read("method"), read("target")]
  if (method === undefined || target === undefined) return null
  const query = target.includes("?") ? undefined : read("query")
  return {
    method: method.toUpperCase(),
    target: `${pathOf(target)}${query === undefined ? "" : `?${query}`}`,
  }
}

const lineOf = (fields: Fields, before: string): AccessLine | null => {
  const all = flattened(fields)
  const read = reader(all)
  const asked = askedFor(read)
  const status = Number(read("status"))
  const stamps = NAMES.time.map((name) => timeOf(all.get(name)))
  const time = stamps.find((each) => each !== null) ?? parseLogTime(CONSOLE_TIME.exec(before)?.[0] ?? "")
  if (asked === null || time === null || !Number.isInteger(status)) return null
  const host = read("address") ?? ""
  const known = NAMES.agent.some((name) => all.has(name)) || isFields(fields.request)
  return {
    addresses: [...addressesIn(read("forwarded") ?? ""), addressOf(host) ?? host],
    time,
    ...asked,
    status,
    referrer: given(read("referrer") ?? "") || null,
    agent: known ? given(read("agent") ?? "") : null,
    contentType: given(read("contentType") ?? "") || null,
  }
}

/** What wraps another program's line: Docker's json-file, journald, Kubernetes' collectors. */
const wrappedIn = ({ log, MESSAGE, message }: Fields): string | null => {
  const text = log ?? MESSAGE ?? message
  return typeof text === "string" ? text.trimEnd() : null
}

/** Parses a line of JSON, or the line that it wraps, with `inner`; `null` if it is none of an access log. */
export const parseJsonLine = (
  line: string,
  inner: (line: string) => AccessLine | null,
): AccessLine | null => {
  const found = objectIn(line)
  if (found === null) return null
  const parsed = lineOf(found.fields, found.before)
  if (parsed !== null) return parsed
  const wrapped = wrappedIn(found.fields)
  return wrapped === null ? null : inner(wrapped)
}

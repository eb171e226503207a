/** The command that replays a web server's access log through the public API: `npm run replay -- access.log`. */

import { accessSync, constants, statSync } from "node:fs"
import { resolve } from "node:path"
import { readArguments, UsageError } from "../../config/arguments.ts"
import { MAX_AGE_TEXT } from "../../domain/limits.ts"
import { API_PATH } from "../../domain/paths.ts"
import { notALog } from "./accessLog.ts"
import { Proxies } from "./addresses.ts"
import { followLines } from "./follow.ts"
import { openPoster } from "./http.ts"
import { inOrder, keptInput, linesOf, STANDARD_INPUT } from "./input.ts"
import { findKey, visitorKey } from "./keys.ts"
import { UnreadableFile } from "./lines.ts"
import { LatestTime, type PageViewEvent, PageViews } from "./pageViews.ts"
import { emptyTally, IN_FLIGHT, sendEvents } from "./send.ts"
import { countLine, emptyReading, Preview, replaySummary, withProgress } from "./summary.ts"

const HELP = `Usage: npm run replay -- <access.log> … [options]

Sends the page views of a web server's access log through POST ${API_PATH}/events: the common and the combined
log format of any server, with a virtual host, forwarded addresses or a container's prefix, and JSON as Caddy,
Traefik and nginx write it; plain, gzip or zstd; of several files, or of standard input (-). Times are shifted so
that the log ends now; lines that are then older than ${MAX_AGE_TEXT} are left out. A log replayed twice counts once.
Left out are files, redirects and programs. Addresses stay on this machine: a visitor is a keyed hash of address
and agent, under a key kept in DATA_DIR/replay-key. Browsers and bots are told by the agents if a write key is
sent; without one, bots are left out.

  --url <url>         the server (default http://127.0.0.1:8080)
  --site <slug>       the site that the events belong to (default: the server's first)
  --origin <url>      where the site is, such as https://example.org: its own links are then no referrers
  --rate <N|max>      events per second (default max)
  --follow            go on with what is written, through rotation, at its own times, until stopped
  --trusted-proxy <address or CIDR>
                      whose X-Forwarded-For is believed, beside private networks; may be given several times
  --dry-run           send nothing; print what would be sent
  --write-key <key>   lifts the rate limit (default: WRITE_KEY, or for a server on this machine
                      DATA_DIR/write-key; DATA_DIR is .data unless set)
  --help              this text

Exit code: 0 if everything to be sent was accepted, 1 if not, 2 if used incorrectly.`

/** How long a post is retried, milliseconds: longer than a restart, and than a rate limit of a minute. */
const PATIENCE = 150_000
/** Milliseconds after which a silent connection counts as failed. */
const TIMEOUT = 30_000

interface Arguments {
  readonly paths: ReadonlyArray<string>
  readonly follow: boolean
  readonly proxies: Proxies
  readonly url: URL
  readonly site: string | null
  /** Empty, if none was given. */
  readonly origin: string
  readonly rate: number | null
  readonly dryRun: boolean
  readonly writeKey: string | undefined
}

const OPTIONS = {
  url: { type: "string", default: "http://127.0.0.1:8080" },
  site: { type: "string" },
  origin: { type: "string" },
  rate: { type: "string", default: "max" },
  follow: { type: "boolean", default: false },
  "trusted-proxy": { type: "string", multiple: true },
  "dry-run": { type: "boolean", default: false },
  "write-key": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const

const parseUrl = (text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new UsageError(`--url is ${JSON.stringify(text)}: it should begin with http:// or https://.`)
  return url
}

const parseOrigin = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "")
    throw new UsageError(`--origin is ${JSON.stringify(text)}: it should be like https://example.org.`)
  return url.origin
}

const parseRate = (text: string): number | null => {
  if (text === "max") return null
  const rate = Number(text)
  if (!/^\d*\.?\d+$/.test(text) || rate <= 0)
    throw new UsageError(`--rate is ${JSON.stringify(text)}: it should be events a second, or max.`)
  return rate
}

const parseProxies = (networks: ReadonlyArray<string>): Proxies => {
  for (const network of networks)
    if (!Proxies.isNetwork(network))
      throw new UsageError(
        `--trusted-proxy is ${JSON.stringify(network)}: it should be an address or a CIDR, such as 203.0.113.0/24.`,
      )
  return new Proxies(networks)
}

const checkFile = (path: string): void => {
  try {
    accessSync(path, constants.R_OK)
  } catch {
    throw new UsageError(`${path} cannot be read.`)
  }
  // A file is read twice, which does not work with a pipe.
  if (!statSync(path).isFile()) throw new UsageError(`${path} is not a file.`)
}

const parseCommand = (args: ReadonlyArray<string>): Arguments | "help" => {
  const { values, positionals } = readArguments({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
  })
  if (values.help) return "help"
  const [path] = positionals
  if (path === undefined) throw new UsageError("Which access log? Name a file, or - for standard input.")
  for (const each of positionals) {
    if (each !== STANDARD_INPUT) checkFile(each)
    else if (positionals.length > 1 || values.follow)
      throw new UsageError("Standard input (-) is read alone, and to its end.")
  }
  if (values.follow && values["dry-run"])
    throw new UsageError("--follow sends, --dry-run does not: choose one.")
  if (values.site === "") throw new UsageError("--site is empty: it should be a declared site's slug.")
  return {
    paths: positionals,
    follow: values.follow,
    proxies: parseProxies(values["trusted-proxy"] ?? []),
    url: parseUrl(values.url),
    site: values.site ?? null,
    origin: values.origin === undefined ? "" : parseOrigin(values.origin),
    rate: parseRate(values.rate),
    dryRun: values["dry-run"],
    writeKey: values["write-key"],
  }
}

const note = (sentence: string) => process.stderr.write(`${sentence}\n`)

/** Lines that are kept to say what a file is of which none can be read. */
const MAX_UNREAD = 20

/** A log that is read, from the first look at its times to the page views of its lines. */
class Replay {
  readonly reading = emptyReading()
  readonly #args: Arguments
  readonly #paths: ReadonlyArray<string>
  readonly #pageViews: PageViews
  readonly #unread: Array<string> = []
  /** Told to stop. */
  readonly stop = new AbortController()

  private constructor(args: Arguments, paths: ReadonlyArray<string>, pageViews: PageViews) {
    this.#args = args
    this.#paths = paths
    this.#pageViews = pageViews
  }

  static async begin(args: Arguments, dataDir: string, writeKey: string | null): Promise<Replay> {
    const input = args.paths[0] === STANDARD_INPUT ? [await keptInput()] : args.paths
    const paths = args.follow ? input : await inOrder(input)
    const latest = new LatestTime()
    if (!args.follow) for await (const lines of linesOf(paths)) for (const line of lines) latest.add(line)
    const { key, kept } = visitorKey(dataDir, !args.dryRun)
    if (!kept && !args.dryRun)
      note(`No key could be kept in ${dataDir}: visitors of this run get ids that no other replay shares.`)
    const last = args.follow ? null : latest.value
    const pageViews = new PageViews({
      shift: last === null ? 0 : Date.now() - last,
      latest: last ?? Number.POSITIVE_INFINITY,
      visitorKey: key,
      clock: Date.now,
      proxies: args.proxies,
      origin: args.origin,
      sendsBots: writeKey !== null,
    })
    return new Replay(args, paths, pageViews)
  }

  #event(line: string): PageViewEvent | null {
    const outcome = this.#pageViews.read(line)
    countLine(this.reading, outcome)
    if (outcome === "malformed" && this.#unread.length < MAX_UNREAD) this.#unread.push(line)
    return typeof outcome === "string" ? null : outcome
  }

  async *events(): AsyncGenerator<ReadonlyArray<PageViewEvent>> {
    const cutOff = (path: string) =>
      note(`${path} is cut off, as while it is being rotated: what is there counts.`)
    const source = this.#args.follow
      ? followLines(this.#paths, this.stop.signal)
      : linesOf(this.#paths, cutOff)
    for await (const lines of source) {
      const found = lines.flatMap((line) => this.#event(line) ?? [])
      if (found.length > 0 || (lines.length === 0 && this.#args.follow)) yield found
    }
  }

  /** Says what should be known of the log; false if it is none. */
  conclude(): boolean {
    const proxy = this.#pageViews.suspectedProxy
    if (proxy !== null)
      note(
        `All page views come from ${proxy}, and name other addresses in X-Forwarded-For. If that is a proxy of yours, add --trusted-proxy ${proxy}.`,
      )
    const { lines, skipped } = this.reading
    if (lines === 0 || skipped.get("malformed") !== lines) return true
    note(notALog(this.#unread))
    return false
  }
}

const preview = async (replay: Replay): Promise<number> => {
  const seen = new Preview()
  for await (const some of replay.events()) for (const event of some) seen.add(event)
  console.log(seen.summary(replay.reading))
  return replay.conclude() ? 0 : 1
}

const send = async (replay: Replay, args: Arguments, writeKey: string | null): Promise<number> => {
  const poster = openPoster({ url: args.url, connections: IN_FLIGHT, writeKey, timeout: TIMEOUT })
  const tally = emptyTally()
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const interruption = new AbortController()
  // What follows a log is stopped like a service: what has been read is sent.
  const stop = () => (args.follow ? replay.stop.abort() : interruption.abort())
  process.once("SIGINT", stop)
  if (args.follow) process.once("SIGTERM", stop)
  const patience = args.follow ? Number.POSITIVE_INFINITY : PATIENCE
  const { reading } = replay
  try {
    const options = { poster, site: args.site, rate: args.rate, patience, note, signal: interruption.signal }
    await withProgress(
      () => `${reading.lines} lines read, ${tally.accepted} events accepted, ${Math.round(seconds())} s`,
      () => sendEvents(replay.events(), options, tally),
    )
  } finally {
    poster.close()
  }
  console.log(replaySummary(reading, tally, seconds()))
  return replay.conclude() && tally.stopped === null && tally.accepted === reading.pageViews ? 0 : 1
}

const run = async (args: Arguments): Promise<number> => {
  const dataDir = resolve(process.env.DATA_DIR || ".data")
  const writeKey = args.dryRun ? null : findKey(args.writeKey, process.env.WRITE_KEY, args.url, dataDir)
  const replay = await Replay.begin(args, dataDir, writeKey)
  return args.dryRun ? await preview(replay) : await send(replay, args, writeKey)
}

try {
  const command = parseCommand(process.argv.slice(2))
  if (command === "help") console.log(HELP)
  else process.exitCode = await run(command)
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\nSee npm run replay -- --help.\n`)
    process.exitCode = 2
  } else if (error instanceof UnreadableFile) {
    note(error.message)
    process.exitCode = 1
  } else {
    process.stderr.write(`The replay failed: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}

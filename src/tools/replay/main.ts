/** The command that replays a web server's access log through the public API: `npm run replay -- access.log`. */

import { accessSync, constants, statSync } from "node:fs"
import { resolve } from "node:path"
import { readArguments, UsageError } from "../../config/arguments.ts"
import { MAX_AGE_TEXT } from "../../domain/limits.ts"
import { API_PATH } from "../../domain/paths.ts"
import { openPoster } from "./http.ts"
import { findKey, visitorKey } from "./keys.ts"
import { readLines } from "./lines.ts"
import { latestTime, type PageViewEvent, PageViews } from "./pageViews.ts"
import { emptyTally, IN_FLIGHT, sendEvents } from "./send.ts"
import { countLine, emptyReading, Preview, replaySummary, withProgress } from "./summary.ts"

const HELP = `Usage: npm run replay -- <access.log> [options]

Sends the page views of a web server's access log (combined format of Apache or nginx, plain or gzip) through
POST ${API_PATH}/events. Times are shifted so that the log ends now; lines that are then older than ${MAX_AGE_TEXT}
are left out. A log replayed twice counts once. Addresses stay on this machine: a visitor is a keyed hash of
address and agent, under a key kept in DATA_DIR/replay-key. Browsers and bots are told by the agents if a write key
is sent.

  --url <url>         the server (default http://127.0.0.1:8080)
  --site <slug>       the site that the events belong to (default: the server's first)
  --origin <url>      where the site is, such as https://example.org: its own links are then no referrers
  --rate <N|max>      events per second (default max)
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
  readonly path: string
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

const checkFile = (path: string): void => {
  try {
    accessSync(path, constants.R_OK)
  } catch {
    throw new UsageError(`${path} cannot be read.`)
  }
  // The file is read twice, which does not work with a pipe.
  if (!statSync(path).isFile()) throw new UsageError(`${path} is not a file.`)
}

const parseCommand = (args: ReadonlyArray<string>): Arguments | "help" => {
  const { values, positionals } = readArguments({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
  })
  if (values.help) return "help"
  const [path, ...others] = positionals
  if (path === undefined) throw new UsageError("Which access log? Name one file.")
  if (others.length > 0) throw new UsageError(`One access log at a time: ${others.join(", ")} is too many.`)
  checkFile(path)
  if (values.site === "") throw new UsageError("--site is empty: it should be a declared site's slug.")
  return {
    path,
    url: parseUrl(values.url),
    site: values.site ?? null,
    origin: values.origin === undefined ? "" : parseOrigin(values.origin),
    rate: parseRate(values.rate),
    dryRun: values["dry-run"],
    writeKey: values["write-key"],
  }
}

const replay = async (args: Arguments): Promise<number> => {
  const note = (sentence: string) => process.stderr.write(`${sentence}\n`)
  const last = await latestTime(readLines(args.path))
  const dataDir = resolve(process.env.DATA_DIR || ".data")
  const { key, kept } = visitorKey(dataDir, !args.dryRun)
  if (!kept && !args.dryRun)
    note(`No key could be kept in ${dataDir}: visitors of this run get ids that no other replay shares.`)
  const pageViews = new PageViews(last === null ? 0 : Date.now() - last, key, Date.now, args.origin)

  const reading = emptyReading()
  async function* events(): AsyncGenerator<ReadonlyArray<PageViewEvent>> {
    for await (const lines of readLines(args.path)) {
      const found: Array<PageViewEvent> = []
      for (const line of lines) {
        const outcome = pageViews.read(line)
        countLine(reading, outcome)
        if (typeof outcome !== "string") found.push(outcome)
      }
      if (found.length > 0) yield found
    }
  }
  const isLog = () => {
    if (reading.lines === 0 || last !== null) return true
    note("None of the lines is in the combined log format.")
    return false
  }

  if (args.dryRun) {
    const preview = new Preview()
    for await (const some of events()) for (const event of some) preview.add(event)
    console.log(preview.summary(reading))
    return isLog() ? 0 : 1
  }

  const writeKey = findKey(args.writeKey, process.env.WRITE_KEY, args.url, dataDir)
  const poster = openPoster({ url: args.url, connections: IN_FLIGHT, writeKey, timeout: TIMEOUT })
  const tally = emptyTally()
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const interruption = new AbortController()
  process.once("SIGINT", () => interruption.abort())
  try {
    const options = { poster, site: args.site, rate: args.rate, patience: PATIENCE, note }
    await withProgress(
      () => `${reading.lines} lines read, ${tally.accepted} events accepted, ${Math.round(seconds())} s`,
      () => sendEvents(events(), { ...options, signal: interruption.signal }, tally),
    )
  } finally {
    poster.close()
  }
  console.log(replaySummary(reading, tally, seconds()))
  return isLog() && tally.stopped === null && tally.accepted === reading.pageViews ? 0 : 1
}

try {
  const command = parseCommand(process.argv.slice(2))
  if (command === "help") console.log(HELP)
  else process.exitCode = await replay(command)
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\nSee npm run replay -- --help.\n`)
    process.exitCode = 2
  } else {
    process.stderr.write(`The replay failed: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}

/** Proves that figures are exact: `npm run traffic` sends mixed traffic and checks every endpoint by its own count. */
import { readArguments, UsageError, wholeNumber } from "../../config/arguments.ts"
import { SETTINGS } from "../../config/settings.ts"
import { findKey } from "../replay/keys.ts"
import { assertFresh, checkFigures } from "./check.ts"
import { table } from "./figure.ts"
import { generateTraffic } from "./generate.ts"
import { Journal } from "./journal.ts"
import { sendTraffic } from "./send.ts"
import { checkRows, checkStreams } from "./stores.ts"

const HELP = `Usage: npm run traffic -- [options]

Sends realistic mixed traffic from a seed (every event type and alias, retries, late events, batches, events that must
be refused), does its own count of what was accepted, and compares that with every endpoint. Needs fresh stores.

  --url <url>           the server (default http://127.0.0.1:8080)
  --events <N>          events to send (default 300000)
  --seed <N>            the same seed gives the same visitors and events (default: drawn, and printed)
  --sites <slugs>       the server's SITES, default first (default main)
  --time-zone <zone>    the server's TIME_ZONE (default UTC)
  --write-key <key>     lifts the rate limit (default: WRITE_KEY)
  --token <token>       lets the check see visitors (default: ADMIN_TOKEN; of a server on this machine with embedded
                        stores, the key in its DATA_DIR)
  --concurrency <N>     connections (default 64)
  --batch <N>           most events per batch; 0 sends each on its own (default 100)
  --journal <file>      record what was sent and what became of it, as NDJSON
  --crash-safe          give every event an id and retry it until it is acknowledged, for up to 60 s: the server may be
                        killed and restarted meanwhile
  --redis-url <url>     also check that no event is waiting or dead-lettered
  --database-url <url>  also count the rows
  --help                this text

Exit code: 0 if all figures are equal, 1 if any differs, 2 if used incorrectly.`

const PATIENCE = 60_000
const STANDSTILL = 20_000

const OPTIONS = {
  url: { type: "string", default: "http://127.0.0.1:8080" },
  events: { type: "string", default: "300000" },
  seed: { type: "string" },
  sites: { type: "string", default: "main" },
  "time-zone": { type: "string", default: "UTC" },
  "write-key": { type: "string" },
  token: { type: "string" },
  concurrency: { type: "string", default: "64" },
  batch: { type: "string", default: "100" },
  journal: { type: "string" },
  "crash-safe": { type: "boolean", default: false },
  "redis-url": { type: "string" },
  "database-url": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const

const readValues = () => readArguments({ options: OPTIONS }).values

/** What lets the check see who visitors are. */
const tokenFor = (url: URL, given: string | undefined): string | null =>
  findKey(
    given,
    process.env.ADMIN_TOKEN,
    url,
    SETTINGS.dataDir.parse(process.env.DATA_DIR || SETTINGS.dataDir.default),
  )

const run = async (values: ReturnType<typeof readValues>): Promise<number> => {
  if (!URL.canParse(values.url)) throw new UsageError(`--url is ${values.url}: it should be a URL.`)
  const url = new URL(values.url)
  const [site, ...otherSites] = values.sites.split(",").filter((slug) => slug !== "")
  if (site === undefined) throw new UsageError("--sites is empty.")
  const sites: [string, ...Array<string>] = [site, ...otherSites]
  const seed =
    values.seed === undefined
      ? Math.floor(Math.random() * 2 ** 32)
      : wholeNumber("seed", values.seed, 0, 2 ** 32 - 1)
  const traffic = {
    seed,
    sites,
    events: wholeNumber("events", values.events, 1, 10_000_000),
    batch: wholeNumber("batch", values.batch, 0, 1000),
    crashSafe: values["crash-safe"],
    now: Date.now,
  }
  const concurrency = wholeNumber("concurrency", values.concurrency, 1, 1000)
  const writeKey = values["write-key"] ?? process.env.WRITE_KEY ?? null

  const token = tokenFor(url, values.token)

  await assertFresh(url, sites, token)
  console.log(`Sending ${traffic.events} events with seed ${seed}.`)
  const journal = new Journal(values.journal ?? null)
  const began = performance.now()
  const progress = setInterval(() => console.log(`${journal.entries.length} events answered`), 10_000)
  const options = { url, concurrency, writeKey, patience: PATIENCE, now: Date.now }
  const report = await sendTraffic(generateTraffic(traffic), options, journal).finally(() =>
    clearInterval(progress),
  )
  const seconds = (performance.now() - began) / 1000
  const [accepted, rejected, unknown] = [
    journal.count("accepted"),
    journal.count("rejected"),
    journal.count("unknown"),
  ]
  console.log(
    `${accepted} accepted, ${rejected} rejected, ${unknown} unknown, in ${report.requests} requests ` +
      `(${report.retries} again), ${seconds.toFixed(1)} s, ${Math.round(accepted / seconds)} events/s`,
  )
  for (const [code, count] of [...journal.rejections()].sort()) console.log(`  rejected ${code}: ${count}`)

  const { figures, examples, events } = await checkFigures(journal.entries, {
    url,
    sites,
    timeZone: values["time-zone"],
    token,
    withKey: writeKey !== null,
    patience: STANDSTILL,
    now: Date.now,
    log: console.log,
  })
  const all = [
    ...figures,
    ...(values["database-url"] === undefined ? [] : await checkRows(values["database-url"], events)),
    ...(values["redis-url"] === undefined ? [] : await checkStreams(values["redis-url"])),
  ]
  console.log(table(all))
  for (const problem of report.problems) console.log(`Answer: ${problem}`)
  for (const example of examples) console.log(`Event: ${example}`)
  if (unknown > 0) console.log(`${unknown} events without an id had no answer: they may count, or not.`)
  const differing = all.filter(({ equal }) => !equal).length
  console.log(
    `${events} different events accepted; ${all.length - differing} figures equal, ${differing} differ, ` +
      `${report.problems.length} wrong answers`,
  )
  return differing === 0 && report.problems.length === 0 ? 0 : 1
}

try {
  const values = readValues()
  if (values.help) console.log(HELP)
  else process.exitCode = await run(values)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}

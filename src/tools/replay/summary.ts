/** What a replay tells its user: the tallies of lines and events, as text. */
import { type PageViewEvent, SKIP_REASONS, type SkipReason } from "./pageViews.ts"
import type { Tally } from "./send.ts"

/** What the lines of a file turned out to be. */
export interface Reading {
  lines: number
  pageViews: number
  readonly skipped: Map<SkipReason, number>
}

export const emptyReading = (): Reading => ({ lines: 0, pageViews: 0, skipped: new Map() })

/** Counts one line's outcome. */
export const countLine = (reading: Reading, outcome: PageViewEvent | SkipReason): void => {
  reading.lines++
  if (typeof outcome === "string") reading.skipped.set(outcome, (reading.skipped.get(outcome) ?? 0) + 1)
  else reading.pageViews++
}

const row = (label: string, value: number | string): string =>
  `${label.padEnd(44)} ${String(value).padStart(9)}`

const readingRows = (reading: Reading): Array<string> => {
  const skipped = [...reading.skipped.values()].reduce((sum, count) => sum + count, 0)
  const rows = [row("lines read", reading.lines), row("skipped", skipped)]
  for (const [reason, count] of reading.skipped) rows.push(row(`  ${SKIP_REASONS[reason]}`, count))
  return rows
}

/** What was read, and what the server made of it. */
export const replaySummary = (reading: Reading, tally: Tally, seconds: number): string => {
  const rows = readingRows(reading)
  rows.push(row("page views", reading.pageViews), row("sent", tally.sent), row("accepted", tally.accepted))
  const rejected = [...tally.rejected.values()].reduce((sum, count) => sum + count, 0)
  rows.push(row("rejected", rejected))
  for (const [code, count] of tally.rejected) rows.push(row(`  ${code}`, count))
  if (tally.retries > 0) rows.push(row("posts tried again", tally.retries))
  rows.push(row("seconds", seconds.toFixed(1)))
  if (tally.stopped !== null) rows.push(`Stopped before the end: ${tally.stopped}`)
  return rows.join("\n")
}

const TOP_PAGES = 10

/** Collects what a replay would send. Days are in UTC. */
export class Preview {
  readonly #days = new Map<string, { views: number; readonly visitors: Set<string> }>()
  readonly #visitors = new Set<string>()
  readonly #pages = new Map<string, number>()

  add(event: PageViewEvent): void {
    const key = new Date(event.timestamp).toISOString().slice(0, 10)
    const day = this.#days.get(key) ?? { views: 0, visitors: new Set() }
    this.#days.set(key, day)
    day.views++
    day.visitors.add(event.visitor_id)
    this.#visitors.add(event.visitor_id)
    this.#pages.set(event.page_url, (this.#pages.get(event.page_url) ?? 0) + 1)
  }

  summary(reading: Reading): string {
    const rows = readingRows(reading)
    rows.push(row("page views to send", reading.pageViews), row("unique visitors", this.#visitors.size))
    rows.push("", "day (UTC)    page views  unique visitors")
    for (const [day, { views, visitors }] of [...this.#days].sort(([a], [b]) => (a < b ? -1 : 1)))
      rows.push(`${day}  ${String(views).padStart(11)}  ${String(visitors.size).padStart(15)}`)
    rows.push("", "page views  top pages")
    const pages = [...this.#pages].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    for (const [page, views] of pages.slice(0, TOP_PAGES)) rows.push(`${String(views).padStart(10)}  ${page}`)
    return rows.join("\n")
  }
}

/** Milliseconds between two lines of progress. On a terminal one line is rewritten, elsewhere every line stays. */
const TTY_EVERY = 250
const LOG_EVERY = 5000

/** Reports progress on stderr while `work` runs; a quick replay without a terminal stays silent. */
export const withProgress = async <A>(describe: () => string, work: () => Promise<A>): Promise<A> => {
  const tty = process.stderr.isTTY === true
  const timer = setInterval(
    () => process.stderr.write(tty ? `\r\u001b[K${describe()}` : `${describe()}\n`),
    tty ? TTY_EVERY : LOG_EVERY,
  )
  try {
    return await work()
  } finally {
    clearInterval(timer)
    if (tty) process.stderr.write("\r\u001b[K")
  }
}

/**
 * Compares what senders were told with what is stored: rows, every figure in Redis, daily totals, REST answers,
 * counters. The expected figures are counted here from the journal, without any of the project's own counting.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { DAY_MS } from "../../src/domain/time.ts"
import { mastersOf } from "../../src/stores/redis.ts"
import { isBody } from "../../src/tools/traffic/traffic.ts"
import { eventually } from "../support/eventually.ts"
import { type Journal, type Loss, mayBeLostIn, type SentEvent } from "./journal.ts"
import { compareAnswers } from "./questions.ts"
import type { ChaosRedis } from "./redis.ts"
import { SITES } from "./senders.ts"
import { onPostgres } from "./stores.ts"

export interface Verdict {
  /** Acknowledged, but without a row. */
  readonly lost: number
  /** The same, but expected: Redis had lost it. */
  readonly lostWithRedis: number
  /** More than one row. */
  readonly doubled: number
  /** Rows that nobody sent. */
  readonly phantom: number
  /** Rows whose time, site, visitor or type is not what was sent. */
  readonly altered: number
  /** Figures that differ from the count, one sentence each. */
  readonly wrongFigures: ReadonlyArray<string>
  /** The number of figures compared. */
  readonly figures: number
  readonly acknowledged: number
  readonly rows: number
}

export interface CheckOptions {
  readonly redis: ChaosRedis
  readonly databaseUrl: string
  readonly prefix: string
  readonly partitions: number
  readonly timeZone: string
  readonly nodeUrls: ReadonlyArray<string>
  /** Whether to check the counters, which are complete only if no process of the deployment has ended meanwhile. */
  readonly counters: boolean
  /** Marks of events that must be dead letters and not rows. */
  readonly poison: ReadonlySet<number>
  /** Other dead letters, which no sender sent. */
  readonly otherDeadLetters: number
  readonly mayBeLost: ReadonlyArray<Loss>
  /** Rows older than this may have been deleted by retention; unix milliseconds. */
  readonly keptSince: number | null
}

interface Row {
  readonly id: string
  readonly visitor: string
  readonly at: number
  readonly site: string
  readonly type: string
  readonly mark: number | null
}

/** Wide enough for retention's clock and the check's to differ. */
const RETENTION_MARGIN_MS = 120_000

const dayOf = (at: number, timeZone: string) =>
  new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" }).format(at)

/** ISO 8601: the week of a day is that of its Thursday. */
const weekOf = (day: string): string => {
  const date = new Date(`${day}T12:00:00Z`)
  date.setUTCDate(date.getUTCDate() + 4 - (date.getUTCDay() || 7))
  const year = date.getUTCFullYear()
  const week = Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / DAY_MS / 7) + 1
  return `${year}-W${String(week).padStart(2, "0")}`
}

interface Count {
  events: number
  page_views: number
  letters: number
  letters_motivation: number
  letters_anti_motivation: number
  readonly visitors: Set<string>
  readonly themes: Map<string, number>
}

const COUNTS = ["events", "page_views", "letters", "letters_motivation", "letters_anti_motivation"] as const

const noCount = (): Count => ({
  events: 0,
  page_views: 0,
  letters: 0,
  letters_motivation: 0,
  letters_anti_motivation: 0,
  visitors: new Set(),
  themes: new Map(),
})

const addTo = (count: Count, event: SentEvent) => {
  count.events++
  if (event.type === "page_view") count.page_views++
  if (event.letter !== null) count.letters++
  if (event.letter === "motivation") count.letters_motivation++
  if (event.letter === "anti_motivation") count.letters_anti_motivation++
  if (event.theme !== null) count.themes.set(event.theme, (count.themes.get(event.theme) ?? 0) + 1)
  count.visitors.add(event.visitor)
}

/** By site, then by period key; `all` is all time. */
type Counts = Map<string, Map<string, Count>>

const countAll = (events: ReadonlyArray<SentEvent>, timeZone: string): Counts => {
  const counts: Counts = new Map(SITES.map((site) => [site, new Map()]))
  const days = new Map<number, readonly [string, string, string]>()
  for (const event of events) {
    const quarter = Math.floor(event.at / 900_000)
    let keys = days.get(quarter)
    if (keys === undefined) {
      const day = dayOf(event.at, timeZone)
      keys = [day, weekOf(day), day.slice(0, 7)]
      days.set(quarter, keys)
    }
    const ofSite = counts.get(event.site)
    for (const key of [...keys, "all"]) {
      let count = ofSite?.get(key)
      if (count === undefined) {
        count = noCount()
        ofSite?.set(key, count)
      }
      addTo(count, event)
    }
  }
  return counts
}

/** Compares figures as text and collects a sentence for each that differs. */
class Comparison {
  figures = 0
  readonly wrong: Array<string> = []

  of(name: string, expected: unknown, actual: unknown): void {
    this.figures++
    if (JSON.stringify(expected) !== JSON.stringify(actual))
      this.wrong.push(`${name}: ${JSON.stringify(expected)} counted, ${JSON.stringify(actual)} found`)
  }
}

const sorted = (themes: ReadonlyMap<string, number>) =>
  [...themes].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : a > b ? 1 : 0))

const readRows = (databaseUrl: string): Promise<ReadonlyArray<Row>> =>
  onPostgres(databaseUrl, async (client) => {
    const { rows } = await client.query<Row>(
      `SELECT e.id, visitor_id AS visitor, (extract(epoch FROM created_at) * 1000)::float8 AS at, slug AS site,
              event_type AS type, (event_data->>'k')::int AS mark
       FROM analytics_events e JOIN sites ON sites.id = site_id`,
    )
    return rows
  })

const readTotals = (databaseUrl: string) =>
  onPostgres(databaseUrl, async (client) => {
    const { rows } = await client.query<{
      site: string
      day: string
      metric: string
      name: string
      count: number
    }>(
      `SELECT slug AS site, day::text, metric, name, sum(count)::float8 AS count
       FROM daily_totals JOIN sites ON sites.id = site_id GROUP BY 1, 2, 3, 4`,
    )
    return rows
  })

/** The figures in Redis, summed over the partitions. */
const readFigures = ({ use }: ChaosRedis, prefix: string) =>
  use(async (redis) => {
    const totals = new Map<string, Record<string, number>>()
    const themes = new Map<string, Map<string, number>>()
    const exact = new Map<string, number>()
    const estimates = new Map<string, number>()
    const addSet = (map: Map<string, number>, key: string, by: number) =>
      map.set(key, (map.get(key) ?? 0) + by)
    const streams = { waiting: 0, dead: [] as Array<string> }
    const keys = new Set<string>()
    for (const master of mastersOf(redis))
      for await (const found of master.scanStream({ match: `${prefix}:{*}:*`, count: 1000 }))
        for (const key of found as ReadonlyArray<string>) keys.add(key)
    for (const key of keys) {
      const [, , site = "", ...rest] = key.split(":")
      const what = rest.join(":")
      if (site === "events" && what === "") streams.waiting += await redis.xlen(key)
      else if (site === "dead" && what === "") {
        for (const [, fields] of await redis.xrange(key, "-", "+")) streams.dead.push(fields[1] ?? "")
      } else if (/^(\d{4}-[0-9W-]+)$/.test(what)) {
        const sum = totals.get(`${site} ${what}`) ?? {}
        for (const [field, value] of Object.entries(await redis.hgetall(key)))
          sum[field] = (sum[field] ?? 0) + Number(value)
        totals.set(`${site} ${what}`, sum)
      } else if (what === "themes" || what.endsWith(":themes")) {
        const period = what === "themes" ? "all" : what.slice(0, -":themes".length)
        const sum = themes.get(`${site} ${period}`) ?? new Map<string, number>()
        const flat = await redis.zrange(key, 0, "-1", "WITHSCORES")
        for (let i = 0; i + 1 < flat.length; i += 2) addSet(sum, flat[i] ?? "", Number(flat[i + 1]))
        themes.set(`${site} ${period}`, sum)
      } else if (what.endsWith(":hll")) {
        addSet(estimates, `${site} ${what.slice(0, -":hll".length)}`, await redis.pfcount(key))
      } else if (/:visitors:\d+$/.test(what)) {
        addSet(exact, `${site} ${what.replace(/:visitors:\d+$/, "")}`, await redis.scard(key))
      }
    }
    return { totals, themes, exact, estimates, streams }
  })

/** The data of an answer: of the first one that a busy machine gives in time. */
const get = (url: string, path: string): Promise<unknown> =>
  eventually(async () => {
    const response = await fetch(`${url}/api/v1/analytics/${path}`)
    const body: unknown = await response.json()
    if (!isBody(body) || body.success !== true) throw new Error(`${path}: ${JSON.stringify(body)}`)
    return body.data
  })

const compareRest = async (url: string, counts: Counts, to: Comparison) => {
  for (const site of SITES) {
    const of = (key: string) => counts.get(site)?.get(key) ?? noCount()
    for (const period of ["day", "week", "month"]) {
      const data = await get(url, `stats?site=${site}&period=${period}`)
      if (!isBody(data)) {
        to.of(`GET stats ${site} ${period}`, "an object", data)
        continue
      }
      const { events, page_views, letters, visitors } = of(String(data.period_key))
      to.of(
        `GET stats ${site} ${period} ${data.period_key}`,
        [events, page_views, letters, visitors.size],
        [data.total_events, data.page_views, data.letters_generated, data.unique_visitors],
      )
      const answer = await get(url, `letters?site=${site}&period=${period}`)
      const body = isBody(answer) ? answer : {}
      const history = Array.isArray(body.history) ? (body.history as ReadonlyArray<unknown>) : []
      const dates = history.map((each) => (isBody(each) ? String(each.date) : ""))
      // The period's own days: at midnight, they may be others than those of the answer before.
      const days = dates.map((date) => ({ date, count: of(date).letters }))
      to.of(
        `GET letters ${site} ${period}`,
        [days.reduce((sum, { count }) => sum + count, 0), days],
        [body.total, history],
      )
    }
    const themes = await get(url, `themes?site=${site}&limit=20`)
    const listed = Array.isArray(themes) ? (themes as ReadonlyArray<unknown>) : []
    to.of(
      `GET themes ${site}`,
      sorted(of("all").themes),
      listed.map((each) => (isBody(each) ? [each.theme, each.views] : each)),
    )
  }
}

/** The sum of a counter over its labels; `null` if the node does not answer. */
const counterOf = async (url: string, name: string): Promise<number> => {
  const response = await fetch(`${url}/metrics`)
  const text = await response.text()
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0)
}

/** Most time that a node takes to count what it has applied, milliseconds: the script's reply, and the next report of its thread. */
const COUNTED_WITHIN_MS = 60_000

/** The events that nodes have counted; what they have applied in the last moment is waited for. */
const countersOf = async (urls: ReadonlyArray<string>, expected: number): Promise<number> => {
  const deadline = performance.now() + COUNTED_WITHIN_MS
  while (true) {
    let sum = 0
    for (const url of urls) sum += await counterOf(url, "maicivy_events_total")
    if (sum === expected || performance.now() > deadline) return sum
    await sleep(100)
  }
}

const compareFigures = async (options: CheckOptions, counts: Counts, to: Comparison) => {
  const { totals, themes, exact, estimates, streams } = await readFigures(options.redis, options.prefix)
  const expectedKeys = new Set<string>()
  for (const [site, periods] of counts) {
    for (const [key, count] of periods) {
      const name = `${site} ${key}`
      expectedKeys.add(name)
      to.of(`themes ${name}`, sorted(count.themes), sorted(themes.get(name) ?? new Map()))
      if (key === "all") continue
      const found = totals.get(name) ?? {}
      to.of(
        `totals ${name}`,
        [...COUNTS.map((field) => count[field]), count.visitors.size],
        [...COUNTS, "unique_visitors"].map((field) => found[field] ?? 0),
      )
      to.of(`exact visitors ${name}`, count.visitors.size, exact.get(name))
      const estimate = estimates.get(name) ?? 0
      const close = Math.abs(estimate - count.visitors.size) <= 4 + 0.03 * count.visitors.size
      to.of(`estimated visitors ${name} (${estimate} of ${count.visitors.size})`, true, close)
    }
  }
  to.of(
    "periods that nobody sent",
    [],
    [...totals.keys()].filter((key) => !expectedKeys.has(key)),
  )
  to.of("events that wait", 0, streams.waiting)
  to.of("dead letters", options.poison.size + options.otherDeadLetters, streams.dead.length)
}

const compareTotals = async (options: CheckOptions, counts: Counts, to: Comparison) => {
  const rows = await readTotals(options.databaseUrl)
  const found = new Map(rows.map((row) => [`${row.site} ${row.day} ${row.metric} ${row.name}`, row.count]))
  for (const [site, periods] of counts) {
    for (const [key, count] of periods) {
      if (!/^\d{4}-\d{2}-\d{2}$/.test(key)) continue
      to.of(
        `daily_totals ${site} ${key}`,
        COUNTS.map((metric) => count[metric]),
        COUNTS.map((metric) => found.get(`${site} ${key} ${metric} `) ?? 0),
      )
      to.of(
        `daily_totals ${site} ${key} themes`,
        [...count.themes.values()].reduce((sum, views) => sum + views, 0),
        rows
          .filter((row) => row.site === site && row.day === key && row.metric === "theme")
          .reduce((sum, row) => sum + row.count, 0),
      )
    }
  }
}

/** Where everything is stored that counts, one node is asked questions. */
const compareQuestions = async (
  counted: ReadonlyArray<SentEvent>,
  rows: ReadonlyMap<number, ReadonlyArray<Row>>,
  { nodeUrls: [url], timeZone, keptSince }: CheckOptions,
  to: Comparison,
) => {
  if (url === undefined) return
  const stored = counted.flatMap((event) => {
    const [row] = rows.get(event.mark) ?? []
    return row === undefined ? [] : [{ ...event, row: row.id }]
  })
  // A visit ends at midnight, so that those of later days are whole.
  const dayOfCut = keptSince === null ? "" : dayOf(keptSince + RETENTION_MARGIN_MS, timeZone)
  const whole = stored.filter(({ at }) => dayOf(at, timeZone) > dayOfCut)
  await compareAnswers(whole, { url, timeZone }, (name, expected, actual) => to.of(name, expected, actual))
}

/** Compares everything, once the streams are empty. */
export const check = async (journal: Journal, options: CheckOptions): Promise<Verdict> => {
  const rows = await readRows(options.databaseUrl)
  const byMark = new Map<number, Array<Row>>()
  let phantom = 0
  let altered = 0
  for (const row of rows) {
    const line = row.mark === null ? undefined : journal.lines[row.mark]
    if (line === undefined) {
      phantom++
      continue
    }
    const { event } = line
    const same =
      row.at === event.at &&
      row.site === event.site &&
      row.visitor === event.visitor &&
      row.type === event.type &&
      (event.id === null || event.id === row.id)
    if (!same) altered++
    const others = byMark.get(event.mark)
    if (others === undefined) byMark.set(event.mark, [row])
    else others.push(row)
  }
  let lost = 0
  let lostWithRedis = 0
  let doubled = 0
  const counted: Array<SentEvent> = []
  const { keptSince, poison } = options
  for (const line of journal.lines) {
    const { event, acknowledged, sends } = line
    const there = byMark.get(event.mark)?.length ?? 0
    const mayBeGone = keptSince !== null && event.at < keptSince + RETENTION_MARGIN_MS
    if (there > (event.id === null ? Math.min(sends, 1) : 1)) doubled++
    const isLost = there === 0 && acknowledged && !mayBeGone && !poison.has(event.mark)
    if (isLost) {
      if (options.mayBeLost.some((loss) => mayBeLostIn(loss, line))) lostWithRedis++
      else lost++
    }
    if (poison.has(event.mark)) phantom += there
    // Once its row is deleted, nothing tells whether an unanswered event had arrived, so its figures are not checked.
    if (there > 0 || (acknowledged && !isLost && !poison.has(event.mark))) counted.push(event)
  }
  const uncertain = journal.lines.some(
    ({ event, acknowledged }) =>
      !acknowledged && keptSince !== null && event.at < keptSince + RETENTION_MARGIN_MS,
  )
  const comparison = new Comparison()
  if (!uncertain) {
    const counts = countAll(counted, options.timeZone)
    await compareFigures(options, counts, comparison)
    await compareTotals(options, counts, comparison)
    for (const url of options.nodeUrls) await compareRest(url, counts, comparison)
    await compareQuestions(counted, byMark, options, comparison)
  }
  if (options.counters) {
    const sum = await countersOf(options.nodeUrls, counted.length)
    comparison.of("Prometheus maicivy_events_total, all nodes", counted.length, sum)
  }
  return {
    lost,
    lostWithRedis,
    doubled,
    phantom,
    altered,
    wrongFigures: comparison.wrong,
    figures: comparison.figures,
    acknowledged: journal.acknowledged,
    rows: rows.length,
  }
}

/** Whether every promise was kept. */
export const isClean = (verdict: Verdict): boolean =>
  verdict.lost + verdict.doubled + verdict.phantom + verdict.altered + verdict.wrongFigures.length === 0

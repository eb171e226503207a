/** Compares every endpoint's answer with the independent count. */
import { setTimeout as sleep } from "node:timers/promises"
import { type Counted, countedEvents, type PeriodName, SiteCount } from "./count.ts"
import { checkExports } from "./exports.ts"
import { attempt, type Figure } from "./figure.ts"
import { HEATMAP_HOURS } from "./generate.ts"
import { checkQuestions } from "./questions.ts"
import { type Parameters, Reader } from "./read.ts"
import { checkTimeline } from "./timeline.ts"
import type { Body, JournalEntry } from "./traffic.ts"
import { PAGES } from "./visitors.ts"

export interface CheckOptions {
  readonly url: URL
  readonly sites: readonly [string, ...Array<string>]
  readonly timeZone: string
  /** What lets the check see who visitors are. */
  readonly token: string | null
  /** Whether events were sent with a write key. */
  readonly withKey: boolean
  /** How long figures may stay unchanged before they count as final, milliseconds. */
  readonly patience: number
  readonly log: (line: string) => void
  /** Unix milliseconds. */
  readonly now: () => number
}

export interface CheckResult {
  readonly figures: ReadonlyArray<Figure>
  /** Individual events that differ. */
  readonly examples: ReadonlyArray<string>
  readonly events: number
}

const PERIODS: ReadonlyArray<PeriodName> = ["day", "week", "month"]
/** Milliseconds between two reads of figures that are still changing. */
const BETWEEN = 300

/** Ratios may be rounded, but not to fewer decimals than these: rates to four, percentages to one. */
const ROUNDING = { conversion_rate: 0.000_051, percentage: 0.051 } as const

/** The received value, in which each ratio that is a rounding of the expected one is replaced by it. */
const unrounded = (actual: Body, expected: Body | undefined): Body => {
  const result: { [key: string]: unknown } = { ...actual }
  for (const [name, tolerance] of Object.entries(ROUNDING)) {
    const [got, wanted] = [actual[name], expected?.[name]]
    if (typeof got === "number" && typeof wanted === "number" && Math.abs(got - wanted) <= tolerance)
      result[name] = wanted
  }
  return result
}

const checkRealtime = (reader: Reader, count: SiteCount): ReadonlyArray<Promise<Figure>> => {
  const of = (name: string, expected: (now: number) => number) =>
    attempt(reader.site, `realtime: ${name}`, async () => {
      const actual = await reader.object("realtime")
      return [expected(count.now()), actual[name]]
    })
  return [
    // Visitors expire one by one, so for the second in question only its beginning and its end are known.
    attempt(reader.site, "realtime: current_visitors", async () => {
      const { current_visitors: actual, timestamp } = await reader.object("realtime")
      const second = Number(timestamp) * 1000
      const [most, least] = [count.current(second), count.current(second + 1000)]
      const fits = typeof actual === "number" && actual >= least && actual <= most
      return [fits ? actual : `${least}–${most}`, actual]
    }),
    of("unique_today", (now) => count.stats("day", now).unique_visitors),
    of("total_events", (now) => count.stats("day", now).total_events),
    of("letters_today", (now) => count.stats("day", now).letters_generated),
  ]
}

const checkPeriods = (
  reader: Reader,
  endpoint: string,
  count: SiteCount,
  expected: (period: PeriodName, now: number) => Body,
): ReadonlyArray<Promise<Figure>> =>
  PERIODS.flatMap((period) =>
    Object.keys(expected(period, 0)).map((name) =>
      attempt(reader.site, `${endpoint} ${period}: ${name}`, async () => {
        const actual = await reader.object(endpoint, { period })
        const wanted = expected(period, count.now())
        return [wanted[name], unrounded(actual, wanted)[name]]
      }),
    ),
  )

const checkStats = (reader: Reader, count: SiteCount): ReadonlyArray<Promise<Figure>> =>
  checkPeriods(reader, "stats", count, (period, now) => count.stats(period, now))

const checkLetters = (reader: Reader, count: SiteCount): ReadonlyArray<Promise<Figure>> =>
  checkPeriods(reader, "letters", count, (period, now) => count.letters(period, now))

const checkThemes = (reader: Reader, count: SiteCount): ReadonlyArray<Promise<Figure>> =>
  [null, ...PERIODS].flatMap((period) =>
    [null, 1, 5, 20].map((limit) =>
      attempt(reader.site, `themes ${period ?? "all time"}, limit ${limit ?? "default"}`, async () => {
        const actual = await reader.list("themes", { period, limit })
        const expected = count.themes(period, count.now()).slice(0, limit ?? 5)
        return [expected, actual.map((theme, index) => unrounded(theme, expected[index]))]
      }),
    ),
  )

const byPosition = (a: Body, b: Body): number => Number(a.x) - Number(b.x) || Number(a.y) - Number(b.y)

const checkHeatmaps = (reader: Reader, count: SiteCount): ReadonlyArray<Promise<Figure>> => {
  const of = (url: string | null, hours: number, parameters: Parameters) =>
    attempt(reader.site, `heatmap ${hours} h, ${url ?? "all pages"}`, async () => {
      const actual = await reader.list("heatmap", parameters)
      const sorted = actual.every(
        (point, index) => index === 0 || Number(actual[index - 1]?.count) >= Number(point.count),
      )
      const expected: Array<Body> = count.heatmap(url, hours, count.now())
      return [
        { sorted: true, points: expected.sort(byPosition) },
        { sorted, points: [...actual].sort(byPosition) },
      ]
    })
  const page = (path: string) => `https://example.org${path}`
  return [
    of(null, 24, {}),
    ...HEATMAP_HOURS.map((hours) => of(null, hours, { hours })),
    ...PAGES.slice(0, 4).map((path) => of(page(path), 24, { page_url: page(path) })),
    of(page(PAGES[7]), 168, { page: page(PAGES[7]), hours: 168 }),
  ]
}

/** Waits until the periods' totals are as expected, or have stayed unchanged for longer than the patience. */
const settle = async (options: CheckOptions, counts: ReadonlyMap<string, SiteCount>): Promise<void> => {
  let seen = ""
  let stillSince = performance.now()
  for (;;) {
    const wanted: Array<unknown> = []
    const got: Array<unknown> = []
    for (const [site, count] of counts) {
      for (const period of PERIODS) {
        wanted.push(count.stats(period, count.now()).total_events)
        got.push(
          (await new Reader(options.url, site, options.token).object("stats", { period })).total_events,
        )
      }
    }
    if (JSON.stringify(wanted) === JSON.stringify(got)) return
    if (JSON.stringify(got) !== seen) {
      seen = JSON.stringify(got)
      stillSince = performance.now()
    }
    if (performance.now() - stillSince > options.patience) {
      options.log(`No progress for ${options.patience / 1000} s: expected ${wanted}, counted ${got}.`)
      return
    }
    await sleep(BETWEEN)
  }
}

/**
 * Refuses a deployment in which a site already has events, because its figures would not be those of this run, and one that does not
 * tell who visitors are.
 */
export const assertFresh = async (
  url: URL,
  sites: ReadonlyArray<string>,
  token: string | null,
): Promise<void> => {
  for (const site of sites) {
    const reader = new Reader(url, site, token)
    await reader.text("export/visitors").catch((cause: unknown) => {
      throw new Error(`The check has to see visitors: give it --token, or ADMIN_TOKEN. (${cause})`)
    })
    const rows = await reader.list("timeline", { limit: 1 })
    if (rows.length > 0) throw new Error(`Site ${site} has events already: the check needs fresh stores.`)
  }
}

/** Compares all figures of all sites with the journal. */
export const checkFigures = async (
  entries: ReadonlyArray<JournalEntry>,
  options: CheckOptions,
): Promise<CheckResult> => {
  const { sites, url, token, timeZone, now } = options
  const events = countedEvents(entries, { site: sites[0], withKey: options.withKey })
  const bySite = new Map<string, Array<Counted>>(sites.map((site) => [site, []]))
  for (const event of events) bySite.get(event.site)?.push(event)
  const countsOf = () => new Map([...bySite].map(([site, own]) => [site, new SiteCount(own, timeZone, now)]))
  await settle(options, countsOf())

  const figures: Array<Figure> = []
  const examples: Array<string> = []
  for (const [site, own] of bySite) {
    const reader = new Reader(url, site, token)
    options.log(`Comparing ${own.length} events of ${site}.`)
    const timeline = await checkTimeline(reader, own)
    figures.push(...timeline.figures)
    examples.push(...timeline.examples)
    // Counted again, because the timeline has told when the events without a timestamp happened.
    const count = new SiteCount(own, timeZone, now)
    const groups = [checkRealtime, checkStats, checkThemes, checkLetters, checkHeatmaps, checkExports]
    for (const group of [...groups, checkQuestions])
      figures.push(...(await Promise.all(group(reader, count))))
  }
  return { figures, examples, events: events.length }
}

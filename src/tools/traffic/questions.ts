/** Compares answers to questions with a count of the journal's events, visits included, by the wording of the contract. */
import { type Counted, pageOfUrl, type SiteCount } from "./count.ts"
import { attempt, type Figure } from "./figure.ts"
import type { Reader } from "./read.ts"
import { type Body, isBody } from "./traffic.ts"

type Row = readonly [dimensions: ReadonlyArray<string | null>, metrics: ReadonlyArray<number>]

interface Question {
  readonly name: string
  readonly body: { readonly [field: string]: unknown }
  readonly expected: ReadonlyArray<Row>
}

/** A visitor's events with less than half an hour between one and the next, on one day; in order. */
type Visit = readonly [Counted, ...Array<Counted>]

const GAP_MS = 30 * 60_000

/** Pages send these without their visitor. */
const AUTOMATIC: ReadonlySet<string> = new Set(["engagement", "page_leave", "web_vitals"])

const byTime = (a: Counted, b: Counted): number => a.at - b.at || (a.row < b.row ? -1 : 1)

/** The visits of a site's events. */
export const visitsOf = (
  events: ReadonlyArray<Counted>,
  dayOf: (at: number) => string,
): ReadonlyArray<Visit> => {
  const visits: Array<[Counted, ...Array<Counted>]> = []
  for (const own of Map.groupBy(events, ({ visitor }) => visitor).values()) {
    let before: Counted | null = null
    for (const event of [...own].sort(byTime)) {
      const goesOn: boolean =
        before !== null && event.at - before.at < GAP_MS && dayOf(event.at) === dayOf(before.at)
      if (goesOn) visits.at(-1)?.push(event)
      else visits.push([event])
      before = event
    }
  }
  return visits
}

const pageOf = ({ url }: Counted): string | null => (url === null ? null : pageOfUrl(url))

/** Sources of the referrers that traffic has; every other host is its own. */
const SOURCES: { readonly [host: string]: string } = {
  "google.com": "Google",
  "linkedin.com": "LinkedIn",
  "news.ycombinator.com": "Hacker News",
  "mastodon.social": "Mastodon",
}

const HOST = "example.org"

/** Pages of the site itself are no source; of an event without a page, the site's host is not known. */
const sourceOf = ({ url, referrer }: Counted): string | null => {
  const host = /^https?:\/\/(?:www\.)?([^/]+)/.exec(referrer ?? "")?.[1]
  if (host === undefined || (host === HOST && url !== null)) return null
  return SOURCES[host] ?? host
}

const isView = ({ type }: Counted): boolean => type === "page_view"

const visitors = (events: ReadonlyArray<Counted>): number =>
  new Set(events.map(({ visitor }) => visitor)).size

const rowsOf = <A>(
  list: Iterable<A>,
  key: (each: A) => string | null,
  metrics: (group: ReadonlyArray<A>) => ReadonlyArray<number>,
): ReadonlyArray<Row> => [...Map.groupBy(list, key)].map(([name, group]) => [[name], metrics(group)])

const count = (group: ReadonlyArray<unknown>): ReadonlyArray<number> => [group.length]

const numberIn = ({ data }: Counted): ReadonlyArray<number> =>
  typeof data?.value === "number" ? [data.value] : []

/** Totals of visits. */
const ofVisits = (visits: ReadonlyArray<Visit>): ReadonlyArray<number> => {
  const bounces = visits.filter(
    (visit) =>
      visit.filter(isView).length === 1 && visit.every((each) => isView(each) || AUTOMATIC.has(each.type)),
  )
  const milliseconds = visits.reduce((sum, visit) => sum + (visit.at(-1) ?? visit[0]).at - visit[0].at, 0)
  const views = visits.reduce((sum, visit) => sum + visit.filter(isView).length, 0)
  const whole = Math.max(visits.length, 1)
  return [visits.length, views / whole, (100 * bounces.length) / whole, milliseconds / (1000 * whole)]
}

const questionsOf = (site: SiteCount): ReadonlyArray<Question> => {
  const { events } = site
  const visits = visitsOf(events, (at) => site.dayOf(at))
  const views = events.filter(isView)
  const onCv = events.filter((event) => pageOf(event)?.startsWith("/cv"))
  const wrote = visits.filter((visit) => visit.some(({ type }) => type === "letter_generate"))
  const values = events.flatMap(numberIn)
  const viewAt = (visit: Visit, index: 0 | -1) => {
    const view = visit.filter(isView).at(index)
    return view === undefined ? null : pageOf(view)
  }
  const ask = (name: string, body: Question["body"], expected: ReadonlyArray<Row>): Question => ({
    ...{ name, body, expected },
  })
  return [
    ask("totals", { metrics: "visitors,events,page_views" }, [
      [[], [visitors(events), events.length, views.length]],
    ]),
    ask("visits", { metrics: "visits,views_per_visit,bounce_rate,visit_duration" }, [[[], ofVisits(visits)]]),
    ask(
      "pages",
      { metrics: "events,visitors", dimensions: "page" },
      rowsOf(events, pageOf, (own) => [own.length, visitors(own)]),
    ),
    ask(
      "types",
      { metrics: "events", dimensions: "event" },
      rowsOf(events, ({ type }) => type, count),
    ),
    ask(
      "days",
      { metrics: "events,visitors", dimensions: "time:day", order_by: [["events", "desc"]] },
      rowsOf(
        events,
        ({ at }) => site.dayOf(at),
        (own) => [own.length, visitors(own)],
      ),
    ),
    ask(
      "sources",
      { metrics: "visits", dimensions: "source" },
      rowsOf(visits, ([first]) => sourceOf(first), count),
    ),
    ask(
      "entry pages",
      { metrics: "visits", dimensions: "entry_page" },
      rowsOf(visits, (visit) => viewAt(visit, 0), count),
    ),
    ask(
      "exit pages",
      { metrics: "visits", dimensions: "exit_page" },
      rowsOf(visits, (visit) => viewAt(visit, -1), count),
    ),
    ask("a filter", { metrics: "visitors,events", filters: [["contains", "page", ["/cv"]]] }, [
      [[], [visitors(onCv), onCv.length]],
    ]),
    ask(
      "visits with a letter",
      { metrics: "visits", filters: [["has_done", ["is", "event", ["letter_generate"]]]] },
      [[[], [wrote.length]]],
    ),
    ask("numbers", { metrics: "sum(data.value)" }, [[[], [values.reduce((sum, value) => sum + value, 0)]]]),
  ]
}

/** Browsers of the agents that traffic has. */
const BROWSERS: ReadonlyArray<readonly [part: string, name: string]> = [
  ["Chrome/", "Chrome"],
  ["Firefox/", "Firefox"],
  ["Safari/", "Safari"],
]

const browserOf = (agent: string): string | null =>
  BROWSERS.find(([part]) => agent.includes(part))?.[1] ?? null

/** Copies of an event may come from different browsers, and any may have been first: then its visit is between two bounds. */
const browserBounds = (visits: ReadonlyArray<Visit>) => {
  const bounds = new Map<string | null, { least: number; most: number }>()
  for (const [first] of visits) {
    const named = new Set(first.agents.map(browserOf))
    for (const name of named) {
      const bound = bounds.get(name) ?? { least: 0, most: 0 }
      bounds.set(name, bound)
      bound.most++
      if (named.size === 1) bound.least++
    }
  }
  return bounds
}

/** As many digits as sums of fractions have for sure. */
const rounded = (value: unknown): unknown =>
  typeof value === "number" ? Math.round(value * 1e6) / 1e6 : value

const linesOf = (rows: ReadonlyArray<readonly [unknown, ReadonlyArray<unknown>]>): ReadonlyArray<string> =>
  rows.map(([dimensions, metrics]) => JSON.stringify([dimensions, metrics.map(rounded)])).sort()

const listIn = (body: Body, name: string): ReadonlyArray<unknown> => {
  const value = body[name]
  return Array.isArray(value) ? (value as ReadonlyArray<unknown>) : []
}

/** The rows that a node answers, of all days that have events. */
const answered = async (reader: Reader, site: SiteCount, body: Question["body"]) => {
  const days = site.events.map(({ at }) => site.dayOf(at)).sort()
  const asked = { date_range: [days[0], days.at(-1)], limit: 10_000, ...body }
  const texts = Object.entries(asked).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ])
  const { results } = await reader.object("query", Object.fromEntries(texts))
  return (Array.isArray(results) ? (results as ReadonlyArray<unknown>) : [])
    .filter(isBody)
    .map((row): readonly [ReadonlyArray<unknown>, ReadonlyArray<unknown>] => [
      listIn(row, "dimensions"),
      listIn(row, "metrics"),
    ])
}

/** Compares a dozen answers of a site. */
export const checkQuestions = (reader: Reader, site: SiteCount): ReadonlyArray<Promise<Figure>> => {
  if (site.events.length === 0) return []
  const browsers = attempt(reader.site, "query: browsers", async () => {
    const bounds = browserBounds(visitsOf(site.events, (at) => site.dayOf(at)))
    const found = await answered(reader, site, { metrics: "visits", dimensions: "browser" })
    const outside = found.filter(([[name], [visits]]) => {
      const { least, most } = bounds.get(typeof name === "string" ? name : null) ?? { least: 0, most: 0 }
      return Number(visits) < least || Number(visits) > most
    })
    return [[], outside]
  })
  return [
    ...questionsOf(site).map(({ name, body, expected }) =>
      attempt(reader.site, `query: ${name}`, async () => [
        linesOf(expected),
        linesOf(await answered(reader, site, body)),
      ]),
    ),
    browsers,
  ]
}

/** A dozen questions for each site, and what their answers must be: counted here from the senders' journal, with visits of its own. */
import { setTimeout as sleep } from "node:timers/promises"
import { isBody } from "../../src/tools/traffic/traffic.ts"
import type { SentEvent } from "./journal.ts"
import { pageOf, SITES } from "./senders.ts"

/** An event with the id that it is stored under, which orders those of a millisecond. */
export interface StoredEvent extends SentEvent {
  readonly row: string
}

interface Visit {
  readonly events: ReadonlyArray<StoredEvent>
}

interface Question {
  readonly name: string
  readonly body: { readonly [field: string]: unknown }
  /** Rows of dimensions and metrics. */
  readonly expected: Rows
}

type Rows = ReadonlyArray<readonly [dimensions: ReadonlyArray<string | null>, metrics: ReadonlyArray<number>]>

const GAP_MS = 30 * 60_000

const dayFormat = (timeZone: string) => new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" })

const visitsOf = (events: ReadonlyArray<StoredEvent>, timeZone: string): ReadonlyArray<Visit> => {
  const format = dayFormat(timeZone)
  const visits: Array<{ events: Array<StoredEvent> }> = []
  for (const own of Map.groupBy(events, ({ visitor }) => visitor).values()) {
    let last: StoredEvent | null = null
    for (const event of own.toSorted((a, b) => a.at - b.at || (a.row < b.row ? -1 : 1))) {
      const goesOn =
        last !== null && event.at - last.at < GAP_MS && format.format(event.at) === format.format(last.at)
      if (goesOn) visits.at(-1)?.events.push(event)
      else visits.push({ events: [event] })
      last = event
    }
  }
  return visits
}

const isView = ({ type }: SentEvent): boolean => type === "page_view"
const lengthOf = ({ events }: Visit): number => (events.at(-1)?.at ?? 0) - (events[0]?.at ?? 0)
const visitors = (events: ReadonlyArray<SentEvent>): number =>
  new Set(events.map(({ visitor }) => visitor)).size

/** Rows of events by a dimension. */
const by = (
  events: ReadonlyArray<StoredEvent>,
  key: (event: StoredEvent) => string | null,
  metrics: (events: ReadonlyArray<StoredEvent>) => ReadonlyArray<number>,
): Rows => [...Map.groupBy(events, key)].map(([name, group]) => [[name], metrics(group)])

/** Visits by a page of theirs. */
const byView = (visits: ReadonlyArray<Visit>, index: 0 | -1): Rows => {
  const pages = visits.map(({ events }) => events.filter(isView).at(index))
  return [...Map.groupBy(pages, (view) => (view === undefined ? null : pageOf(view)))].map(
    ([page, group]) => [[page], [group.length]],
  )
}

const questionsOf = (events: ReadonlyArray<StoredEvent>, timeZone: string): ReadonlyArray<Question> => {
  const visits = visitsOf(events, timeZone)
  const format = dayFormat(timeZone)
  const views = events.filter(isView)
  const one = (...metrics: ReadonlyArray<number>): Rows => [[[], metrics]]
  const onPage = events.filter((event) => pageOf(event) === "/page/3")
  const wrote = visits.filter((visit) => visit.events.some(({ type }) => type === "letter_generate"))
  const bounces = visits.filter(({ events: own }) => own.length === 1 && own.every(isView)).length
  const clicks = events.filter(({ type }) => type === "button_click")
  const ask = (name: string, body: Question["body"], expected: Rows): Question => ({ name, body, expected })
  return [
    ask("visitors and events", { metrics: ["visitors", "events"] }, one(visitors(events), events.length)),
    ask("visits and views", { metrics: ["visits", "page_views"] }, one(visits.length, views.length)),
    ask(
      "bounces and time",
      { metrics: ["bounce_rate", "visit_duration"] },
      one(
        (100 * bounces) / visits.length,
        visits.reduce((sum, visit) => sum + lengthOf(visit), 0) / (1000 * visits.length),
      ),
    ),
    ask(
      "pages",
      {
        metrics: ["page_views", "visitors"],
        dimensions: ["page"],
        filters: [["is", "event", ["page_view"]]],
      },
      by(views, pageOf, (own) => [own.length, visitors(own)]),
    ),
    ask(
      "events by name",
      { metrics: ["events"], dimensions: ["event"] },
      by(
        events,
        ({ type }) => type,
        (own) => [own.length],
      ),
    ),
    ask(
      "events by day",
      { metrics: ["events"], dimensions: ["time:day"], order_by: [["events", "desc"]] },
      by(
        events,
        ({ at }) => format.format(at),
        (own) => [own.length],
      ),
    ),
    ask("entry pages", { metrics: ["visits"], dimensions: ["entry_page"] }, byView(visits, 0)),
    ask("exit pages", { metrics: ["visits"], dimensions: ["exit_page"] }, byView(visits, -1)),
    ask(
      "a page",
      { metrics: ["visitors", "events"], filters: [["is", "page", ["/page/3"]]] },
      one(visitors(onPage), onPage.length),
    ),
    ask(
      "who writes letters",
      { metrics: ["visits", "events"], filters: [["has_done", ["is", "event", ["letter_generate"]]]] },
      one(wrote.length, wrote.flatMap((visit) => visit.events).length),
    ),
    ask(
      "themes",
      { metrics: ["events"], dimensions: ["data.theme"] },
      by(
        events,
        ({ theme }) => theme,
        (own) => [own.length],
      ),
    ),
    ask(
      "numbers of clicks",
      { metrics: ["sum(data.x)"], filters: [["is", "event", ["button_click"]]] },
      one(clicks.reduce((sum, { mark }) => sum + (mark % 7), 0)),
    ),
  ]
}

/** How long an answer is waited for that a busy machine does not give, milliseconds; and between two tries. */
const PATIENCE_MS = 240_000
const BETWEEN_MS = 200

const postOnce = async (url: string, body: object): Promise<Response> =>
  fetch(`${url}/api/v1/analytics/query`, {
    method: "POST",
    // The next one comes so much later that the node may just be ending this connection then.
    headers: { "content-type": "application/json", connection: "close" },
    body: JSON.stringify(body),
    // The engine may have to start for it.
    signal: AbortSignal.timeout(120_000),
  })

/** The rows of an answer; `null` from a node of a version that is asked nothing; a sentence if there are none. */
const rowsFrom = async (url: string, body: object): Promise<Rows | string | null> => {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const response = await postOnce(url, body)
    const text = await response.text()
    if (response.status === 404) return null
    if (response.status === 200) {
      const answer: unknown = JSON.parse(text)
      const data = isBody(answer) && isBody(answer.data) ? answer.data : {}
      const results = Array.isArray(data.results) ? (data.results as ReadonlyArray<unknown>) : []
      return results
        .filter(isBody)
        .map(({ dimensions, metrics }) => [
          Array.isArray(dimensions) ? (dimensions as ReadonlyArray<string | null>) : [],
          Array.isArray(metrics) ? (metrics as ReadonlyArray<number>) : [],
        ])
    }
    if (performance.now() > deadline) return `${response.status} ${text.slice(0, 200)}`
    await sleep(BETWEEN_MS)
  }
}

/** Rows as text, whatever their order, with as many digits as sums of fractions have for sure. */
const lines = (rows: Rows): ReadonlyArray<string> =>
  rows
    .map(([dimensions, metrics]) =>
      JSON.stringify([dimensions, metrics.map((metric) => Math.round(metric * 1e6) / 1e6)]),
    )
    .sort()

export interface QuestionOptions {
  readonly url: string
  readonly timeZone: string
}

/** Compares each answer with the count. */
export const compareAnswers = async (
  events: ReadonlyArray<StoredEvent>,
  { url, timeZone }: QuestionOptions,
  compare: (name: string, expected: unknown, actual: unknown) => void,
): Promise<void> => {
  for (const site of SITES) {
    const own = events.filter((event) => event.site === site)
    if (own.length === 0) continue
    const times = own.map(({ at }) => at)
    const [from, until] = [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b)) + 1]
    const date_range = [from, until].map((at) => new Date(at).toISOString())
    for (const { name, body, expected } of questionsOf(own, timeZone)) {
      const asked = { site, date_range, time_zone: timeZone, limit: 10_000, ...body }
      const rows = await rowsFrom(url, asked)
      if (rows === null) return
      compare(`query ${site}: ${name}`, lines(expected), typeof rows === "string" ? rows : lines(rows))
    }
  }
}

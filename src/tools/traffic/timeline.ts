/** Compares every row of the timeline with the accepted events, and learns from it when they happened. */
import type { Counted } from "./count.ts"
import { type Figure, figure } from "./figure.ts"
import { canonical, type Reader } from "./read.ts"
import { type Body, isBody } from "./traffic.ts"

interface Row {
  readonly id: string
  readonly visitor: string
  readonly type: string
  readonly url: string | null
  readonly referrer: string | null
  readonly data: string
  /** Unix milliseconds. */
  readonly at: number
}

const PAGE = 100
/** Milliseconds that may pass between reading the sender's and the server's clock. */
const SLACK = 50

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null)

const rowOf = (row: Body): Row => ({
  id: String(row.id),
  visitor: String(row.visitor_id),
  type: String(row.event_type),
  url: textOrNull(row.page_url),
  referrer: textOrNull(row.referrer),
  data: canonical(row.event_data ?? null),
  at: Date.parse(String(row.created_at)),
})

/** All rows of a site's timeline, page by page. */
export const walkTimeline = async (reader: Reader): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  let cursor: string | null = null
  do {
    const answer: Body = await reader.answer("timeline", { limit: PAGE, cursor })
    const page: unknown = answer.data
    const meta = isBody(answer.meta) ? answer.meta : {}
    if (!Array.isArray(page) || meta.count !== page.length)
      throw new Error("The timeline's meta.count is wrong.")
    rows.push(...page.filter(isBody).map(rowOf))
    cursor = textOrNull(meta.next_cursor)
  } while (cursor !== null)
  return rows
}

/** Everything except id, visitor and time. */
const contentOf = (event: Pick<Row, "type" | "url" | "referrer" | "data">): string =>
  `${event.type}\n${event.url}\n${event.referrer}\n${event.data}`

const matchesTime = (event: Counted, at: number): boolean =>
  event.earliest === event.latest
    ? at === event.at
    : at >= event.earliest - SLACK && at <= event.latest + SLACK

/** Finds the event of each row: by id if it has one, otherwise by content and time. */
class Matcher {
  readonly #byId = new Map<string, Counted>()
  readonly #others = new Map<string, Array<Counted>>()
  readonly #cookieless = new Map<string, Set<string>>()
  readonly #labels = new Map<string, string>()
  readonly #known = new Set<string>()
  readonly wrong: Array<string> = []
  unexpected = 0
  matched = 0

  constructor(events: ReadonlyArray<Counted>) {
    for (const event of events) {
      if (event.cookieless === null) this.#known.add(event.visitor)
      if (event.id !== null) {
        this.#byId.set(event.id, event)
        continue
      }
      const key = this.#key(event, event.visitor)
      const others = this.#others.get(key)
      if (others === undefined) this.#others.set(key, [event])
      else others.push(event)
    }
    // Of the events whose time fits, take the one with the earliest deadline.
    for (const others of this.#others.values()) others.sort((a, b) => b.latest - a.latest)
  }

  #key(event: Counted, visitor: string): string {
    return `${visitor}\n${contentOf({ ...event, data: canonical(event.data) })}`
  }

  /** Rows come oldest first. */
  match(row: Row): void {
    const named = this.#byId.get(row.id)
    if (named !== undefined) {
      this.#byId.delete(row.id)
      this.#compare(named, row)
      return
    }
    const others = this.#others.get(`${row.visitor}\n${contentOf(row)}`) ?? []
    const index = others.findLastIndex((event) => matchesTime(event, row.at))
    const [event] = index < 0 ? [] : others.splice(index, 1)
    if (event === undefined) {
      this.unexpected++
      this.#blame(`nobody sent ${JSON.stringify(row)}`)
    } else this.#compare(event, row)
  }

  #compare(event: Counted, row: Row): void {
    this.matched++
    const sent = contentOf({ ...event, data: canonical(event.data) })
    if (sent !== contentOf(row)) this.#blame(`sent ${sent}, shown ${contentOf(row)}`)
    if (!matchesTime(event, row.at))
      this.#blame(`${row.id} was sent ${event.earliest}–${event.latest}, shown at ${row.at}`)
    if (event.cookieless === null) {
      if (event.visitor !== row.visitor)
        this.#blame(`${row.id} is of ${event.visitor}, shown of ${row.visitor}`)
    } else this.#learn(event, event.cookieless, row)
    event.at = row.at
    event.row = row.id
  }

  /** A cookieless visitor has one id per day, which nobody else has. */
  #learn(event: Counted, label: string, row: Row): void {
    const known = this.#labels.get(row.visitor)
    if (this.#known.has(row.visitor) || (known !== undefined && known !== label))
      this.#blame(`the cookieless visitor ${row.visitor} is several`)
    this.#labels.set(row.visitor, label)
    const ids = this.#cookieless.get(label) ?? new Set()
    this.#cookieless.set(label, ids.add(row.visitor))
    // Two if midnight passed during the run.
    if (ids.size > 2) this.#blame(`the cookieless visitor ${label} has ${ids.size} ids`)
    event.visitor = row.visitor
  }

  #blame(sentence: string): void {
    this.wrong.push(sentence)
  }

  /** Events without a row. */
  missing(): ReadonlyArray<Counted> {
    return [...this.#byId.values(), ...[...this.#others.values()].flat()]
  }
}

/** Compares a site's timeline with its events, and completes their times and cookieless visitors from it. */
export const checkTimeline = async (
  reader: Reader,
  events: ReadonlyArray<Counted>,
): Promise<{ readonly figures: ReadonlyArray<Figure>; readonly examples: ReadonlyArray<string> }> => {
  const rows = await walkTimeline(reader)
  const disordered = rows.filter((row, index) => index > 0 && (rows[index - 1]?.at ?? 0) < row.at)
  const matcher = new Matcher(events)
  const seen = new Set<string>()
  let twice = 0
  for (const row of rows.toReversed()) {
    if (seen.has(row.id)) twice++
    else matcher.match(row)
    seen.add(row.id)
  }
  const missing = matcher.missing()
  const of = (name: string, expected: number, actual: number) =>
    figure(reader.site, `timeline: ${name}`, expected, actual)
  const figures = [
    of("rows", events.length, rows.length),
    of("events shown as sent", events.length, matcher.matched),
    of("events not shown", 0, missing.length),
    of("rows nobody sent", 0, matcher.unexpected),
    of("rows shown twice", 0, twice),
    of("rows out of order", 0, disordered.length),
    of("rows unlike what was sent", 0, matcher.wrong.length),
  ]
  const offset = Math.min(57, rows.length)
  const skipped = await reader.list("timeline", { limit: 10, offset })
  figures.push(
    figure(
      reader.site,
      `timeline: ids from offset ${offset}`,
      rows.slice(offset, offset + 10).map(({ id }) => id),
      skipped.map(({ id }) => id),
    ),
  )
  const examples = [...matcher.wrong, ...missing.map((event) => `not shown: ${JSON.stringify(event)}`)]
  return { figures, examples: examples.slice(0, 20) }
}

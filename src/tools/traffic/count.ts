/**
 * Counts what the figures must be, from the journal and by the wording of the contract. None of the project's own code
 * is used here, so that its errors are not repeated.
 */
import { type Body, isBody, type JournalEntry } from "./traffic.ts"

/** An accepted event, counted once however often it was sent. */
export interface Counted {
  readonly site: string
  /** Lower case. */
  readonly id: string | null
  /** A UUID in lower case. A cookieless visitor has its label until its id is learnt from the timeline. */
  visitor: string
  /** Stands for the address and agent of a cookieless visitor; `null` for visitors with an explicit id. */
  readonly cookieless: string | null
  readonly type: string
  readonly url: string | null
  readonly referrer: string | null
  readonly data: Body | null
  /** It happened between these two, unix milliseconds; they are equal if the event had a timestamp. */
  earliest: number
  latest: number
  /** `latest` until the timeline tells the time. */
  at: number
  /** The id that it is stored under, which orders events of a millisecond; empty until the timeline tells it. */
  row: string
  /** Agents of the requests that it came in, as often as it was sent. */
  readonly agents: Array<string>
}

const ALIASES: Readonly<Record<string, string>> = {
  cv_theme_view: "cv_theme_change",
  cv_theme_selected: "cv_theme_change",
  letter_generated: "letter_generate",
  pageview: "page_view",
  pdf_downloaded: "pdf_download",
}

/** A URL is kept without what may be a secret, of which pages here have one. */
const urlOrNull = (value: unknown): string | null =>
  typeof value === "string" ? value.replace(/&token=[^&#]*/, "").slice(0, 500) : null

/** The path, with the theme where the query has one. */
export const pageOfUrl = (url: string): string => {
  const [withoutFragment = ""] = url.replace(/^https?:\/\/[^/]*/, "").split("#")
  const [path = "", query = ""] = withoutFragment.split("?")
  const kept = query.split("&").filter((each) => each.startsWith("theme="))
  return kept.length === 0 ? path : `${path}?${kept.join("&")}`
}

const dataOf = (type: string, body: Body): Body | null => {
  if (!isBody(body.event_data)) return null
  if (type !== "letter_generate" || body.event_data.letter_type !== undefined) return body.event_data
  const { type: letterType, ...others } = body.event_data
  return letterType === undefined ? body.event_data : { ...others, letter_type: letterType }
}

const timeOf = (value: unknown): number | null => {
  if (typeof value === "number") return value
  return typeof value === "string" ? Date.parse(value) : null
}

const interpret = (entry: JournalEntry, body: Body, defaultSite: string): Counted => {
  const named = String(body.event_type)
  const type = ALIASES[named] ?? named
  const own = body.visitor_id ?? entry.sender.visitorHeader ?? entry.sender.cookie
  const cookieless = typeof own === "string" ? null : entry.sender.userAgent
  const at = timeOf(body.timestamp)
  return {
    site: typeof body.site === "string" ? body.site : (entry.site ?? defaultSite),
    id: typeof body.id === "string" ? body.id.toLowerCase() : null,
    visitor: typeof own === "string" ? own.toLowerCase() : `cookieless ${cookieless}`,
    cookieless,
    type,
    url: urlOrNull(body.page_url),
    referrer:
      urlOrNull(body.referrer) ??
      (typeof body.page_url === "string" ? null : urlOrNull(entry.sender.referer)),
    data: dataOf(type, body),
    earliest: at ?? entry.sentAt,
    latest: at ?? entry.answeredAt,
    at: at ?? entry.answeredAt,
    ...{ row: "", agents: [entry.sender.userAgent] },
  }
}

/**
 * The accepted events of a journal, without duplicates, and without those of bots, which count nowhere; but whoever holds a write key
 * is no bot.
 */
export const countedEvents = (
  entries: ReadonlyArray<JournalEntry>,
  { site: defaultSite, withKey }: { readonly site: string; readonly withKey: boolean },
): ReadonlyArray<Counted> => {
  const byId = new Map<string, Counted>()
  const all: Array<Counted> = []
  for (const entry of entries) {
    if (entry.outcome !== "accepted" || !isBody(entry.event.body)) continue
    if (!withKey && /bot/i.test(entry.sender.userAgent)) continue
    const event = interpret(entry, entry.event.body, defaultSite)
    const key = `${event.site} ${event.id}`
    const first = event.id === null ? undefined : byId.get(key)
    if (first === undefined) {
      all.push(event)
      if (event.id !== null) byId.set(key, event)
      continue
    }
    // Any of the equal events may have arrived first.
    first.earliest = Math.min(first.earliest, event.earliest)
    first.latest = Math.max(first.latest, event.latest)
    first.agents.push(...event.agents)
  }
  return all
}

/** The letter type of an event; `null` if it is not a letter. */
const letterOf = (event: Counted): string | null =>
  event.type === "letter_generate" ? String(event.data?.letter_type ?? "none") : null

const themeOf = ({ type, data }: Counted): string | null =>
  type === "cv_theme_change" && typeof data?.theme === "string" && data.theme !== "" ? data.theme : null

const isClick = ({ type }: Counted): boolean => type === "button_click" || type === "link_click"

export type PeriodName = "day" | "week" | "month"

/** The day of an instant, from its text in a time zone. */
const dayFormats = new Map<string, Intl.DateTimeFormat>()
const dayOf = (at: number, timeZone: string): string => {
  if (timeZone === "UTC") return new Date(at).toISOString().slice(0, 10)
  let format = dayFormats.get(timeZone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" })
    dayFormats.set(timeZone, format)
  }
  return format.format(at)
}

const shiftDay = (day: string, by: number): string => {
  const date = new Date(`${day}T12:00:00Z`)
  date.setUTCDate(date.getUTCDate() + by)
  return date.toISOString().slice(0, 10)
}

/** Every day of the period that contains a day. */
export const daysOf = (period: PeriodName, day: string): ReadonlyArray<string> => {
  if (period === "day") return [day]
  if (period === "month") {
    const days: Array<string> = []
    for (let n = 1; n <= 31; n++) {
      const candidate = `${day.slice(0, 7)}-${String(n).padStart(2, "0")}`
      const date = new Date(`${candidate}T12:00:00Z`)
      if (!Number.isNaN(date.getTime()) && date.getUTCDate() === n) days.push(candidate)
    }
    return days
  }
  const sunday0 = new Date(`${day}T12:00:00Z`).getUTCDay()
  const monday = shiftDay(day, sunday0 === 0 ? -6 : 1 - sunday0)
  return [0, 1, 2, 3, 4, 5, 6].map((n) => shiftDay(monday, n))
}

/** `2025-12-08`, `2025-W50` (the first week has the year's first Thursday), `2025-12`. */
const keyOf = (period: PeriodName, day: string): string => {
  if (period === "day") return day
  if (period === "month") return day.slice(0, 7)
  const thursday = daysOf("week", day)[3] ?? day
  const year = thursday.slice(0, 4)
  let week = 1
  for (let other = shiftDay(thursday, -7); other.startsWith(year); other = shiftDay(other, -7)) week++
  return `${year}-W${String(week).padStart(2, "0")}`
}

const rate = (letters: number, visitors: number): number => (visitors === 0 ? 0 : letters / visitors)

/** The figures of one site. */
export class SiteCount {
  readonly events: ReadonlyArray<Counted>
  /** The clock by which periods are the current ones, unix milliseconds. */
  readonly now: () => number
  readonly #timeZone: string
  readonly #days = new Map<string, Array<Counted>>()

  constructor(events: ReadonlyArray<Counted>, timeZone: string, now: () => number) {
    this.events = events
    this.now = now
    this.#timeZone = timeZone
    for (const event of events) {
      const day = dayOf(event.at, timeZone)
      const others = this.#days.get(day)
      if (others === undefined) this.#days.set(day, [event])
      else others.push(event)
    }
  }

  /** The day of an instant. */
  dayOf(at: number): string {
    return dayOf(at, this.#timeZone)
  }

  #during(period: PeriodName, now: number): ReadonlyArray<Counted> {
    return daysOf(period, dayOf(now, this.#timeZone)).flatMap((day) => this.#days.get(day) ?? [])
  }

  /** Visitors seen in the five minutes before an instant. */
  current(at: number): number {
    const seen = new Set<string>()
    for (const event of this.events) if (event.at > at - 5 * 60_000) seen.add(event.visitor)
    return seen.size
  }

  stats(period: PeriodName, now: number) {
    const events = this.#during(period, now)
    const letters = events.filter((event) => letterOf(event) !== null).length
    const visitors = new Set(events.map(({ visitor }) => visitor)).size
    return {
      period,
      period_key: keyOf(period, dayOf(now, this.#timeZone)),
      total_events: events.length,
      page_views: events.filter(({ type }) => type === "page_view").length,
      letters_generated: letters,
      unique_visitors: visitors,
      conversion_rate: rate(letters, visitors),
    }
  }

  themes(period: PeriodName | null, now: number) {
    const views = new Map<string, number>()
    let total = 0
    for (const event of period === null ? this.events : this.#during(period, now)) {
      const theme = themeOf(event)
      if (theme === null) continue
      views.set(theme, (views.get(theme) ?? 0) + 1)
      total++
    }
    return [...views]
      .map(([theme, count]) => ({ theme, views: count, percentage: (100 * count) / total }))
      .sort((a, b) => b.views - a.views || (a.theme < b.theme ? -1 : 1))
  }

  letters(period: PeriodName, now: number) {
    const events = this.#during(period, now)
    const types = events.map(letterOf).filter((type) => type !== null)
    const visitors = new Set(events.map(({ visitor }) => visitor)).size
    return {
      period,
      total: types.length,
      motivation: types.filter((type) => type === "motivation").length,
      anti_motivation: types.filter((type) => type === "anti_motivation").length,
      unique_visitors: visitors,
      conversion_rate: rate(types.length, visitors),
      history: this.lettersByDay(period, now).map(({ date, total }) => ({ date, count: total })),
    }
  }

  /** Letters by type, for each day of a period. */
  lettersByDay(period: PeriodName, now: number) {
    return daysOf(period, dayOf(now, this.#timeZone)).map((date) => {
      const types = (this.#days.get(date) ?? []).map(letterOf).filter((type) => type !== null)
      const motivation = types.filter((type) => type === "motivation").length
      const anti_motivation = types.filter((type) => type === "anti_motivation").length
      const other = types.length - motivation - anti_motivation
      return { date, motivation, anti_motivation, other, total: types.length }
    })
  }

  /** Clicks by position, ordered by position. */
  heatmap(url: string | null, hours: number, now: number) {
    const points = new Map<string, { x: number; y: number; count: number }>()
    for (const event of this.events) {
      if (!isClick(event) || event.at <= now - hours * 3_600_000) continue
      if (url !== null && (event.url === null || pageOfUrl(event.url) !== pageOfUrl(url))) continue
      const { x, y } = event.data ?? {}
      if (typeof x !== "number" || typeof y !== "number") continue
      const point = points.get(`${x},${y}`) ?? { x, y, count: 0 }
      point.count++
      points.set(`${x},${y}`, point)
    }
    return [...points.values()]
  }

  /** The visitors of a period, ordered by id. */
  visitors(period: PeriodName, now: number) {
    const visitors = new Map<
      string,
      { first: number; last: number; events: number; page_views: number; letters: number }
    >()
    for (const event of this.#during(period, now)) {
      const visitor = visitors.get(event.visitor) ?? {
        first: event.at,
        last: event.at,
        events: 0,
        page_views: 0,
        letters: 0,
      }
      visitors.set(event.visitor, visitor)
      visitor.first = Math.min(visitor.first, event.at)
      visitor.last = Math.max(visitor.last, event.at)
      visitor.events++
      if (event.type === "page_view") visitor.page_views++
      if (letterOf(event) !== null) visitor.letters++
    }
    return visitors
  }
}

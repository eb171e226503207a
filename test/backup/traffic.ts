/** Events whose figures are known, counted here without any of the project's own counting. */
import { randomUUID } from "node:crypto"
import { HOUR_MS } from "../../src/domain/time.ts"
import { now } from "../support/clock.ts"
import type { runNode } from "../support/node.ts"

export type Node = Awaited<ReturnType<typeof runNode>>

/** An event as a sender would have it. */
export interface Sent {
  readonly id: string
  readonly visitor: string
  readonly site: "main" | "blog"
  /** Unix milliseconds. */
  readonly at: number
  readonly body: { readonly event_type: string; readonly event_data?: object }
}

const BODIES: ReadonlyArray<Sent["body"]> = [
  { event_type: "page_view" },
  { event_type: "page_view" },
  { event_type: "cv_theme_change", event_data: { theme: "backend" } },
  { event_type: "cv_theme_change", event_data: { theme: 'größer \'n\\t"quoted"\u2028' } },
  { event_type: "letter_generate", event_data: { letter_type: "motivation" } },
  { event_type: "letter_generate", event_data: { letter_type: "anti_motivation" } },
  { event_type: "button_click", event_data: { x: 1, y: 2, note: "line\nfeed\tand \\N" } },
]

/** So many events of a few dozen visitors, from now back over six days, in both sites. */
export const someEvents = (count: number, visitors = 40): ReadonlyArray<Sent> => {
  const known = Array.from({ length: visitors }, () => randomUUID())
  const since = now()
  return Array.from({ length: count }, (_, i) => ({
    id: randomUUID(),
    visitor: known[(i * 7) % visitors] ?? "",
    site: i % 5 === 0 ? "blog" : "main",
    at: since - ((i * 37) % 144) * HOUR_MS,
    body: BODIES[i % BODIES.length] ?? { event_type: "page_view" },
  }))
}

/** The event as a request has it. */
export const bodyOf = ({ id, visitor, site, at, body }: Sent) => ({
  ...body,
  ...{ id, visitor_id: visitor, site, timestamp: at, page_url: `/page/${visitor.slice(0, 1)}` },
})

const dayOf = (at: number, timeZone: string): string =>
  new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" }).format(at)

/** The Monday of a day's week. */
const mondayOf = (day: string): string => {
  const date = new Date(`${day}T12:00:00Z`)
  date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7))
  return date.toISOString().slice(0, 10)
}

const PERIODS = {
  day: (day: string) => day,
  week: mondayOf,
  month: (day: string) => day.slice(0, 7),
}

/** What `/stats` and `/themes` should say of a site's periods that contain now. */
export const expectedFigures = (events: ReadonlyArray<Sent>, site: string, timeZone: string) => {
  const today = dayOf(now(), timeZone)
  const stats = Object.entries(PERIODS).map(([period, keyOf]) => {
    const its = events.filter(
      (event) => event.site === site && keyOf(dayOf(event.at, timeZone)) === keyOf(today),
    )
    const ofType = (type: string) => its.filter(({ body }) => body.event_type === type).length
    return {
      period,
      total_events: its.length,
      page_views: ofType("page_view"),
      letters_generated: ofType("letter_generate"),
      unique_visitors: new Set(its.map(({ visitor }) => visitor)).size,
    }
  })
  const themes: Record<string, number> = {}
  for (const { body, site: of } of events) {
    if (of !== site || body.event_data === undefined || !("theme" in body.event_data)) continue
    const theme = String(body.event_data.theme)
    themes[theme] = (themes[theme] ?? 0) + 1
  }
  return { stats, themes }
}

/** What a node says, in the same form. */
export const figuresOf = async (data: Node["data"], site: string) => {
  const stats = []
  for (const period of Object.keys(PERIODS)) {
    const { total_events, page_views, letters_generated, unique_visitors }: Record<string, number> =
      await data(`stats?site=${site}&period=${period}`)
    stats.push({ period, total_events, page_views, letters_generated, unique_visitors })
  }
  const themes: ReadonlyArray<{ readonly theme: string; readonly views: number }> = await data(
    `themes?site=${site}&limit=20`,
  )
  return { stats, themes: Object.fromEntries(themes.map(({ theme, views }) => [theme, views])) }
}

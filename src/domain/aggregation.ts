/**
 * What a batch of events adds to the figures. A pure fold, so that the same code serves the actors, the rebuild and the
 * tests' independent count.
 */

import type { ThemeViews } from "./answers.ts"
import { cut } from "./cut.ts"
import type { StreamEvent } from "./event.ts"
import { MAX_THEME_LENGTH } from "./limits.ts"
import type { Calendar, Day } from "./period.ts"

/** What a day of one site gains. */
export interface DayTotals {
  readonly site: string
  readonly day: Day
  events: number
  pageViews: number
  /** All letters, whatever their type. */
  letters: number
  motivation: number
  antiMotivation: number
  readonly themes: Map<string, number>
  readonly visitors: Set<string>
}

/** What a batch adds: totals by site and day, and the last time each visitor of a site was seen. */
export interface BatchTotals {
  readonly days: ReadonlyMap<string, DayTotals>
  /** site → visitor → unix milliseconds. */
  readonly lastSeen: ReadonlyMap<string, ReadonlyMap<string, number>>
}

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null)

/** The theme of an event as figures know it, or `null` when it shows none. */
export const themeOf = (event: Pick<StreamEvent, "type" | "data">): string | null => {
  if (event.type !== "cv_theme_change") return null
  const theme = text(event.data?.theme)
  return theme === null ? null : cut(theme, MAX_THEME_LENGTH)
}

/** The letter type of an event: the two known ones, `other` for any other letter, `null` when it is no letter. */
export const letterTypeOf = (
  event: Pick<StreamEvent, "type" | "data">,
): "motivation" | "anti_motivation" | "other" | null => {
  if (event.type !== "letter_generate") return null
  const type = event.data?.letter_type
  return type === "motivation" || type === "anti_motivation" ? type : "other"
}

/** Types of events that a heatmap shows. */
export const CLICK_TYPES: ReadonlySet<string> = new Set(["button_click", "link_click"])

/** Totals of nothing, for a site's day. */
export const emptyDay = (site: string, day: Day): DayTotals => ({
  site,
  day,
  events: 0,
  pageViews: 0,
  letters: 0,
  motivation: 0,
  antiMotivation: 0,
  themes: new Map(),
  visitors: new Set(),
})

/**
 * Folds events, each counted once, into what they add. Days are those of the event's own time. Events that are marked as bots' add
 * nothing.
 */
export const aggregate = (events: Iterable<StreamEvent>, calendar: Calendar): BatchTotals => {
  const days = new Map<string, DayTotals>()
  const lastSeen = new Map<string, Map<string, number>>()
  let totals: DayTotals | undefined
  for (const event of events) {
    if (event.facts.bot) continue
    const day = calendar.dayOf(event.createdAt)
    // Most events are of the site and day of the one before.
    if (totals === undefined || totals.day !== day || totals.site !== event.site) {
      const key = `${event.site} ${day}`
      totals = days.get(key)
      if (totals === undefined) {
        totals = emptyDay(event.site, day)
        days.set(key, totals)
      }
    }
    totals.events++
    if (event.type === "page_view") totals.pageViews++
    const letter = letterTypeOf(event)
    if (letter !== null) {
      totals.letters++
      if (letter === "motivation") totals.motivation++
      else if (letter === "anti_motivation") totals.antiMotivation++
    }
    const theme = themeOf(event)
    if (theme !== null) totals.themes.set(theme, (totals.themes.get(theme) ?? 0) + 1)
    totals.visitors.add(event.visitorId)

    let seen = lastSeen.get(event.site)
    if (seen === undefined) {
      seen = new Map()
      lastSeen.set(event.site, seen)
    }
    const before = seen.get(event.visitorId)
    if (before === undefined || before < event.createdAt) seen.set(event.visitorId, event.createdAt)
  }
  return { days, lastSeen }
}

/** Letters per unique visitor; 0 when there are no visitors. */
export const conversionRate = (letters: number, visitors: number): number =>
  visitors === 0 ? 0 : letters / visitors

/** By UTF-16 code units: the same order on every machine. */
const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Themes by the views of each: most viewed first, ties by name; percentages are of the views of all of them. */
export const mostViewed = (views: ReadonlyMap<string, number>, limit: number): ReadonlyArray<ThemeViews> => {
  const total = [...views.values()].reduce((sum, count) => sum + count, 0)
  return [...views]
    .sort(([a, aViews], [b, bViews]) => bViews - aViews || byName(a, b))
    .slice(0, limit)
    .map(([theme, count]) => ({
      theme,
      views: count,
      percentage: Math.round((count / total) * 10_000) / 100,
    }))
}

/**
 * Visits, as a function of the stored events: whatever comes late, is erased or counted again changes them as it must. This is the
 * definition, written to be read; what answers questions over millions of events must give the same.
 *
 * A visit is made of a visitor's events of one site, by the events' own times, with less than {@link VISIT_GAP_MS} between one and
 * the next; it ends at midnight of the deployment's time zone, because an id without a cookie does. Events that are marked make visits
 * of their own: what is in no figure changes none.
 */

import { pageOf } from "./pageUrl.ts"
import type { Calendar } from "./period.ts"
import { MINUTE_MS } from "./time.ts"

/** Milliseconds without an event after which the next one begins a visit. */
export const VISIT_GAP_MS = 30 * MINUTE_MS

/** Types of events that pages send without the visitor having done anything: a visit with one page view and these is a bounce. */
export const AUTOMATIC_TYPES: ReadonlySet<string> = new Set([
  "engagement",
  "page_leave",
  "web_vitals",
  "not_found",
])

/** What visits are told from. */
export interface VisitEvent {
  readonly site: string
  readonly visitorId: string
  /** Of events of the same millisecond, the one with the lesser id comes first. */
  readonly id: string
  readonly type: string
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly pageUrl: string | null
  /** Marked as a bot's, or as none of the site's. */
  readonly bot: boolean
}

export interface Visit<Event extends VisitEvent> {
  readonly site: string
  readonly visitorId: string
  /** Times of the first and the last event, unix milliseconds. */
  readonly startedAt: number
  readonly endedAt: number
  /** From the first event to the last. */
  readonly seconds: number
  /** In order; the visit's source, campaign, country and device are those of the first. */
  readonly events: readonly [Event, ...ReadonlyArray<Event>]
  readonly pageViews: number
  /** Pages of the first and the last page view; `null` where there is none, or it has no page. */
  readonly entryPage: string | null
  readonly exitPage: string | null
  /** One page view, and nothing else but {@link AUTOMATIC_TYPES}. */
  readonly bounce: boolean
}

const byTime = (a: VisitEvent, b: VisitEvent): number =>
  a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

const visitOf = <Event extends VisitEvent>(events: readonly [Event, ...Array<Event>]): Visit<Event> => {
  const [first] = events
  const endedAt = events.at(-1)?.createdAt ?? first.createdAt
  const views = events.filter(({ type }) => type === "page_view")
  const pageOfView = (view: Event | undefined) =>
    view === undefined || view.pageUrl === null ? null : pageOf(view.pageUrl).page
  return {
    site: first.site,
    visitorId: first.visitorId,
    startedAt: first.createdAt,
    endedAt,
    seconds: (endedAt - first.createdAt) / 1000,
    events,
    pageViews: views.length,
    entryPage: pageOfView(views[0]),
    exitPage: pageOfView(views.at(-1)),
    bounce:
      views.length === 1 && events.every(({ type }) => type === "page_view" || AUTOMATIC_TYPES.has(type)),
  }
}

/** The visits that events make, by site and visitor, each visitor's in the order of time. */
export const visitsOf = <Event extends VisitEvent>(
  events: ReadonlyArray<Event>,
  calendar: Calendar,
): ReadonlyArray<Visit<Event>> => {
  const visits: Array<Visit<Event>> = []
  for (const [, ofOne] of Map.groupBy(events, ({ site, visitorId, bot }) => `${site} ${visitorId} ${bot}`)) {
    let running: [Event, ...Array<Event>] | null = null
    for (const event of ofOne.toSorted(byTime)) {
      const before = running?.at(-1)
      const goesOn =
        before !== undefined &&
        event.createdAt - before.createdAt < VISIT_GAP_MS &&
        calendar.dayOf(event.createdAt) === calendar.dayOf(before.createdAt)
      if (goesOn && running !== null) running.push(event)
      else {
        if (running !== null) visits.push(visitOf(running))
        running = [event]
      }
    }
    if (running !== null) visits.push(visitOf(running))
  }
  return visits
}

/**
 * Single events for dashboards. Each group of dashboards is shown the latest events within its budget; the others are
 * summed by type for its next stats message.
 */
import type { LiveEvent, Omitted } from "../../domain/frames.ts"
import { GROUPS, groupBudget } from "../../live/budget.ts"
import type { LiveDelta } from "../../live/delta.ts"
import type { TokenBucket } from "../../live/tokenBucket.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import type { Pseudonyms } from "../services/pseudonyms.ts"
import { type FanOut, topicOf } from "./fanOut.ts"
import { eventFrame, RESERVED_TYPES } from "./protocol.ts"
import type { WatchedChoices } from "./watchedChoices.ts"

/** Event types that are counted separately between two stats messages; further ones are summed as `other`. */
const MAX_TYPES = 50

export interface EventFeedOptions {
  readonly metrics: Metrics
  readonly fanOut: Pick<FanOut, "publish" | "listeners">
  readonly pseudonyms: Pick<Pseudonyms, "of">
  readonly choices: Pick<WatchedChoices, "namesOf">
  /** Single events a second that a dashboard is shown. */
  readonly eventsPerSecond: number
  /** Milliseconds, unix or not: only differences count. */
  readonly now: () => number
}

/** Numbers of events by type. */
type Counts = Map<string, number>

const add = (counts: Counts, type: string, count: number): void => {
  counts.set(type, (counts.get(type) ?? 0) + count)
}

/** The events of a choice of sites since its last stats message: all of them, and those that each group was shown. */
interface Interval {
  readonly counted: Counts
  readonly shown: ReadonlyArray<Counts>
}

const newInterval = (): Interval => ({
  counted: new Map(),
  shown: Array.from({ length: GROUPS }, () => new Map()),
})

export class EventFeed {
  readonly #options: EventFeedOptions
  /** By group. */
  readonly #budgets: ReadonlyArray<TokenBucket>
  /** By choice of sites. */
  readonly #intervals = new Map<string, Interval>()

  constructor(options: EventFeedOptions) {
    this.#options = options
    this.#budgets = Array.from({ length: GROUPS }, (_, group) =>
      groupBudget(options.eventsPerSecond, group, options.now),
    )
  }

  /** Shows events that were just counted, within each group's budget, and sums the others. */
  receive({ events, omitted }: Pick<LiveDelta, "events" | "omitted">): void {
    for (const [site, types] of Object.entries(omitted))
      for (const [type, count] of Object.entries(types))
        if (this.#countAll(site, type, count)) this.#options.metrics.liveEventsOmitted.inc(count)
    const watched = events.filter(({ site, type }) => this.#countAll(site, type, 1))
    if (watched.length > 0) this.#show(watched)
  }

  /** Counts events for the next stats message of each choice that their site is one of; `false` if nobody watches them. */
  #countAll(site: string, type: string, count: number): boolean {
    let isWatched = false
    for (const name of this.#options.choices.namesOf(site))
      if (this.#count(name, type, count)) isWatched = true
    return isWatched
  }

  #count(site: string, type: string, count: number): boolean {
    if (this.#options.fanOut.listeners(topicOf(site, "events")) === 0) return false
    const { counted } = this.#intervals.get(site) ?? this.#begin(site)
    add(counted, counted.has(type) || counted.size < MAX_TYPES ? type : "other", count)
    return true
  }

  /** Shows each group the latest of the events that it listens to, as many as its budget allows. */
  #show(events: ReadonlyArray<LiveEvent>): void {
    const { fanOut, metrics, pseudonyms, choices } = this.#options
    const heardBy = (site: string, group: number) =>
      choices.namesOf(site).filter((name) => fanOut.listeners(topicOf(name, "events"), group) > 0)
    const frames = new Map<LiveEvent, string>()
    let groups = 0
    let omitted = 0
    for (const [group, budget] of this.#budgets.entries()) {
      const heard = events.filter(({ site }) => heardBy(site, group).length > 0)
      if (heard.length === 0) continue
      const showable = heard.filter(({ type }) => !RESERVED_TYPES.has(type))
      const shown = showable.slice(showable.length - budget.take(showable.length))
      groups++
      omitted += heard.length - shown.length
      for (const event of shown) {
        const frame =
          frames.get(event) ?? eventFrame({ ...event, visitor_id: pseudonyms.of(event.visitor_id) })
        frames.set(event, frame)
        for (const name of heardBy(event.site, group)) {
          fanOut.publish(topicOf(name, "events"), frame, { group, soon: true })
          const interval = this.#intervals.get(name)
          const counts = interval?.shown[group]
          if (counts !== undefined) add(counts, interval?.counted.has(event.type) ? event.type : "other", 1)
        }
      }
    }
    // Groups are shown different events: the metric is how many a dashboard was not shown, on average.
    if (groups > 0) metrics.liveEventsOmitted.inc(omitted / groups)
  }

  /** What a group that watches the events of a choice of sites has not been shown since {@link restart}; `null` if it has been shown all. */
  omitted(site: string, group: number): Omitted | null {
    const interval = this.#intervals.get(site)
    // Where nobody watches events, nobody misses any.
    if (interval === undefined || this.#options.fanOut.listeners(topicOf(site, "events"), group) === 0)
      return null
    let events = 0
    const byType: Array<readonly [string, number]> = []
    for (const [type, count] of interval.counted) {
      const left = count - (interval.shown[group]?.get(type) ?? 0)
      if (left === 0) continue
      events += left
      byType.push([type, left])
    }
    return events === 0 ? null : { events, by_type: Object.fromEntries(byType) }
  }

  /** Starts the counts of a choice of sites from 0 again, with its next event: after its stats message, or where nobody watches it. */
  restart(site: string): void {
    this.#intervals.delete(site)
  }

  #begin(site: string): Interval {
    const interval = newInterval()
    this.#intervals.set(site, interval)
    return interval
  }
}

/**
 * What dashboards are told, and when. Deltas of every node come in through {@link Hub.receive}; frames go out to topics,
 * each serialised once however many listen:
 *
 * - `site/events`: one frame an event, to each group of dashboards within its budget; what exceeds it is summed into the
 *   group's next stats message
 * - `site/stats`: `stats_update` at most once a second while the figures change
 * - `site/themes`, `site/letters`: the same for the most viewed themes and today's letters
 * - `site/day`, `site/week`, `site/month`: the same for all figures of that period
 * - `site/all`: a heartbeat, to everybody of the site
 *
 * Nothing is read from the stores for a site that nobody watches.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { PERIODS } from "../../domain/period.ts"
import { GROUPS, groupBudget } from "../../live/budget.ts"
import type { LiveDelta, LiveEvent } from "../../live/delta.ts"
import type { TokenBucket } from "../../live/tokenBucket.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import type { StoreError } from "../../stores/errors.ts"
import { ReadCache, type Runner } from "../services/readCache.ts"
import type { Figures } from "../services/services.ts"
import type { FanOut, PublishOptions } from "./fanOut.ts"
import {
  eventFrame,
  type FigureTopic,
  figuresFrame,
  heartbeatFrame,
  initialStatsFrame,
  isFigureTopic,
  type Omitted,
  RESERVED_TYPES,
  STORE_ERROR_FRAME,
  statsUpdateFrame,
  type Topic,
} from "./protocol.ts"
import { Throttle } from "./throttle.ts"

/** Most viewed themes in a frame. */
const TOP_THEMES = 5
/** Event types that are counted apart between two stats messages; further ones are summed as `other`. */
const MAX_TYPES = 50

export interface HubOptions {
  readonly sites: ReadonlyArray<string>
  readonly figures: Figures
  readonly metrics: Metrics
  readonly run: Runner
  readonly fanOut: Pick<FanOut, "publish" | "listeners">
  /** Single events a second that a dashboard is shown. */
  readonly eventsPerSecond: number
  /** Milliseconds, unix or not: only differences count. */
  readonly now: () => number
  /** Milliseconds between heartbeats. */
  readonly heartbeatMs: number
  /** Least milliseconds between two figures frames of one kind and site. */
  readonly updateMs: number
}

/** Numbers of events by type. */
type Counts = Map<string, number>

const add = (counts: Counts, type: string, count: number): void => {
  counts.set(type, (counts.get(type) ?? 0) + count)
}

/** What has come since the last stats message, and what of it each group was shown. */
interface Interval {
  readonly counted: Counts
  readonly shown: ReadonlyArray<Counts>
}

const newInterval = (): Interval => ({
  counted: new Map(),
  shown: Array.from({ length: GROUPS }, () => new Map()),
})

interface Watched {
  readonly stats: Throttle
  readonly figures: Readonly<Record<FigureTopic, Throttle>>
  interval: Interval
}

export const topicOf = (site: string, topic: Topic | "all"): string => `${site}/${topic}`

export class Hub {
  readonly #options: HubOptions
  /** Of each group. */
  readonly #budgets: ReadonlyArray<TokenBucket>
  readonly #sites = new Map<string, Watched>()
  /** JSON of figures: only joins reads that are under way, and none that began before a change. */
  readonly #reads: ReadCache<string>
  readonly #heartbeat: NodeJS.Timeout

  constructor(options: HubOptions) {
    this.#options = options
    this.#budgets = Array.from({ length: GROUPS }, (_, group) =>
      groupBudget(options.eventsPerSecond, group, options.now),
    )
    this.#reads = new ReadCache({
      run: options.run,
      keepMs: () => 0,
      maxEntries: 8 * options.sites.length + 8,
      weigh: () => 0,
      maxWeight: 0,
    })
    for (const site of options.sites) {
      const sending = (topic: FigureTopic) =>
        new Throttle(options.updateMs, () => this.#sendFigures(site, topic))
      this.#sites.set(site, {
        stats: new Throttle(options.updateMs, () => this.#sendStats(site)),
        figures: {
          themes: sending("themes"),
          letters: sending("letters"),
          day: sending("day"),
          week: sending("week"),
          month: sending("month"),
        },
        interval: newInterval(),
      })
    }
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs)
    this.#heartbeat.unref()
  }

  /** Takes what a node, this one or another, has just counted. */
  receive(delta: LiveDelta): void {
    for (const [site, types] of Object.entries(delta.omitted))
      for (const [type, count] of Object.entries(types)) {
        if (this.#counted(site, type, count)) this.#options.metrics.liveEventsOmitted.inc(count)
        this.#changed(site, type)
      }
    const watched = delta.events.filter(({ site, type }) => {
      this.#changed(site, type)
      return this.#counted(site, type, 1)
    })
    if (watched.length > 0) this.#show(watched)
    for (const [site, count] of Object.entries(delta.counted)) {
      if (count === 0) continue
      this.#reads.forget(`realtime ${site}`)
      this.#sites.get(site)?.stats.trigger()
      for (const period of PERIODS) this.#figuresChanged(site, period)
    }
  }

  /** Counts events for the next stats message; `false` when nobody watches the site's events. */
  #counted(site: string, type: string, count: number): boolean {
    const watched = this.#sites.get(site)
    if (watched === undefined || this.#options.fanOut.listeners(topicOf(site, "events")) === 0) return false
    const { counted } = watched.interval
    add(counted, counted.has(type) || counted.size < MAX_TYPES ? type : "other", count)
    return true
  }

  /** Shows each group the latest of the events that it listens to, as many as its budget has room for. */
  #show(events: ReadonlyArray<LiveEvent>): void {
    const { fanOut, metrics } = this.#options
    const frames = new Map<LiveEvent, string>()
    let groups = 0
    let omitted = 0
    for (const [group, budget] of this.#budgets.entries()) {
      const heard = events.filter(({ site }) => fanOut.listeners(topicOf(site, "events"), group) > 0)
      if (heard.length === 0) continue
      const showable = heard.filter(({ type }) => !RESERVED_TYPES.has(type))
      const shown = showable.slice(showable.length - budget.take(showable.length))
      groups++
      omitted += heard.length - shown.length
      for (const event of shown) {
        const text = frames.get(event) ?? eventFrame(event)
        frames.set(event, text)
        this.#publish(topicOf(event.site, "events"), text, { group, soon: true })
        const interval = this.#sites.get(event.site)?.interval
        const counts = interval?.shown[group]
        if (counts !== undefined) add(counts, interval?.counted.has(event.type) ? event.type : "other", 1)
      }
    }
    // Groups are shown different events: what counts is how many a dashboard was not shown, on average.
    if (groups > 0) metrics.liveEventsOmitted.inc(omitted / groups)
  }

  #changed(site: string, type: string): void {
    const topic = type === "cv_theme_change" ? "themes" : type === "letter_generate" ? "letters" : null
    if (topic !== null) this.#figuresChanged(site, topic)
  }

  #figuresChanged(site: string, topic: FigureTopic): void {
    this.#reads.forget(`${topic} ${site}`)
    this.#sites.get(site)?.figures[topic].trigger()
  }

  #publish(topic: string, text: string, options: PublishOptions = {}): void {
    const { fanOut, metrics } = this.#options
    metrics.websocketMessages.inc({ direction: "out" }, fanOut.listeners(topic, options.group))
    fanOut.publish(topic, text, options)
  }

  /** JSON of a site's figures, or `null` when they cannot be read now. */
  #read(site: string, what: "realtime" | FigureTopic): Promise<string | null> {
    const { figures } = this.#options
    const load = (): Effect.Effect<unknown, StoreError> => {
      switch (what) {
        case "realtime":
          return figures.realtime(site)
        case "themes":
          return figures.themes(site, TOP_THEMES, null)
        case "letters":
          return figures.letters(site, "day")
        default:
          return Effect.all(
            { stats: figures.stats(site, what), letters: figures.letters(site, what) },
            { concurrency: 2 },
          )
      }
    }
    return new Promise((resolve) => {
      this.#reads.get(
        `${what} ${site}`,
        () => Effect.map(load(), (value) => JSON.stringify(value)),
        (result) => resolve(Exit.isSuccess(result) ? result.value : null),
      )
    })
  }

  async #sendStats(site: string): Promise<void> {
    const watched = this.#sites.get(site)
    const topic = topicOf(site, "stats")
    if (watched === undefined) return
    if (this.#options.fanOut.listeners(topic) === 0) {
      watched.interval = newInterval()
      return
    }
    const data = await this.#read(site, "realtime")
    if (data === null) return watched.stats.trigger()
    const { counted, shown } = watched.interval
    watched.interval = newInterval()
    for (const [group, counts] of shown.entries()) {
      if (this.#options.fanOut.listeners(topic, group) === 0) continue
      // Where nobody watches events, nobody misses any.
      const followsEvents = this.#options.fanOut.listeners(topicOf(site, "events"), group) > 0
      const omitted = followsEvents ? omittedOf(counted, counts) : null
      this.#publish(topic, statsUpdateFrame(site, data, omitted), { group })
    }
  }

  async #sendFigures(site: string, topic: FigureTopic): Promise<void> {
    if (this.#options.fanOut.listeners(topicOf(site, topic)) === 0) return
    const data = await this.#read(site, topic)
    if (data === null) return this.#sites.get(site)?.figures[topic].trigger()
    this.#publish(topicOf(site, topic), figuresFrame(site, topic, data))
  }

  /** The frame that a client is sent on connecting and on `refresh_stats`. */
  async initialStats(site: string): Promise<string> {
    const data = await this.#read(site, "realtime")
    return data === null ? STORE_ERROR_FRAME : initialStatsFrame(site, data)
  }

  /** The frame that a client is sent on subscribing to a topic, or `null` for topics that begin with the next event. */
  async firstFrame(site: string, topic: Topic): Promise<string | null> {
    if (!isFigureTopic(topic)) return null
    const data = await this.#read(site, topic)
    return data === null ? STORE_ERROR_FRAME : figuresFrame(site, topic, data)
  }

  #beat(): void {
    for (const site of this.#options.sites) {
      const topic = topicOf(site, "all")
      if (this.#options.fanOut.listeners(topic) === 0) continue
      void this.#read(site, "realtime").then((data) => {
        this.#publish(topic, data === null ? STORE_ERROR_FRAME : heartbeatFrame(site, data))
      })
    }
  }

  /** Sends nothing more. */
  stop(): void {
    clearInterval(this.#heartbeat)
    for (const { stats, figures } of this.#sites.values())
      for (const throttle of [stats, ...Object.values(figures)]) throttle.stop()
  }
}

/** What was counted and not shown; `null` when all was shown. */
const omittedOf = (counted: Counts, shown: Counts): Omitted | null => {
  let events = 0
  const byType: Array<readonly [string, number]> = []
  for (const [type, count] of counted) {
    const left = count - (shown.get(type) ?? 0)
    if (left === 0) continue
    events += left
    byType.push([type, left])
  }
  return events === 0 ? null : { events, by_type: Object.fromEntries(byType) }
}

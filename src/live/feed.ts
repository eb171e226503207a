/** Turns a counted batch into one delta for the dashboards of all nodes, within the live feed's budget. */
import { type EventFacts, knownDimensions } from "../domain/dimensions.ts"
import { LIVE_DIMENSIONS, type LiveDimensions, type LiveEvent } from "../domain/frames.ts"
import type { BatchEntry } from "../events/write/index.ts"
import { liveChannel } from "../stores/redisKeys.ts"
import { feedBudget } from "./budget.ts"
import { encodeDelta } from "./delta.ts"
import type { TokenBucket } from "./tokenBucket.ts"

/** A message of the Pub/Sub channel that every node listens to. */
export interface LiveMessage {
  readonly channel: string
  /** From {@link encodeDelta}. */
  readonly text: string
}

export interface LiveFeedOptions {
  readonly prefix: string
  /** Single events per second shown to a dashboard; a node's messages carry that many for each group of dashboards. */
  readonly eventsPerSecond: number
  /** Unix milliseconds. */
  readonly now: () => number
}

/** What is shown of an event's facts. */
const shownOf = (facts: EventFacts): LiveDimensions => {
  const known = knownDimensions(facts)
  return Object.fromEntries(
    LIVE_DIMENSIONS.flatMap((name) => (known[name] === undefined ? [] : [[name, known[name]]])),
  )
}

/** What a node tells of the events that its actors count. */
export class LiveFeed {
  readonly #channel: string
  readonly #budget: TokenBucket

  constructor({ prefix, eventsPerSecond, now }: LiveFeedOptions) {
    this.#channel = liveChannel(prefix)
    this.#budget = feedBudget(eventsPerSecond, now)
  }

  /**
   * The message about events that a deployment has counted, to be published together with their figures; `null` if nothing was counted; bots'
   * events are not. It spends the budget even if it is never published.
   */
  messageOf(deployment: string, entries: ReadonlyArray<BatchEntry>): LiveMessage | null {
    const counted = entries.filter(({ event }) => !event.facts.bot)
    if (counted.length === 0) return null
    const events: Array<LiveEvent> = []
    // Without a prototype, because senders choose the types, and may choose `constructor`.
    const omitted: Record<string, Record<string, number>> = Object.create(null)
    const totals: Record<string, number> = Object.create(null)
    // The latest ones, so that what is shown is as fresh as possible.
    const shownFrom = counted.length - this.#budget.take(counted.length)
    counted.forEach(({ event }, i) => {
      totals[event.site] = (totals[event.site] ?? 0) + 1
      if (i >= shownFrom) {
        events.push({
          site: event.site,
          type: event.type,
          visitor_id: event.visitorId,
          timestamp: new Date(event.createdAt).toISOString(),
          page_url: event.pageUrl,
          data: event.data,
          dimensions: shownOf(event.facts),
        })
      } else {
        const byType: Record<string, number> = omitted[event.site] ?? Object.create(null)
        omitted[event.site] = byType
        byType[event.type] = (byType[event.type] ?? 0) + 1
      }
    })
    return { channel: this.#channel, text: encodeDelta(deployment, { events, omitted, counted: totals }) }
  }
}

/** What every node's dashboards are told of a batch that an actor counts: one message, bounded by the live feed's budget. */
import type { LiveEvent } from "../domain/frames.ts"
import type { BatchEntry } from "../events/write/index.ts"
import { liveChannel } from "../stores/redisKeys.ts"
import { feedBudget } from "./budget.ts"
import { encodeDelta } from "./delta.ts"

/** A message of the Pub/Sub channel that every node listens to. */
export interface LiveMessage {
  readonly channel: string
  /** From {@link encodeDelta}. */
  readonly text: string
}

export interface LiveFeed {
  /**
   * The message that tells of counted events, to be published with their figures; `null` when nothing was counted. It takes
   * its part of the budget, whatever becomes of it.
   */
  readonly messageOf: (counted: ReadonlyArray<BatchEntry>) => LiveMessage | null
}

export interface LiveFeedOptions {
  readonly prefix: string
  /** Single events a second that a dashboard is shown; a node's messages have as many for each group of dashboards. */
  readonly eventsPerSecond: number
  /** Unix milliseconds. */
  readonly now: () => number
}

export const makeLiveFeed = (options: LiveFeedOptions): LiveFeed => {
  const { prefix, eventsPerSecond, now } = options
  const channel = liveChannel(prefix)
  const budget = feedBudget(eventsPerSecond, now)
  return {
    messageOf: (counted) => {
      if (counted.length === 0) return null
      const events: Array<LiveEvent> = []
      // Without a prototype: senders choose the types, and `constructor` is one.
      const omitted: Record<string, Record<string, number>> = Object.create(null)
      const totals: Record<string, number> = Object.create(null)
      // The latest: what is shown is to be as fresh as can be.
      const shownFrom = counted.length - budget.take(counted.length)
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
          })
        } else {
          const byType: Record<string, number> = omitted[event.site] ?? Object.create(null)
          omitted[event.site] = byType
          byType[event.type] = (byType[event.type] ?? 0) + 1
        }
      })
      return { channel, text: encodeDelta({ events, omitted, counted: totals }) }
    },
  }
}

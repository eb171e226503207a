/** Tells every node's dashboards what an actor has just counted: one message a batch, bounded by the live feed's budget. */
import type { BatchEntry } from "../events/batchWriter.ts"
import type { RedisConnection } from "../stores/redis.ts"
import { liveChannel } from "../stream/keys.ts"
import { encodeDelta, type LiveEvent } from "./delta.ts"
import { TokenBucket } from "./tokenBucket.ts"

export interface LivePublisher {
  /**
   * Publishes counted events. Not awaited and not tried again: a lost message costs dashboards a frame, never a figure,
   * since the figures are read from the stores.
   */
  readonly publish: (counted: ReadonlyArray<BatchEntry>) => void
}

export interface LivePublisherOptions {
  readonly redis: RedisConnection
  readonly prefix: string
  /** Single events a second this node puts into its messages, the latest of each batch; the rest are summed by type. */
  readonly eventsPerSecond: number
  /** Unix milliseconds. */
  readonly now: () => number
}

export const makeLivePublisher = (options: LivePublisherOptions): LivePublisher => {
  const { redis, prefix, eventsPerSecond, now } = options
  const channel = liveChannel(prefix)
  const budget = new TokenBucket(eventsPerSecond, now)
  return {
    publish: (counted) => {
      if (counted.length === 0) return
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
      redis.publish(channel, encodeDelta({ events, omitted, counted: totals })).catch(() => {})
    },
  }
}

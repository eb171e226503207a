/**
 * The live feed's budget: how many single events dashboards are shown.
 *
 * Under load, events are shown in bursts, each with events just counted: every dashboard gets a packet five times a
 * second instead of one per event. Dashboards are divided into groups whose bursts follow each other, so that a thousand
 * of them need not be served at the same moment. Groups therefore see different events.
 */
import { TokenBucket } from "./tokenBucket.ts"

/** Groups of dashboards. */
export const GROUPS = 8
/** Milliseconds between two bursts of a group. */
const BURST_MS = 200

/** The budget of one group of dashboards: `eventsPerSecond`, or a second's worth at once after a pause. */
export const groupBudget = (eventsPerSecond: number, group: number, now: () => number): TokenBucket =>
  new TokenBucket({
    perSecond: eventsPerSecond,
    capacity: eventsPerSecond,
    stepMs: BURST_MS,
    aheadMs: (BURST_MS * group) / GROUPS,
    now,
  })

/** The budget of the deltas that a node publishes: enough events for a burst of every group. */
export const feedBudget = (eventsPerSecond: number, now: () => number): TokenBucket =>
  new TokenBucket({
    perSecond: GROUPS * eventsPerSecond,
    capacity: eventsPerSecond,
    stepMs: BURST_MS / GROUPS,
    now,
  })

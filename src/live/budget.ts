/**
 * The live feed's budget: how many single events dashboards are shown.
 *
 * While more comes than is shown, what is shown comes as clumps, each of the events just counted: a packet for each dashboard five
 * times a second rather than for every event. Dashboards are in groups whose clumps come one after the other, so that a
 * thousand of them are not all to be served at the same moment; groups then see different ones of the events.
 */
import { TokenBucket } from "./tokenBucket.ts"

/** Groups of dashboards. */
export const GROUPS = 8
/** Milliseconds between two clumps of a group. */
const CLUMP_MS = 200

/** What the dashboards of a group are shown: so many events a second, or a second's worth at once after a pause. */
export const groupBudget = (eventsPerSecond: number, group: number, now: () => number): TokenBucket =>
  new TokenBucket({
    perSecond: eventsPerSecond,
    capacity: eventsPerSecond,
    stepMs: CLUMP_MS,
    aheadMs: (CLUMP_MS * group) / GROUPS,
    now,
  })

/** What a node tells the others of what it has counted: a clump for every group. */
export const feedBudget = (eventsPerSecond: number, now: () => number): TokenBucket =>
  new TokenBucket({
    perSecond: GROUPS * eventsPerSecond,
    capacity: eventsPerSecond,
    stepMs: CLUMP_MS / GROUPS,
    now,
  })

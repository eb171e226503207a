/**
 * The ten seconds in which a node ends, part by part. Parts of a row run side by side, the rows one after the other:
 *
 *   answers, then linger ‖ batches     the server and the actors finish what they have
 *   pool                               the connections to Postgres end
 *   storeStop, then storeHalt          the embedded stores stop, both at once
 */

/** Milliseconds after which an append whose reply is missing is refused; no request waits longer for Redis. */
export const APPEND_TIMEOUT_MS = 3000

/** What each part may take at most, milliseconds. None loses what was acknowledged: that is in the stores already. */
export const STOP_BUDGET = {
  /** Requests under way are answered, and appends drain: a little more than one append may take. */
  answers: APPEND_TIMEOUT_MS + 500,
  /** Close frames reach the dashboards before connections are cut. */
  linger: 100,
  /** Running batches end and leases go back. After it the thread is ended, and the next owner goes on. */
  batches: 3500,
  /** Connections to Postgres that are still at work; by then nobody waits for their answers. */
  pool: 500,
  /** An embedded store writes what it has and ends. */
  storeStop: 4000,
  /** One that has not is made to end at once, which loses nothing either. */
  storeHalt: 500,
} as const

const { answers, linger, batches, pool, storeStop, storeHalt } = STOP_BUDGET

/** What a stop takes in which every part takes all it may, milliseconds. */
export const LONGEST_STOP_MS = Math.max(answers + linger, batches) + pool + storeStop + storeHalt

/** A stop that has not ended by then is cut short, milliseconds. */
export const STOP_DEADLINE_MS = 9500

/** What is promised to whoever sends the signal, milliseconds. */
export const STOP_PROMISE_MS = 10_000

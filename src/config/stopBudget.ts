/**
 * How long a node takes to stop. For `DRAIN_SECONDS` it serves everything, and says that it will stop. Then it stops, part by
 * part; what `‖` separates runs in parallel, and the rows run one after another:
 *
 *   answers, then linger ‖ batches     the server and the actors finish what they have
 *   pool                               the connections to Postgres are closed
 *   storeStop, then storeHalt          the embedded stores stop, both in parallel
 */
import { SETTINGS } from "./settings.ts"

/** Milliseconds after which an append that has no reply is refused; no POST waits longer for Redis. */
export const APPEND_TIMEOUT_MS = 3000

/** The most that each part may take, milliseconds. Cutting one short loses nothing acknowledged: that is in the stores already. */
export const STOP_BUDGET = {
  /** Requests in flight are answered and appends settle: a little more than one append may take. */
  answers: APPEND_TIMEOUT_MS + 200,
  /** Close frames reach the dashboards before connections are cut. */
  linger: 100,
  /** Running batches finish and leases are returned. After that the thread is terminated, and the next owner continues. */
  batches: 3300,
  /** Connections to Postgres that are still busy; by then nobody waits for their results. */
  pool: 400,
  /** An embedded store flushes its data and exits. */
  storeStop: 3000,
  /** One that has not exited by then is made to exit at once, which loses nothing either. */
  storeHalt: 500,
} as const

const { answers, linger, batches, pool, storeStop, storeHalt } = STOP_BUDGET

/** How long a stop takes after the drain when every part takes as long as it may, milliseconds. */
export const LONGEST_STOP_MS = Math.max(answers + linger, batches) + pool + storeStop + storeHalt

/** A stop that has not finished so long after the drain is cut short, milliseconds. */
export const STOP_DEADLINE_MS = 7700

/** What operators are promised after the drain, milliseconds. */
export const STOP_PROMISE_MS = 8000

/** What they are promised in all when `DRAIN_SECONDS` is left as it is, milliseconds. */
export const DEFAULT_STOP_PROMISE_MS = Number(SETTINGS.drainSeconds.default) * 1000 + STOP_PROMISE_MS

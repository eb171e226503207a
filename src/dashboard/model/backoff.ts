/** Pauses between tries to connect: exponential, with jitter so that not every page meets a restarted server at once. */

const FIRST_PAUSE_MS = 400
const LONGEST_PAUSE_MS = 15_000

/** Returns the pause before the n-th try in a row (from 0), in milliseconds; `random` is at least 0 and below 1. */
export const pauseMs = (tries: number, random: number): number =>
  Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS) * (0.5 + random)

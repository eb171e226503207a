/** Waits for what happens soon, in place of a sleep that is too long on a fast machine and too short on a slow one. */

/** Milliseconds between two tries: few at first, then a part of what has passed, for a try takes time from what it waits for. */
const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 200
const PART_OF_WAIT = 0.1
/** What takes longer never happens, however busy the machine is. */
export const PATIENCE_MS = 120_000

/**
 * Repeats `assertion` until it neither throws nor rejects, and resolves to its result. After `timeout` milliseconds it
 * rejects with the last failure; that is for conditions that something else ends, and no measure of speed.
 */
export const eventually = async <A>(
  assertion: () => A | Promise<A>,
  { timeout = PATIENCE_MS }: { readonly timeout?: number } = {},
): Promise<A> => {
  const began = performance.now()
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (performance.now() - began > timeout) throw error
    }
    const pause = Math.max(FIRST_PAUSE_MS, PART_OF_WAIT * (performance.now() - began))
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, LONGEST_PAUSE_MS)))
  }
}

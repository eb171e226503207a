/** Waits for what happens soon, in place of a sleep that is too long on a fast machine and too short on a slow one. */

const POLL_EVERY_MS = 10
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
  const deadline = performance.now() + timeout
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS))
  }
}

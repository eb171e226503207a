/** One clock for all processes of the bench: the machine's monotonic clock, which is the same for every process. */

const OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** Milliseconds since some moment before the first process. */
export const machineNow = (): number => performance.now() + OFFSET_MS

/** What {@link machineNow} was at a `performance.now()` of this process. */
export const machineTime = (performanceMs: number): number => performanceMs + OFFSET_MS

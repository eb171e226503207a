/** Latencies as percentiles, in milliseconds. */
import type { RecordableHistogram } from "node:perf_hooks"

/** The percentiles to keep, for tables and plots. */
export const PERCENTILES = [1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99] as const

export interface Percentiles {
  readonly count: number
  readonly max: number
  /** Pairs of percentile and milliseconds. */
  readonly at: ReadonlyArray<readonly [number, number]>
}

/** From a histogram of microseconds. */
export const percentilesOf = (histogram: RecordableHistogram): Percentiles => ({
  count: histogram.count,
  max: histogram.count === 0 ? 0 : histogram.max / 1000,
  at: histogram.count === 0 ? [] : PERCENTILES.map((p) => [p, histogram.percentile(p) / 1000] as const),
})

/** Milliseconds at a percentile; NaN if nothing was recorded. */
export const at = (percentiles: Percentiles, percentile: (typeof PERCENTILES)[number]): number =>
  percentiles.at.find(([p]) => p === percentile)?.[1] ?? Number.NaN

/** From individual values in milliseconds, if there are few. */
export const percentilesOfValues = (values: ReadonlyArray<number>): Percentiles => {
  const sorted = [...values].sort((a, b) => a - b)
  const rank = (p: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)] ?? 0
  return {
    count: sorted.length,
    max: sorted.at(-1) ?? 0,
    at: sorted.length === 0 ? [] : PERCENTILES.map((p) => [p, rank(p)] as const),
  }
}

/** As text: `p50 0.8, p99 3.1, p99.9 9.4 ms`. */
export const inWords = (percentiles: Percentiles): string =>
  `p50 ${at(percentiles, 50).toFixed(2)}, p99 ${at(percentiles, 99).toFixed(2)}, p99.9 ${at(percentiles, 99.9).toFixed(2)} ms`

/** One scrape: the gauges are read from the stores, and the threads' registries become one text. */
import * as Effect from "effect/Effect"
import {
  AggregatorRegistry,
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
} from "prom-client"
import type { Figures } from "../aggregates/figures.ts"
import { conversionRate } from "../domain/aggregation.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { MetricsText } from "../server/services/services.ts"
import { logFailure } from "../stores/advice.ts"
import type { StoreError } from "../stores/errors.ts"
import { noAnswer } from "../stores/redisError.ts"
import type { PartitionBacklog } from "../stream/backlog.ts"

/** What a scrape waits for the stores. */
const ANSWER = "2 seconds"
/** Number of themes that have a gauge of their own. */
const TOP_THEMES = 20

export interface ScrapeOptions {
  readonly metrics: Metrics
  readonly sites: ReadonlyArray<string>
  readonly figures: Figures
  readonly backlog: Effect.Effect<ReadonlyArray<PartitionBacklog>, StoreError>
  /** The registries of the process's other threads. */
  readonly otherThreads: Effect.Effect<ReadonlyArray<MetricObjectWithValues<MetricValue<string>>>>
}

/**
 * Milliseconds between two measurements of the event loop's delay, which cost time themselves. At the default of 10 they
 * are more than half of what an idle main thread does.
 */
const EVENT_LOOP_LOOK_MS = 50

/** Collects Node's default metrics, of the process and the main thread's event loop. To be called once per process. */
export const collectProcessMetrics = (metrics: Metrics): void =>
  collectDefaultMetrics({ register: metrics.registry, eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_MS })

const refreshGauges = ({
  metrics,
  sites,
  figures,
  backlog,
}: ScrapeOptions): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const [realtime, themes, partitions] = yield* Effect.all(
      [
        Effect.forEach(sites, figures.realtime, { concurrency: "unbounded" }),
        Effect.forEach(sites, (site) => figures.themes(site, TOP_THEMES, null), { concurrency: "unbounded" }),
        backlog,
      ],
      { concurrency: "unbounded" },
    )
    const sum = (of: (site: (typeof realtime)[number]) => number) =>
      realtime.reduce((total, site) => total + of(site), 0)
    metrics.currentVisitors.set(sum((site) => site.current_visitors))
    metrics.conversionRate.set(
      conversionRate(
        sum((site) => site.letters_today),
        sum((site) => site.unique_today),
      ),
    )
    const views = new Map<string, number>()
    for (const { theme, views: count } of themes.flat()) {
      const label = metrics.themeLabel.value(theme)
      views.set(label, (views.get(label) ?? 0) + count)
    }
    metrics.themeViews.reset()
    for (const [theme, count] of views) metrics.themeViews.set({ theme }, count)
    for (const { partition, waiting, oldestAgeMs, deadLetters, lost } of partitions) {
      metrics.backlog.set({ partition }, waiting)
      metrics.oldestEventAge.set({ partition }, oldestAgeMs / 1000)
      metrics.deadLetters.set({ partition }, deadLetters)
      metrics.figuresLost.set({ partition }, lost ? 1 : 0)
    }
  })

/**
 * The text of `GET /metrics`. While a store is unavailable, the gauges read from it keep their last values, so that the
 * other metrics, which say what is wrong, can still be scraped.
 */
export const scrape = (options: ScrapeOptions): Effect.Effect<MetricsText> =>
  Effect.gen(function* () {
    const gauges = refreshGauges(options).pipe(
      Effect.timeoutOrElse({
        duration: ANSWER,
        orElse: () => Effect.fail(noAnswer("scrape", `no answer within ${ANSWER}`)),
      }),
      Effect.catch((error) => logFailure(error, "gauges keep their last values")),
    )
    const [others] = yield* Effect.all([options.otherThreads, gauges], { concurrency: 2 })
    const own = yield* Effect.promise(() => options.metrics.registry.getMetricsAsJSON())
    // The start time belongs to the whole process; by its own aggregator it would be left out.
    const all = [...own, ...others].map((metric) =>
      metric.name === "process_start_time_seconds" ? { ...metric, aggregator: "first" } : metric,
    )
    const merged = AggregatorRegistry.aggregate([all])
    return { contentType: merged.contentType, body: yield* Effect.promise(() => merged.metrics()) }
  })

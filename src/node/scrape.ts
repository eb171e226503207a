/** One scrape: the gauges are read from the stores, and the threads' registries become one text. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { collectDefaultMetrics } from "prom-client"
import type { Figures } from "../aggregates/figures.ts"
import { conversionRate } from "../domain/aggregation.ts"
import type { RetentionTimes } from "../events/retention/index.ts"
import {
  CreationTimes,
  expose,
  type Format,
  type MetricJson,
  type MetricsText,
} from "../metrics/exposition.ts"
import type { Metrics } from "../metrics/metrics.ts"
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
  /** Of all sites. */
  readonly slugs: () => ReadonlyArray<string>
  readonly figures: Figures
  readonly backlog: Effect.Effect<ReadonlyArray<PartitionBacklog>, StoreError>
  /** The registries of the process's other threads. */
  readonly otherThreads: Effect.Effect<ReadonlyArray<MetricJson>>
  /** Unix milliseconds. */
  readonly now: () => number
}

/**
 * Milliseconds between two measurements of the event loop's delay, which cost time themselves. At the default of 10 they
 * are more than half of what an idle main thread does.
 */
const EVENT_LOOP_LOOK_MS = 50

/** Collects Node's default metrics, of the process and the main thread's event loop. To be called once per process. */
export const collectProcessMetrics = (metrics: Metrics): void => {
  collectDefaultMetrics({ register: metrics.registry, eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_MS })
  // Gauges must not be called `_total`; they are the sums of nodejs_active_* over their types.
  for (const what of ["handles", "requests", "resources"])
    metrics.registry.removeSingleMetric(`nodejs_active_${what}_total`)
}

const refreshGauges = ({
  metrics,
  slugs,
  figures,
  backlog,
}: ScrapeOptions): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const sites = slugs()
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

/** How often retention's times are read: they change once a day. */
const RETENTION_EVERY = "10 seconds"

/** Keeps the gauges of retention up to date until the scope closes; while Postgres is unavailable they keep their last values. */
export const followRetention = (
  metrics: Metrics,
  times: Effect.Effect<RetentionTimes, StoreError>,
): Effect.Effect<void, never, Scope.Scope> =>
  times.pipe(
    Effect.tap(({ lastSuccess, due }) =>
      Effect.sync(() => {
        metrics.retentionLastSuccess.set((lastSuccess ?? 0) / 1000)
        metrics.retentionDue.set(due / 1000)
      }),
    ),
    Effect.ignore,
    Effect.repeat(Schedule.spaced(RETENTION_EVERY)),
    Effect.forkScoped,
    Effect.asVoid,
  )

/**
 * Makes what answers `GET /metrics`, in the format asked for. While a store is unavailable, the gauges read from it keep their last
 * values, so that the other metrics, which say what is wrong, can still be scraped. To be called when the node starts.
 */
export const scrape = (options: ScrapeOptions): ((format: Format) => Effect.Effect<MetricsText>) => {
  const created = new CreationTimes(options.now())
  const gauges = refreshGauges(options).pipe(
    Effect.timeoutOrElse({
      duration: ANSWER,
      orElse: () => Effect.fail(noAnswer("scrape", `no answer within ${ANSWER}`)),
    }),
    Effect.catch((error) => logFailure(error, "gauges keep their last values")),
  )
  return (format) =>
    Effect.gen(function* () {
      const [others] = yield* Effect.all([options.otherThreads, gauges], { concurrency: 2 })
      return yield* Effect.promise(async () => {
        const own = await options.metrics.registry.getMetricsAsJSON()
        return expose([...own, ...others], format, created, options.now())
      })
    })
}

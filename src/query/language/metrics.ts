/** What a question may have counted. */
import { DATA_DIMENSION } from "../../domain/dimensions.ts"

/**
 * Metrics without a parameter, and what each is. All are of the events that the question is about: those of its sites and range that
 * its filters let through, and per row those that have the row's dimensions.
 */
export const METRICS = {
  visitors: "Different visitors.",
  visits: "Different visits.",
  page_views: "Events of the type page_view.",
  events: "Events of any type.",
  views_per_visit: "page_views / visits, 0 without visits.",
  bounce_rate: "Percentage of the visits with one page view and nothing else, 0 without visits.",
  visit_duration:
    "Seconds from a visit's first event to its last, on average over the visits, 0 without visits.",
  percentage: "Percentage of the question's visitors, over all rows, that a row has.",
  conversion_rate: "letters / visitors, 0 without visitors.",
  letters: "Events of the type letter_generate.",
} as const satisfies { readonly [name: string]: string }

export type MetricName = keyof typeof METRICS

/** What is done with the numbers under a key of event_data. */
export const AGGREGATIONS = ["sum", "avg", "min", "max"] as const
export type Aggregation = (typeof AGGREGATIONS)[number]

/** A metric: one of {@link METRICS}, or an aggregation of the numbers under a key of event_data; null where there is no number. */
export type Metric =
  | { readonly of: "events"; readonly name: MetricName }
  | { readonly of: "data"; readonly aggregation: Aggregation; readonly key: string }

const OF_DATA = new RegExp(`^(${AGGREGATIONS.join("|")})\\((.*)\\)$`, "s")

export const isMetricName = (name: string): name is MetricName => Object.hasOwn(METRICS, name)

/** The metric of a name such as `visitors` or `sum(data.price)`; `null` if there is none. */
export const metricOf = (name: string): Metric | null => {
  if (isMetricName(name)) return { of: "events", name }
  const [, operation, of = ""] = OF_DATA.exec(name) ?? []
  const aggregation = AGGREGATIONS.find((each) => each === operation)
  const key = DATA_DIMENSION.exec(of)?.[1]
  return aggregation === undefined || key === undefined ? null : { of: "data", aggregation, key }
}

/** The name by which a metric is asked for. */
export const nameOfMetric = (metric: Metric): string =>
  metric.of === "events" ? metric.name : `${metric.aggregation}(data.${metric.key})`

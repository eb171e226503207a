/**
 * Metrics as text: Prometheus' own format, or OpenMetrics 1.0, which also says since when a series has been counting. With that,
 * `increase()` sees the first step of a series that was not there before.
 */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from "prom-client"

/** A metric as registries of threads report it. */
export type MetricJson = MetricObjectWithValues<MetricValue<string> & { readonly metricName?: string }>

export type Format = "text" | "openmetrics"

const CONTENT_TYPES: { readonly [format in Format]: string } = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
}

/** What `/metrics` answers. */
export interface MetricsText {
  readonly contentType: string
  readonly body: string
}

/** How much a media range of an `Accept` is wanted, 0 to 1, and its type in lower case. */
const rangeOf = (range: string): readonly [type: string, q: number] => {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase())
  const q = parameters.find((each) => each.startsWith("q="))
  return [type, q === undefined ? 1 : Number(q.slice(2)) || 0]
}

/** The format that an `Accept` header asks for: OpenMetrics where it is named and wanted no less than plain text. */
export const formatFor = (accept: string): Format => {
  const ranges = accept.split(",").map(rangeOf)
  const wanted = (type: string) => Math.max(0, ...ranges.filter(([each]) => each === type).map(([, q]) => q))
  const openMetrics = wanted("application/openmetrics-text")
  return openMetrics > 0 && openMetrics >= wanted("text/plain") ? "openmetrics" : "text"
}

/** Since when series have been counting: told by which of them a text had and the one before had not. */
export class CreationTimes {
  #known = new Map<string, { readonly at: number; readonly count: number }>()
  /** When the text before was made; until the first one, when the process was started. Unix milliseconds. */
  #before: number

  /** @param startedAt when the process was started, unix milliseconds: every series was at 0 then */
  constructor(startedAt: number) {
    this.#before = startedAt
  }

  /**
   * Begins a text. Returns what gives the time of each of its series, unix milliseconds, of all of them once: the last moment that is
   * known when it was at 0. One that is missing, or counts less, has begun anew when it is there again.
   */
  next(now: number): (series: string, count: number) => number {
    const [known, before] = [this.#known, this.#before]
    const seen = new Map<string, { readonly at: number; readonly count: number }>()
    this.#known = seen
    this.#before = now
    return (series, count) => {
      const last = known.get(series)
      const at = last !== undefined && last.count <= count ? last.at : before
      seen.set(series, { at, count })
      return at
    }
  }
}

const ESCAPES: { readonly [char: string]: string } = { "\\": "\\\\", "\n": "\\n", '"': '\\"' }
const escaped = (text: string): string => text.replace(/[\\\n"]/g, (char) => ESCAPES[char] ?? char)

/** Numbers of `le` are floats, so that a bound has one spelling. */
const bound = (le: string | number): string =>
  typeof le === "number" ? (Number.isInteger(le) ? le.toFixed(1) : String(le)) : le

const numberText = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

const labelsText = (labels: MetricValue<string>["labels"]): string => {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${name === "le" ? bound(value ?? "") : escaped(String(value))}"`,
  )
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}

/** Values of each series, histograms' in groups of what belongs to one. */
const seriesOf = ({
  values,
}: MetricJson): ReadonlyMap<string, ReadonlyArray<MetricJson["values"][number]>> => {
  const series = new Map<string, Array<MetricJson["values"][number]>>()
  for (const value of values) {
    const { le: _le, quantile: _quantile, ...labels } = value.labels
    const key = labelsText(labels)
    const known = series.get(key)
    if (known === undefined) series.set(key, [value])
    else known.push(value)
  }
  return series
}

/** One metric in OpenMetrics: a counter's family has no `_total`, each of its samples has. */
const familyText = (metric: MetricJson, createdAt: (series: string, count: number) => number): string => {
  const type = String(metric.type)
  const family = type === "counter" ? metric.name.replace(/_total$/, "") : metric.name
  const lines = [`# TYPE ${family} ${type}`, `# HELP ${family} ${escaped(metric.help)}`]
  for (const [labels, values] of seriesOf(metric)) {
    for (const { metricName = metric.name, labels: own, value } of values) {
      const name = type === "counter" ? `${family}_total` : metricName
      lines.push(`${name}${labelsText(own)} ${numberText(value)}`)
    }
    if (type === "gauge") continue
    const count = type === "counter" ? values[0] : values.find((each) => each.metricName?.endsWith("_count"))
    const at = createdAt(`${family}${labels}`, count?.value ?? 0)
    lines.push(`${family}_created${labels} ${(at / 1000).toFixed(3)}`)
  }
  return lines.join("\n")
}

/** The start time belongs to the whole process; by its own aggregator it would be left out. */
const ofTheProcess = (metric: MetricJson): MetricJson =>
  metric.name === "process_start_time_seconds" ? { ...metric, aggregator: "first" } : metric

/** The metrics of all threads of a process as one text. */
export const expose = async (
  threads: ReadonlyArray<MetricJson>,
  format: Format,
  created: CreationTimes,
  now: number,
): Promise<MetricsText> => {
  const merged = AggregatorRegistry.aggregate([threads.map(ofTheProcess)])
  const contentType = CONTENT_TYPES[format]
  if (format === "text") return { contentType, body: await merged.metrics() }
  const createdAt = created.next(now)
  const families: ReadonlyArray<MetricJson> = await merged.getMetricsAsJSON()
  return {
    contentType,
    body: `${families.map((family) => familyText(family, createdAt)).join("\n")}\n# EOF\n`,
  }
}

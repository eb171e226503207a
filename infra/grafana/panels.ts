/** The panels and queries that the dashboard is put together from. */
import * as bargauge from "@grafana/grafana-foundation-sdk/bargauge"
import * as common from "@grafana/grafana-foundation-sdk/common"
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus"
import * as stat from "@grafana/grafana-foundation-sdk/stat"
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries"

/** Selects the series of the chosen deployment. */
export const JOB = 'job="$job"'
/** How a dashboard refers to one of its variables. */
const variable = (name: string): string => `\${${name}}`
/** The chosen Prometheus. */
export const SOURCE = { type: "prometheus", uid: variable("datasource") }
// Grafana's grid is 24 wide.
const SIXTH = 4
export const THIRD = 8
export const HALF = 12

const LAST = new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"])

/** What a panel asks Prometheus for. */
interface Query {
  readonly expr: string
  readonly legend?: string
}

const target = ({ expr, legend }: Query, index: number) =>
  new prometheus.DataqueryBuilder()
    .refId(String.fromCharCode("A".charCodeAt(0) + index))
    .datasource(SOURCE)
    .expr(expr)
    .legendFormat(legend ?? "__auto")

/** One current figure. */
export const figure = (title: string, unit: string, expr: string) =>
  new stat.PanelBuilder()
    .title(title)
    .datasource(SOURCE)
    .unit(unit)
    .height(4)
    .span(SIXTH)
    .graphMode(common.BigValueGraphMode.Area)
    .colorMode(common.BigValueColorMode.None)
    .reduceOptions(LAST)
    .withTarget(target({ expr }, 0))

/** Lines over time, one per series of the queries. */
export const lines = (
  title: string,
  unit: string,
  span: number,
  queries: ReadonlyArray<Query>,
  description = "",
) =>
  new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(SOURCE)
    .unit(unit)
    .min(0)
    .height(8)
    .span(span)
    .fillOpacity(10)
    .showPoints(common.VisibilityMode.Never)
    .noValue("none")
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi))
    .targets(queries.map(target))

/** Areas over time, one on top of the other. */
export const stacked = (title: string, unit: string, span: number, query: Query) =>
  lines(title, unit, span, [query])
    .fillOpacity(40)
    .stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal))

/** The largest current values, as bars. */
export const ranking = (title: string, span: number, { expr, legend }: Query) =>
  new bargauge.PanelBuilder()
    .title(title)
    .datasource(SOURCE)
    .unit("short")
    .min(0)
    .height(8)
    .span(span)
    .orientation(common.VizOrientation.Horizontal)
    .displayMode(common.BarGaugeDisplayMode.Basic)
    .reduceOptions(LAST)
    .withTarget(target({ expr, ...(legend !== undefined && { legend }) }, 0).instant())

/** The rate of a counter, summed over nodes, optionally by labels. */
export const rate = (counter: string, by = "", where = "") =>
  `sum${by && ` by (${by})`} (rate(${counter}{${JOB}${where && `, ${where}`}}[$__rate_interval]))`

/** A quantile of a histogram, over nodes, optionally by labels. */
export const quantile = (q: number, histogram: string, by = "", where = "") =>
  `histogram_quantile(${q}, ${rate(`${histogram}_bucket`, by ? `${by}, le` : "le", where)})`

/** The 50th, 95th and 99th percentile of a histogram. */
export const percentiles = (histogram: string, where = ""): ReadonlyArray<Query> =>
  [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, histogram, "", where), legend: `p${q * 100}` }))

/** A gauge that is read from the stores, and therefore the same on every node. */
export const shared = (gauge: string, by = "") => `max${by && ` by (${by})`} (${gauge}{${JOB}})`

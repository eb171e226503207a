/**
 * The Grafana dashboard as code. `node infra/grafana/dashboard.ts --write` writes it to the folder that Grafana is
 * provisioned from. One test compares the two, another runs every query in Prometheus.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
} from "@grafana/grafana-foundation-sdk/dashboard"
import {
  figure,
  HALF,
  JOB,
  lines,
  percentiles,
  quantile,
  ranking,
  rate,
  SOURCE,
  shared,
  stacked,
  THIRD,
} from "./panels.ts"

/** The file that Grafana provisions the dashboard from. */
export const DASHBOARD_PATH = fileURLToPath(new URL("dashboards/maicivy-analytics.json", import.meta.url))

const REQUESTS = "maicivy_analytics_request_duration_seconds"

const builder = new DashboardBuilder("maicivy-analytics")
  .uid("maicivy-analytics")
  .description("Visitors, answers, the event pipeline and its stores.")
  .tags(["maicivy-analytics"])
  .timezone("browser")
  .time({ from: "now-6h", to: "now" })
  .refresh("30s")
  .tooltip(DashboardCursorSync.Crosshair)
  .readonly()
  .withVariable(new DatasourceVariableBuilder("datasource").label("Data source").type("prometheus"))
  .withVariable(
    new QueryVariableBuilder("job")
      .label("Deployment")
      .datasource(SOURCE)
      .refresh(VariableRefresh.OnDashboardLoad)
      .query("label_values(maicivy_current_visitors, job)")
      .current({ text: "maicivy-analytics", value: "maicivy-analytics" }),
  )

builder
  .withRow(new RowBuilder("The site"))
  .withPanel(figure("Visitors now", "short", shared("maicivy_current_visitors")))
  .withPanel(
    figure("Visitors, last 24 hours", "short", `round(sum(increase(maicivy_visitors_total{${JOB}}[24h])))`),
  )
  .withPanel(figure("Conversion today", "percentunit", shared("maicivy_conversion_rate")))
  .withPanel(
    figure(
      "Letters, last 24 hours",
      "short",
      `round(sum(increase(maicivy_letters_generated_total{${JOB}}[24h])))`,
    ),
  )
  .withPanel(figure("Events a second", "short", rate("maicivy_events_total")))
  .withPanel(figure("Alerts firing", "short", `count(ALERTS{alertstate="firing", ${JOB}}) or vector(0)`))
  .withPanel(
    lines("Visitors", "short", HALF, [
      { expr: shared("maicivy_current_visitors"), legend: "last 5 minutes" },
    ]),
  )
  .withPanel(
    lines("Conversion", "percentunit", HALF, [
      { expr: shared("maicivy_conversion_rate"), legend: "letters by visitors, today" },
    ]),
  )
  .withPanel(
    stacked("Events by type", "cps", HALF, {
      expr: rate("maicivy_events_total", "event_type"),
      legend: "{{event_type}}",
    }),
  )
  .withPanel(
    stacked("Letters an hour", "short", HALF, {
      expr: `sum by (type) (increase(maicivy_letters_generated_total{${JOB}}[1h]))`,
      legend: "{{type}}",
    }),
  )
  .withPanel(
    ranking("Themes, all time", HALF, {
      expr: `topk(10, ${shared("maicivy_cv_theme_views", "theme")})`,
      legend: "{{theme}}",
    }),
  )
  .withPanel(
    ranking("Pages, last 24 hours", HALF, {
      expr: `topk(10, round(sum by (path) (increase(maicivy_page_views_total{${JOB}}[24h]))))`,
      legend: "{{path}}",
    }),
  )

builder
  .withRow(new RowBuilder("Answers"))
  .withPanel(lines("Events POSTed, latency", "s", THIRD, percentiles(REQUESTS, 'endpoint=~"events?"')))
  .withPanel(
    lines(
      "Figures read, latency",
      "s",
      THIRD,
      percentiles(REQUESTS, 'endpoint=~"realtime|stats|themes|letters"'),
    ),
  )
  .withPanel(
    lines("p99 by endpoint", "s", THIRD, [
      { expr: quantile(0.99, REQUESTS, "endpoint"), legend: "{{endpoint}}" },
    ]),
  )
  .withPanel(
    stacked("Answers by status", "reqps", THIRD, {
      expr: rate(`${REQUESTS}_count`, "status"),
      legend: "{{status}}",
    }),
  )
  .withPanel(
    lines("Server errors", "percentunit", THIRD, [
      { expr: `job:maicivy_requests:error_ratio5m{${JOB}}`, legend: "of all answers" },
    ]),
  )
  .withPanel(
    stacked("Events refused", "cps", THIRD, {
      expr: rate("maicivy_events_rejected_total", "reason"),
      legend: "{{reason}}",
    }),
  )

builder
  .withRow(new RowBuilder("From the stream to the figures"))
  .withPanel(
    lines("Accepted and counted", "cps", THIRD, [
      { expr: rate("maicivy_events_accepted_total"), legend: "accepted" },
      { expr: rate("maicivy_events_total"), legend: "counted" },
      { expr: rate("maicivy_duplicates_total"), legend: "duplicates" },
      { expr: rate("maicivy_redeliveries_total"), legend: "met again" },
    ]),
  )
  .withPanel(
    stacked("Backlog", "short", THIRD, {
      expr: shared("maicivy_stream_backlog", "partition"),
      legend: "partition {{partition}}",
    }),
  )
  .withPanel(
    lines("Age of the oldest event", "s", THIRD, [
      {
        expr: shared("maicivy_stream_oldest_event_age_seconds", "partition"),
        legend: "partition {{partition}}",
      },
    ]),
  )
  .withPanel(
    lines("Events of a batch", "short", THIRD, [
      {
        expr: `${rate("maicivy_batch_size_sum")} / ${rate("maicivy_batch_size_count")}`,
        legend: "processed",
      },
      {
        expr: `${rate("maicivy_append_batch_size_sum")} / ${rate("maicivy_append_batch_size_count")}`,
        legend: "appended",
      },
    ]),
  )
  .withPanel(lines("Time of a batch", "s", THIRD, percentiles("maicivy_batch_duration_seconds")))
  .withPanel(
    lines("Dead letters", "short", THIRD, [
      { expr: shared("maicivy_dead_letters", "partition"), legend: "partition {{partition}}" },
    ]),
  )
  .withPanel(
    stacked("Partitions by node", "short", HALF, {
      expr: `maicivy_partitions_owned{${JOB}}`,
      legend: "{{instance}}",
    }),
  )
  .withPanel(
    lines("Actors started again", "short", HALF, [
      {
        expr: `sum by (instance) (increase(maicivy_actor_restarts_total{${JOB}}[15m]))`,
        legend: "{{instance}}",
      },
    ]),
  )

builder
  .withRow(new RowBuilder("Stores"))
  .withPanel(
    lines(
      "Nodes whose stores would take an event",
      "short",
      HALF,
      [{ expr: `sum by (store) (maicivy_store_up{${JOB}})`, legend: "{{store}}" }],
      "By the nodes' own try every 5 seconds, whether events come or not.",
    ),
  )
  .withPanel(
    lines(
      "Partitions whose figures Redis has lost",
      "short",
      HALF,
      [
        { expr: `sum(${shared("maicivy_figures_lost", "partition")})`, legend: "not rebuilt yet" },
        { expr: `sum(increase(maicivy_figure_losses_total{${JOB}}[15m]))`, legend: "found in 15 minutes" },
      ],
      "They are rebuilt from Postgres by themselves.",
    ),
  )
  .withPanel(
    lines(
      "Redis, p99",
      "s",
      THIRD,
      [
        {
          expr: quantile(0.99, "maicivy_redis_operation_duration_seconds", "operation", 'operation!="read"'),
          legend: "{{operation}}",
        },
      ],
      "Without `read`, which waits for events.",
    ),
  )
  .withPanel(
    lines("Postgres, p99", "s", THIRD, [
      {
        expr: quantile(0.99, "maicivy_database_query_duration_seconds", "query_type"),
        legend: "{{query_type}}",
      },
    ]),
  )
  .withPanel(
    lines("Batches tried again", "cps", THIRD, [
      { expr: rate("maicivy_batch_retries_total", "store"), legend: "{{store}}" },
    ]),
  )
  .withPanel(
    lines("Retention: rows deleted", "cps", THIRD, [
      { expr: rate("maicivy_retention_rows_total", "path"), legend: "{{path}}" },
    ]),
  )
  .withPanel(
    lines("Retention: time of a run", "s", THIRD, [
      { expr: shared("maicivy_retention_duration_seconds"), legend: "last run" },
    ]),
  )
  .withPanel(
    lines("Retention: since the last success", "s", THIRD, [
      {
        expr: `time() - (${shared("maicivy_retention_last_success_timestamp_seconds")} > 0)`,
        legend: "last success",
      },
    ]),
  )

builder
  .withRow(new RowBuilder("WebSocket"))
  .withPanel(
    stacked("Connections", "short", THIRD, {
      expr: `maicivy_websocket_connections{${JOB}}`,
      legend: "{{instance}}",
    }),
  )
  .withPanel(
    lines("Messages", "cps", THIRD, [
      { expr: rate("maicivy_websocket_messages_total", "direction"), legend: "{{direction}}" },
      { expr: rate("maicivy_live_events_omitted_total"), legend: "events summed instead" },
    ]),
  )
  .withPanel(
    stacked("Connections lost or closed", "cps", THIRD, {
      expr: rate("maicivy_websocket_dropped_total", "reason"),
      legend: "{{reason}}",
    }),
  )

builder
  .withRow(new RowBuilder("Nodes"))
  .withPanel(
    lines("CPU", "percentunit", THIRD, [
      {
        expr: `rate(process_cpu_seconds_total{${JOB}}[$__rate_interval])`,
        legend: "{{instance}}",
      },
    ]),
  )
  .withPanel(
    lines("Memory", "bytes", THIRD, [
      { expr: `process_resident_memory_bytes{${JOB}}`, legend: "{{instance}}" },
    ]),
  )
  .withPanel(
    lines("Event loop lag, p99", "s", THIRD, [
      // Without the sampling interval.
      { expr: `nodejs_eventloop_lag_p99_seconds{${JOB}} - 0.05`, legend: "{{instance}}" },
    ]),
  )

/** The dashboard as Grafana's JSON. */
export const dashboard = builder.build()
for (const [index, panel] of dashboard.panels?.entries() ?? []) panel.id = index + 1

/** The text of the file at {@link DASHBOARD_PATH}. */
export const dashboardText = `${JSON.stringify(dashboard, null, 2)}\n`

if (import.meta.main && process.argv.includes("--write")) writeFileSync(DASHBOARD_PATH, dashboardText)

/** The rules and the dashboard as data, and what they may name. */
import type { Registry } from "prom-client"
import { parse } from "yaml"
import { dashboard } from "../../infra/grafana/dashboard.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { collectProcessMetrics } from "../../src/node/scrape.ts"
import { filesIn, read } from "../support/documents.ts"

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
}

interface RuleFile {
  readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }>
}

/** Files of rules, relative to the project. */
export const ruleFiles = filesIn("infra/prometheus/rules", ".yml")

/** Every recording and alerting rule. */
export const rules: ReadonlyArray<Rule> = ruleFiles
  .map((path) => parse(read(path)) as RuleFile)
  .flatMap(({ groups }) => groups.flatMap((group) => group.rules))

/** Names of the alerts. */
export const alerts = rules.flatMap(({ alert }) => alert ?? [])

export interface PanelQuery {
  readonly panel: string
  readonly expr: string
}

/** Every query of the dashboard. */
export const panelQueries: ReadonlyArray<PanelQuery> = (dashboard.panels ?? []).flatMap((panel) =>
  "targets" in panel
    ? (panel.targets ?? []).map((target) => ({
        panel: panel.title ?? "",
        expr: String(Reflect.get(target, "expr")),
      }))
    : [],
)

/** Names of all series that a node exports, or a rule records. */
export const knownSeries = (): ReadonlySet<string> => {
  const metrics = new Metrics("maicivy_")
  collectProcessMetrics(metrics)
  const exported = (metrics.registry satisfies Registry)
    .getMetricsAsArray()
    .flatMap(({ name, type }) =>
      String(type) === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    )
  return new Set([...exported, ...rules.flatMap(({ record }) => record ?? [])])
}

/** Names of the project's own series in an expression: metrics by their prefix, recorded ones by their colons. */
export const seriesIn = (expr: string): ReadonlyArray<string> =>
  expr.replace(/"[^"]*"/g, '""').match(/\b[a-z_]+:[\w:]+|(?<!:)\b(?:maicivy|process|nodejs)_\w+/g) ?? []

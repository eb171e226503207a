/** PromQL: its grammar by Prometheus' own parser, its names by the metrics that there are. */
import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { parser } from "@prometheus-io/lezer-promql"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { temporaryFolder } from "../../support/index.ts"

/** Names of the series of every metric, and labels that queries may use. */
const known = (() => {
  const series = new Set<string>()
  for (const { name, type } of new Metrics("maicivy_").registry.getMetricsAsArray()) {
    series.add(name)
    if (String(type) === "histogram")
      for (const end of ["_bucket", "_sum", "_count"]) series.add(`${name}${end}`)
  }
  return series
})()

/** What is wrong with an expression, in sentences. */
export const promqlProblems = (expression: string): ReadonlyArray<string> => {
  const problems: Array<string> = []
  parser.parse(expression).iterate({
    enter: ({ type, from, to }) => {
      if (type.isError) problems.push(`does not parse at ${JSON.stringify(expression.slice(from, to + 20))}`)
    },
  })
  // A name that ends in a colon's other half is a recording rule's.
  for (const name of expression.match(/\bmaicivy_\w+/g) ?? [])
    if (!known.has(name)) problems.push(`there is no metric ${name}`)
  return problems
}

/** The expressions of a block: one, or several that blank lines or comments part. */
export const expressions = (text: string): ReadonlyArray<string> =>
  text
    .split(/\n\s*\n|^#.*$/m)
    .map((part) => part.trim())
    .filter((part) => part !== "")

const run = promisify(execFile)

/** What promtool has against a file of rules; `null` where there is no promtool. */
export const promtoolProblems = async (rules: string): Promise<ReadonlyArray<string> | null> => {
  const file = join(temporaryFolder(), "rules.yml")
  writeFileSync(file, rules)
  try {
    await run("promtool", ["check", "rules", file])
    return []
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null
    return [cause instanceof Error ? cause.message : String(cause)]
  }
}

/** Recording rules with these expressions, for promtool. */
export const asRules = (all: ReadonlyArray<string>): string =>
  JSON.stringify({
    groups: [{ name: "docs", rules: all.map((expr, i) => ({ record: `docs:expression_${i}`, expr })) }],
  })

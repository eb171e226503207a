import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { parse } from "yaml"
import { codes, ROOT, read, section, tableRows } from "../support/documents.ts"
import { runProgram } from "../support/programs.ts"
import { wantsProgram } from "../support/wants.ts"
import { alerts, knownSeries, panelQueries, ruleFiles, rules, seriesIn } from "./monitoring.ts"

const UNIT_TESTS = "test/infra/alerts.promtool.yml"

interface UnitTests {
  readonly tests: ReadonlyArray<{
    readonly alert_rule_test: ReadonlyArray<{
      readonly alertname: string
      readonly exp_alerts: ReadonlyArray<unknown>
    }>
  }>
}

const expectSuccess = (...args: ReadonlyArray<string>) => {
  const { status, stdout, stderr } = runProgram("promtool", ...args)
  expect(status, stdout + stderr).toBe(0)
}

describe("rules", () => {
  test.each(rules.map((rule) => [rule.alert ?? rule.record ?? "", rule.expr]))(
    "%s names series that there are",
    (_name, expr) => {
      const known = knownSeries()
      expect(seriesIn(expr).filter((name) => !known.has(name))).toEqual([])
      expect([...seriesIn(expr), ...expr.matchAll(/\bup\b/g)].length).toBeGreaterThan(0)
    },
  )

  test("alert in unit tests where each fires and where it does not", () => {
    const tested = (parse(read(UNIT_TESTS)) as UnitTests).tests.flatMap((test) => test.alert_rule_test)
    const named = (fires: boolean) =>
      tested.filter(({ exp_alerts }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname)
    expect(alerts.length).toBeGreaterThan(10)
    expect(new Set(named(true))).toEqual(new Set(alerts))
    expect(new Set(named(false))).toEqual(new Set(alerts))
  })

  test("alert as docs/metrics.md explains", () => {
    const documented = tableRows(section(read("docs/metrics.md"), "Alerts")).map(
      ([name = ""]) => codes(name)[0],
    )
    expect(documented).toEqual(alerts)
  })
})

describe("the dashboard", () => {
  test.each(panelQueries)("names series that there are: $panel", ({ expr }) => {
    const known = knownSeries()
    expect(seriesIn(expr).filter((name) => !known.has(name))).toEqual([])
    expect([...seriesIn(expr), ...expr.matchAll(/\bALERTS\b/g)].length).toBeGreaterThan(0)
  })
})

describe("promtool", wantsProgram("promtool", "prometheus", "--version"), () => {
  test("accepts the configuration", () => {
    expectSuccess("check", "config", join(ROOT, "infra/prometheus/prometheus.yml"))
  })

  test("accepts the rules", () => {
    expectSuccess("check", "rules", ...ruleFiles.map((path) => join(ROOT, path)))
  })

  test("sees each alert fire and not fire", () => {
    expectSuccess("test", "rules", join(ROOT, UNIT_TESTS))
  })

  test("sees outages of a node's stores, as they were scraped, named by alerts on busy and quiet sites", () => {
    expectSuccess("test", "rules", join(ROOT, "test/infra/outages.promtool.yml"))
  })
})

/** A Prometheus that scrapes a node, for the time of a test. */
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, onTestFinished } from "vitest"
import { parse, stringify } from "yaml"
import { ROOT, read } from "../support/documents.ts"
import { eventually, freePort, temporaryFolder } from "../support/index.ts"

interface PrometheusConfig {
  global: Record<string, string>
  rule_files: Array<string>
  scrape_configs: Array<{ static_configs: Array<{ targets: Array<string> }> }>
}

/**
 * A Prometheus with the project's configuration, but for the target and a shorter interval; a busy machine answers some scrapes in no
 * second.
 */
export const startPrometheus = async (target: string): Promise<string> => {
  const folder = temporaryFolder()
  const config = parse(read("infra/prometheus/prometheus.yml")) as PrometheusConfig
  config.global = { scrape_interval: "2s", scrape_timeout: "2s", evaluation_interval: "2s" }
  config.rule_files = config.rule_files.map((path) => join(ROOT, "infra/prometheus", path))
  for (const job of config.scrape_configs) job.static_configs = [{ targets: [target] }]
  const file = join(folder, "prometheus.yml")
  writeFileSync(file, stringify(config))
  const port = await freePort()
  const child = spawn(
    "prometheus",
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
    ],
    { stdio: "ignore" },
  )
  const exited = new Promise((resolve) => child.once("close", resolve))
  onTestFinished(async () => {
    child.kill("SIGKILL")
    await exited
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => expect((await fetch(`${url}/-/ready`)).status).toBe(200))
  return url
}

interface QueryAnswer {
  readonly status: string
  readonly error?: string
  readonly data?: { readonly result: ReadonlyArray<{ readonly value: readonly [number, string] }> }
}

/** The current numbers of a query; rejects when Prometheus refuses it. */
export const query = async (prometheus: string, expr: string): Promise<ReadonlyArray<number>> => {
  const response = await fetch(`${prometheus}/api/v1/query`, {
    method: "POST",
    body: new URLSearchParams({ query: expr }),
  })
  const answer = (await response.json()) as QueryAnswer
  if (answer.data === undefined) throw new Error(`${expr}: ${answer.error}`)
  return answer.data.result.map(({ value }) => Number(value[1]))
}

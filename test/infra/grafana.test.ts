/** The dashboard against a Prometheus that has scraped a node under traffic. */
import { readFileSync } from "node:fs"
import { describe, expect, onTestFinished, test } from "vitest"
import { DASHBOARD_PATH, dashboardText } from "../../infra/grafana/dashboard.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl } from "../support/index.ts"
import { api, dataOf, startProcess } from "../support/process.ts"
import { NODE } from "../support/program.ts"
import { wantsProgram } from "../support/wants.ts"
import { panelQueries } from "./monitoring.ts"
import { query, startPrometheus } from "./prometheusServer.ts"

/** What traffic does not bring about: stores that fail, and a night's retention. */
const MAY_BE_EMPTY = ["Batches tried again", "Retention: rows deleted", "Retention: since the last success"]

test("the dashboard's file is the one that the code describes", () => {
  expect(readFileSync(DASHBOARD_PATH, "utf8"), "Run `node infra/grafana/dashboard.ts --write`.").toBe(
    dashboardText,
  )
})

/** As Grafana fills in its variables, with a window that has a few of the test's scrapes. */
const filled = (expr: string): string =>
  expr.replaceAll("$job", "maicivy-analytics").replaceAll("$__rate_interval", "15s")

const EVENTS = [
  { event_type: "page_view", page_url: "/cv" },
  { event_type: "cv_theme_change", event_data: { theme: "backend" } },
  { event_type: "letter_generate", event_data: { letter_type: "motivation" } },
  { event_type: "not a type" },
]
const READS = ["realtime", "stats", "themes", "letters", "timeline"]

const post = async (url: string, turn: number): Promise<number> => {
  const visitor_id = `00000000-0000-4000-8000-${turn.toString(16).padStart(12, "0")}`
  const body = JSON.stringify({ ...EVENTS[turn % EVENTS.length], visitor_id })
  const response = await fetch(api(url, "event"), { method: "POST", body })
  await response.arrayBuffer()
  return response.status
}

describe("Prometheus", wantsProgram("prometheus", "prometheus", "--version"), () => {
  test("answers every query of the dashboard, with figures where there was traffic", async () => {
    const node = await startProcess(NODE, {
      cwd: ROOT,
      env: {
        REDIS_URL: redisUrl(),
        DATABASE_URL: await freshDatabase(),
        REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
        RATE_LIMIT_PER_MINUTE: "0",
      },
    })
    const prometheus = await startPrometheus(new URL(node.url).host)
    // Rates need a series before it rises: what opens and closes does so again and again.
    const socketUrl = `${node.url.replace("http", "ws")}/ws/analytics`
    const watching = new WebSocket(socketUrl)
    onTestFinished(() => watching.close())

    let accepted = 0
    let turn = 0
    const traffic = async () => {
      const rude = new WebSocket(socketUrl)
      await new Promise((resolve) => rude.addEventListener("open", resolve))
      rude.send("x".repeat(20_000))
      const statuses = await Promise.all(EVENTS.map(() => post(node.url, turn++)))
      accepted += statuses.filter((status) => status === 201).length
      for (const path of READS) await dataOf(node.url, path)
      rude.close()
    }

    await eventually(async () => {
      await traffic()
      const empty: Array<string> = []
      for (const { panel, expr } of panelQueries) {
        const figures = (await query(prometheus, filled(expr))).filter((figure) => !Number.isNaN(figure))
        if (figures.length === 0) empty.push(panel)
      }
      expect(empty.filter((panel) => !MAY_BE_EMPTY.includes(panel))).toEqual([])
    })

    await eventually(async () => {
      expect(await query(prometheus, "sum(maicivy_events_total)")).toEqual([accepted])
      expect(await query(prometheus, "sum(maicivy_visitors_total)")).toEqual([accepted])
      expect(await query(prometheus, filled('count(up{job="$job"} == 1)'))).toEqual([1])
    })
    // Answers are shared for a moment.
    await eventually(async () =>
      expect(await dataOf(node.url, "stats")).toMatchObject({ total_events: accepted }),
    )
  })
})

/** What a real Prometheus makes of a node's counters: from the first event on, and over a restart. */
import { describe, expect, test } from "vitest"
import { ROOT, read } from "../support/documents.ts"
import { eventually, freePort, freshDatabase, freshKeyPrefix, redisUrl } from "../support/index.ts"
import { api, startProcess } from "../support/process.ts"
import { NODE } from "../support/program.ts"
import { runProgram } from "../support/programs.ts"
import { wantsProgram } from "../support/wants.ts"
import { panelQueries, rules } from "./monitoring.ts"
import { query, startPrometheus } from "./prometheusServer.ts"

/** The queries that docs/metrics.md gives. */
const documented = [...read("docs/metrics.md").matchAll(/```promql\n([\s\S]*?)```/g)].flatMap(
  ([, block = ""]) =>
    block
      .split("\n\n")
      .map((each) => each.replace(/^#.*$/gm, "").trim())
      .filter((each) => each !== ""),
)

/** What is sent once before the restart, and once after it. */
const EVENTS = [
  { event_type: "page_view", page_url: "/cv" },
  { event_type: "page_view", page_url: "/cv" },
  { event_type: "letter_generate", event_data: { letter_type: "motivation" } },
  { event_type: "pdf_download" },
  { event_type: "Not A Type" },
]
/** How often each counter has then counted. */
const COUNTS: { readonly [expr: string]: number } = {
  'maicivy_events_total{event_type="page_view"}': 2,
  'maicivy_events_total{event_type="pdf_download"}': 1,
  'maicivy_letters_generated_total{type="motivation"}': 1,
  'maicivy_letters_generated_total{type="anti_motivation"}': 0,
  'maicivy_events_rejected_total{reason="INVALID_EVENT_TYPE"}': 1,
  maicivy_events_accepted_total: 4,
}

const send = async (url: string) => {
  for (const event of EVENTS)
    await (await fetch(api(url, "event"), { method: "POST", body: JSON.stringify(event) })).arrayBuffer()
}

describe("Prometheus", wantsProgram("prometheus", "prometheus", "--version"), () => {
  test("counts each event once, from the first one on and over a restart of the node", async () => {
    const env = {
      ...{ REDIS_URL: redisUrl(), DATABASE_URL: await freshDatabase() },
      ...{ REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""), PORT: String(await freePort()) },
      ...{ RATE_LIMIT_PER_MINUTE: "0" },
    }
    const start = () => startProcess(NODE, { cwd: ROOT, env })
    const node = await start()
    const prometheus = await startPrometheus(new URL(node.url).host)
    const sum = async (expr: string) => (await query(prometheus, `round(sum(${expr}))`))[0]
    // A first scrape has them all at 0, before and after the restart.
    const scrapedAtZero = () =>
      eventually(async () => {
        for (const series of Object.keys(COUNTS))
          expect([series, await query(prometheus, `sum(${series})`)]).toEqual([series, [0]])
      })
    const counted = (rounds: number) =>
      eventually(async () => {
        for (const [series, count] of Object.entries(COUNTS)) {
          // However long a busy machine takes to start the node again.
          const increased = await sum(`increase(${series}[1h])`)
          expect([series, increased]).toEqual([series, count * rounds])
        }
      })
    await scrapedAtZero()
    await send(node.url)
    await counted(1)
    expect(await node.end("SIGTERM")).toBe(0)
    const again = await start()
    await scrapedAtZero()
    await send(again.url)
    await counted(2)

    for (const expr of [
      ...documented,
      ...rules.map((rule) => rule.expr),
      ...panelQueries.map((panel) => panel.expr),
    ])
      await query(
        prometheus,
        expr.replaceAll("$job", "maicivy-analytics").replaceAll("$__rate_interval", "15s"),
      )
    expect(documented.length).toBeGreaterThan(5)

    // What it asked for, and what others get.
    const scraped = await fetch(`${again.url}/metrics`, {
      headers: { Accept: "application/openmetrics-text; version=1.0.0" },
    })
    expect(scraped.headers.get("content-type")).toBe(
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )
    expect(scraped.headers.get("content-encoding")).toBe("gzip")
    expect(scraped.headers.get("vary")).toBe("Accept, Accept-Encoding")
    expect(await scraped.text()).toMatch(
      /maicivy_page_views_created\{path="\/cv"\} \d+\.\d{3}\n[\s\S]*\n# EOF\n$/,
    )
    const plain = await fetch(`${again.url}/metrics`, { headers: { "Accept-Encoding": "identity" } })
    expect(plain.headers.get("content-encoding")).toBeNull()
    const { status, stdout, stderr } = runProgram(
      "sh",
      "-c",
      `curl -s ${again.url}/metrics | promtool check metrics`,
    )
    expect(stdout + stderr).toBe("")
    expect(status).toBe(0)
  })
})

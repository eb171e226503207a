import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { examine } from "../../../src/tools/doctor/index.ts"
import { run } from "../../support/effects.ts"
import { engines } from "../../support/engines.ts"
import { eventually, temporaryFolder } from "../../support/index.ts"
import { runNode, settings } from "../../support/node.ts"

const startNode = async (given: Parameters<typeof settings>[0] = {}) => {
  const dataDir = temporaryFolder()
  const node = await runNode(await settings({ dataDir, ...given }))
  const askOnce = async (body: object, path: string) => {
    const response = await fetch(`${node.base}/api/v1/analytics/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    })
    return { status: response.status, ...JSON.parse(await response.text()) }
  }
  /** A machine that is busy with other things may take longer than a question may; what was made by then is there. */
  const ask = (body: object, path = "query") =>
    eventually(async () => {
      const answer = await askOnce(body, path)
      expect(answer.status).not.toBe(408)
      return answer
    })
  return { ...node, dataDir, ask, askOnce }
}

/** Paths within the folder of the node's engines. */
const pathsIn = (dataDir: string) => readdir(join(dataDir, "query"), { recursive: true })
const filesIn = async (dataDir: string) =>
  (await pathsIn(dataDir)).filter((path) => path.endsWith(".parquet"))
const enginesFoldersIn = async (dataDir: string) =>
  (await pathsIn(dataDir)).filter((path) => path.includes("engine-"))

describe("a node asked questions", () => {
  test("answers with what has just been sent, repeats the question in full, and outlives its engine", async () => {
    const node = await startNode()
    expect(engines()).toEqual([])
    const chrome =
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
    const send = (page_url: string) =>
      fetch(`${node.base}/api/v1/analytics/event`, {
        method: "POST",
        headers: { "user-agent": chrome },
        body: JSON.stringify({ event_type: "page_view", page_url }),
      })
    for (const page of ["/", "/cv", "/cv", "/it's?x=1&utm_source=letter"])
      expect((await send(page)).status).toBe(201)

    const pages = {
      metrics: ["visitors", "page_views"],
      dimensions: ["page"],
      date_range: "day",
      order_by: [["page_views", "desc"]],
    }
    const answer = await eventually(async () => {
      const found = await node.ask(pages)
      expect(found.data?.results).toEqual([
        { dimensions: ["/cv"], metrics: [1, 2] },
        { dimensions: ["/"], metrics: [1, 1] },
        { dimensions: ["/it's"], metrics: [1, 1] },
      ])
      return found
    })
    expect(answer.data.meta).toEqual({ total_rows: 3, approximate: [] })
    expect(answer.data.query).toMatchObject({
      sites: ["main"],
      bots: "exclude",
      time_zone: "UTC",
      limit: 1000,
    })
    const browsers = await node.ask({ metrics: ["visits"], dimensions: ["browser", "os"], date_range: "day" })
    expect(browsers.data.results).toEqual([{ dimensions: ["Chrome", "Linux"], metrics: [1] }])
    expect(
      await node.data('query?metrics=events&date_range=day&filters=[["is","page",["/cv"]]]'),
    ).toMatchObject({
      results: [{ dimensions: [], metrics: [2] }],
    })
    expect(await filesIn(node.dataDir)).not.toEqual([])
    const values = async (asked: object) =>
      (await node.ask({ dimension: "page", date_range: "day", ...asked }, "query/values")).data.values
    expect(await values({ search: "CV" })).toEqual([{ value: "/cv", visitors: 1 }])
    expect(await values({ prefix: "/i", limit: 1 })).toEqual([{ value: "/it's", visitors: 1 }])
    expect(await values({ prefix: "." })).toEqual([])
    const step = (page: string) => ["is", "page", [page]]
    const funnel = await node.ask({ steps: [step("/"), step("/cv"), step("/x")] }, "query/funnel")
    expect(funnel.data).toMatchObject({
      steps: [
        { visitors: 1, drop_off: 0, drop_off_rate: 0, conversion_rate: 100 },
        { visitors: 1, drop_off: 0, drop_off_rate: 0, conversion_rate: 100 },
        { visitors: 0, drop_off: 1, drop_off_rate: 100, conversion_rate: 0 },
      ],
      query: { within: "visit", time_zone: "UTC", bots: "exclude" },
    })

    const [engine = 0, ...others] = engines()
    expect(others).toEqual([])
    process.kill(engine, "SIGKILL")
    // A question that the engine takes with it is refused; the next one has another engine.
    await eventually(async () => expect((await node.ask(pages)).data?.results).toEqual(answer.data.results))
    expect(engines()).not.toEqual([engine])
    // A visitor who is erased is gone from the files with the next question, be it of another day.
    const [{ visitor_id: visitor }] = await node.data("timeline")
    expect((await node.admin("DELETE", visitor)).status).toBe(200)
    await eventually(async () => {
      expect((await node.ask({ metrics: ["events"], date_range: "yesterday" })).status).toBe(200)
      expect(await filesIn(node.dataDir)).toEqual([])
    })
    expect((await node.ask(pages)).data.results).toEqual([])
    await node.stop()
    expect(engines()).toEqual([])
    expect(await enginesFoldersIn(node.dataDir)).toEqual([])
  })

  test("has its engine ready for who opens the dashboard, not for who looks whether it is there", async () => {
    const node = await startNode()
    const load = async (path: string) => expect((await fetch(`${node.base}${path}`)).status).toBe(200)
    await load("/")
    await load("/assets/dashboard.css")
    expect(engines()).toEqual([])
    await load("/assets/dashboard.js")
    const [engine, ...others] = engines()
    expect(others).toEqual([])
    await load("/assets/dashboard.js")
    expect((await node.ask({ metrics: ["events"], date_range: "day" })).status).toBe(200)
    expect(engines()).toEqual([engine])
  })

  test("has none ready for who may not ask", async () => {
    const node = await startNode({ access: "private" })
    expect((await fetch(`${node.base}/assets/dashboard.js`)).status).toBe(200)
    expect(engines()).toEqual([])
  })

  test("gives up an engine that hangs, and has another one for whoever asks then", async () => {
    const node = await startNode()
    const question = { metrics: ["events"], date_range: "day" }
    expect((await node.ask(question)).status).toBe(200)
    const [engine = 0] = engines()
    process.kill(engine, "SIGSTOP")
    expect(await node.askOnce(question, "query")).toMatchObject({ status: 408, code: "QUERY_TIMEOUT" })
    expect(await node.ask(question)).toMatchObject({ status: 200 })
    expect(engines()).not.toContain(engine)
  })

  test("says what is wrong with a question, a pattern that is none included", async () => {
    const node = await startNode()
    expect(await node.ask({ metrics: ["visitor"] })).toMatchObject({ status: 400, code: "INVALID_QUERY" })
    const pattern = { metrics: ["visitors"], filters: [["matches", "page", ["("]]] }
    expect(await node.ask(pattern)).toMatchObject({ status: 400, code: "INVALID_QUERY" })
    const hostile = { metrics: ["visitors"], filters: [["matches", "page", ["(a+)+$"]]] }
    expect((await node.ask(hostile)).status).toBe(200)
  })

  test("does everything but answer questions where DuckDB does not run, and says so", async () => {
    const before = process.env.NODE_OPTIONS
    const preload = new URL("../../support/withoutDuckDB.mjs", import.meta.url).href
    process.env.NODE_OPTIONS = `${before ?? ""} --import=${preload}`
    onTestFinished(() => {
      if (before === undefined) delete process.env.NODE_OPTIONS
      else process.env.NODE_OPTIONS = before
    })
    const node = await startNode()
    expect(await node.ask({ metrics: ["visitors"] })).toMatchObject({
      status: 503,
      code: "QUERY_ENGINE_UNAVAILABLE",
      error: expect.stringContaining("DuckDB, which answers questions, does not run here"),
    })
    expect((await fetch(`${node.base}/api/v1/analytics/stats`)).status).toBe(200)
    const findings = await run(
      examine({
        deployment: { url: node.base, timeoutMs: 60_000, adminToken: null, writeKey: null },
        ...{ site: null, readOnly: true, metricsPrefix: "maicivy_", now: Date.now },
        stores: { redisUrl: null, databaseUrl: null },
      }),
    )
    const told = findings.filter(({ text }) => text.includes("DuckDB"))
    expect(told.map(({ check }) => check)).toContain("GET /api/v1/analytics/query")
    expect(new Set(told.map(({ state }) => state))).toEqual(new Set(["warning"]))
  })
})

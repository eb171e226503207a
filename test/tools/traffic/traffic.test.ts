/** Figures are exact under mixed traffic, and the tools that prove it would notice if they were not. */
import { ConfigProvider, Effect, Exit, Scope } from "effect"
import { expect, onTestFinished, test } from "vitest"
import { loadConfig } from "../../../src/config/settings.ts"
import { decodeEvent, Rejection } from "../../../src/domain/event.ts"
import { startNode } from "../../../src/node/node.ts"
import { loggingLayer } from "../../../src/runtime/logging.ts"
import { checkFigures } from "../../../src/tools/traffic/check.ts"
import { countedEvents } from "../../../src/tools/traffic/count.ts"
import { table } from "../../../src/tools/traffic/figure.ts"
import { generateTraffic } from "../../../src/tools/traffic/generate.ts"
import { Journal } from "../../../src/tools/traffic/journal.ts"
import { Reader } from "../../../src/tools/traffic/read.ts"
import { sendTraffic } from "../../../src/tools/traffic/send.ts"
import { checkRows, checkStreams } from "../../../src/tools/traffic/stores.ts"
import { checkTimeline } from "../../../src/tools/traffic/timeline.ts"
import { freshDatabase, freshKeyPrefix, redisUrl } from "../../support/index.ts"

const SITES = ["main", "blog"] as const
const ZONE = "Pacific/Auckland"

const trafficOf = (events: number, seed: number) =>
  generateTraffic({ events, seed, sites: [...SITES], batch: 40, crashSafe: false, now: Date.now })

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

test("an event is refused exactly when it has a flaw", () => {
  const kinds = new Set<string>()
  for (const { events, site, refusedWith } of trafficOf(20_000, 5)) {
    if (refusedWith !== undefined) continue
    for (const { body, raw, flaw } of events) {
      const outcome = decodeEvent(parse(raw ?? JSON.stringify(body)), {
        now: Date.now(),
        sites: new Set(SITES),
        site: site ?? "main",
        referer: null,
      })
      if (flaw !== null) kinds.add(flaw)
      expect(outcome instanceof Rejection, `${flaw}: ${JSON.stringify(outcome)}`).toBe(flaw !== null)
    }
  }
  expect(kinds.size).toBeGreaterThan(35)
})

/** A node in this process, on stores of its own. */
const startOwnNode = async () => {
  const databaseUrl = await freshDatabase()
  const prefix = freshKeyPrefix().replace(":", "")
  const env = {
    PORT: "0",
    REDIS_URL: redisUrl(),
    DATABASE_URL: databaseUrl,
    REDIS_KEY_PREFIX: prefix,
    SITES: SITES.join(","),
    TIME_ZONE: ZONE,
    RATE_LIMIT_PER_MINUTE: "0",
    LOG_LEVEL: "error",
  }
  const scope = await Effect.runPromise(Scope.make())
  onTestFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const node = await Effect.runPromise(
    loadConfig.pipe(
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
      Effect.flatMap((config) =>
        startNode(config, { actorsIn: "main" }).pipe(Effect.provide(loggingLayer(config.logLevel))),
      ),
      Scope.provide(scope),
    ),
  )
  return { url: new URL(`http://127.0.0.1:${node.port}`), databaseUrl, prefix }
}

test("every figure of every endpoint is exact, and a lost or doubled event would be seen", async () => {
  const { url, databaseUrl, prefix } = await startOwnNode()
  const journal = new Journal()
  const sending = { url, concurrency: 16, writeKey: null, patience: 10_000 }
  const report = await sendTraffic(trafficOf(6000, 9), sending, journal)
  expect(report.problems).toEqual([])
  expect(journal.count("unknown")).toBe(0)

  const options = { url, sites: [...SITES] as const, timeZone: ZONE, patience: 20_000, log: () => {} }
  const { figures, examples, events } = await checkFigures(journal.entries, options)
  const all = [
    ...figures,
    ...(await checkRows(databaseUrl, events)),
    ...(await checkStreams(redisUrl(), prefix)),
  ]
  const differing = all.filter(({ equal }) => !equal)
  expect(differing, `${table(differing)}\n${examples.join("\n")}`).toEqual([])
  expect(all.length).toBeGreaterThan(200)

  const reader = new Reader(url, "blog")
  const blog = () => countedEvents(journal.entries, "main").filter(({ site }) => site === "blog")
  const names = async (altered: ReturnType<typeof blog>) =>
    (await checkTimeline(reader, altered)).figures.filter(({ equal }) => !equal).map(({ name }) => name)
  expect(await names(blog())).toEqual([])
  // What the journal does not know is as a doubled event, what only the journal knows as a lost one.
  expect(await names(blog().slice(1))).toContain("timeline: rows nobody sent")
  const [first] = blog()
  if (first === undefined) throw new Error("no event of the blog")
  const lost = { ...first, id: "00000000-0000-4000-8000-000000000000" }
  expect(await names([...blog(), lost])).toContain("timeline: events not shown")
}, 120_000)

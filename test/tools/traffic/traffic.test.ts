/** Figures are exact under mixed traffic, and the tools that prove it would notice if they were not. */
import { expect, test } from "vitest"
import { decodeEvent, Rejection } from "../../../src/domain/event.ts"
import { PageQuery } from "../../../src/domain/pageQuery.ts"
import { checkFigures } from "../../../src/tools/traffic/check.ts"
import { countedEvents } from "../../../src/tools/traffic/count.ts"
import { table } from "../../../src/tools/traffic/figure.ts"
import { generateTraffic } from "../../../src/tools/traffic/generate.ts"
import { Journal } from "../../../src/tools/traffic/journal.ts"
import { Reader } from "../../../src/tools/traffic/read.ts"
import { sendTraffic } from "../../../src/tools/traffic/send.ts"
import { checkRows, checkStreams } from "../../../src/tools/traffic/stores.ts"
import { checkTimeline } from "../../../src/tools/traffic/timeline.ts"
import { now } from "../../support/clock.ts"
import { runNode, settings, TOKEN } from "../../support/node.ts"

const SITES = ["main", "blog"] as const
const ZONE = "Pacific/Auckland"

const trafficOf = (events: number, seed: number) =>
  generateTraffic({ events, seed, sites: [...SITES], batch: 40, crashSafe: false, now })

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
        now: now(),
        sites: new Set(SITES),
        site: site ?? "main",
        referer: null,
        pageQuery: new PageQuery([]),
      })
      if (flaw !== null) kinds.add(flaw)
      expect(outcome instanceof Rejection, `${flaw}: ${JSON.stringify(outcome)}`).toBe(flaw !== null)
    }
  }
  expect(kinds.size).toBeGreaterThan(35)
})

test("every figure of every endpoint is exact, and a lost or doubled event would be seen", async () => {
  const config = await settings({ sites: [...SITES], partitions: 4, timeZone: ZONE })
  const { base } = await runNode(config)
  const url = new URL(base)
  const journal = new Journal()
  const sending = { url, concurrency: 16, writeKey: null, patience: 120_000, now }
  const report = await sendTraffic(trafficOf(6000, 9), sending, journal)
  expect(report.problems).toEqual([])
  expect(journal.count("unknown")).toBe(0)

  const options = {
    url,
    sites: [...SITES] as const,
    timeZone: ZONE,
    token: TOKEN,
    withKey: false,
    patience: 120_000,
    log: () => {},
    now,
  }
  const { figures, examples, events } = await checkFigures(journal.entries, options)
  const all = [
    ...figures,
    ...(await checkRows(config.databaseUrl, events)),
    ...(await checkStreams(config.redisUrl, config.redisKeyPrefix)),
  ]
  const differing = all.filter(({ equal }) => !equal)
  expect(differing, `${table(differing)}\n${examples.join("\n")}`).toEqual([])
  expect(all.length).toBeGreaterThan(200)

  const reader = new Reader(url, "blog", TOKEN)
  const blog = () =>
    countedEvents(journal.entries, { site: "main", withKey: false }).filter(({ site }) => site === "blog")
  const names = async (altered: ReturnType<typeof blog>) =>
    (await checkTimeline(reader, altered)).figures.filter(({ equal }) => !equal).map(({ name }) => name)
  expect(await names(blog())).toEqual([])
  // What the journal does not know is as a doubled event, what only the journal knows as a lost one.
  expect(await names(blog().slice(1))).toContain("timeline: rows nobody sent")
  const [first] = blog()
  if (first === undefined) throw new Error("no event of the blog")
  const lost = { ...first, id: "00000000-0000-4000-8000-000000000000" }
  expect(await names([...blog(), lost])).toContain("timeline: events not shown")
})

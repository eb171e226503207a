/** What is told of events beside what they say: kept with them wherever they go; and bots' events, which are in no figure. */
import { randomUUID } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { describe, expect, test } from "vitest"
import type { SiteEvent } from "../../src/domain/answers.ts"
import { type EventFacts, encodeFact, NO_FACTS } from "../../src/domain/dimensions.ts"
import type { StreamEvent } from "../../src/domain/event.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { compact } from "../../src/events/chunks/compaction.ts"
import { ClickCache } from "../../src/events/read/clickCache.ts"
import { heatmap } from "../../src/events/read/heatmap.ts"
import { history } from "../../src/events/read/history.ts"
import { timeline } from "../../src/events/read/timeline.ts"
import { exportVisitor, exportVisitors } from "../../src/events/read/visitors.ts"
import { runRetention } from "../../src/events/retention/retention.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { eraseRows } from "../../src/privacy/eraseRows.ts"
import type { Postgres } from "../../src/stores/postgres.ts"
import { run } from "../support/effects.ts"
import { dailyTotals, event, freshEvents, rows, store, UTC } from "../support/events.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const NOON = Date.parse("2025-12-08T12:00:00Z")
const LATER = NOON + 3 * DAY_MS

const HUMAN: EventFacts = {
  origin: encodeFact("origin", { source: "Google", medium: "organic", channel: "Organic Search" }),
  client: encodeFact("client", { browser: "Firefox", browser_version: "132", country: "DE", city: "Köln" }),
  label: encodeFact("label", { title: "CV", name: "Größe" }),
  bot: false,
}
const BOT: EventFacts = { origin: null, client: encodeFact("client", { bot: "ai" }), label: null, bot: true }

/** One event of each kind a minute, of visitors of their own. */
const events = (count: number, kinds: ReadonlyArray<EventFacts>): ReadonlyArray<StreamEvent> =>
  Array.from({ length: count }, (_, i) =>
    event({
      createdAt: NOON + i * 60_000,
      visitorId: randomUUID(),
      facts: kinds[i % kinds.length] ?? NO_FACTS,
    }),
  )

const inView = (postgres: Postgres) =>
  rows<Record<string, unknown>>(
    postgres,
    `SELECT visitor_id, is_bot, event, title, source, medium, channel, browser, browser_version, os, country, city, bot
     FROM analytics_events ORDER BY created_at`,
  )

const storeSingly = async (postgres: Postgres, given: ReadonlyArray<StreamEvent>) => {
  for (const each of given) await store(postgres, [each])
}

const compacted = (postgres: Postgres) =>
  run(compact(postgres, { now: LATER, busy: false, metrics: new Metrics("test_") }))

describe("facts", () => {
  test("are columns in SQL, and survive compaction and the erasure of others", async () => {
    const { postgres } = await freshEvents()
    const given = events(9, [HUMAN, BOT, NO_FACTS])
    await storeSingly(postgres, given)
    const before = await inView(postgres)
    const human = {
      ...{ is_bot: false, event: "Größe", title: "CV", source: "Google", medium: "organic" },
      ...{ channel: "Organic Search", browser: "Firefox", browser_version: "132", os: null, country: "DE" },
      ...{ city: "Köln", bot: null },
    }
    const none = Object.fromEntries(Object.keys(human).map((column) => [column, null]))
    const rest = { event: "page_view", is_bot: false }
    expect(before.slice(0, 3)).toMatchObject([
      human,
      { ...none, ...rest, is_bot: true, bot: "ai" },
      { ...none, ...rest },
    ])
    expect(await compacted(postgres)).toBe(9)
    // One of bots and one of everybody else.
    expect(
      (await rows(postgres, "SELECT bots FROM event_chunks ORDER BY bots")).map(({ bots }) => bots),
    ).toEqual([false, true])
    expect(await inView(postgres)).toEqual(before)
    await run(eraseRows(postgres, given[0]?.visitorId ?? ""))
    expect(await inView(postgres)).toEqual(before.slice(1))
  })

  test("are null in chunks that an earlier version has written", async () => {
    const { postgres } = await freshEvents()
    await store(postgres, events(2, [HUMAN]))
    await rows(
      postgres,
      "UPDATE event_chunks SET origins = NULL, origin = NULL, clients = NULL, client = NULL, labels = NULL, label = NULL",
    )
    expect(await inView(postgres)).toMatchObject([
      { event: "page_view", source: null, browser: null, is_bot: false },
      { event: "page_view", source: null, browser: null, is_bot: false },
    ])
    await storeSingly(postgres, events(2, [HUMAN]))
    expect(await compacted(postgres)).toBe(3)
    expect((await inView(postgres)).filter(({ source }) => source === "Google")).toHaveLength(2)
  })

  test("are exported and archived with their event, a bot's as well", async () => {
    const { postgres } = await freshEvents()
    const [human, bot] = events(2, [HUMAN, BOT])
    const given = [human, bot].flatMap((each) => (each === undefined ? [] : [each]))
    await store(postgres, given)
    const expected = [
      {
        visitor_id: human?.visitorId,
        is_bot: false,
        dimensions: {
          ...{ title: "CV", name: "Größe", source: "Google", medium: "organic", channel: "Organic Search" },
          ...{ browser: "Firefox", browser_version: "132", country: "DE", city: "Köln" },
        },
      },
      { visitor_id: bot?.visitorId, is_bot: true, dimensions: { bot: "ai" } },
    ]
    for (const [i, each] of given.entries()) {
      const exported = await run(
        Stream.runCollect(Stream.flattenIterable(exportVisitor(postgres, each.visitorId))),
      )
      expect([...exported]).toMatchObject([expected[i]])
    }
    const archiveDir = temporaryFolder()
    await run(
      runRetention(postgres, {
        ...{ retentionDays: 1, archiveDir, dryRun: false, now: LATER, metrics: new Metrics("test_") },
        ...{ calendar: UTC, partitions: 2, uniquesOf: () => Effect.succeed(0) },
      }),
    )
    const archived = readdirSync(archiveDir).flatMap(
      (file): ReadonlyArray<SiteEvent> =>
        gunzipSync(readFileSync(join(archiveDir, file)))
          .toString()
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
    )
    expect(archived).toHaveLength(2)
    expect(archived).toEqual(expect.arrayContaining(expected.map((each) => expect.objectContaining(each))))
  })
})

test("events of bots are in no figure", async () => {
  const { postgres } = await freshEvents()
  const click = { type: "button_click", data: { x: 1, y: 2 } }
  const given = events(8, [HUMAN, BOT]).map((each) => ({ ...each, ...click }))
  await storeSingly(postgres, given.slice(0, 4))
  await store(postgres, given.slice(4))
  const site = { site: "main", now: LATER - 3 * DAY_MS + 3_600_000 }
  const visitors = given.filter(({ facts }) => !facts.bot).map(({ visitorId }) => visitorId)
  const page = await run(timeline(postgres, { ...site, limit: 100, offset: 0, after: null }))
  expect(page.rows.map(({ visitor_id }) => visitor_id)).toEqual(visitors.toReversed())
  const clicks = { ...site, pageUrl: null, hours: 24, grid: null, limit: 10 }
  expect(
    (await run(heatmap(postgres, new ClickCache({ maxBytes: 0, maxClicks: 100 }), clicks))).points,
  ).toEqual([{ x: 1, y: 2, count: 4 }])
  const { minutes } = await run(history(postgres, { ...site, minutes: 120 }))
  expect(minutes.reduce((sum, minute) => sum + minute.events, 0)).toBe(4)
  const bounds = { site: "main", from: NOON, until: LATER }
  const exported = await run(Stream.runCollect(Stream.flattenIterable(exportVisitors(postgres, bounds))))
  expect([...exported].map(({ visitor_id }) => visitor_id)).toEqual(visitors)
  expect(await dailyTotals(postgres)).toEqual(["main 2025-12-08 events: 4"])
})

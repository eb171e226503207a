import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { describe, expect, test } from "vitest"
import type { StreamEvent } from "../../../src/domain/event.ts"
import { Calendar } from "../../../src/domain/period.ts"
import { DAY_MS } from "../../../src/domain/time.ts"
import { makeEventQueries } from "../../../src/events/read/queries.ts"
import { decodePageToken, encodePageToken } from "../../../src/events/read/timeline.ts"
import { eraseRows } from "../../../src/privacy/eraseRows.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { storeInBatches } from "../../support/chunks.ts"
import { run } from "../../support/effects.ts"
import { dailyTotals, event, freshEvents, store } from "../../support/events.ts"
import { eventually } from "../../support/index.ts"

const NOW = Date.parse("2025-12-08T12:00:00Z")

const queriesOf = (postgres: Postgres, timeZone = "UTC") =>
  makeEventQueries({ postgres, calendar: new Calendar(timeZone), now: () => NOW })

const at = (createdAt: number, given: Partial<StreamEvent> = {}) => event({ createdAt, ...given })

describe("the timeline", () => {
  test("shows a site's events whole, newest first", async () => {
    const { postgres } = await freshEvents()
    const id = randomUUID()
    const newest = at(NOW, {
      id,
      type: "pdf_download",
      data: { file: "cv.pdf" },
      referrer: "https://a.example",
    })
    await store(postgres, [at(NOW - 1), newest, at(NOW - 30 * DAY_MS), at(NOW, { site: "blog" })])
    const page = await run(
      queriesOf(postgres).timeline({ site: "main", limit: 50, offset: 0, pageToken: null }),
    )
    expect(page.rows.map((row) => row.created_at)).toEqual([
      "2025-12-08T12:00:00.000Z",
      "2025-12-08T11:59:59.999Z",
      "2025-11-08T12:00:00.000Z",
    ])
    expect(page.rows[0]).toEqual({
      id,
      visitor_id: newest.visitorId,
      event_type: "pdf_download",
      event_data: { file: "cv.pdf" },
      page_url: "/",
      referrer: "https://a.example",
      created_at: "2025-12-08T12:00:00.000Z",
    })
    expect(page.nextPageToken).toBeNull()
  })

  test("covers everything once by its page tokens while rows are inserted", async () => {
    const { postgres } = await freshEvents()
    // Many of the same millisecond, and days with nothing in between.
    const times = Array.from({ length: 120 }, (_, i) => NOW - (i % 4) * 5 * DAY_MS - (i % 7 === 0 ? 0 : i))
    const events = times.map((time) => at(time, { id: randomUUID() }))
    await store(postgres, events)
    const { timeline } = queriesOf(postgres)
    const seen: Array<string> = []
    let pageToken: string | null = null
    do {
      const page: { rows: ReadonlyArray<{ id: string }>; nextPageToken: string | null } = await run(
        timeline({ site: "main", limit: 7, offset: 3, pageToken }),
      )
      seen.push(...page.rows.map((row) => row.id))
      pageToken = page.nextPageToken
      await store(postgres, [at(NOW), at(NOW + 1000)])
    } while (pageToken !== null)
    const first = await run(timeline({ site: "main", limit: 100, offset: 0, pageToken: null }))
    expect(first.rows).toHaveLength(100)
    // The offset of 3 skipped the newest three of the first page only.
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBe(117)
    expect(events.filter((each) => each.id !== null && !seen.includes(each.id))).toHaveLength(3)
  })

  test("pages by offset over more than a day", async () => {
    const { postgres } = await freshEvents()
    const events = Array.from({ length: 10 }, (_, i) => at(NOW - i * DAY_MS, { id: randomUUID() }))
    await store(postgres, events)
    const page = await run(
      queriesOf(postgres).timeline({ site: "main", limit: 4, offset: 4, pageToken: null }),
    )
    expect(page.rows.map((row) => row.id)).toEqual(events.slice(4, 8).map((each) => each.id))
    expect(page.nextPageToken).not.toBeNull()
  })

  test("pages by offset over chunks that overlap, with many events of the same millisecond", async () => {
    const { postgres } = await freshEvents()
    const events = Array.from({ length: 600 }, (_, i) => at(NOW - ((i * 37) % 90), { id: randomUUID() }))
    await storeInBatches(postgres, events.slice(0, 400), 40, 0)
    await storeInBatches(postgres, events.slice(400), 200, 1)
    const ids = events
      .map(({ createdAt, id }) => ({ createdAt, id: id ?? "" }))
      .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
      .map(({ id }) => id)
    for (const offset of [0, 1, 6, 7, 130, 333, 555, 595, 599, 600, 5000]) {
      const page = await run(
        queriesOf(postgres).timeline({ site: "main", limit: 20, offset, pageToken: null }),
      )
      expect(page.rows.map((row) => row.id)).toEqual(ids.slice(offset, offset + 20))
      expect(page.nextPageToken === null).toBe(offset + 20 >= 600)
    }
  })

  test("knows its own page tokens from any other text", () => {
    const end = { createdAt: NOW, id: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b" }
    expect(decodePageToken(encodePageToken(end))).toEqual(end)
    for (const text of [
      "",
      "x",
      "MTIz",
      "A".repeat(31),
      `${"A".repeat(31)}=`,
      "_".repeat(32),
      "f".repeat(32),
    ])
      expect(decodePageToken(text)).toBeNull()
  })
})

describe("exports", () => {
  test("list each visitor of the period, in the deployment's time zone", async () => {
    const { postgres } = await freshEvents()
    const [ann, bob] = [randomUUID(), randomUUID()]
    // In Kiritimati (UTC+14) the day of NOW begins at 10:00 UTC.
    const start = Date.parse("2025-12-08T10:00:00Z")
    await store(postgres, [
      at(start - 1, { visitorId: ann }),
      at(start, { visitorId: bob }),
      at(start + 1, { visitorId: ann }),
      at(start + 5, { visitorId: ann, type: "letter_generate" }),
      at(start + 9, { visitorId: ann, site: "blog" }),
    ])
    const queries = queriesOf(postgres, "Pacific/Kiritimati")
    expect(await Array.fromAsync(queries.exportVisitors("main", "day"))).toEqual([
      {
        visitor_id: bob,
        first_seen: "2025-12-08T10:00:00.000Z",
        last_seen: "2025-12-08T10:00:00.000Z",
        events: 1,
        page_views: 1,
        letters: 0,
      },
      {
        visitor_id: ann,
        first_seen: "2025-12-08T10:00:00.001Z",
        last_seen: "2025-12-08T10:00:00.005Z",
        events: 2,
        page_views: 1,
        letters: 1,
      },
    ])
  })

  test("return their connection when nobody reads them to the end", async () => {
    const { postgres } = await freshEvents()
    await store(
      postgres,
      Array.from({ length: 3000 }, () => event()),
    )
    const queries = queriesOf(postgres)
    for (let i = 0; i < 20; i++)
      for await (const row of queries.exportVisitors("main", "day")) {
        expect(row.events).toBe(1)
        break
      }
    expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount)
    expect((await Array.fromAsync(queries.exportVisitors("main", "day"))).length).toBe(3000)
  })

  test("end a query that is still at work when its reader is interrupted", async () => {
    const { postgres } = await freshEvents()
    const endless = postgres.stream("endless", "SELECT count(*) FROM generate_series(1, 1e12::bigint)", [])
    const atWork = `
      SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT count(*) FROM generate_series%'`
    const fiber = Effect.runFork(Stream.runDrain(endless))
    await eventually(async () => {
      expect(await run(postgres.query("test", atWork))).toHaveLength(1)
    })
    fiber.interruptUnsafe()
    await eventually(async () => {
      expect(await run(postgres.query("test", atWork))).toHaveLength(0)
      expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount)
    })
  })

  test("reject with a StoreError when the statement fails midway", async () => {
    const { postgres } = await freshEvents()
    const failing = Stream.toAsyncIterable(
      postgres.stream("failing", "SELECT 1 / (3 - n) FROM generate_series(1, 5) AS n", [], 1),
    )
    await expect(Array.fromAsync(failing)).rejects.toMatchObject({ _tag: "StoreError", code: "22012" })
    expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount)
  })
})

describe("a visitor", () => {
  test("is exported over all sites, and erased with its daily totals kept", async () => {
    const { postgres } = await freshEvents()
    const visitorId = randomUUID()
    await store(postgres, [
      at(NOW, { visitorId, site: "blog" }),
      at(NOW - 40 * DAY_MS, { visitorId }),
      at(NOW),
    ])
    const queries = queriesOf(postgres)
    const exported = await Array.fromAsync(queries.exportVisitor(visitorId))
    expect(exported.map((row) => [row.site, row.created_at])).toEqual([
      ["main", "2025-10-29T12:00:00.000Z"],
      ["blog", "2025-12-08T12:00:00.000Z"],
    ])

    const totals = await dailyTotals(postgres)
    expect(await run(eraseRows(postgres, visitorId))).toBe(2)
    expect(await Array.fromAsync(queries.exportVisitor(visitorId))).toEqual([])
    expect(await dailyTotals(postgres)).toEqual(totals)
  })
})

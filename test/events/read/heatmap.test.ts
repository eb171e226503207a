import { describe, expect, test } from "vitest"
import type { StreamEvent } from "../../../src/domain/event.ts"
import { DAY_MS, HOUR_MS } from "../../../src/domain/time.ts"
import { compact } from "../../../src/events/chunks/compaction.ts"
import { ClickCache } from "../../../src/events/read/clickCache.ts"
import { type HeatmapQuery, heatmap, MAX_HEATMAP_POINTS } from "../../../src/events/read/heatmap.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { eraseRows } from "../../../src/privacy/eraseRows.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { storeInBatches } from "../../support/chunks.ts"
import { run } from "../../support/effects.ts"
import { countOf, event, freshEvents, rows, store } from "../../support/events.ts"

const NOW = Date.parse("2025-12-08T12:00:00Z")

const at = (createdAt: number, given: Partial<StreamEvent> = {}) => event({ createdAt, ...given })

/** Exact positions of all pages in the last day, unless something else is asked for. */
const asked = (given: Partial<HeatmapQuery> = {}): HeatmapQuery => ({
  ...{ site: "main", pageUrl: null, hours: 24, grid: null, limit: MAX_HEATMAP_POINTS, now: NOW },
  ...given,
})

/** One that keeps all, and one for which a single click is too many: Postgres counts them then. */
const caches = () => [
  new ClickCache({ maxBytes: 1e6, maxClicks: 1e6 }),
  new ClickCache({ maxBytes: 1e6, maxClicks: 0 }),
]
const cachesOf = new WeakMap<Postgres, ReadonlyArray<ClickCache>>()

/** The answer, which is the same wherever clicks are counted. */
const answerOf = async (postgres: Postgres, given: Partial<HeatmapQuery> = {}) => {
  const kept = cachesOf.get(postgres) ?? caches()
  cachesOf.set(postgres, kept)
  const [answer, ...others] = await Promise.all(
    kept.map((cache) => run(heatmap(postgres, cache, asked(given)))),
  )
  if (answer === undefined) throw new Error("there is no cache")
  for (const other of others) expect(other).toEqual(answer)
  return answer
}

const points = async (postgres: Postgres, given: Partial<HeatmapQuery> = {}) =>
  (await answerOf(postgres, given)).points

describe("the heatmap", () => {
  const click = (x: unknown, y: unknown, given: Partial<StreamEvent> = {}) =>
    at(NOW - HOUR_MS, { type: "button_click", data: { x, y }, ...given })

  test("counts clicks by position, most clicked first, ties by x and y", async () => {
    const { postgres } = await freshEvents()
    await store(postgres, [
      click(5, 5),
      click(1, 9),
      click(1, 2.5),
      click(-3, 2, { type: "link_click" }),
      click(5, 5, { type: "link_click", pageUrl: "/cv" }),
      click(5, 5, { site: "blog" }),
      click(5, 5, { type: "page_view" }),
      click(5, 5, { createdAt: NOW - 24 * HOUR_MS }),
    ])
    expect(await points(postgres)).toEqual([
      { x: 5, y: 5, count: 2 },
      { x: -3, y: 2, count: 1 },
      { x: 1, y: 2.5, count: 1 },
      { x: 1, y: 9, count: 1 },
    ])
    expect(await points(postgres, { pageUrl: "/cv" })).toEqual([{ x: 5, y: 5, count: 1 }])
    expect(await points(postgres, { hours: 168 })).toContainEqual({
      x: 5,
      y: 5,
      count: 3,
    })
  })

  test("sums clicks in cells, and tells how many places there are beyond the limit", async () => {
    const { postgres } = await freshEvents()
    await store(postgres, [
      click(0, 0),
      click(9.9, 9),
      click(10, 9),
      click(-0.1, 3),
      click(25, 25),
      click(21, 29),
    ])
    const cells = { x: 0, y: 0, count: 2 }
    expect(await answerOf(postgres, { grid: 10 })).toEqual({
      points: [cells, { x: 20, y: 20, count: 2 }, { x: -10, y: 0, count: 1 }, { x: 10, y: 0, count: 1 }],
      total: 4,
    })
    expect(await answerOf(postgres, { grid: 10, limit: 1 })).toEqual({ points: [cells], total: 4 })
    expect(await answerOf(postgres, { limit: 1 })).toMatchObject({ total: 6 })
    expect(await answerOf(postgres, { site: "blog" })).toEqual({ points: [], total: 0 })
  })

  test("of a page has the clicks of all its spellings, and of no other page or host", async () => {
    const { postgres } = await freshEvents()
    const spellings = [
      ...["https://cv.example/caf%C3%A9_au/lait", "https://CV.example:443/caf%c3%a9_au/lait?utm_source=mail"],
      ...["http://cv.example/café_au/./lait#place", "https://cv.example//caf%C3%A9_au/l%61it"],
    ]
    const others = [
      ...["https://other.example/café_au/lait", "/café_au/lait", "https://cv.example/café_au/lait/"],
      ...["https://cv.example/cafe_au/lait", "https://cv.example/café_au/lait?theme=dark"],
    ]
    await store(
      postgres,
      [...spellings, ...others].map((pageUrl, i) => click(i, 1, { pageUrl })),
    )
    const expected = spellings.map((_, i) => ({ x: i, y: 1, count: 1 }))
    for (const pageUrl of spellings) expect(await points(postgres, { pageUrl }), pageUrl).toEqual(expected)
    for (const [i, pageUrl] of others.entries())
      expect(await points(postgres, { pageUrl }), pageUrl).toEqual([
        { x: spellings.length + i, y: 1, count: 1 },
      ])
    expect(await points(postgres)).toHaveLength(9)
  })

  test("leaves out clicks whose position is not two numbers", async () => {
    const { postgres } = await freshEvents()
    await store(postgres, [
      click("1", 1),
      click(1, null),
      click(1, [2]),
      click(undefined, 1),
      at(NOW, { type: "link_click" }),
      click(1, 1),
    ])
    expect(await points(postgres)).toEqual([{ x: 1, y: 1, count: 1 }])
  })
})

describe("the heatmap of many chunks", () => {
  const PAGES = ["/cv", "/letters", null]
  const TYPES = ["button_click", "link_click", "page_view"]

  /** Three hundred events over 30 hours, 25 per batch, two in three of them clicks on twelve positions. */
  const withClicks = async () => {
    const { postgres } = await freshEvents()
    const events = Array.from({ length: 300 }, (_, i) =>
      at(NOW - Math.floor((i * 30 * HOUR_MS) / 300), {
        type: TYPES[i % TYPES.length] ?? "",
        pageUrl: PAGES[(i * i) % PAGES.length] ?? null,
        data: i % 17 === 0 ? { x: "none", y: 1 } : { x: i % 4, y: (i % 3) / 2 },
      }),
    )
    await storeInBatches(postgres, events, 25)
    return postgres
  }

  /** Every window and page, beside a count of the events themselves. */
  const expectAllEqual = async (postgres: Postgres) => {
    for (const hours of [1, 7, 24, 29, 168])
      for (const pageUrl of [null, "/cv", "/nowhere"]) {
        const expected = await rows(
          postgres,
          `SELECT (event_data ->> 'x')::float8 AS x, (event_data ->> 'y')::float8 AS y, count(*)::integer AS count
           FROM analytics_events
           WHERE event_type IN ('button_click', 'link_click') AND created_at > $1 AND ($2::text IS NULL OR page_url = $2)
             AND jsonb_typeof(event_data -> 'x') = 'number'
           GROUP BY 1, 2 ORDER BY count DESC, x, y`,
          [new Date(NOW - hours * HOUR_MS), pageUrl],
        )
        expect(expected.length > 0 || pageUrl === "/nowhere").toBe(true)
        expect(await points(postgres, { pageUrl, hours })).toEqual(expected)
      }
  }

  test("counts what lies in the window, on every page and on one", async () => {
    await expectAllEqual(await withClicks())
  })

  test("counts clicks of chunks that an earlier version wrote", async () => {
    const postgres = await withClicks()
    await rows(
      postgres,
      `UPDATE event_chunks SET click_page = NULL, click_x = NULL, click_y = NULL
       WHERE extract(hour FROM first_at)::integer % 2 = 0`,
    )
    expect(await countOf(postgres, "event_chunks WHERE click_page IS NULL")).toBeGreaterThan(0)
    await expectAllEqual(postgres)
  })

  test("stays the same when chunks are merged, and lacks a visitor who was erased", async () => {
    const postgres = await withClicks()
    const before = await countOf(postgres, "event_chunks")
    await run(compact(postgres, { now: NOW + 2 * DAY_MS, busy: false, metrics: new Metrics("test_") }))
    expect(await countOf(postgres, "event_chunks")).toBeLessThan(before)
    await expectAllEqual(postgres)
    const [{ visitor_id = "" } = {}] = await rows<{ visitor_id: string }>(
      postgres,
      "SELECT visitor_id FROM analytics_events WHERE event_type = 'link_click' LIMIT 1",
    )
    await run(eraseRows(postgres, visitor_id))
    await expectAllEqual(postgres)
  })
})

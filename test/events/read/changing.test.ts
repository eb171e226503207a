/** Reads of raw events beside plain ones, while chunks come, are merged, rewritten, and go. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { DAY_MS, HOUR_MS } from "../../../src/domain/time.ts"
import { compact } from "../../../src/events/chunks/compaction.ts"
import { ClickCache } from "../../../src/events/read/clickCache.ts"
import { heatmap } from "../../../src/events/read/heatmap.ts"
import { timeline } from "../../../src/events/read/timeline.ts"
import { runRetention } from "../../../src/events/retention/index.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { eraseRows } from "../../../src/privacy/eraseRows.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { storeInBatches } from "../../support/chunks.ts"
import { run } from "../../support/effects.ts"
import { event, freshEvents, rows, UTC } from "../../support/events.ts"

const NOW = Date.parse("2025-12-08T12:00:00Z")
const metrics = new Metrics("test_")

type Change =
  /** Events of some of the last nine days, in batches that each span them all. */
  | { readonly kind: "events"; readonly seed: number; readonly count: number; readonly batch: number }
  | { readonly kind: "compaction" | "rewriting" | "erasure" }
  | { readonly kind: "retention"; readonly days: number }

const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant("events" as const),
    seed: fc.integer({ min: 1, max: 1e6 }),
    count: fc.integer({ min: 1, max: 120 }),
    batch: fc.constantFrom(1, 4, 40),
  }),
  fc.record({ kind: fc.constantFrom("compaction", "rewriting", "erasure") }),
  fc.record({ kind: fc.constant("retention" as const), days: fc.integer({ min: 3, max: 8 }) }),
)

const TYPES = ["button_click", "link_click", "page_view"]
const PAGES = ["/cv", "https://cv.example/", "/letters", null]
const VISITORS = Array.from({ length: 5 }, () => randomUUID())

const eventsOf = (seed: number, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const mixed = (seed * 48_271 + i * 7919) % 2_147_483_647
    return event({
      visitorId: VISITORS[mixed % VISITORS.length] ?? "",
      type: TYPES[mixed % TYPES.length] ?? "",
      pageUrl: PAGES[mixed % PAGES.length] ?? null,
      createdAt: NOW - (mixed % (9 * DAY_MS)),
      data: i % 11 === 0 ? { x: "none", y: 1 } : { x: (mixed % 7) / 2 - 1, y: mixed % 3 },
    })
  })

const DAY_TABLES = `
  SELECT indrelid::regclass::text AS name, indexrelid::regclass::text AS index
  FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid AND inhparent = 'event_chunks_newest'::regclass`

const apply = async (postgres: Postgres, change: Change): Promise<void> => {
  switch (change.kind) {
    case "events":
      return storeInBatches(postgres, eventsOf(change.seed, change.count), change.batch)
    case "compaction":
      await run(compact(postgres, { now: NOW + 2 * DAY_MS, busy: false, metrics }))
      return
    case "rewriting":
      for (const { name, index } of await rows<{ name: string; index: string }>(postgres, DAY_TABLES))
        await rows(postgres, `CLUSTER ${name} USING ${index}`)
      return
    case "erasure":
      await run(eraseRows(postgres, VISITORS[0] ?? ""))
      return
    case "retention":
      await run(
        runRetention(postgres, {
          ...{
            retentionDays: change.days,
            archiveDir: null,
            dryRun: false,
            now: NOW,
            metrics,
            calendar: UTC,
          },
          ...{ partitions: 2, uniquesOf: () => Effect.succeed(0) },
          pace: { batchRows: 10, batchesPerCursor: 2, pauseMs: 0 },
        }),
      )
  }
}

const PLAIN_HEATMAP = `
  SELECT x, y, count(*)::integer AS count, (count(*) OVER ())::integer AS total
  FROM (
    SELECT CASE WHEN $3::float8 IS NULL THEN x ELSE floor(x / $3) * $3 END AS x,
      CASE WHEN $3::float8 IS NULL THEN y ELSE floor(y / $3) * $3 END AS y
    FROM (
      SELECT (event_data ->> 'x')::float8 AS x, (event_data ->> 'y')::float8 AS y
      FROM analytics_events
      WHERE event_type IN ('button_click', 'link_click') AND created_at > $1 AND ($2::text IS NULL OR page_url = $2)
        AND jsonb_typeof(event_data -> 'x') = 'number'
    ) AS clicks
  ) AS places
  GROUP BY 1, 2 ORDER BY count DESC, x, y LIMIT 5`

const expectHeatmaps = async (postgres: Postgres, caches: ReadonlyArray<ClickCache>) => {
  for (const hours of [7, 90, 168])
    for (const pageUrl of [null, "/cv"])
      for (const grid of [null, 2]) {
        const since = new Date(NOW - hours * HOUR_MS)
        const plain = await rows<{ x: number; y: number; count: number; total: number }>(
          postgres,
          PLAIN_HEATMAP,
          [since, pageUrl, grid],
        )
        const expected = {
          points: plain.map(({ x, y, count }) => ({ x, y, count })),
          total: plain[0]?.total ?? 0,
        }
        for (const cache of caches) {
          const query = { site: "main", pageUrl, hours, grid, limit: 5, now: NOW }
          expect(await run(heatmap(postgres, cache, query)), JSON.stringify(query)).toEqual(expected)
        }
      }
}

const expectTimeline = async (postgres: Postgres) => {
  const ids = (
    await rows<{ id: string }>(postgres, "SELECT id FROM analytics_events ORDER BY created_at DESC, id DESC")
  ).map(({ id }) => id)
  for (const offset of new Set([
    0,
    1,
    40,
    Math.floor(ids.length / 2),
    ids.length - 3,
    ids.length,
    10 ** 12,
  ])) {
    if (offset < 0) continue
    const page = await run(timeline(postgres, { site: "main", limit: 10, offset, after: null, now: NOW }))
    expect(
      page.rows.map(({ id }) => id),
      `offset ${offset}`,
    ).toEqual(ids.slice(offset, offset + 10))
    expect(page.nextPageToken === null).toBe(offset + 10 >= ids.length)
  }
}

test("the heatmap and the timeline are those of the events, whatever becomes of their chunks", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { minLength: 6, maxLength: 10 }), async (course) => {
      const { postgres } = await freshEvents()
      const caches = [
        new ClickCache({ maxBytes: 1e6, maxClicks: 1e6 }),
        new ClickCache({ maxBytes: 3000, maxClicks: 1e6 }),
        new ClickCache({ maxBytes: 1e6, maxClicks: 50 }),
      ]
      await apply(postgres, { kind: "events", seed: 1, count: 300, batch: 15 })
      for (const change of course) {
        await apply(postgres, change)
        await expectHeatmaps(postgres, caches)
        await expectTimeline(postgres)
      }
    }),
    { numRuns: 3 },
  )
})

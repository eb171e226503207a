import { randomUUID } from "node:crypto"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, test } from "vitest"
import { DAY_MS, HOUR_MS } from "../../../src/domain/time.ts"
import { compact } from "../../../src/events/chunks/compaction.ts"
import { LOCK_CHUNKS } from "../../../src/events/chunks/rewrite.ts"
import { shrinkDays } from "../../../src/events/chunks/shrink.ts"
import { timeline } from "../../../src/events/read/timeline.ts"
import { runRetention } from "../../../src/events/retention/retention.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { eraseRows } from "../../../src/privacy/eraseRows.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { allEvents, chunksOf, mixed, storeInBatches } from "../../support/chunks.ts"
import { run } from "../../support/effects.ts"
import { connect, event, freshEvents, rows, store, UTC } from "../../support/events.ts"
import { eventually } from "../../support/index.ts"

const DAY = Date.parse("2025-12-08T00:00:00Z")
const LATER = DAY + 3 * DAY_MS

const compacted = (postgres: Postgres, now = LATER, metrics = new Metrics("test_"), busy = false) =>
  run(compact(postgres, { now, busy, metrics }))

describe("compaction", () => {
  test("merges a closed day's chunks, and every event stays as it was", async () => {
    const { postgres } = await freshEvents()
    await storeInBatches(postgres, mixed(300, DAY), 1)
    await storeInBatches(postgres, mixed(1500, DAY + 1000, 30), 100, 1)
    const before = await allEvents(postgres)
    expect(before).toHaveLength(1800)
    const metrics = new Metrics("test_")
    // 315 batches, of which 15 have events of both sites.
    expect(await compacted(postgres, LATER, metrics)).toBe(330)
    expect((await metrics.compactedChunks.get()).values[0]?.value).toBe(330)
    expect(await allEvents(postgres)).toEqual(before)
    expect((await chunksOf(postgres, "20251208")).map(({ events, small }) => ({ events, small }))).toEqual(
      expect.arrayContaining([
        { events: 720, small: false },
        { events: 720, small: false },
        { events: 360, small: false },
      ]),
    )
    expect(await compacted(postgres)).toBe(0)
  })

  test("makes chunks that follow each other in time of chunks that overlap", async () => {
    const { postgres } = await freshEvents()
    const events = Array.from({ length: 1800 }, (_, i) =>
      event({ createdAt: DAY + ((i * 997) % 1800) * 1000 }),
    )
    await storeInBatches(postgres, events, 200)
    await compacted(postgres)
    const chunks = await chunksOf(postgres, "20251208")
    expect(chunks.map((chunk) => chunk.events)).toEqual([900, 900])
    for (const [i, chunk] of chunks.entries())
      expect(chunk.first_at.getTime()).toBeGreaterThan(chunks[i - 1]?.last_at.getTime() ?? 0)
  })

  test("waits on a day that goes on until there are enough of them", async () => {
    const { postgres } = await freshEvents()
    const open = DAY + 12 * HOUR_MS
    for (let i = 0; i < 15; i++) await store(postgres, [event({ createdAt: open + i })])
    expect(await compacted(postgres, open)).toBe(0)
    await store(postgres, [event({ createdAt: open })])
    expect(await compacted(postgres, open)).toBe(16)
    expect(await compacted(postgres, LATER)).toBe(0)
  })

  test("leaves the batches of a load until it has ended or their day is closed", async () => {
    const { postgres } = await freshEvents()
    const open = DAY + 12 * HOUR_MS
    await storeInBatches(
      postgres,
      Array.from({ length: 20 * 64 }, (_, i) => event({ createdAt: open + i })),
      64,
    )
    await storeInBatches(
      postgres,
      Array.from({ length: 16 }, (_, i) => event({ createdAt: open + i })),
      1,
    )
    const busy = (now: number) => compacted(postgres, now, new Metrics("test_"), true)
    expect(await busy(open)).toBe(16)
    expect(await busy(open)).toBe(0)
    const before = await allEvents(postgres)
    expect(await compacted(postgres, open)).toBe(21)
    expect(await allEvents(postgres)).toEqual(before)
    await storeInBatches(
      postgres,
      Array.from({ length: 4 * 64 }, (_, i) => event({ createdAt: open + i })),
      64,
    )
    expect(await busy(LATER)).toBe(4)
  })

  test("takes sites and days in turn", async () => {
    const { postgres } = await freshEvents()
    // More than a merge takes, of an older day, beside a few of a newer one.
    await storeInBatches(
      postgres,
      Array.from({ length: 60 }, (_, i) =>
        Array.from({ length: 100 }, (_, j) => event({ createdAt: DAY - DAY_MS + i * 100 + j })),
      ).flat(),
      100,
    )
    await storeInBatches(postgres, mixed(10, DAY), 5)
    const daysLeft: Array<number> = []
    const chunks = async () =>
      (await Promise.all(["20251207", "20251208"].map((day) => chunksOf(postgres, day)))).map(
        (ofDay) => ofDay.filter(({ small }) => small).length,
      )
    await run(
      compact(postgres, {
        now: LATER,
        busy: false,
        metrics: new Metrics("test_"),
        onMerge: () => Effect.promise(async () => void daysLeft.push((await chunks())[0] ?? 0)),
      }),
    )
    // The newer day's two merges, of two sites, came between those of the older day.
    expect(daysLeft.slice(0, 3)).toEqual([40, 40, 40])
    expect((await chunks())[0]).toBe(0)
  })

  test("keeps events with much data in chunks that can be handled, and leaves them then", async () => {
    const { postgres } = await freshEvents()
    const data = { text: "é".repeat(4000) }
    const events = Array.from({ length: 150 }, (_, i) => event({ createdAt: DAY + i, data: { ...data, i } }))
    await storeInBatches(postgres, events, 10)
    const before = await allEvents(postgres)
    expect(await compacted(postgres)).toBe(15)
    expect((await chunksOf(postgres, "20251208")).length).toBeLessThan(4)
    expect(await compacted(postgres)).toBe(0)
    expect(await allEvents(postgres)).toEqual(before)
  })

  test("can be interrupted between two merges, and goes on where it was", async () => {
    const { postgres } = await freshEvents()
    for (let day = 0; day < 4; day++) await storeInBatches(postgres, mixed(40, DAY - day * DAY_MS), 10)
    const before = await allEvents(postgres)
    const onlySmall = async () => {
      const chunks = await Promise.all(
        ["20251205", "20251206", "20251207", "20251208"].map((day) => chunksOf(postgres, day)),
      )
      return chunks.map((ofDay) => ofDay.length)
    }
    await run(
      Effect.gen(function* () {
        const merged = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          compact(postgres, {
            now: LATER,
            busy: false,
            metrics: new Metrics("test_"),
            onMerge: () => Effect.andThen(Deferred.succeed(merged, undefined), Effect.yieldNow),
          }),
        )
        yield* Deferred.await(merged)
        yield* Fiber.interrupt(fiber)
      }),
    )
    // The first day's chunks of one site are one.
    expect(await onlySmall()).toEqual([5, 8, 8, 8])
    expect(await allEvents(postgres)).toEqual(before)
    expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount)
    await compacted(postgres)
    expect(await onlySmall()).toEqual([2, 2, 2, 2])
    expect(await allEvents(postgres)).toEqual(before)
  })

  test("leaves chunks alone that somebody else rewrites", async () => {
    const { postgres } = await freshEvents()
    await storeInBatches(postgres, mixed(40, DAY), 10)
    const other = await postgres.pool.connect()
    try {
      await other.query("BEGIN")
      await other.query(LOCK_CHUNKS)
      expect(await compacted(postgres)).toBe(0)
      await other.query("COMMIT")
      expect(await compacted(postgres)).toBe(8)
    } finally {
      other.release()
    }
  })

  test("loses and doubles nothing beside batches, erasures, retention and another node's compaction", async () => {
    const { url, postgres } = await freshEvents()
    const other = await connect(url)
    const erased: ReadonlyArray<string> = Array.from({ length: 10 }, () => randomUUID())
    const cutoff = DAY + 12 * HOUR_MS
    const make = () =>
      Array.from({ length: 400 }, (_, i) =>
        event({
          id: randomUUID(),
          // In the day that the cutoff divides, and in those around it.
          createdAt: cutoff + ((i * 7919) % 400) * 600_000 - 30 * HOUR_MS,
          visitorId: (i % 5 === 0 ? erased[(i / 5) % erased.length] : undefined) ?? randomUUID(),
        }),
      )
    const early = make()
    await storeInBatches(postgres, early, 10)
    const late = make().filter((each) => !erased.includes(each.visitorId) && each.createdAt >= cutoff)

    let writing = true
    const compacting = async (node: Postgres) => {
      let merged = 0
      while (writing) merged += await compacted(node)
      return merged
    }
    const work = Promise.all([compacting(postgres), compacting(other)])
    await Promise.all([
      storeInBatches(postgres, late, 7),
      (async () => {
        let deleted = 0
        for (const visitor of erased) deleted += await run(eraseRows(other, visitor))
        expect(deleted).toBeLessThanOrEqual(80)
      })(),
      run(
        runRetention(other, {
          ...{ retentionDays: 1, archiveDir: null, dryRun: false, partitions: 2, calendar: UTC },
          now: cutoff + DAY_MS,
          dropTables: false,
          metrics: new Metrics("test_"),
          uniquesOf: () => Effect.succeed(0),
          pace: { batchRows: 20, batchesPerCursor: 3, pauseMs: 0 },
        }),
      ),
    ])
    writing = false
    expect((await work).reduce((sum, merged) => sum + merged, 0)).toBeGreaterThan(0)
    const expected = early.filter((each) => !erased.includes(each.visitorId) && each.createdAt >= cutoff)
    const left = (await allEvents(postgres)).map((row) => row.id)
    expect(left).toEqual([...expected, ...late].map((each) => each.id).sort())
  })
})

describe("a closed day whose chunks were merged", () => {
  const bytesOf = async (postgres: Postgres) => {
    const size = "SELECT pg_total_relation_size('event_chunks_20251208')::float8 AS bytes"
    return (await rows<{ bytes: number }>(postgres, size))[0]?.bytes ?? 0
  }

  /** Autovacuum, of which a test has no say when it comes, would hold the table, or by its snapshot what was merged. */
  const keepAutovacuumAway = async (postgres: Postgres) => {
    await rows(
      postgres,
      "ALTER TABLE event_chunks_20251208 SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)",
    )
    const others = `
      SELECT pid FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL`
    await eventually(async () => expect(await rows(postgres, others)).toEqual([]))
  }

  test("gives the disk back what they took alone, unless it is being read", async () => {
    const { postgres } = await freshEvents()
    const data = { text: Array.from({ length: 60 }, () => randomUUID()).join() }
    await storeInBatches(
      postgres,
      mixed(1200, DAY).map((each) => ({ ...each, data })),
      4,
    )
    await compacted(postgres)
    await keepAutovacuumAway(postgres)
    const before = await allEvents(postgres)
    const loose = await bytesOf(postgres)

    const reader = await postgres.pool.connect()
    try {
      await reader.query("BEGIN; SELECT 1 FROM event_chunks_20251208 LIMIT 1")
      expect(await run(shrinkDays(postgres, LATER))).toBe(0)
      await reader.query("COMMIT")
    } finally {
      reader.release()
    }
    // While it goes on, it is left alone.
    expect(await run(shrinkDays(postgres, DAY + DAY_MS))).toBe(0)
    expect(await run(shrinkDays(postgres, LATER))).toBe(1)
    expect(await bytesOf(postgres)).toBeLessThan(loose / 2)
    expect(await allEvents(postgres)).toEqual(before)
    expect(await run(shrinkDays(postgres, LATER))).toBe(0)
  })
})

describe("a timeline over chunks of every size", () => {
  test("is in order and complete, whatever overlaps", async () => {
    const { postgres } = await freshEvents()
    const now = DAY + 12 * HOUR_MS
    // Each batch has events of the whole day and some of the last minute, as senders that were offline bring them.
    const events = Array.from({ length: 600 }, (_, i) =>
      event({ id: randomUUID(), createdAt: i % 4 === 0 ? DAY + i * 70_000 : now - ((i * 31) % 600) * 100 }),
    )
    await storeInBatches(postgres, events, 12)
    const expected = events
      .toSorted((a, b) => b.createdAt - a.createdAt || ((a.id ?? "") < (b.id ?? "") ? 1 : -1))
      .map((each) => each.id)
    for (const offset of [0, 3, 50, 449, 590]) {
      const page = await run(timeline(postgres, { site: "main", limit: 40, offset, after: null, now }))
      expect(page.rows.map((row) => row.id)).toEqual(expected.slice(offset, offset + 40))
      expect(page.nextPageToken === null).toBe(offset + 40 >= expected.length)
    }
  })
})

import { randomUUID } from "node:crypto"
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, test } from "vitest"
import { LATE_WINDOW_MS } from "../../../src/domain/lateWindow.ts"
import { DAY_MS, MINUTE_MS } from "../../../src/domain/time.ts"
import {
  type RetentionOptions,
  type RetentionReport,
  runRetention,
} from "../../../src/events/retention/retention.ts"
import { shortening } from "../../../src/events/retention/siteLimits.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { recomputeDailyTotals } from "../../../src/rebuild/recompute.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { run } from "../../support/effects.ts"
import { countOf, dailyTotals, event, freshEvents, rows, store, UTC } from "../../support/events.ts"
import { temporaryFolder } from "../../support/index.ts"
import { wantsFileModes } from "../../support/wants.ts"

const NOW = Date.parse("2025-12-08T12:00:00Z")
const CUTOFF = NOW - 10 * DAY_MS

const options = (given: Partial<RetentionOptions> = {}): RetentionOptions => ({
  retentionDays: 10,
  archiveDir: null,
  dryRun: false,
  now: NOW,
  metrics: new Metrics("test_"),
  calendar: UTC,
  partitions: 2,
  uniquesOf: () => Effect.succeed(0),
  pace: { batchRows: 10, batchesPerCursor: 2, pauseMs: 0 },
  ...given,
})

const done = (report: RetentionReport) => {
  if (report.skipped) throw new Error("the run was skipped")
  return report
}

/** Events of a chunk, of which two make a batch. */
const CHUNK = 5

/** 45 events on each of the days from 12 before NOW to now, half of each day's before noon; the cutoff is a noon. */
const fill = async (postgres: Postgres, days = 13) => {
  const events = Array.from({ length: days }, (_, day) =>
    Array.from({ length: 45 }, (_, i) =>
      event({ id: randomUUID(), createdAt: NOW - day * DAY_MS + (i - 22) * MINUTE_MS, data: { i } }),
    ),
  ).flat()
  for (let i = 0; i < events.length; i += CHUNK) await store(postgres, events.slice(i, i + CHUNK))
  return {
    expired: events.filter((each) => each.createdAt < CUTOFF).map((each) => each.id),
    kept: events.filter((each) => each.createdAt >= CUTOFF).map((each) => each.id),
  }
}

const idsLeft = async (postgres: Postgres) =>
  (await rows<{ id: string }>(postgres, "SELECT id FROM analytics_events ORDER BY id")).map((row) => row.id)

const archived = (folder: string): ReadonlyArray<{ id: string; created_at: string; site: string }> =>
  readdirSync(folder).flatMap((file) =>
    gunzipSync(readFileSync(join(folder, file)))
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => {
        const parsed = JSON.parse(line)
        expect(parsed.created_at.slice(0, 10)).toBe(file.slice(0, 10))
        return parsed
      }),
  )

describe.each([true, false])("retention with dropTables %s", (dropTables) => {
  test("leaves exactly the events that have not expired, and the daily totals", async () => {
    const { postgres } = await freshEvents()
    const { expired, kept } = await fill(postgres)
    const totals = await dailyTotals(postgres)
    const metrics = new Metrics("test_")
    const report = done(await run(runRetention(postgres, options({ dropTables, metrics }))))
    expect(await idsLeft(postgres)).toEqual(kept.toSorted())
    expect(report).toMatchObject({ rows: expired.length, dryRun: false, cutoff: "2025-11-28T12:00:00.000Z" })
    const whole = dropTables ? "drop" : "batches"
    expect(report.days).toEqual([
      { day: "2025-11-26", method: whole, rows: 45 },
      { day: "2025-11-27", method: whole, rows: 45 },
      { day: "2025-11-28", method: "batches", rows: 22 },
    ])
    expect(await dailyTotals(postgres)).toEqual(totals)
    const counted = (await metrics.retentionRows.get()).values.reduce((sum, { value }) => sum + value, 0)
    expect(counted).toBe(expired.length)

    const again = done(await run(runRetention(postgres, options({ dropTables }))))
    expect(again.rows).toBe(0)
  })

  test("archives exactly the deleted events before they go", async () => {
    const { postgres } = await freshEvents()
    const { expired, kept } = await fill(postgres)
    const archiveDir = temporaryFolder()
    await run(runRetention(postgres, options({ dropTables, archiveDir })))
    expect(await idsLeft(postgres)).toEqual(kept.toSorted())
    const lines = archived(archiveDir)
    expect(lines.map((line) => line.id).sort()).toEqual(expired.toSorted())
    expect(lines[0]).toMatchObject({ site: "main", event_type: "page_view", page_url: "/", referrer: null })
  })

  test("deletes nothing that could not be archived", async () => {
    const { postgres } = await freshEvents()
    const { expired, kept } = await fill(postgres)
    // A file where the folder should be.
    const archiveDir = join(temporaryFolder(), "file", "archive")
    await run(
      Effect.promise(() => import("node:fs/promises").then((fs) => fs.writeFile(join(archiveDir, ".."), ""))),
    )
    const error = await run(Effect.flip(runRetention(postgres, options({ dropTables, archiveDir }))))
    expect(error._tag).toBe("ArchiveFailed")
    expect(await idsLeft(postgres)).toEqual([...expired, ...kept].sort())
    expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount)
  })

  test("only says what would go in a dry run", async () => {
    const { postgres } = await freshEvents()
    const { expired, kept } = await fill(postgres)
    const report = done(await run(runRetention(postgres, options({ dropTables, dryRun: true }))))
    const whole = dropTables ? "drop" : "batches"
    expect(report.days.map(({ method, rows }) => [method, rows])).toEqual([
      [whole, 45],
      [whole, 45],
      ["batches", 22],
    ])
    expect(await countOf(postgres, "analytics_events")).toBe(expired.length + kept.length)
  })
})

describe("archives", wantsFileModes, () => {
  const modesIn = (folder: string) =>
    [".", ...readdirSync(folder)].map((name) => statSync(join(folder, name)).mode & 0o777)

  test("are their owner's to read, in a folder that is, too", async () => {
    const { postgres } = await freshEvents()
    await fill(postgres)
    const archiveDir = join(temporaryFolder(), "archive")
    await run(runRetention(postgres, options({ archiveDir })))
    expect(modesIn(archiveDir)).toEqual([0o700, 0o600, 0o600, 0o600])
  })

  test("of an earlier version are closed to others, and a folder that was there keeps its mode", async () => {
    const { postgres } = await freshEvents()
    await fill(postgres)
    const archiveDir = temporaryFolder()
    chmodSync(archiveDir, 0o750)
    for (const day of ["2025-11-25", "2025-11-26"]) {
      writeFileSync(join(archiveDir, `${day}.ndjson.gz`), "")
      chmodSync(join(archiveDir, `${day}.ndjson.gz`), 0o644)
    }
    await run(runRetention(postgres, options({ archiveDir })))
    expect(modesIn(archiveDir)).toEqual([0o750, 0o600, 0o600, 0o600, 0o600])
  })
})

describe("an interrupted retention", () => {
  test("stops between two batches, and the next run resumes", async () => {
    const { postgres } = await freshEvents()
    const { expired, kept } = await fill(postgres)
    const archiveDir = temporaryFolder()
    const left = await run(
      Effect.gen(function* () {
        const thirdBatch = yield* Deferred.make<void>()
        let batches = 0
        const fiber = yield* Effect.forkChild(
          runRetention(
            postgres,
            options({
              archiveDir,
              dropTables: false,
              onProgress: () =>
                ++batches === 3
                  ? Effect.andThen(Deferred.succeed(thirdBatch, undefined), Effect.yieldNow)
                  : Effect.void,
              pace: { batchRows: 10, batchesPerCursor: 2, pauseMs: 1 },
            }),
          ),
        )
        yield* Deferred.await(thirdBatch)
        yield* Fiber.interrupt(fiber)
        return yield* Effect.promise(() => countOf(postgres, "analytics_events"))
      }),
    )
    const gone = expired.length + kept.length - left
    expect(gone).toBeGreaterThanOrEqual(30)
    expect(gone).toBeLessThan(expired.length)
    expect(archived(archiveDir)).toHaveLength(gone)
    expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount)

    await run(runRetention(postgres, options({ archiveDir, dropTables: false })))
    expect(await idsLeft(postgres)).toEqual(kept.toSorted())
    expect(
      archived(archiveDir)
        .map((line) => line.id)
        .sort(),
    ).toEqual(expired.toSorted())
  })
})

describe("a site that keeps its events for fewer days", () => {
  const SITE_CUTOFF = NOW - 3 * DAY_MS

  /** As many events of the site as the other has, and the limit of its own. */
  const fillBoth = async (postgres: Postgres) => {
    const main = await fill(postgres)
    const blog = Array.from({ length: 13 }, (_, day) =>
      Array.from({ length: 45 }, (_, i) =>
        event({ site: "blog", id: randomUUID(), createdAt: NOW - day * DAY_MS + (i - 22) * MINUTE_MS }),
      ),
    ).flat()
    for (let i = 0; i < blog.length; i += CHUNK) await store(postgres, blog.slice(i, i + CHUNK))
    await rows(postgres, "INSERT INTO declared_sites (slug, retention_days) VALUES ('blog', 3), ('main', 50)")
    return {
      expired: [...main.expired, ...blog.filter((each) => each.createdAt < SITE_CUTOFF).map(({ id }) => id)],
      kept: [...main.kept, ...blog.filter((each) => each.createdAt >= SITE_CUTOFF).map(({ id }) => id)],
      // Which the deployment would keep.
      ofSite: blog.filter(({ createdAt }) => createdAt >= CUTOFF && createdAt < SITE_CUTOFF).length,
    }
  }

  test("loses exactly those before its own limit, also when a run ends in between, and no other site loses any", async () => {
    const { postgres } = await freshEvents()
    const { expired, kept, ofSite } = await fillBoth(postgres)
    const archiveDir = temporaryFolder()
    const totals = await dailyTotals(postgres)
    const planned = done(await run(runRetention(postgres, options({ dryRun: true }))))
    expect(planned.rows).toBe(expired.length)
    expect(planned.days.filter(({ site }) => site === "blog").reduce((sum, { rows }) => sum + rows, 0)).toBe(
      ofSite,
    )
    expect(await run(shortening(postgres, "blog", { days: 3, kept: 10, now: NOW }))).toMatchObject({
      events: 0,
    })
    expect(await run(shortening(postgres, "main", { days: 3, kept: 10, now: NOW }))).toMatchObject({
      ...{ events: ofSite, days: { length: 8 } },
    })

    let steps = 0
    const ending = options({
      archiveDir,
      onProgress: ({ site }) =>
        site === "blog" && ++steps === 5 ? Effect.die(new Error("ended")) : Effect.void,
    })
    await expect(run(runRetention(postgres, ending))).rejects.toThrow("ended")
    const [since] = await rows<{ at: Date | null }>(
      postgres,
      "SELECT raw_since AS at FROM sites WHERE slug = 'blog'",
    )
    expect(since?.at?.getTime()).toBe(SITE_CUTOFF)
    expect((await idsLeft(postgres)).length).toBeGreaterThan(kept.length)

    const uniquesAsked = new Set<string>()
    const report = done(
      await run(
        runRetention(
          postgres,
          options({
            archiveDir,
            uniquesOf: (site) => {
              uniquesAsked.add(site)
              return Effect.succeed(0)
            },
          }),
        ),
      ),
    )
    expect(report.days.map(({ site }) => site)).toContain("blog")
    expect(await idsLeft(postgres)).toEqual(kept.toSorted())
    const lines = archived(archiveDir)
    expect([...new Set(lines.map((line) => line.id))].sort()).toEqual(expired.toSorted())
    expect(await dailyTotals(postgres)).toEqual(totals)
    expect(uniquesAsked).toContain("blog")
    expect(done(await run(runRetention(postgres, options()))).rows).toBe(0)

    // What cannot be counted again stays when everything is, with other partitions, too.
    await run(recomputeDailyTotals(postgres, { timeZone: "UTC", partitions: 3 }))
    expect(await dailyTotals(postgres)).toEqual(totals)
  })
})

describe("two retentions at once", () => {
  test("are one: the other is skipped", async () => {
    const { postgres } = await freshEvents()
    const { kept } = await fill(postgres)
    const report = await run(
      Effect.gen(function* () {
        const [started, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const first = yield* Effect.forkChild(
          runRetention(
            postgres,
            options({
              onProgress: () => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(release)),
            }),
          ),
        )
        yield* Deferred.await(started)
        const second = yield* runRetention(postgres, options())
        yield* Deferred.succeed(release, undefined)
        return { first: yield* Fiber.join(first), second }
      }),
    )
    expect(report.second).toEqual({ skipped: true })
    expect(report.first.skipped).toBe(false)
    expect(await idsLeft(postgres)).toEqual(kept.toSorted())
  })
})

describe("a day that somebody keeps reading", () => {
  test("is deleted row by row instead of dropped, and holds up nobody", async () => {
    const { postgres } = await freshEvents()
    const { expired, kept } = await fill(postgres)
    const reader = await postgres.pool.connect()
    try {
      await reader.query("BEGIN")
      await reader.query("SELECT 1 FROM event_chunks_20251127 LIMIT 1")
      const archiveDir = temporaryFolder()
      const report = done(await run(runRetention(postgres, options({ archiveDir }))))
      expect(report.days.map(({ day, method }) => `${day} ${method}`)).toEqual([
        "2025-11-26 drop",
        "2025-11-27 batches",
        "2025-11-28 batches",
      ])
      expect(await idsLeft(postgres)).toEqual(kept.toSorted())
      expect(
        archived(archiveDir)
          .map((line) => line.id)
          .sort(),
      ).toEqual(expired.toSorted())
      await reader.query("COMMIT")
    } finally {
      reader.release()
    }
    // The empty table goes with the next run.
    await run(runRetention(postgres, options()))
    expect(await rows(postgres, "SELECT to_regclass('event_chunks_20251127') AS name")).toEqual([
      { name: null },
    ])
  })
})

describe("a node whose clock is ahead", () => {
  test("deletes nothing that has not expired by Postgres' clock", async () => {
    const { postgres } = await freshEvents()
    await store(postgres, [
      event({ createdAt: Date.now() - 9 * DAY_MS }),
      event({ createdAt: Date.now() - 11 * DAY_MS }),
    ])
    const report = await run(runRetention(postgres, options({ now: Date.now() + 5 * DAY_MS })))
    expect(done(report).rows).toBe(1)
    expect(await countOf(postgres, "analytics_events")).toBe(1)
  })
})

describe("before events go", () => {
  test("their periods' unique visitors are kept, and never replaced by less", async () => {
    const { postgres } = await freshEvents()
    await fill(postgres)
    const uniquesOf: RetentionOptions["uniquesOf"] = (site, partition, key) =>
      Effect.succeed(site === "main" && partition === 1 ? key.length : 0)
    await run(runRetention(postgres, options({ uniquesOf })))
    const kept = () =>
      rows(
        postgres,
        `SELECT slug, partition, period_key, uniques FROM period_uniques JOIN sites ON sites.id = site_id
         ORDER BY period_key COLLATE "C"`,
      )
    // Those that go, and those that go next.
    const keys = ["2025-11", "2025-11-26", "2025-11-27", "2025-11-28", "2025-11-29", "2025-11-30"]
      .concat("2025-12", "2025-12-01", "2025-W48", "2025-W49")
      .map((key) => ({ slug: "main", partition: 1, period_key: key, uniques: String(key.length) }))
    expect(await kept()).toEqual(keys)
    const before = await kept()
    await run(runRetention(postgres, options({ uniquesOf: () => Effect.succeed(1) })))
    expect((await kept()).filter((row) => row.slug === "main" && row.partition === 1)).toEqual(before)
  })
})

describe("an idempotency key", () => {
  test("goes when no event can come that late any more, by its partition's own time", async () => {
    const { postgres } = await freshEvents()
    await store(postgres, [event()], { partition: 1 })
    const insert = (partition: number, ms: number) =>
      rows(
        postgres,
        "INSERT INTO idempotency_keys (id, site_id, partition, stream_ms, stream_seq) VALUES ($1, 1, $2, $3, 0)",
        [randomUUID(), partition, ms],
      )
    await rows(postgres, "UPDATE stream_partitions SET last_stream_id = $1 WHERE partition = 0", [`${NOW}-5`])
    await insert(0, NOW - LATE_WINDOW_MS - 1)
    await insert(0, NOW - LATE_WINDOW_MS)
    // Partition 1 has been standing since 1970, and there is no partition 7 any more.
    await insert(1, NOW - 30 * DAY_MS)
    await insert(7, NOW - LATE_WINDOW_MS - 1)
    await insert(7, NOW - LATE_WINDOW_MS)
    expect(done(await run(runRetention(postgres, options()))).keys).toBe(2)
    expect(
      await rows(
        postgres,
        "SELECT partition, stream_ms::float8 AS ms FROM idempotency_keys ORDER BY partition",
      ),
    ).toEqual([
      { partition: 0, ms: NOW - LATE_WINDOW_MS },
      { partition: 1, ms: NOW - 30 * DAY_MS },
      { partition: 7, ms: NOW - LATE_WINDOW_MS },
    ])
  })
})

describe("the next days", () => {
  test("have their tables before they begin", async () => {
    const { postgres } = await freshEvents()
    await run(runRetention(postgres, options()))
    const tables = await rows<{ relname: string }>(
      postgres,
      "SELECT relname FROM pg_class WHERE relname ~ '^event_chunks_\\d+$' ORDER BY relname",
    )
    expect(tables.map((row) => row.relname.slice(-8))).toEqual([
      "20251208",
      "20251209",
      "20251210",
      "20251211",
    ])
  })
})

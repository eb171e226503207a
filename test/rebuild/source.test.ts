import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { describe, expect, test } from "vitest"
import { aggregate } from "../../src/domain/aggregation.ts"
import type { StreamEvent } from "../../src/domain/event.ts"
import { Calendar } from "../../src/domain/period.ts"
import { DAY_MS, MINUTE_MS } from "../../src/domain/time.ts"
import { partitionOf } from "../../src/domain/visitor.ts"
import { runRetention } from "../../src/events/retention/retention.ts"
import { ensureDeployment } from "../../src/events/schema/deployment.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { recomputeDailyTotals } from "../../src/rebuild/recompute.ts"
import { openRebuildSource, type RebuildSourceOptions } from "../../src/rebuild/source.ts"
import type { Postgres } from "../../src/stores/postgres.ts"
import { run } from "../support/effects.ts"
import { dailyTotals, event, freshEvents, rows, store, UTC } from "../support/events.ts"

const NOW = Date.parse("2025-12-08T12:00:00Z")
const PARTITIONS = 2

/** Events of every kind over 20 days and two sites, of 30 visitors; each partition's stored by its own actor. */
const fill = async (postgres: Postgres, calendar: Calendar): Promise<ReadonlyArray<StreamEvent>> => {
  const visitors = Array.from({ length: 30 }, () => randomUUID())
  const kinds: ReadonlyArray<Partial<StreamEvent>> = [
    { type: "page_view" },
    { type: "cv_theme_change", data: { theme: "dark" } },
    { type: "cv_theme_change", data: { theme: "light" } },
    { type: "letter_generate", data: { letter_type: "motivation" } },
    { type: "letter_generate", data: { letter_type: "poem" } },
    { type: "custom", site: "blog" },
  ]
  const events = Array.from({ length: 600 }, (_, i) =>
    event({
      visitorId: visitors[(i * 7) % visitors.length] ?? "",
      createdAt: NOW - Math.floor((i / 600) * 20 * DAY_MS),
      ...kinds[i % kinds.length],
    }),
  )
  for (let partition = 0; partition < PARTITIONS; partition++)
    await store(
      postgres,
      events.filter((each) => partitionOf(each.visitorId, PARTITIONS) === partition),
      { partition, calendar },
    )
  return events
}

const withRetention = (postgres: Postgres, calendar: Calendar, days: number) =>
  run(
    runRetention(postgres, {
      retentionDays: days,
      archiveDir: null,
      dryRun: false,
      now: NOW,
      metrics: new Metrics("test_"),
      calendar,
      partitions: PARTITIONS,
      uniquesOf: (_site, partition) => Effect.succeed(partition + 1),
    }),
  )

const readSource = (postgres: Postgres, options: Partial<RebuildSourceOptions> = {}) =>
  run(
    Effect.gen(function* () {
      const source = yield* openRebuildSource(postgres, {
        partition: 0,
        partitions: PARTITIONS,
        calendar: UTC,
        now: NOW,
        ...options,
      })
      const visitors = yield* Stream.runCollect(Stream.flattenIterable(source.visitors))
      return { ...source, visitors: [...visitors] }
    }).pipe(Effect.scoped),
  )

/** The totals of events by the domain's own count, in the form of `dailyTotals`. */
const countedBy = (events: ReadonlyArray<StreamEvent>, calendar: Calendar) =>
  [...aggregate(events, calendar).days.values()]
    .flatMap((day) => {
      const line = (name: string, count: number) =>
        count > 0 ? [`${day.site} ${day.day} ${name}: ${count}`] : []
      return [
        ...line("events", day.events),
        ...line("page_views", day.pageViews),
        ...line("letters", day.letters),
        ...line("letters_motivation", day.motivation),
        ...line("letters_anti_motivation", day.antiMotivation),
        ...[...day.themes].flatMap(([theme, count]) => line(`theme ${theme}`, count)),
      ]
    })
    .sort()

describe.each(["UTC", "America/St_Johns"])("what figures are rebuilt from, in %s", (timeZone) => {
  const calendar = new Calendar(timeZone)

  test("is the partition's totals and visitors, as the events themselves say", async () => {
    const { postgres } = await freshEvents({ timeZone })
    const events = await fill(postgres, calendar)
    for (const partition of [0, 1]) {
      const ours = events.filter((each) => partitionOf(each.visitorId, PARTITIONS) === partition)
      const expected = aggregate(ours, calendar)
      const source = await readSource(postgres, { partition, calendar })
      expect(source.lastStreamId).toBe(`${ours.length}-0`)
      expect(source.completeSince("main")).toBeNull()
      const byDay = new Map(source.totals.map((day) => [`${day.site} ${day.day}`, day]))
      expect(byDay.size).toBe(expected.days.size)
      for (const [key, day] of expected.days) {
        expect(byDay.get(key)).toEqual({ ...day, visitors: new Set() })
        const visitors = source.visitors.filter((each) => `${each.site} ${each.day}` === key)
        expect(visitors.map((each) => each.visitorId).sort()).toEqual([...day.visitors].sort())
      }
      const days = source.visitors.map((each) => each.day)
      expect(days).toEqual(days.toSorted())
    }
  })

  test("has the visitors of the last 5 minutes by their last event", async () => {
    const { postgres } = await freshEvents({ timeZone })
    const visitorId = randomUUID()
    const partition = partitionOf(visitorId, PARTITIONS)
    await store(
      postgres,
      [-1, -4.5, -5, -6].map((minutes) => event({ visitorId, createdAt: NOW + minutes * MINUTE_MS })),
      { partition, calendar },
    )
    expect((await readSource(postgres, { partition, calendar })).lastSeen).toEqual([
      { site: "main", visitorId, lastSeen: NOW - MINUTE_MS },
    ])
    expect((await readSource(postgres, { partition: 1 - partition, calendar })).lastSeen).toEqual([])
    expect((await readSource(postgres, { partition, calendar, now: NOW + 4 * MINUTE_MS })).lastSeen).toEqual(
      [],
    )
  })

  test("says since when raw events are complete, and what the periods before had", async () => {
    const { postgres } = await freshEvents({ timeZone })
    await fill(postgres, calendar)
    const before = await readSource(postgres, { partition: 1, calendar })
    await withRetention(postgres, calendar, 10)
    const source = await readSource(postgres, { partition: 1, calendar })
    expect(source.totals).toEqual(before.totals)
    // The cutoff is 2025-11-28T12:00Z.
    expect(source.completeSince("main")).toBe("2025-11-29")
    expect(source.visitors.filter((each) => each.day >= "2025-11-29")).toEqual(
      before.visitors.filter((each) => each.day >= "2025-11-29"),
    )
    expect(source.periodUniques).toContainEqual({ site: "blog", periodKey: "2025-W47", uniques: 2 })
  })
})

describe("a source", () => {
  test("is one moment: what is written and deleted while it is read is not in it", async () => {
    const { postgres } = await freshEvents()
    await fill(postgres, UTC)
    const whole = await readSource(postgres)
    const read = await run(
      Effect.gen(function* () {
        const source = yield* openRebuildSource(postgres, {
          partition: 0,
          partitions: PARTITIONS,
          calendar: UTC,
          now: NOW,
        })
        yield* Effect.promise(() => store(postgres, [event(), event({ createdAt: NOW - 30 * DAY_MS })]))
        yield* Effect.promise(() => withRetention(postgres, UTC, 17))
        return [...(yield* Stream.runCollect(Stream.flattenIterable(source.visitors)))]
      }).pipe(Effect.scoped),
    )
    expect(read.map((each) => JSON.stringify(each)).sort()).toEqual(
      whole.visitors.map((each) => JSON.stringify(each)).sort(),
    )
  })
})

describe("another time zone", () => {
  test("counts the days again from raw events", async () => {
    const { postgres } = await freshEvents()
    const events = await fill(postgres, UTC)
    expect([...(await dailyTotals(postgres))].sort()).toEqual(countedBy(events, UTC))
    const settings = { partitions: PARTITIONS, timeZone: "Asia/Kathmandu" }
    expect(await run(recomputeDailyTotals(postgres, settings))).toEqual({ events: 600 })
    expect([...(await dailyTotals(postgres))].sort()).toEqual(
      countedBy(events, new Calendar("Asia/Kathmandu")),
    )
    await run(ensureDeployment(postgres, { ...settings, sites: ["main"] }))
  })

  test("leaves the totals of days whose raw events are gone", async () => {
    const { postgres } = await freshEvents()
    await fill(postgres, UTC)
    await withRetention(postgres, UTC, 10)
    const before = (await dailyTotals(postgres)).filter((line) => (line.split(" ")[1] ?? "") < "2025-11-29")
    await run(recomputeDailyTotals(postgres, { partitions: PARTITIONS, timeZone: "Asia/Kathmandu" }))
    const after = (await dailyTotals(postgres)).filter((line) => (line.split(" ")[1] ?? "") < "2025-11-29")
    expect(after).toEqual(before)
  })
})

describe("another number of partitions", () => {
  test("spreads the same totals as the new partitions would have counted them", async () => {
    const { postgres } = await freshEvents()
    const events = await fill(postgres, UTC)
    const totals = await dailyTotals(postgres)
    await run(recomputeDailyTotals(postgres, { partitions: 5, timeZone: "UTC" }))
    expect(await dailyTotals(postgres)).toEqual(totals)
    for (let partition = 0; partition < 5; partition++) {
      const source = await readSource(postgres, { partition, partitions: 5 })
      const ours = events.filter((each) => partitionOf(each.visitorId, 5) === partition)
      expect(source.totals.reduce((sum, day) => sum + day.events, 0)).toBe(ours.length)
    }
    await run(ensureDeployment(postgres, { partitions: 5, timeZone: "UTC", sites: ["main"] }))
  })

  test("keeps what is left of past days in partition 0, and fences every actor", async () => {
    const { postgres } = await freshEvents()
    await fill(postgres, UTC)
    await withRetention(postgres, UTC, 10)
    const totals = await dailyTotals(postgres)
    const epochs = () =>
      rows<{ epoch: string }>(postgres, "SELECT epoch FROM stream_partitions ORDER BY partition")
    const before = await epochs()
    await run(recomputeDailyTotals(postgres, { partitions: 1, timeZone: "UTC" }))
    expect(await dailyTotals(postgres)).toEqual(totals)
    expect(await rows(postgres, "SELECT DISTINCT partition FROM daily_totals")).toEqual([{ partition: 0 }])
    const uniques = await readSource(postgres, { partitions: 1 })
    expect(uniques.periodUniques).toContainEqual({ site: "main", periodKey: "2025-W47", uniques: 3 })
    expect((await epochs()).map(({ epoch }) => Number(epoch) - 1)).toEqual(
      before.map(({ epoch }) => Number(epoch)),
    )
  })
})

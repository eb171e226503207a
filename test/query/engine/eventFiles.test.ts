import { randomUUID } from "node:crypto"
import { mkdirSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, test } from "vitest"
import { encodeFact, NO_FACTS } from "../../../src/domain/dimensions.ts"
import { Calendar } from "../../../src/domain/period.ts"
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts"
import { compact } from "../../../src/events/chunks/compaction.ts"
import { LOCK_CHUNKS, rewriteChunks } from "../../../src/events/chunks/index.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { eraseRows } from "../../../src/privacy/eraseRows.ts"
import { openDatabase } from "../../../src/query/engine/database.ts"
import { answer, sourcesOf } from "../../../src/query/engine/engine.ts"
import { FRESH_MS } from "../../../src/query/engine/index.ts"
import { decodeQuery, type Query, QueryProblem } from "../../../src/query/language/index.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { run, testScope } from "../../support/effects.ts"
import { event, freshEvents, rows, store } from "../../support/events.ts"
import { eventually, temporaryFolder } from "../../support/index.ts"
import { Dice, randomEvents } from "./questions.ts"

const NOW = Date.parse("2026-11-02T15:20:10Z")

/** When every day goes on, and when every day has ended. */
const [GOES_ON, HAS_ENDED] = [NOW - 30 * DAY_MS, NOW + 30 * DAY_MS]

const calendar = new Calendar("Europe/Paris")

const MB = 1024 * 1024

/** What of the least QUERY_MEMORY is the database's, bytes. */
const SMALLEST = 64 * MB

/** Files whose clock goes on by a step whenever it is looked at, milliseconds. */
const filesOf = async (
  postgres: Postgres,
  at: number,
  { maxBytes = 2 ** 40, memory = 256 * MB, step = 1000 } = {},
) => {
  const folder = join(temporaryFolder(), "query")
  mkdirSync(folder)
  const database = await testScope().run(openDatabase(folder, memory))
  let now = at
  const sources = sourcesOf({
    ...{ postgres, database, folder, calendar, maxBytes, now: () => (now += step) },
  })
  const answered = (query: Query) => answer(query, sources)
  const ask = (query: Query) => run(answered(query))
  /** Of the events in all files. */
  const visitors = async () => {
    const found = await run(
      database.rows(`SELECT DISTINCT visitor::VARCHAR AS visitor FROM read_parquet('${folder}/*-events-*')`),
    )
    return found.map(({ visitor }) => visitor)
  }
  const goTo = (instant: number) => {
    now = instant
  }
  return { folder, answered, ask, visitors, goTo }
}

const questionOf = (body: object): Query => {
  const query = decodeQuery(
    { metrics: ["events"], sites: ["main"], limit: 10_000, ...body },
    {
      ...{ now: NOW, sites: new Set(["main", "blog"]), site: "main", timeZone: "Europe/Paris" },
      earliest: () => null,
    },
  )
  if (query instanceof QueryProblem) throw new Error(query.error)
  return query
}

const METRICS = [
  ...["visitors", "visits", "events", "page_views"],
  ...["bounce_rate", "visit_duration", "sum(data.price)"],
]

const QUESTIONS = [
  {},
  { dimensions: ["entry_page", "source"] },
  { dimensions: ["exit_page", "time:day"], bots: "include" },
  { dimensions: ["event"], filters: [["has_done", ["is", "event", ["signup"]]]] },
].map((body) => questionOf({ ...body, metrics: METRICS, date_range: ["2026-10-20", "2026-11-02"] }))

/** Takes out events before an instant, as retention does within a chunk. */
const removeBefore = (postgres: Postgres, instant: number) =>
  run(
    postgres.transaction("test", (sql) =>
      Effect.gen(function* () {
        yield* sql.query(LOCK_CHUNKS)
        const found = yield* sql.query<{ site_id: number; first_at: Date; place: string }>(
          "SELECT site_id, first_at, ctid::text AS place FROM event_chunks WHERE first_at < $1",
          [new Date(instant)],
        )
        yield* rewriteChunks(sql, found.rows, ({ createdAt }) => createdAt >= instant)
      }),
    ),
  )

describe("the files of a day that goes on", () => {
  test("answer as if made at once, whatever has come and gone since", async () => {
    const dice = new Dice(7)
    const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
    const growing = await filesOf(postgres, GOES_ON)
    const come = (count: number) =>
      store(
        postgres,
        randomEvents(dice, count, NOW, 0.5).map((each) => ({ ...each, site: "main" })),
        { calendar },
      )
    const same = async (what: string) => {
      const atOnce = await filesOf(postgres, HAS_ENDED)
      for (const query of QUESTIONS)
        expect({ what, ...(await growing.ask(query)) }).toEqual({ what, ...(await atOnce.ask(query)) })
    }
    await come(200)
    await same("first events")
    for (const count of [3, 5, 9, 30]) {
      await come(count)
      for (const query of QUESTIONS.slice(0, 1)) await growing.ask(query)
    }
    await same("more events")
    await run(compact(postgres, { now: NOW, busy: false, metrics: new Metrics("test_") }))
    await come(10)
    await same("merged chunks")
    const [found] = await rows<{ visitor_id: string }>(
      postgres,
      "SELECT visitor_id FROM analytics_events LIMIT 1",
    )
    await run(eraseRows(postgres, found?.visitor_id ?? ""))
    // Its events leave the files with whatever is asked next.
    const elsewhere = questionOf({ date_range: ["2026-10-01", "2026-10-02"] })
    await growing.ask(elsewhere)
    expect(await growing.visitors()).not.toContain(found?.visitor_id)
    await removeBefore(postgres, NOW - 8 * HOUR_MS)
    await same("fewer events")
    // Chunks are elsewhere in the table, some where others were.
    await rows(postgres, "VACUUM FULL event_chunks_20261102")
    await come(3)
    await same("a table that was written again")
    growing.goTo(GOES_ON - HOUR_MS)
    await come(3)
    await same("a clock that was set back")
    expect(readdirSync(growing.folder).filter((name) => name.includes("-events-")).length).toBeLessThan(8)
  })
})

test("days are asked for ahead of the next question, and none is told what is older than a moment", async () => {
  const { postgres } = await freshEvents()
  const { ask, goTo } = await filesOf(postgres, NOW, { step: 0 })
  const question = questionOf({ date_range: ["2026-11-01", "2026-11-01"] })
  const come = () => store(postgres, [event({ createdAt: NOW - DAY_MS })])
  const asked = async () => (await ask(question)).rows[0]?.metrics[0]

  await come()
  expect(await asked()).toBe(1)
  await come()
  expect(await asked()).toBe(1)
  // What was asked for then is told without any more time passing.
  goTo(NOW + FRESH_MS / 2)
  await eventually(async () => expect(await asked()).toBe(2))
  await come()
  goTo(NOW + FRESH_MS / 2 + FRESH_MS)
  expect(await asked()).toBe(3)
})

test("files of a day become one when it has ended and nothing has changed for a while", async () => {
  const { postgres } = await freshEvents()
  const at = (time: string) => Date.parse(`2026-11-${time}:00Z`)
  const page = (time: string) => event({ createdAt: at(time) })
  const { folder, ask, goTo } = await filesOf(postgres, at("01T19:20"))
  const question = questionOf({ metrics: METRICS, date_range: ["2026-11-01", "2026-11-01"] })
  const asked = async () => (await ask(question)).rows[0]?.metrics[METRICS.indexOf("events")]
  const kinds = () => readdirSync(folder).flatMap((name) => /-(events|ended)-/.exec(name)?.[1] ?? [])

  await store(postgres, [page("01T12:00"), page("01T13:00")])
  expect([await asked(), ...kinds()]).toEqual([2, "events"])
  // An hour after its end, and two.
  goTo(at("02T00:00"))
  expect([await asked(), ...kinds()]).toEqual([2, "events"])
  goTo(at("02T01:00"))
  expect([await asked(), ...kinds()]).toEqual([2, "ended"])
  await store(postgres, [page("01T22:00")])
  for (const time of ["02T01:10", "02T03:00"]) {
    goTo(at(time))
    expect([await asked(), ...kinds()]).toEqual([3, "events"])
  }
  goTo(at("02T03:20"))
  expect([await asked(), ...kinds()]).toEqual([3, "ended"])
})

test("days that all go on need no more memory than the smallest engine has", async () => {
  const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
  const DAYS = 61
  const of = Array.from({ length: DAYS }, (_, day) => event({ createdAt: NOW - HOUR_MS - day * DAY_MS }))
  await store(postgres, of, { calendar })
  const { ask } = await filesOf(postgres, NOW - DAYS * DAY_MS, { memory: SMALLEST })
  // Each of them is read for the range, for the one before it, and for the condition of either.
  const question = questionOf({
    ...{ metrics: METRICS, dimensions: ["source"], date_range: "30d", compare: "previous_period" },
    filters: [["has_done", ["is", "event", ["page_view"]]]],
  })
  const [row] = (await ask(question)).rows
  const events = METRICS.indexOf("events")
  expect([row?.metrics[events], row?.comparison?.[events]]).toEqual([30, 30])
})

test("in the file of a day that has ended, the events of a visit are next to each other", async () => {
  const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
  const dice = new Dice(3)
  const come = (events: number) =>
    store(
      postgres,
      randomEvents(dice, events, NOW, 0.5).map((each) => ({ ...each, site: "main" })),
      { calendar },
    )
  const { folder, ask, goTo } = await filesOf(postgres, NOW)
  // The second time, they are a part of their own.
  for (const events of [2000, 500]) {
    await come(events)
    await ask(questionOf({ date_range: "day" }))
    goTo(NOW + FRESH_MS)
  }
  goTo(HAS_ENDED)
  await ask(questionOf({ date_range: "day" }))
  const database = await testScope().run(openDatabase(folder, SMALLEST))
  const found = await run(
    database.rows(
      `SELECT count(DISTINCT visit) AS visits, count(*) FILTER (visit IS DISTINCT FROM before) AS runs
      FROM (
        SELECT visit, lag(visit) OVER (ORDER BY file_row_number) AS before
        FROM read_parquet('${folder}/*-ended-*', file_row_number = true)
      )`,
    ),
  )
  expect(Number(found[0]?.visits)).toBeGreaterThan(100)
  expect(found[0]?.runs).toBe(found[0]?.visits)
})

test("a visit of several parts has all of its events when its day has ended, too", async () => {
  const { postgres } = await freshEvents()
  const visitorId = randomUUID()
  const page = (minutes: number, pageUrl: string, given = {}) =>
    event({ createdAt: NOW - HOUR_MS + minutes * MINUTE_MS, pageUrl, ...given })
  const { folder, ask, goTo } = await filesOf(postgres, NOW)
  const query = questionOf({ metrics: METRICS, dimensions: ["page", "entry_page"], date_range: "day" })
  await store(postgres, [page(0, "/", { visitorId }), page(1, "/other")])
  await ask(query)
  await store(postgres, [page(10, "/cv", { visitorId })])
  goTo(NOW + FRESH_MS)
  const growing = await ask(query)
  expect(readdirSync(folder).filter((name) => name.includes("-events-"))).toHaveLength(2)
  expect(growing.rows.map(({ dimensions }) => dimensions).sort()).toEqual([
    ["/", "/"],
    ["/cv", "/"],
    ["/other", "/other"],
  ])
  goTo(HAS_ENDED)
  expect(await ask(query)).toEqual(growing)
})

test.each([
  { which: "goes on", at: GOES_ON },
  { which: "has ended", at: HAS_ENDED },
])("a day that $which may have more events than the smallest engine can read at once", async ({ at }) => {
  const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
  const [BATCHES, EVENTS] = [25, 1000]
  const visitors = Array.from({ length: 5000 }, () => randomUUID())
  const batch = (from: number) =>
    Array.from({ length: EVENTS }, (_, i) =>
      event({
        createdAt: NOW - HOUR_MS + (from + i) * 100,
        visitorId: visitors[(from + i) % visitors.length] ?? "",
        pageUrl: `https://site.example/${"a/long/path/".repeat(10)}${(from + i) % 700}`,
        data: { price: 1, place: from + i },
      }),
    )
  for (let i = 0; i < BATCHES; i++) await store(postgres, batch(i * EVENTS), { calendar })
  const { ask } = await filesOf(postgres, at, { memory: SMALLEST })
  const asked = { metrics: ["events", "visitors", "sum(data.price)"], date_range: "day" }
  const all = BATCHES * EVENTS
  const { rows } = await ask(questionOf({ ...asked, dimensions: ["source"] }))
  expect(rows[0]?.metrics).toEqual([all, visitors.length, all])
  expect((await ask(questionOf({ ...asked, dimensions: ["page", "browser"] }))).total).toBe(700)
})

test("a day of large events may have more than the smallest engine can read at once", async () => {
  const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
  const [BATCHES, EVENTS] = [24, 500]
  const client = encodeFact("client", { browser: "Chrome", browser_version: "131", country: "FR" })
  const large = (i: number) =>
    event({
      createdAt: NOW - HOUR_MS + i,
      pageUrl: `https://site.example/${"category-name/".repeat(20)}${randomUUID()}`,
      data: Object.fromEntries(
        Array.from({ length: 12 }, (_, key) => [`property_${key}`, randomUUID().repeat(4)]),
      ),
      facts: { ...NO_FACTS, client, label: encodeFact("label", { title: `Page ${i}` }) },
    })
  for (let batch = 0; batch < BATCHES; batch++)
    await store(
      postgres,
      Array.from({ length: EVENTS }, (_, i) => large(batch * EVENTS + i)),
      { calendar },
    )
  const { ask } = await filesOf(postgres, HAS_ENDED, { memory: SMALLEST })
  const { rows } = await ask(questionOf({ metrics: ["events"], dimensions: ["browser"], date_range: "day" }))
  expect(rows[0]).toMatchObject({ dimensions: ["Chrome"], metrics: [BATCHES * EVENTS] })
})

test.each([
  { which: "goes on", at: GOES_ON },
  { which: "has ended", at: HAS_ENDED },
])(
  "a day that $which may have more visits than the smallest engine can put together at once",
  async ({ at }) => {
    const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
    const [BATCHES, EVENTS] = [32, 1000]
    // As long as an address may be.
    const path = "category-name/".repeat(32)
    const data = { text: "x".repeat(1500) }
    const alone = () =>
      event({ createdAt: NOW - HOUR_MS, pageUrl: `https://site.example/${path}${randomUUID()}`, data })
    for (let batch = 0; batch < BATCHES; batch++)
      await store(postgres, Array.from({ length: EVENTS }, alone), { calendar })
    const { ask } = await filesOf(postgres, at, { memory: SMALLEST })
    const { rows } = await ask(questionOf({ metrics: ["events", "visits"], date_range: "day" }))
    expect(rows[0]?.metrics).toEqual([BATCHES * EVENTS, BATCHES * EVENTS])
  },
)

test("chunks that are as large as they get are read in what memory the smallest engine has", async () => {
  const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
  const EVENTS = 4000
  const data = { text: "x".repeat(1000) }
  const of = Array.from({ length: EVENTS }, (_, i) => event({ createdAt: NOW - HOUR_MS - i, data }))
  await store(postgres, of, { calendar })
  const { ask } = await filesOf(postgres, HAS_ENDED, { memory: SMALLEST })
  const { rows } = await ask(questionOf({ metrics: ["events"], dimensions: ["source"], date_range: "day" }))
  expect(rows[0]?.metrics).toEqual([EVENTS])
})

test("files take no more of the disk than they may: those that were not asked for the longest go", async () => {
  const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
  const days = ["2026-10-28", "2026-10-29"] as const
  for (const day of days)
    await store(postgres, [event({ createdAt: Date.parse(`${day}T12:00:00Z`) })], { calendar })
  const [first, second] = days.map((day) => questionOf({ date_range: [day, day] }))
  const both = questionOf({ date_range: [...days] })
  if (first === undefined || second === undefined) throw new Error("two days are two questions")

  const unbounded = await filesOf(postgres, HAS_ENDED)
  await unbounded.ask(both)
  const ofEvents = (folder: string) => readdirSync(folder).filter((name) => name.includes("-ended-"))
  const sizes = ofEvents(unbounded.folder).map((name) => statSync(join(unbounded.folder, name)).size)
  expect(sizes).toHaveLength(2)

  const bounded = await filesOf(postgres, HAS_ENDED, { maxBytes: Math.max(...sizes) + 1 })
  const one = { rows: [{ dimensions: [], metrics: [1], comparison: null }], total: 1 }
  for (const query of [first, second, first]) {
    expect(await bounded.ask(query)).toEqual(one)
    expect(ofEvents(bounded.folder)).toHaveLength(1)
  }
  await expect(bounded.ask(both)).rejects.toThrow(/QUERY_CACHE/)
  expect(await bounded.ask(second)).toEqual(one)
})

test("a question that nobody waits for any more finishes the file in hand, and the next one has its turn", async () => {
  const { postgres } = await freshEvents()
  const DAYS = 60
  await store(
    postgres,
    Array.from({ length: DAYS }, (_, i) => event({ createdAt: NOW - i * DAY_MS })),
  )
  const { folder, answered, ask } = await filesOf(postgres, HAS_ENDED)
  const made = () => readdirSync(folder).filter((name) => name.includes("-ended-")).length
  const long = await run(Effect.forkDetach(answered(questionOf({ date_range: "91d" }))))
  await eventually(() => expect(made()).toBeGreaterThan(0))
  await run(Fiber.interrupt(long))
  expect(made()).toBeLessThan(DAYS)
  expect((await ask(questionOf({ date_range: "day" }))).rows[0]?.metrics).toEqual([1])
  expect(made()).toBeLessThan(DAYS)
})

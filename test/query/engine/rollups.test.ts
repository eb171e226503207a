import { mkdirSync, readdirSync, truncateSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { DIMENSIONS } from "../../../src/domain/dimensions.ts"
import { Calendar } from "../../../src/domain/period.ts"
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts"
import { LOCK_CHUNKS, rewriteChunks } from "../../../src/events/chunks/index.ts"
import { eraseRows } from "../../../src/privacy/eraseRows.ts"
import { openDatabase } from "../../../src/query/engine/database.ts"
import { answer, sourcesOf } from "../../../src/query/engine/engine.ts"
import { keepFiles } from "../../../src/query/engine/keptFiles.ts"
import { decodeQuery, METRICS, QueryProblem } from "../../../src/query/language/index.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { run, testScope } from "../../support/effects.ts"
import { event, freshEvents, rows, store } from "../../support/events.ts"
import { temporaryFolder } from "../../support/index.ts"
import { differences, storedEvents } from "./compare.ts"
import { Dice, randomEvents } from "./questions.ts"
import { referenceAnswer } from "./reference.ts"

/** How many questions after each thing that happens; more are asked by hand. */
const QUESTIONS = Number(process.env.TEST_QUESTIONS ?? 12)
const SEED = Number(process.env.TEST_SEED ?? 20261130)

const NOW = Date.parse("2026-11-02T15:20:10Z")
const DAYS = 12

const newFolder = () => {
  const folder = join(temporaryFolder(), "query")
  mkdirSync(folder)
  return folder
}

const writesTallies = (text: string) => text.startsWith("COPY") && text.includes("-tallies-")

/** An engine whose clock goes on a little with each question, with what another has left in its folder, and what its statements read. */
const engineOn = async (
  postgres: Postgres,
  timeZone: string,
  { maxBytes = 2 ** 40, folder = newFolder() } = {},
) => {
  const kept = keepFiles(folder)
  const opened = await testScope().run(openDatabase(folder, 256 * 1024 * 1024))
  const statements: Array<string> = []
  const writing = { now: 0, atMost: 0 }
  const counted = <A, E>(write: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        writing.now++
        writing.atMost = Math.max(writing.atMost, writing.now)
      }),
      () => write,
      () => Effect.sync(() => writing.now--),
    )
  const database: typeof opened = {
    ...opened,
    rows: (text, ...more) => {
      statements.push(text)
      const run = opened.rows(text, ...more)
      return writesTallies(text) ? counted(run) : run
    },
  }
  let now = NOW
  const calendar = new Calendar(timeZone)
  const sources = sourcesOf({
    ...{ postgres, database, folder, calendar, maxBytes, kept, now: () => (now += 1000) },
  })
  const read = (body: object) => {
    const query = decodeQuery(body, {
      ...{ now: NOW, sites: new Set(["main", "blog"]), site: "main", timeZone },
      earliest: () => NOW - DAYS * DAY_MS,
    })
    if (query instanceof QueryProblem) throw new Error(`${query.error} ${JSON.stringify(body)}`)
    return query
  }
  return {
    folder,
    writing,
    read,
    ask: (body: object) => run(answer(read(body), sources)),
    /** The statements since it was called last: those that write tallies, and those that answer. */
    told: () => {
      const since = statements.splice(0)
      const writes = since.filter(writesTallies).length
      const answers = since.filter((text) => text.includes("now_rows"))
      return { writes, fromTallies: answers.filter((text) => text.includes("-tallies-")).length }
    },
  }
}

const DIMENSION_NAMES = Object.keys(DIMENSIONS)

const dayOf = (at: number) => new Date(at).toISOString().slice(0, 10)

/** A range that begins with a day: presets, dates, and one that ends at any time. */
const rangeAt = (dice: Dice, calendar: Calendar): unknown => {
  if (dice.chance(0.6))
    return dice.of(["day", "yesterday", "7d", "28d", "month", "last_month", "all", "12mo"])
  const from = NOW - dice.below(DAYS * DAY_MS)
  const until = from + dice.below(5 * DAY_MS)
  if (dice.chance(0.5)) return [dayOf(from), dayOf(until)]
  const start = calendar.startOf(calendar.dayOf(from))
  return [start, Math.max(until, start + MINUTE_MS)].map((at) => new Date(at).toISOString())
}

/** A question of the kind that tallies tell. */
const questionAt = (dice: Dice, calendar: Calendar) => {
  const names = Object.keys(METRICS)
  const metrics = [...new Set(Array.from({ length: 1 + dice.below(4) }, () => dice.of(names)))]
  const dimension = dice.of(["", "time:day", "time:week", "time:month", "page", ...DIMENSION_NAMES])
  const order = dice.of([...metrics, ...(dimension === "" ? [] : [dimension])])
  return {
    ...{ metrics, dimensions: dimension === "" ? [] : [dimension], date_range: rangeAt(dice, calendar) },
    ...(dice.chance(0.5) && { compare: dice.of(["previous_period", "previous_year"]) }),
    ...(dice.chance(0.3) && { order_by: [[order, dice.of(["asc", "desc"])]] }),
    ...(dice.chance(0.3) ? { limit: 1 + dice.below(4), offset: dice.below(3) } : { limit: 10_000 }),
  }
}

/** Takes out some events, as retention and erasure do within a chunk. */
const removeWhere = (postgres: Postgres, goes: (createdAt: number) => boolean) =>
  run(
    postgres.transaction("test", (sql) =>
      Effect.gen(function* () {
        yield* sql.query(LOCK_CHUNKS)
        const found = yield* sql.query<{ site_id: number; first_at: Date; place: string }>(
          "SELECT site_id, first_at, ctid::text AS place FROM event_chunks",
        )
        yield* rewriteChunks(sql, found.rows, ({ createdAt }) => !goes(createdAt))
      }),
    ),
  )

describe("answers from rollups equal a plain count over the stored events", () => {
  test.each(["UTC", "Australia/Lord_Howe"])("whatever happens to them, with days of %s", async (timeZone) => {
    const dice = new Dice(SEED + timeZone.length)
    const calendar = new Calendar(timeZone)
    const { postgres } = await freshEvents({ timeZone })
    const come = (count: number, until: number, days: number) =>
      store(postgres, randomEvents(dice, count, until, days), { calendar })
    let engine = await engineOn(postgres, timeZone)
    const wrong: Array<unknown> = []
    let fromTallies = 0
    const compare = async (what: string) => {
      const events = await storedEvents(postgres)
      if (dice.chance(0.5)) engine = await engineOn(postgres, timeZone, { folder: engine.folder })
      for (let i = 0; i < QUESTIONS && wrong.length < 3; i++) {
        const body = questionAt(dice, calendar)
        const query = engine.read(body)
        const reference = referenceAnswer(query, events, timeZone)
        const found = differences(query, await engine.ask(body), reference)
        fromTallies += engine.told().fromTallies
        if (found.length > 0) wrong.push({ what, body, found: found.slice(0, 5) })
      }
    }
    await come(800, NOW, DAYS)
    await compare("first events")
    await come(20, NOW, 0.3)
    await compare("events of today")
    await come(20, NOW - 5 * DAY_MS, 0.3)
    await compare("late events")
    const [visitor] = await rows<{ visitor_id: string }>(
      postgres,
      "SELECT visitor_id FROM analytics_events GROUP BY visitor_id ORDER BY count(*) DESC, visitor_id LIMIT 1",
    )
    await run(eraseRows(postgres, visitor?.visitor_id ?? ""))
    await compare("an erased visitor")
    await removeWhere(postgres, (at) => at < NOW - (DAYS - 3) * DAY_MS)
    await compare("expired events")
    await removeWhere(postgres, (at) => Math.abs(at - (NOW - 4 * DAY_MS)) < 30 * HOUR_MS)
    await compare("a day without events")
    await come(20, NOW - 4 * DAY_MS, 0.3)
    await compare("late events of a day without any")
    expect(wrong).toEqual([])
    expect(fromTallies).toBeGreaterThan(QUESTIONS)
  })
})

describe("rollups", () => {
  const one = (day: number, page = "https://site.example/") =>
    event({ createdAt: NOW - day * DAY_MS, pageUrl: page, visitorId: "11111111-1111-4111-8111-111111111111" })

  test("are made once, and only of what is new", async () => {
    const { postgres } = await freshEvents()
    await store(
      postgres,
      Array.from({ length: 6 }, (_, day) => one(day)),
    )
    const { ask, told } = await engineOn(postgres, "UTC")
    const visitors = { metrics: ["visitors", "visits"], date_range: "7d" }
    const page = { ...visitors, dimensions: ["page"] }
    for (const metrics of [[1, 6]]) expect((await ask(visitors)).rows[0]?.metrics).toEqual(metrics)
    // Of the days that have ended, and of today.
    expect(told()).toEqual({ writes: 2, fromTallies: 1 })
    await ask({ ...visitors, metrics: ["bounce_rate"] })
    await ask({ ...visitors, interval: "day" })
    expect(told()).toEqual({ writes: 0, fromTallies: 2 })
    await ask(page)
    expect(told()).toEqual({ writes: 2, fromTallies: 1 })
    await store(postgres, [one(0, "https://site.example/cv")])
    const { rows } = await ask(page)
    expect(rows.map(({ dimensions, metrics }) => [...dimensions, ...metrics])).toEqual([
      ["/", 1, 6],
      ["/cv", 1, 1],
    ])
    expect(told()).toEqual({ writes: 1, fromTallies: 1 })
    // A shorter range has its own tallies of today.
    await ask({ ...page, date_range: "day" })
    expect(told().writes).toBeLessThan(2)
    await ask({ ...page, date_range: ["2026-10-29", "2026-10-31"] })
    expect(told()).toEqual({ writes: 0, fromTallies: 1 })
  })

  test("are taken over from the engine before, but for what looks back on days that have changed", async () => {
    const { postgres } = await freshEvents()
    await store(
      postgres,
      [1, 2, 3, 4, 5].map((day) => one(day)),
    )
    const page = { metrics: ["visitors", "events"], dimensions: ["page"] }
    const ended = { ...page, date_range: ["2026-10-28", "2026-11-01"] }
    const last = { ...page, date_range: ["2026-10-31", "2026-11-01"] }
    const first = await engineOn(postgres, "UTC")
    await first.ask(ended)
    expect(first.told()).toEqual({ writes: 1, fromTallies: 1 })
    const { folder } = first
    const next = async () => engineOn(postgres, "UTC", { folder })
    const second = await next()
    expect((await second.ask(ended)).rows[0]?.metrics).toEqual([1, 5])
    expect((await second.ask(last)).rows[0]?.metrics).toEqual([1, 2])
    expect(second.told()).toEqual({ writes: 0, fromTallies: 2 })

    const tallies = () => readdirSync(folder).filter((name) => name.includes("-tallies-"))
    const [name = ""] = tallies()
    truncateSync(join(folder, name), 100)
    const third = await next()
    expect((await third.ask(ended)).rows[0]?.metrics).toEqual([1, 5])
    expect(third.told()).toEqual({ writes: 1, fromTallies: 1 })

    await store(postgres, [one(3)])
    const fourth = await next()
    expect((await fourth.ask(last)).rows[0]?.metrics).toEqual([1, 2])
    expect(tallies().filter((each) => !/-tallies-2026-10-31-/.test(each))).toEqual([])
    expect((await (await next()).ask(ended)).rows[0]?.metrics).toEqual([1, 6])
  })

  test("are made by one statement at a time, so that others find memory beside it", async () => {
    const { postgres } = await freshEvents()
    await store(
      postgres,
      Array.from({ length: 6 }, (_, day) => one(day)),
    )
    const { ask, writing } = await engineOn(postgres, "UTC")
    const asked = ["page", "source", "os"].map((dimension) =>
      ask({ metrics: ["visitors"], dimensions: [dimension], date_range: "7d" }),
    )
    for (const { rows } of await Promise.all(asked)) expect(rows[0]?.metrics).toEqual([1])
    expect(writing.atMost).toBe(1)
  })

  test("of an erased visitor are gone with the next question, whatever it asks", async () => {
    const { postgres } = await freshEvents()
    await store(
      postgres,
      Array.from({ length: 6 }, (_, day) => one(day, "https://site.example/mine")),
    )
    const { ask, folder } = await engineOn(postgres, "UTC")
    await ask({ metrics: ["visitors"], dimensions: ["page"], date_range: "7d" })
    const tallies = () => readdirSync(folder).filter((name) => name.includes("-tallies-"))
    expect(tallies().length).toBeGreaterThan(0)
    await run(eraseRows(postgres, one(0).visitorId))
    await ask({ metrics: ["events"], filters: [["is", "page", ["/"]]], date_range: "day" })
    expect(tallies()).toEqual([])
  })

  test("take no more of the disk than they may, and answer all the same", async () => {
    const { postgres } = await freshEvents()
    await store(
      postgres,
      Array.from({ length: 6 }, (_, day) => one(day)),
    )
    const { ask, folder } = await engineOn(postgres, "UTC", { maxBytes: 8 * 4000 })
    for (const dimension of ["page", "source", "country", "browser", "os", "device"])
      expect(
        (await ask({ metrics: ["visitors"], dimensions: [dimension], date_range: "7d" })).rows[0]?.metrics,
      ).toEqual([1])
    expect(readdirSync(folder).filter((name) => name.includes("-tallies-")).length).toBeLessThan(5)
  })
})

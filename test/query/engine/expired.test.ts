import { randomUUID } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { PERIODS, periodKey } from "../../../src/domain/period.ts"
import { DAY_MS, HOUR_MS } from "../../../src/domain/time.ts"
import { runRetention } from "../../../src/events/retention/retention.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { openDatabase } from "../../../src/query/engine/database.ts"
import { earliestEvents } from "../../../src/query/engine/earliest.ts"
import { answer, sourcesOf } from "../../../src/query/engine/engine.ts"
import { answerBeyond, saysWhatIsMissing } from "../../../src/query/engine/expired.ts"
import { answerFunnel } from "../../../src/query/engine/funnel.ts"
import { decodeFunnel, decodeQuery, type Query, QueryProblem } from "../../../src/query/language/index.ts"
import { rangedLetters, rangedThemes } from "../../../src/server/services/rangedFigures.ts"
import { run, testScope } from "../../support/effects.ts"
import { event, freshEvents, rows, store, UTC } from "../../support/events.ts"
import { temporaryFolder } from "../../support/index.ts"

/** A Monday; with ten days kept, the last that has expired, in part, is the Friday before the last one. */
const NOW = Date.parse("2025-12-08T12:00:00Z")
const RETENTION_DAYS = 10

const CONTEXT = {
  now: NOW,
  sites: new Set(["main", "blog"]),
  site: "main",
  timeZone: "UTC",
  earliest: () => null,
}

test("answers go on from daily totals where events have expired, and say what those do not tell", async () => {
  const { postgres } = await freshEvents()
  const returning = randomUUID()
  const events = Array.from({ length: 20 }, (_, i) => {
    const createdAt = NOW - i * DAY_MS
    return [
      event({ createdAt: createdAt - 3 * HOUR_MS, visitorId: returning }),
      event({
        ...{ createdAt: createdAt + HOUR_MS, visitorId: returning, type: "letter_generate" },
        data: { letter_type: i % 3 === 0 ? "motivation" : "other" },
      }),
      event({
        ...{ createdAt: createdAt + HOUR_MS, visitorId: returning, type: "cv_theme_change" },
        data: { theme: i % 2 === 0 ? "dark" : "light" },
      }),
      event({ createdAt }),
      event({ createdAt, facts: { origin: null, client: null, label: null, bot: true } }),
    ]
  }).flat()
  await store(postgres, events)

  const folder = join(temporaryFolder(), "query")
  mkdirSync(folder)
  const database = await testScope().run(openDatabase(folder, 256 * 1024 * 1024))
  let now = NOW
  const sources = sourcesOf({ postgres, database, folder, calendar: UTC, now: () => (now += 1000) })
  const read = (body: object) => {
    const query = decodeQuery(
      { metrics: ["visitors", "events", "page_views", "letters", "conversion_rate"], ...body },
      CONTEXT,
    )
    if (query instanceof QueryProblem) throw new Error(query.error)
    return query
  }
  const beyond = (query: Query) =>
    answerBeyond(query, { postgres, calendar: UTC, ask: (asked) => answer(asked, sources) })
  const ask = (body: object) => run(beyond(read(body)))
  const themes = (body: object) => run(rangedThemes(beyond, read(body), 20))
  const letters = (body: object) => run(rangedLetters(beyond, read({ ...body, interval: "day" })))
  const everyDay = { interval: "day", date_range: ["2025-11-20", "2025-12-07"] }
  const week = { date_range: ["2025-11-17", "2025-11-23"], compare: "previous_period" }
  const days = { date_range: everyDay.date_range }
  const before = {
    ...{ days: await ask(everyDay), week: await ask(week) },
    ...{ themes: await themes(days), letters: await letters(days) },
  }
  expect(before.days).toMatchObject({ total: 18 })
  expect(before.days.imported).toBeUndefined()

  const report = await run(
    runRetention(postgres, {
      ...{ retentionDays: RETENTION_DAYS, archiveDir: null, dryRun: false, now: NOW, calendar: UTC },
      ...{ partitions: 2, metrics: new Metrics("test_") },
      uniquesOf: (_, partition, key) => {
        const inPeriod = events.filter(
          ({ createdAt, facts }) =>
            !facts.bot && PERIODS.some((period) => periodKey(period, UTC.dayOf(createdAt)) === key),
        )
        return Effect.succeed(partition === 0 ? new Set(inPeriod.map(({ visitorId }) => visitorId)).size : 0)
      },
    }),
  )
  expect(report).toMatchObject({ skipped: false, cutoff: "2025-11-28T12:00:00.000Z" })

  // Days, and a week: as before, its comparison with a time that has visitors of no kept week included.
  expect(await ask(everyDay)).toEqual({ ...before.days, imported: true, approximate: [], notices: [] })
  expect((await ask(week)).rows[0]?.metrics).toEqual(before.week.rows[0]?.metrics)

  // A sum of days: how many different visitors they had is not known, and not guessed.
  const sum = await ask({ date_range: ["2025-11-20", "2025-12-07"] })
  expect(sum.rows).toEqual([{ dimensions: [], metrics: [null, 72, 36, 18, null], comparison: null }])
  expect(sum.notices).toEqual([
    expect.stringMatching(/^Events before 2025-11-28T12:00:00.000Z .* do not tell visitors, conversion_rate/),
  ])
  const bounces = await ask({ ...everyDay, metrics: ["events", "bounce_rate"] })
  expect(bounces.rows.map(({ metrics }) => metrics[1])).toEqual([
    ...Array.from({ length: 9 }, () => null),
    ...before.days.rows.slice(9).map(() => expect.any(Number)),
  ])

  // Themes and letters go on, too.
  expect(before.letters.data).toMatchObject({ total: 18, motivation: 6, anti_motivation: 0 })
  expect(await themes(days)).toEqual({
    data: before.themes.data,
    meta: { ...before.themes.meta, imported: true },
  })
  expect(await letters(days)).toMatchObject({
    data: { ...before.letters.data, unique_visitors: null, conversion_rate: null },
    meta: { imported: true, notices: [expect.stringMatching(/^Events before .* visitors, conversion_rate/)] },
  })
  const ofPage = await letters({ ...days, filters: [["is", "page", ["/"]]] })
  expect(ofPage.data.history.map(({ count }) => count)).toEqual([
    ...Array(8).fill(null),
    ...Array(10).fill(expect.any(Number)),
  ])
  const filtered = await themes({ ...days, filters: [["is", "page", ["/"]]] })
  expect(filtered.meta.notices).toEqual([expect.stringMatching(/^Events before .* not counted here/)])

  // Filters and other zones are for what is kept, which is said.
  for (const body of [
    { filters: [["is", "page", ["/"]]] },
    { time_zone: "Asia/Tokyo" },
    { dimensions: ["page"] },
  ]) {
    const found = await ask({ date_range: ["2025-11-20", "2025-12-07"], ...body })
    expect(found.imported).toBeUndefined()
    expect(found.notices).toEqual([expect.stringMatching(/^Events before .* not counted here/)])
  }
  // Intervals of which nothing is told are unknown; before the first event, and since all are kept, nothing is missing.
  const byDay = { metrics: ["events"], filters: [["is", "page", ["/nowhere"]]], interval: "day" }
  const series = await ask({ ...byDay, date_range: ["2025-11-17", "2025-11-30"] })
  expect(series.rows.map(({ metrics }) => metrics[0])).toEqual([0, 0, ...Array(9).fill(null), 0, 0, 0])
  const latest = {
    ...byDay,
    order_by: [["time:day", "desc"]],
    limit: 3,
    offset: 1,
    compare: "previous_period",
  }
  const page = await ask({ ...latest, date_range: ["2025-11-26", "2025-12-01"] })
  expect(page.rows.map(({ metrics, comparison }) => [metrics[0], comparison?.[0]])).toEqual([
    [0, null],
    [0, null],
    [0, null],
  ])
  // A comparison that ends within an expired day is not known; what it is compared with is.
  const half = await ask({
    date_range: ["2025-11-27T00:00:00Z", "2025-12-08T06:00:00Z"],
    compare: "previous_period",
  })
  expect(half.rows).toEqual([
    {
      dimensions: [],
      metrics: [null, expect.any(Number), expect.any(Number), expect.any(Number), null],
      comparison: [null, null, null, null, null],
    },
  ])
  // The day that has expired in part is missed, too, by a question that begins within it.
  const within = await ask({
    date_range: ["2025-11-28T10:00:00Z", "2025-11-29T00:00:00Z"],
    metrics: ["events"],
  })
  expect(within.notices).toEqual([expect.stringMatching(/^Events before .* not counted here/)])
  // All time begins with what was counted, and a funnel says what it lacks.
  expect(await run(earliestEvents(postgres, UTC))).toEqual(
    new Map([["main", Date.parse("2025-11-19T00:00:00Z")]]),
  )
  const funnel = decodeFunnel(
    {
      steps: [
        ["is", "page", ["/"]],
        ["is", "event", ["letter_generate"]],
      ],
      date_range: ["2025-11-20", "2025-12-07"],
    },
    CONTEXT,
  )
  if (funnel instanceof QueryProblem) throw new Error(funnel.error)
  const steps = answerFunnel(funnel, sources).pipe(
    saysWhatIsMissing({ postgres, calendar: UTC }, funnel.query),
  )
  expect((await run(steps)).notices).toEqual([expect.stringMatching(/^Events before .* not counted here/)])
  // Of a time that is all kept there is nothing to say.
  expect((await ask({ date_range: ["2025-11-30", "2025-12-07"] })).notices).toBeUndefined()

  // A site that keeps its events for fewer days says so from its own limit on, and no other does.
  await store(
    postgres,
    events.map((each) => ({ ...each, site: "blog" })),
  )
  await rows(postgres, "INSERT INTO declared_sites (slug, retention_days) VALUES ('blog', 5)")
  await run(
    runRetention(postgres, {
      ...{ retentionDays: RETENTION_DAYS, archiveDir: null, dryRun: false, now: NOW, calendar: UTC },
      ...{ partitions: 2, metrics: new Metrics("test_"), uniquesOf: () => Effect.succeed(0) },
    }),
  )
  const late = { interval: "day", date_range: ["2025-12-01", "2025-12-06"], metrics: ["events"] }
  const filteredLate = { ...late, filters: [["is", "page", ["/"]]] }
  const eventsOf = async (body: object) => {
    const { rows: found, notices, imported } = await ask(body)
    return { events: found.map(({ metrics }) => metrics[0]), notices, imported }
  }
  const says = expect.stringMatching(/^Events before 2025-12-03T12:00:00.000Z .* not counted here/)
  expect(await eventsOf({ ...late, site: "blog" })).toMatchObject({
    events: Array(6).fill(4),
    imported: true,
  })
  expect(await eventsOf({ ...filteredLate, site: "blog" })).toMatchObject({
    ...{ events: [null, null, 3, 4, 4, 4], notices: [says] },
  })
  for (const body of [late, filteredLate])
    expect(await eventsOf({ ...body, site: "main" })).toEqual({
      ...{ events: Array(6).fill(4), notices: undefined, imported: undefined },
    })
  const both = { sites: ["main", "blog"] }
  expect(await eventsOf({ ...late, ...both })).toMatchObject({ events: Array(6).fill(8), imported: true })
  expect(await eventsOf({ ...filteredLate, ...both })).toMatchObject({
    ...{ events: [null, null, 7, 8, 8, 8], notices: [says] },
  })
  // Of a time that both keep there is nothing to say.
  expect(
    (await ask({ ...filteredLate, ...both, date_range: ["2025-12-05", "2025-12-06"] })).notices,
  ).toBeUndefined()
})

import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { Calendar } from "../../../src/domain/period.ts"
import { openDatabase } from "../../../src/query/engine/database.ts"
import { answer, sourcesOf } from "../../../src/query/engine/engine.ts"
import { answerFunnel } from "../../../src/query/engine/funnel.ts"
import {
  decodeFunnel,
  decodeQuery,
  type Funnel,
  type Query,
  type QueryContext,
  QueryProblem,
} from "../../../src/query/language/index.ts"
import {
  rangedHeatmap,
  rangedHistory,
  rangedLetters,
  rangedThemes,
} from "../../../src/server/services/rangedFigures.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { run, testScope } from "../../support/effects.ts"
import { event, freshEvents, store } from "../../support/events.ts"
import { temporaryFolder } from "../../support/index.ts"
import { differences, storedEvents } from "./compare.ts"
import { figureBody, figureEvents, plainClicks, plainHistory, plainLetters, plainThemes } from "./figures.ts"
import { Dice, randomEvents, randomFunnel, randomQuestion } from "./questions.ts"
import { referenceAnswer, referenceFunnel } from "./reference.ts"

/** How many questions; more are asked by hand. */
const QUESTIONS = Number(process.env.TEST_QUESTIONS ?? 60)
/** Of how many times and filters the API's figures are asked for. */
const FIGURES = 3
const SEED = Number(process.env.TEST_SEED ?? 20261129)

/** A Monday after clocks were put back in Europe and Australia, in the afternoon. */
const NOW = Date.parse("2026-11-02T15:20:10Z")

const engineOn = async (postgres: Postgres, timeZone: string) => {
  const folder = join(temporaryFolder(), "query")
  const database = await testScope().run(openDatabase(folder, 256 * 1024 * 1024))
  const sources = sourcesOf({
    ...{ postgres, database, folder, calendar: new Calendar(timeZone) },
    now: tick(),
  })
  const ask = (query: Query) => answer(query, sources)
  return {
    ask,
    query: (query: Query) => run(ask(query)),
    funnel: async (funnel: Funnel) =>
      (await run(answerFunnel(funnel, sources))).rows.map(({ metrics: [visitors = null] }) => visitors),
  }
}

/** A clock on which what is fresh for a moment is old at the next question. */
const tick = () => {
  let at = 0
  return () => (at += 1000)
}

const decodedBy = <A>(
  decode: (body: unknown, context: QueryContext) => A | QueryProblem,
  body: object,
  timeZone: string,
  earliest: number,
): A => {
  const query = decode(body, {
    ...{ now: NOW, sites: new Set(["main", "blog"]), site: "main", timeZone, earliest: () => earliest },
  })
  if (query instanceof QueryProblem) throw new Error(`${query.error} ${JSON.stringify(body)}`)
  return query
}

describe("answers equal a plain count over the stored events", () => {
  test.each(["UTC", "Europe/Paris", "Pacific/Auckland"])(
    "whatever is asked, with days of %s",
    async (timeZone) => {
      const dice = new Dice(SEED + timeZone.length)
      const { postgres } = await freshEvents({ timeZone })
      await store(postgres, randomEvents(dice, 900, NOW, 12), { calendar: new Calendar(timeZone) })
      const ask = await engineOn(postgres, timeZone)
      let events = await storedEvents(postgres)
      const wrong: Array<unknown> = []
      for (let i = 0; i < QUESTIONS && wrong.length < 3; i++) {
        if (i % 100 === 50) {
          // Late ones, and those of now.
          await store(postgres, randomEvents(dice, 60, NOW, dice.of([1, 12])), {
            calendar: new Calendar(timeZone),
          })
          events = await storedEvents(postgres)
        }
        const body = randomQuestion(dice, NOW)
        const query = decodedBy(
          decodeQuery,
          body,
          timeZone,
          Math.min(...events.map(({ createdAt }) => createdAt)),
        )
        const found = differences(query, await ask.query(query), referenceAnswer(query, events, timeZone))
        if (found.length > 0) wrong.push({ body, found: found.slice(0, 5) })
      }
      for (let i = 0; i < QUESTIONS && wrong.length < 3; i++) {
        const body = randomFunnel(dice, NOW)
        const earliest = Math.min(...events.map(({ createdAt }) => createdAt))
        const funnel = decodedBy(decodeFunnel, body, timeZone, earliest)
        const found = await ask.funnel(funnel)
        const expected = referenceFunnel(funnel, events, timeZone)
        if (found.join() !== expected.join()) wrong.push({ body, found, expected })
      }
      expect(wrong).toEqual([])

      await store(postgres, figureEvents(dice, 300, NOW, 60), { calendar: new Calendar(timeZone) })
      events = await storedEvents(postgres)
      const of = [events, timeZone] as const
      for (let i = 0; i < FIGURES; i++) {
        const body = { metrics: ["events"], ...figureBody(dice, NOW) }
        const read = (more: object = {}) => decodedBy(decodeQuery, { ...body, ...more }, timeZone, NOW)
        const [whole, byDay, byMinute] = [read(), read({ interval: "day" }), read({ interval: "minute" })]
        const themes = plainThemes(whole, ...of)
        expect((await run(rangedThemes(ask.ask, whole, 5))).data).toEqual(themes.slice(0, 5))
        expect((await run(rangedLetters(ask.ask, byDay))).data).toEqual(plainLetters(byDay, ...of))
        for (const grid of [null, 20]) {
          const clicks = { page: null, grid, limit: 6 }
          const plain = plainClicks(whole, grid, ...of)
          const found = await run(rangedHeatmap(ask.ask, whole, clicks))
          expect(found).toMatchObject({ data: plain.slice(0, 6), meta: { grid, total: plain.length } })
        }
        const everyMinute = { ...byMinute, limit: byMinute.buckets.length + 4 }
        expect((await run(rangedHistory(ask.ask, everyMinute))).data).toEqual(plainHistory(byMinute, ...of))
      }
    },
  )

  test("in the order of their names where they are equal, whatever they are divided from", async () => {
    const { postgres } = await freshEvents({ timeZone: "UTC" })
    const visits = (page: string, count: number, visitor: string) =>
      Array.from({ length: count }, (_, i) =>
        [0, 3].map((ms) =>
          event({
            ...{ visitorId: `00000000-0000-4000-8000-00000000000${visitor}`, type: "page_view" },
            ...{ pageUrl: `https://cv.example${page}`, createdAt: NOW - (i + 1) * 60 * 60_000 + ms },
          }),
        ),
      ).flat()
    // 9 / 1000 / 3 is less than 3 / 1000 in floating point.
    await store(postgres, [...visits("/first", 3, "1"), ...visits("/second", 1, "2")])
    const { query } = await engineOn(postgres, "UTC")
    const asked = { metrics: ["visit_duration"], dimensions: ["page"], date_range: "day" }
    const { rows } = await query(decodedBy(decodeQuery, asked, "UTC", NOW))
    expect(rows).toMatchObject([
      { dimensions: ["/first"], metrics: [0.003] },
      { dimensions: ["/second"], metrics: [0.003] },
    ])
  })
})

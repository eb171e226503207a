import { join } from "node:path"
import { describe, expect, test } from "vitest"
import type { DimensionName } from "../../../src/domain/dimensions.ts"
import { Calendar } from "../../../src/domain/period.ts"
import { openDatabase } from "../../../src/query/engine/database.ts"
import { answer } from "../../../src/query/engine/engine.ts"
import { EventFiles } from "../../../src/query/engine/eventFiles.ts"
import type { EngineAnswer } from "../../../src/query/engine/messages.ts"
import { isSeries } from "../../../src/query/engine/statement.ts"
import { decodeQuery, type Query, QueryProblem } from "../../../src/query/language/index.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { run, testScope } from "../../support/effects.ts"
import { freshEvents, rows, store } from "../../support/events.ts"
import { temporaryFolder } from "../../support/index.ts"
import { Dice, randomEvents, randomQuestion } from "./questions.ts"
import { type ReferenceEvent, referenceAnswer } from "./reference.ts"

/** How many questions; more are asked by hand. */
const QUESTIONS = Number(process.env.TEST_QUESTIONS ?? 60)
const SEED = Number(process.env.TEST_SEED ?? 20261129)

/** A Monday after clocks were put back in Europe and Australia, in the afternoon. */
const NOW = Date.parse("2026-11-02T15:20:10Z")

const stored = async (postgres: Postgres): Promise<ReadonlyArray<ReferenceEvent>> => {
  const found = await rows<
    {
      id: string
      visitor_id: string
      event_type: string
      event: string
      event_data: unknown
      page_url: string | null
      created_at: Date
      site: string
      is_bot: boolean
      referred_from: string | null
    } & { [name in Exclude<DimensionName, "event" | "page" | "host" | "referrer">]: string | null }
  >(postgres, "SELECT * FROM analytics_events")
  return found.map(({ id, visitor_id, event_type, event, created_at, page_url, event_data, ...rest }) => ({
    ...{ site: rest.site, id, visitorId: visitor_id, type: event_type, createdAt: created_at.getTime() },
    ...{ pageUrl: page_url, data: event_data === null ? null : JSON.stringify(event_data), bot: rest.is_bot },
    told: { ...rest, referrer: rest.referred_from, name: event === event_type ? null : event },
  }))
}

const close = (a: number | null, b: number | null): boolean =>
  a === b || (a !== null && b !== null && Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a)))

const same = (a: ReadonlyArray<number | null>, b: ReadonlyArray<number | null>): boolean =>
  a.length === b.length && a.every((each, i) => close(each, b[i] ?? null))

/** What is different in an answer from the plain count; empty if nothing is. */
const differences = (
  query: Query,
  { rows: found, total }: EngineAnswer,
  reference: ReturnType<typeof referenceAnswer>,
): ReadonlyArray<string> => {
  const nothing = query.metrics.map((metric) => (metric.of === "data" ? null : 0))
  const keyOf = (dimensions: ReadonlyArray<string | null>) =>
    JSON.stringify(
      dimensions.map((value, i) =>
        query.dimensions[i]?.of === "time" ? query.buckets.findIndex(({ name }) => name === value) : value,
      ),
    )
  const shown = new Map(found.map((row) => [keyOf(row.dimensions), row]))
  const complaints: Array<string> = []
  if (total !== found.length) complaints.push(`${total} rows are told, ${found.length} are there`)
  for (const [key, row] of shown) {
    const expected = reference.rows.get(key) ?? (isSeries(query) ? nothing : null)
    if (expected === null) complaints.push(`${key} should not be there`)
    else if (!same(row.metrics, expected)) complaints.push(`${key}: ${row.metrics}, counted ${expected}`)
    const before = reference.before?.get(key) ?? nothing
    if (row.comparison !== null && !same(row.comparison, before))
      complaints.push(`${key} before: ${row.comparison}, counted ${before}`)
  }
  for (const key of reference.rows.keys()) if (!shown.has(key)) complaints.push(`${key} is missing`)
  return complaints
}

const engineOn = async (postgres: Postgres, timeZone: string) => {
  const folder = join(temporaryFolder(), "query")
  const database = await testScope().run(openDatabase(folder, 256 * 1024 * 1024))
  const files = new EventFiles({
    ...{ postgres, database, folder, calendar: new Calendar(timeZone) },
    now: tick(),
  })
  return (query: Query) => run(answer(query, files, database))
}

/** A clock on which what is fresh for a moment is old at the next question. */
const tick = () => {
  let at = 0
  return () => (at += 1000)
}

const decoded = (body: object, timeZone: string, earliest: number): Query => {
  const query = decodeQuery(body, {
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
      let events = await stored(postgres)
      const wrong: Array<unknown> = []
      for (let i = 0; i < QUESTIONS && wrong.length < 3; i++) {
        if (i % 100 === 50) {
          // Late ones, and those of now.
          await store(postgres, randomEvents(dice, 60, NOW, dice.of([1, 12])), {
            calendar: new Calendar(timeZone),
          })
          events = await stored(postgres)
        }
        const body = randomQuestion(dice, NOW)
        const query = decoded(body, timeZone, Math.min(...events.map(({ createdAt }) => createdAt)))
        const found = differences(query, await ask(query), referenceAnswer(query, events, timeZone))
        if (found.length > 0) wrong.push({ body, found: found.slice(0, 5) })
      }
      expect(wrong).toEqual([])
    },
  )
})

/** Answers funnels: how many visitors have taken each step. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { Funnel } from "../language/index.ts"
import type { DatabaseError, NoRoom } from "./database.ts"
import type { Sources } from "./engine.ts"
import type { EngineAnswer } from "./messages.ts"
import {
  type AskedEvents,
  allEvents,
  BOTS,
  condition,
  eventsIn,
  patternCheck,
  type Statement,
  truth,
} from "./statement.ts"
import { Values } from "./values.ts"

/**
 * The events of a step, and where each stands in time: after every event of the step before that it may follow, and after no other.
 * Events at one time follow each other if the second does not meet the first one's step as well.
 */
const candidates = (step: number): string =>
  `SELECT who, created_at, 2 * created_at + CASE WHEN s${step - 1} THEN 0 ELSE 1 END AS place FROM met WHERE s${step}`

/**
 * The statement that answers a funnel: one row, visitors by step (v0, v1 …). `taken_n` has for each event that begins the funnel the
 * first time at which its visitor has taken step n after it; the earlier a step is taken, the more may follow.
 */
export const funnelStatement = ({ steps, within, query }: Funnel, asked: AskedEvents): Statement => {
  const values = new Values()
  const met = steps.map((step, i) => `${condition(step, values)} AS s${i}`)
  const filters = query.filters.map((filter) => truth(filter, values))
  const every = eventsIn(asked, query.range, values, {
    selected: `${within === "visit" ? "visit" : "visitor"} AS who, visitor, created_at, ${met.join(", ")}`,
    condition: [BOTS[query.bots], ...filters].join(" AND "),
  })
  const inTime =
    within === "visit" ? "" : `WHERE later.created_at <= prior.began + ${values.add(within)}::BIGINT`
  const taken = steps.map((_, i) =>
    i === 0
      ? "taken_0 AS (SELECT DISTINCT who, visitor, created_at AS began, created_at AS at FROM met WHERE s0)"
      : `taken_${i} AS (
    SELECT prior.who, prior.visitor, prior.began, later.created_at AS at
    FROM taken_${i - 1} AS prior ASOF JOIN (${candidates(i)}) AS later
      ON prior.who = later.who AND 2 * prior.at < later.place
    ${inTime}
  )`,
  )
  const text = `
  WITH ${allEvents(asked, values)}, every AS (${every}
  ), met AS MATERIALIZED (
    SELECT * FROM every WHERE ${steps.map((_, i) => `s${i}`).join(" OR ")}
  ), ${taken.join(", ")}
  SELECT ${steps.map((_, i) => `(SELECT count(DISTINCT visitor) FROM taken_${i}) AS v${i}`).join(", ")}`
  return { text, values: values.list }
}

/** Answers a funnel: a row for each step, in order, whose metric is its visitors. */
export const answerFunnel = (
  funnel: Funnel,
  { files, database, calendar }: Sources,
): Effect.Effect<EngineAnswer, StoreError | DatabaseError | NoRoom> =>
  Effect.gen(function* () {
    const { query, steps } = funnel
    const check = patternCheck([...query.filters, ...steps])
    if (check !== null) yield* database.rows(check.text, check.values)
    const [row] = yield* files.read(query.sites, [query.range], (days) => {
      const { text, values } = funnelStatement(funnel, { days, calendar })
      return database.rows(text, values)
    })
    const rows = steps.map((_, i) => ({
      ...{ dimensions: [], metrics: [Number(row?.[`v${i}`] ?? 0)], comparison: null },
    }))
    return { rows, total: steps.length }
  })

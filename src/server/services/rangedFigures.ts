/** The API's figures of any time, in any time zone, filtered: each made of the answers to a few questions to the events. */
import * as Effect from "effect/Effect"
import { mostViewed } from "../../domain/aggregation.ts"
import type {
  HeatmapPoint,
  RangedHeatmapMeta,
  RangedLetters,
  RangedMinute,
  RangedStats,
  RangeMeta,
  ThemeViews,
} from "../../domain/answers.ts"
import { cut } from "../../domain/cut.ts"
import { MAX_THEME_LENGTH, PRESENT_MINUTES } from "../../domain/limits.ts"
import type { EngineAnswer } from "../../query/engine/index.ts"
import {
  clicksOf,
  lettersByTypeOf,
  presenceOf,
  type Query,
  themeViewsOf,
  totalsOf,
} from "../../query/language/index.ts"

/** Asks a question that has been read. */
export type Ask<E> = (query: Query) => Effect.Effect<EngineAnswer, E>

/** What is answered under `data` and `meta`. */
export interface Ranged<Data, Meta = RangeMeta> {
  readonly data: Data
  readonly meta: Meta
}

const instant = (at: number): string => new Date(at).toISOString()

/** Says the time that figures are of, and what their answers say of themselves; `figures` are those of metrics that may be estimates. */
const metaOf = (
  { range, timeZone }: Query,
  answers: ReadonlyArray<EngineAnswer>,
  figures: { readonly [metric: string]: string } = {},
): RangeMeta => {
  const estimates = new Set(answers.flatMap(({ approximate = [] }) => approximate))
  const notices = [...new Set(answers.flatMap((answer) => answer.notices ?? []))]
  return {
    date_range: [instant(range.from), instant(range.until)],
    time_zone: timeZone,
    approximate: Object.entries(figures).flatMap(([metric, figure]) =>
      estimates.has(metric) ? [figure] : [],
    ),
    ...(answers.some(({ imported }) => imported === true) && { imported: true }),
    ...(notices.length > 0 && { notices }),
  }
}

const ESTIMATES = { visitors: "unique_visitors", conversion_rate: "conversion_rate" } as const

/** `/stats`. */
export const rangedStats = <E>(ask: Ask<E>, query: Query): Effect.Effect<Ranged<RangedStats>, E> => {
  const asked = totalsOf(query, ["events", "page_views", "letters", "visitors", "conversion_rate"])
  return Effect.map(ask(asked), (answer) => {
    const [events = 0, views = 0, letters = 0, visitors = 0, rate = 0] = answer.rows[0]?.metrics ?? []
    return {
      data: {
        ...{ total_events: events, page_views: views, letters_generated: letters },
        ...{ unique_visitors: visitors, conversion_rate: rate },
      },
      meta: metaOf(query, [answer], ESTIMATES),
    }
  })
}

/** `/letters`; the question is by day. */
export const rangedLetters = <E>(ask: Ask<E>, query: Query): Effect.Effect<Ranged<RangedLetters>, E> =>
  Effect.gen(function* () {
    const totals = yield* ask(totalsOf(query, ["letters", "visitors", "conversion_rate"]))
    const types = yield* ask(lettersByTypeOf(query))
    const days = yield* ask({ ...query, metrics: [{ of: "events", name: "letters" }] })
    const [letters, visitors = 0, rate = 0] = totals.rows[0]?.metrics ?? []
    const ofType = (type: string) =>
      types.rows.find(({ dimensions }) => dimensions[0] === type)?.metrics[0] ?? 0
    return {
      data: {
        ...{
          total: letters ?? 0,
          motivation: ofType("motivation"),
          anti_motivation: ofType("anti_motivation"),
        },
        ...{ unique_visitors: visitors, conversion_rate: rate },
        history: days.rows.map(({ dimensions, metrics }) => ({
          date: dimensions[0] ?? "",
          count: metrics[0] ?? null,
        })),
      },
      meta: metaOf(query, [totals, types, days], ESTIMATES),
    }
  })

/** `/themes`. */
export const rangedThemes = <E>(
  ask: Ask<E>,
  query: Query,
  limit: number,
): Effect.Effect<Ranged<ReadonlyArray<ThemeViews>>, E> =>
  Effect.map(ask(themeViewsOf(query)), (answer) => {
    const views = new Map<string, number>()
    for (const { dimensions, metrics } of answer.rows) {
      const theme = cut(dimensions[0] ?? "", MAX_THEME_LENGTH)
      views.set(theme, (views.get(theme) ?? 0) + (metrics[0] ?? 0))
    }
    return { data: mostViewed(views, limit), meta: metaOf(query, [answer]) }
  })

/** What `/heatmap` is asked for. */
export interface Clicks {
  /** As it was asked for, and as events have it; `null` for all pages. */
  readonly page: { readonly url: string; readonly page: string; readonly host: string | null } | null
  readonly grid: number | null
  readonly limit: number
}

/** `/heatmap`. */
export const rangedHeatmap = <E>(
  ask: Ask<E>,
  query: Query,
  { page, grid, limit }: Clicks,
): Effect.Effect<Ranged<ReadonlyArray<HeatmapPoint>, RangedHeatmapMeta>, E> =>
  Effect.map(ask(clicksOf(query, { page, grid, limit })), (answer) => ({
    data: answer.rows.map(({ dimensions: [x = null, y = null], metrics: [count = null] }) => ({
      ...{ x: Number(x), y: Number(y), count: count ?? 0 },
    })),
    meta: {
      ...{ page_url: page?.url ?? null, grid, count: answer.rows.length, total: answer.total },
      ...metaOf(query, [answer]),
    },
  }))

/** `/history`; the question is by minute. */
export const rangedHistory = <E>(
  ask: Ask<E>,
  query: Query,
): Effect.Effect<Ranged<ReadonlyArray<RangedMinute>>, E> =>
  Effect.map(ask(presenceOf(query, PRESENT_MINUTES)), (answer) => ({
    data: answer.rows
      .slice(PRESENT_MINUTES - 1)
      .map(({ dimensions: [time = null], metrics: [events = null, visitors = null] }) => ({
        ...{ time: time ?? "", events, visitors },
      })),
    meta: metaOf(query, [answer]),
  }))

/**
 * Figures of a choice of sites: those of one are kept, in Redis; those of several as one are counted by questions to the events, because
 * a visitor of more than one of them counts once.
 */
import * as Effect from "effect/Effect"
import type { Letters, Realtime, Stats, ThemeViews } from "../../domain/answers.ts"
import { CURRENT_VISITOR_MS, MAX_AHEAD_MS } from "../../domain/limits.ts"
import { type Calendar, type Period, periodDays, periodKey } from "../../domain/period.ts"
import { isSeveral, slugsOf } from "../../domain/siteChoice.ts"
import type { StoreError } from "../../stores/errors.ts"
import { Problem } from "../http/problem.ts"
import type { Questions } from "./questions.ts"
import { type Ask, rangedLetters, rangedStats, rangedThemes } from "./rangedFigures.ts"
import type { Figures } from "./services.ts"

type Read<A> = Effect.Effect<A, Problem | StoreError>

/** Figures of each choice of sites. */
export interface ChoiceFigures {
  readonly realtime: (choice: string) => Read<Realtime>
  readonly stats: (choice: string, period: Period) => Read<Stats>
  /** As `Figures.themes`. */
  readonly themes: (choice: string, limit: number, period: Period | null) => Read<ReadonlyArray<ThemeViews>>
  readonly letters: (choice: string, period: Period) => Read<Letters>
}

export interface ChoiceFiguresOptions {
  readonly figures: Figures
  readonly questions: Pick<Questions, "decodeWhole" | "ask">
  /** Of the deployment's zone, whose periods figures are of. */
  readonly calendar: Calendar
  /** Unix milliseconds. */
  readonly now: () => number
}

const EXPIRED = new Problem(
  "INVALID_QUERY",
  "Visitors of several sites are counted from raw events, and some of this period have expired: ask for one site, or a shorter period.",
)

/** A figure that the events still tell. */
const told = (figure: number | null): Effect.Effect<number, Problem> =>
  figure === null ? Effect.fail(EXPIRED) : Effect.succeed(figure)

type Range = string | readonly [from: string, until: string]

/** {@link ChoiceFigures} of several sites. */
const figuresOfSeveral = ({ questions, calendar, now }: ChoiceFiguresOptions): ChoiceFigures => {
  const ask: Ask<Problem> = (query) => questions.ask(query)

  const queryOf = (choice: string, range: Range, more: object = { metrics: ["events"] }) => {
    const slugs = slugsOf(choice)
    const body = { sites: slugs, date_range: range, time_zone: calendar.timeZone, ...more }
    return questions.decodeWhole(body, { declared: new Set(slugs), default: choice })
  }

  const figuresOf = (choice: string, range: Range, metrics: ReadonlyArray<string>) =>
    Effect.map(
      Effect.flatMap(queryOf(choice, range, { metrics }), ask),
      ({ rows: [row] }) => row?.metrics ?? [],
    )

  const daysOf = (period: Period, at = now()): Range => {
    const days = periodDays(period, calendar.dayOf(at))
    return [days[0] ?? "", days.at(-1) ?? ""]
  }

  return {
    realtime: (choice) =>
      Effect.gen(function* () {
        const at = now()
        const lately = [at - CURRENT_VISITOR_MS + 1, at + MAX_AHEAD_MS + 1] as const
        const [from, until] = lately.map((instant) => new Date(instant).toISOString())
        const [current] = yield* figuresOf(choice, [from ?? "", until ?? ""], ["visitors"])
        const [unique, events, letters] = yield* figuresOf(choice, "day", ["visitors", "events", "letters"])
        return {
          ...{ current_visitors: current ?? 0, unique_today: unique ?? 0, total_events: events ?? 0 },
          ...{ letters_today: letters ?? 0, timestamp: Math.floor(at / 1000) },
        }
      }),

    stats: (choice, period) =>
      Effect.gen(function* () {
        const at = now()
        const { data } = yield* rangedStats(ask, yield* queryOf(choice, daysOf(period, at)))
        return {
          ...{ period, period_key: periodKey(period, calendar.dayOf(at)) },
          total_events: data.total_events ?? 0,
          page_views: data.page_views ?? 0,
          letters_generated: data.letters_generated ?? 0,
          unique_visitors: yield* told(data.unique_visitors),
          conversion_rate: yield* told(data.conversion_rate),
        }
      }),

    themes: (choice, limit, period) =>
      Effect.gen(function* () {
        const query = yield* queryOf(choice, period === null ? "all" : daysOf(period))
        return (yield* rangedThemes(ask, query, limit)).data
      }),

    letters: (choice, period) =>
      Effect.gen(function* () {
        const asked = { metrics: ["events"], interval: "day" }
        const { data } = yield* rangedLetters(ask, yield* queryOf(choice, daysOf(period), asked))
        return {
          ...{ period, total: data.total, motivation: data.motivation },
          anti_motivation: data.anti_motivation,
          unique_visitors: yield* told(data.unique_visitors),
          conversion_rate: yield* told(data.conversion_rate),
          history: data.history.map(({ date, count }) => ({ date, count: count ?? 0 })),
        }
      }),
  }
}

export const makeChoiceFigures = (options: ChoiceFiguresOptions): ChoiceFigures => {
  const { figures } = options
  const several = figuresOfSeveral(options)
  const of = (choice: string): ChoiceFigures => (isSeveral(choice) ? several : figures)
  return {
    realtime: (choice) => of(choice).realtime(choice),
    stats: (choice, period) => of(choice).stats(choice, period),
    themes: (choice, limit, period) => of(choice).themes(choice, limit, period),
    letters: (choice, period) => of(choice).letters(choice, period),
  }
}

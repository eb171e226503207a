/** Reads figures from Redis. Each is the sum over the partitions, because a visitor is in only one of them. */
import type * as Effect from "effect/Effect"
import { conversionRate, mostViewed } from "../domain/aggregation.ts"
import type { Letters, LettersOfDay, Realtime, Stats, ThemeViews } from "../domain/answers.ts"
import { CURRENT_VISITOR_MS } from "../domain/limits.ts"
import { type Calendar, type Day, type Period, periodDays, periodKey } from "../domain/period.ts"
import type { UniquesOf } from "../events/totals/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { type FigureKeys, figureKeys } from "../stores/redisKeys.ts"

/** The figures of every site. Every call reads from Redis; where many callers ask, put a cache in front. */
export interface Figures {
  readonly realtime: (site: string) => Effect.Effect<Realtime, StoreError>
  readonly stats: (site: string, period: Period) => Effect.Effect<Stats, StoreError>
  /** Most viewed first, ties by name; a `null` period is all time. */
  readonly themes: (
    site: string,
    limit: number,
    period: Period | null,
  ) => Effect.Effect<ReadonlyArray<ThemeViews>, StoreError>
  readonly letters: (site: string, period: Period) => Effect.Effect<Letters, StoreError>
  /** One row for every day of the period, zeros included. */
  readonly lettersByType: (
    site: string,
    period: Period,
  ) => Effect.Effect<ReadonlyArray<LettersOfDay>, StoreError>
}

export interface FiguresOptions {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly partitions: number
  readonly calendar: Calendar
  readonly metrics: Metrics
  /** Unix milliseconds. */
  readonly now: () => number
}

const FIELDS = [
  "events",
  "page_views",
  "letters",
  "letters_motivation",
  "letters_anti_motivation",
  "unique_visitors",
] as const
type Totals = { readonly [F in (typeof FIELDS)[number]]: number }

const sumTotals = (replies: ReadonlyArray<ReadonlyArray<string | null>>): Totals => {
  const sum = (index: number) => replies.reduce((total, reply) => total + Number(reply[index] ?? 0), 0)
  return {
    events: sum(0),
    page_views: sum(1),
    letters: sum(2),
    letters_motivation: sum(3),
    letters_anti_motivation: sum(4),
    unique_visitors: sum(5),
  }
}

/** Makes {@link Figures} from Redis. Long: a list of queries over shared keys. */
export const makeFigures = (options: FiguresOptions): Figures => {
  const { redis, prefix, partitions, calendar, metrics, now } = options

  const partitionKeys = (site: string): ReadonlyArray<FigureKeys> =>
    Array.from({ length: partitions }, (_, partition) => figureKeys(prefix, partition, site))

  const today = () => calendar.dayOf(now())

  const totalsOf = async (site: string, key: string): Promise<Totals> =>
    sumTotals(
      await Promise.all(partitionKeys(site).map((keys) => redis.hmget(keys.period(key).totals, ...FIELDS))),
    )

  const lettersByType = async (
    site: string,
    days: ReadonlyArray<Day>,
  ): Promise<ReadonlyArray<LettersOfDay>> => {
    const totals = await Promise.all(days.map((day) => totalsOf(site, day)))
    return totals.map((each, index) => ({
      date: days[index] ?? "",
      motivation: each.letters_motivation,
      anti_motivation: each.letters_anti_motivation,
      other: each.letters - each.letters_motivation - each.letters_anti_motivation,
      total: each.letters,
    }))
  }

  return {
    realtime: (site) =>
      redisCall(metrics, "realtime", async () => {
        const at = now()
        const [current, totals] = await Promise.all([
          Promise.all(
            partitionKeys(site).map((keys) =>
              redis.zcount(keys.active, `(${at - CURRENT_VISITOR_MS}`, "+inf"),
            ),
          ),
          totalsOf(site, calendar.dayOf(at)),
        ])
        return {
          current_visitors: current.reduce((sum, count) => sum + count, 0),
          unique_today: totals.unique_visitors,
          total_events: totals.events,
          letters_today: totals.letters,
          timestamp: Math.floor(at / 1000),
        }
      }),

    stats: (site, period) =>
      redisCall(metrics, "stats", async () => {
        const key = periodKey(period, today())
        const totals = await totalsOf(site, key)
        return {
          period,
          period_key: key,
          total_events: totals.events,
          page_views: totals.page_views,
          letters_generated: totals.letters,
          unique_visitors: totals.unique_visitors,
          conversion_rate: conversionRate(totals.letters, totals.unique_visitors),
        }
      }),

    themes: (site, limit, period) =>
      redisCall(metrics, "themes", async () => {
        const key = period === null ? null : periodKey(period, today())
        // The percentages need every theme's views, and a theme has views in several partitions.
        const replies = await Promise.all(
          partitionKeys(site).map((keys) =>
            redis.zrange(key === null ? keys.themes : keys.period(key).themes, 0, "-1", "WITHSCORES"),
          ),
        )
        const views = new Map<string, number>()
        for (const reply of replies) {
          for (let i = 0; i + 1 < reply.length; i += 2) {
            const theme = reply[i] ?? ""
            const count = Number(reply[i + 1])
            views.set(theme, (views.get(theme) ?? 0) + count)
          }
        }
        return mostViewed(views, limit)
      }),

    letters: (site, period) =>
      redisCall(metrics, "letters", async () => {
        const day = today()
        const [totals, days] = await Promise.all([
          totalsOf(site, periodKey(period, day)),
          lettersByType(site, periodDays(period, day)),
        ])
        return {
          period,
          total: totals.letters,
          motivation: totals.letters_motivation,
          anti_motivation: totals.letters_anti_motivation,
          unique_visitors: totals.unique_visitors,
          conversion_rate: conversionRate(totals.letters, totals.unique_visitors),
          history: days.map(({ date, total }) => ({ date, count: total })),
        }
      }),

    lettersByType: (site, period) =>
      redisCall(metrics, "letters", () => lettersByType(site, periodDays(period, today()))),
  }
}

/** Reads the unique visitors of one period in one partition, for retention to save. */
export const uniquesOf =
  ({ redis, prefix, metrics }: Pick<FiguresOptions, "redis" | "prefix" | "metrics">): UniquesOf =>
  (site, partition, key) =>
    redisCall(metrics, "uniques", async () => {
      const { totals } = figureKeys(prefix, partition, site).period(key)
      return Number((await redis.hget(totals, "unique_visitors")) ?? 0)
    })

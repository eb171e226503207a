/** The course in time of a site, or of several as one, from raw events: the last minutes, and how the day before went. */
import * as Effect from "effect/Effect"
import type { DayCourse, MinuteOfHistory } from "../../domain/answers.ts"
import { PRESENT_MINUTES } from "../../domain/limits.ts"
import { addDays, type Calendar } from "../../domain/period.ts"
import { slugsOf } from "../../domain/siteChoice.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"

export interface History {
  /** Oldest first, every minute, the one that has begun included. */
  readonly minutes: ReadonlyArray<MinuteOfHistory>
  /** The window's end: events up to this instant are in it. Unix milliseconds. */
  readonly until: number
}

/** SQL: the events of the sites $1 from $2 until $3. Those of one are planned for its chunks alone. */
const eventsOf = (sites: ReadonlyArray<string>): string =>
  sites.length === 1
    ? "events_between(($1::text[])[1], $2, $3)"
    : "unnest($1::text[]) AS chosen (slug), events_between(slug, $2, $3)"

/** A visitor seen in a minute is present in that one and the next four, hence a window that reads a little more. */
const selectMinutes = (sites: ReadonlyArray<string>) => `
  WITH seen AS MATERIALIZED (
    SELECT date_bin('1 minute', created_at, 'epoch') AS minute, visitor_id, count(*) AS events
    FROM ${eventsOf(sites)}
    GROUP BY 1, 2
  ), counted AS (
    SELECT minute, sum(events) AS events FROM seen GROUP BY 1
  ), present AS (
    SELECT minute + later * interval '1 minute' AS minute, count(DISTINCT visitor_id) AS visitors
    FROM seen, generate_series(0, $4::integer - 1) AS later
    GROUP BY 1
  )
  SELECT minute, coalesce(events, 0)::integer AS events, visitors::integer
  FROM present LEFT JOIN counted USING (minute)`

/** The last `minutes` minutes, the running one included, to the millisecond `now`. */
export const history = Effect.fnUntraced(function* (
  postgres: Postgres,
  { site, minutes, now }: { readonly site: string; readonly minutes: number; readonly now: number },
): Effect.fn.Return<History, StoreError> {
  const first = Math.floor(now / MINUTE_MS) - minutes + 1
  const sites = slugsOf(site)
  const rows = yield* postgres.query<{ minute: Date; events: number; visitors: number }>(
    "history",
    selectMinutes(sites),
    [sites, new Date((first - PRESENT_MINUTES + 1) * MINUTE_MS), new Date(now + 1), PRESENT_MINUTES],
  )
  const found = new Map(rows.map((row) => [row.minute.getTime() / MINUTE_MS, row]))
  return {
    minutes: Array.from({ length: minutes }, (_, i) => ({
      time: new Date((first + i) * MINUTE_MS).toISOString(),
      events: found.get(first + i)?.events ?? 0,
      visitors: found.get(first + i)?.visitors ?? 0,
    })),
    until: now,
  }
})

/** A visitor is new in the minute of the day's first event, so that sums of new ones are unique visitors. */
const selectCourse = (sites: ReadonlyArray<string>) => `
  WITH seen AS MATERIALIZED (
    SELECT date_bin('1 minute', created_at, 'epoch') AS minute, visitor_id, count(*) AS events,
      count(*) FILTER (WHERE event_type = 'page_view') AS page_views,
      count(*) FILTER (WHERE event_type = 'letter_generate') AS letters
    FROM ${eventsOf(sites)}
    GROUP BY 1, 2
  )
  SELECT minute, sum(events)::integer AS events, sum(page_views)::integer AS page_views,
    sum(letters)::integer AS letters, sum(visitors)::integer AS visitors
  FROM (
    SELECT minute, events, page_views, letters, 0 AS visitors FROM seen
    UNION ALL
    SELECT min(minute), 0, 0, 0, 1 FROM seen GROUP BY visitor_id
  ) AS gains
  GROUP BY 1`

interface CourseRow {
  readonly minute: Date
  readonly events: number
  readonly page_views: number
  readonly letters: number
  readonly visitors: number
}

/** The course of the day before the one of `now`. */
export const yesterday = Effect.fnUntraced(function* (
  postgres: Postgres,
  { site, calendar, now }: { readonly site: string; readonly calendar: Calendar; readonly now: number },
): Effect.fn.Return<DayCourse, StoreError> {
  const sites = slugsOf(site)
  const today = calendar.dayOf(now)
  const date = addDays(today, -1)
  const from = calendar.startOf(date)
  const until = calendar.startOf(today)
  const rows = yield* postgres.query<CourseRow>("yesterday", selectCourse(sites), [
    sites,
    new Date(from),
    new Date(until),
  ])
  const byMinute = new Map(rows.map((row) => [Math.floor((row.minute.getTime() - from) / MINUTE_MS), row]))
  const course = (gain: (row: CourseRow) => number): ReadonlyArray<number> => {
    let total = 0
    return Array.from({ length: Math.ceil((until - from) / MINUTE_MS) }, (_, minute) => {
      const row = byMinute.get(minute)
      if (row !== undefined) total += gain(row)
      return total
    })
  }
  return {
    date,
    from: new Date(from).toISOString(),
    until: new Date(until).toISOString(),
    total_events: course((row) => row.events),
    page_views: course((row) => row.page_views),
    letters: course((row) => row.letters),
    unique_visitors: course((row) => row.visitors),
  }
})

/** Totals by site and day as rows of daily_totals, and back. */
import { type DayTotals, emptyDay } from "../../domain/aggregation.ts"
import { MAX_THEMES, OTHER_THEME } from "../../domain/limits.ts"

/** What is counted a day; `theme` once a theme's name. */
export type DailyMetric =
  | "events"
  | "page_views"
  | "letters"
  | "letters_motivation"
  | "letters_anti_motivation"
  | "theme"

export interface TotalRow {
  readonly site_id: number
  /** Calendar day in the deployment's zone. */
  readonly day: string
  readonly metric: DailyMetric
  /** Of the theme; otherwise empty. */
  readonly name: string
  readonly count: number
}

/**
 * SQL that adds to the totals. Two arguments are parameters: the partition, and JSON of {@link TotalRow}s; nothing is added unless
 * `condition` holds.
 */
export const addTotals = (partition: string, rows: string, condition = "true"): string => `
  WITH brought AS MATERIALIZED (
    SELECT * FROM json_to_recordset(${rows}::json) AS total (
      site_id smallint, day date, metric text, name text, count bigint
    ) WHERE ${condition}
  ), full_days AS MATERIALIZED (
    SELECT site_id, day FROM brought WHERE metric = 'theme' GROUP BY site_id, day
    HAVING count(*) + (
      SELECT count(*) FROM (
        SELECT FROM daily_totals AS known
        WHERE partition = ${partition} AND known.site_id = brought.site_id AND known.day = brought.day AND metric = 'theme'
        LIMIT ${MAX_THEMES}
      ) AS themes
    ) > ${MAX_THEMES}
  ), named AS (
    SELECT site_id, day, metric, count,
      CASE WHEN metric = 'theme' AND (site_id, day) IN (SELECT site_id, day FROM full_days) AND NOT EXISTS (
        SELECT FROM daily_totals AS known
        WHERE partition = ${partition} AND known.site_id = brought.site_id AND known.day = brought.day
          AND metric = 'theme' AND known.name = brought.name
      ) THEN '${OTHER_THEME}' ELSE name END AS name
    FROM brought
  )
  INSERT INTO daily_totals AS kept (partition, site_id, day, metric, name, count)
  SELECT ${partition}, site_id, day, metric, name, sum(count) FROM named GROUP BY site_id, day, metric, name
  ON CONFLICT (partition, site_id, day, metric, name) DO UPDATE SET count = kept.count + excluded.count`

/** The rows of a day's totals; zeros have none. */
export const toTotalRows = (siteId: number, totals: DayTotals): ReadonlyArray<TotalRow> => {
  const rows: Array<TotalRow> = []
  const add = (metric: DailyMetric, name: string, count: number) => {
    if (count > 0) rows.push({ site_id: siteId, day: totals.day, metric, name, count })
  }
  add("events", "", totals.events)
  add("page_views", "", totals.pageViews)
  add("letters", "", totals.letters)
  add("letters_motivation", "", totals.motivation)
  add("letters_anti_motivation", "", totals.antiMotivation)
  for (const [theme, count] of totals.themes) add("theme", theme, count)
  return rows
}

/** A row of daily_totals with its site's slug; a bigint is text. */
export interface StoredTotal {
  readonly site: string
  readonly day: string
  readonly metric: DailyMetric
  readonly name: string
  readonly count: string
}

/** The totals of rows, by site and day in their order; who the visitors were is not among them. */
export const toDayTotals = (rows: ReadonlyArray<StoredTotal>): ReadonlyArray<DayTotals> => {
  const days = new Map<string, DayTotals>()
  for (const row of rows) {
    const key = `${row.site} ${row.day}`
    const totals = days.get(key) ?? emptyDay(row.site, row.day)
    days.set(key, totals)
    const count = Number(row.count)
    switch (row.metric) {
      case "events":
        totals.events += count
        break
      case "page_views":
        totals.pageViews += count
        break
      case "letters":
        totals.letters += count
        break
      case "letters_motivation":
        totals.motivation += count
        break
      case "letters_anti_motivation":
        totals.antiMotivation += count
        break
      case "theme":
        totals.themes.set(row.name, (totals.themes.get(row.name) ?? 0) + count)
    }
  }
  return [...days.values()]
}

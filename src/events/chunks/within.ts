/** Reading chunks through the view `chunk_events`. */

/**
 * SQL: events from one instant until another, the second excluded, both timestamptz expressions. Bounds of the chunks make
 * that only the days and chunks concerned are read, for a chunk begins and ends on one UTC day; and that only of chunks which
 * lie across a bound each event's time is looked at. As in `events_between`.
 */
export const within = (from: string, until: string): string => `
  first_at >= date_trunc('day', ${from}::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
  AND first_at < ${until}::timestamptz AND last_at >= ${from}::timestamptz
  AND (first_at >= ${from}::timestamptz OR created_at >= ${from}::timestamptz)
  AND (last_at < ${until}::timestamptz OR created_at < ${until}::timestamptz)`

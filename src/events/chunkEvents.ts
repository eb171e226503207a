/** Reading chunks through the view `chunk_events`. */

/**
 * SQL: events from one instant until another, the second excluded, both timestamptz expressions. Bounds of the chunks make
 * that only the days and chunks concerned are read: a chunk begins and ends on one UTC day. As in `events_between`.
 */
export const within = (from: string, until: string): string => `
  first_at >= date_trunc('day', ${from}::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
  AND first_at < ${until}::timestamptz AND last_at >= ${from}::timestamptz
  AND created_at >= ${from}::timestamptz AND created_at < ${until}::timestamptz`

/** Parts of the SQL that reads chunks. */

/** The columns that `events_of` takes a chunk apart by, in its order. */
const EVENTS_OF = [
  ...["first_at", "ids", "offsets", "types", "type", "pages", "page"],
  ...["referrers", "referrer", "visitors", "visitor", "data"],
  ...["origins", "origin", "clients", "client", "labels", "label"],
]

/** SQL: the events of the chunks of a relation that has their columns. Of all chunks, they are the view `chunk_events`. */
export const eventsOf = (chunks: string): string =>
  `events_of(${EVENTS_OF.map((column) => `${chunks}.${column}`).join()})`

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

/**
 * SQL: what a chunk is known by, to later processes, too, as a bigint: its deployment, its file, its place, its transaction, and, where
 * another server has come to have those, what it has. A chunk never changes, and a table that is rewritten (`CLUSTER`) is another file.
 */
export const CHUNK_KEY =
  "hash_record_extended(((SELECT id FROM deployment), pg_relation_filenode(tableoid), ctid, xmin, events, first_at, last_at), 0)"

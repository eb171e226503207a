-- Raw events as chunks: a row holds up to about 1,000 events of one site and UTC day, a column of theirs an array, texts and
-- visitors that repeat in a dictionary. A batch is a row or a few, and an event takes a quarter of the disk. Events are read
-- through the view analytics_events and the function events_between.

CREATE TABLE event_chunks (
  -- Times of the earliest and the latest event, of one UTC day.
  first_at timestamptz(3) NOT NULL,
  last_at timestamptz(3) NOT NULL,
  site_id smallint NOT NULL,
  events smallint NOT NULL,
  -- Compaction merges it with others.
  small boolean NOT NULL,
  -- Dictionaries; a URL may be NULL.
  types text[] NOT NULL,
  pages text[] NOT NULL,
  referrers text[] NOT NULL,
  visitors uuid[] NOT NULL,
  -- An element an event: its id, milliseconds since first_at, places in the dictionaries (from 1), and JSON or NULL.
  ids uuid[] NOT NULL,
  offsets integer[] NOT NULL,
  type smallint[] NOT NULL,
  page smallint[] NOT NULL,
  referrer smallint[] NOT NULL,
  visitor smallint[] NOT NULL,
  data text[] NOT NULL
) PARTITION BY RANGE (first_at);

-- No unique index: idempotency_keys and stream_partitions keep events single.
CREATE INDEX event_chunks_newest ON event_chunks (site_id, last_at, first_at);
CREATE INDEX event_chunks_small ON event_chunks (site_id, first_at) WHERE small;

-- Creates the table of a UTC day unless it exists; tells whether it did. Creating and attaching takes no lock that
-- readers or writers of other days wait for, as CREATE TABLE … PARTITION OF would.
CREATE OR REPLACE FUNCTION ensure_event_day(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  day_table text := 'event_chunks_' || to_char(day, 'YYYYMMDD');
BEGIN
  IF to_regclass(day_table) IS NOT NULL THEN
    RETURN false;
  END IF;
  -- The lock that attaching needs anyway. Having waited for it also makes the other one's table visible.
  LOCK TABLE ONLY event_chunks IN SHARE UPDATE EXCLUSIVE MODE;
  IF to_regclass(day_table) IS NOT NULL THEN
    RETURN false;
  END IF;
  -- What compaction frees is to be used again while the day goes on.
  EXECUTE format(
    'CREATE TABLE %I (LIKE event_chunks INCLUDING ALL)
     WITH (autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02)',
    day_table
  );
  EXECUTE format(
    'ALTER TABLE event_chunks ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    day_table, day || ' 00:00:00+00', (day + 1) || ' 00:00:00+00'
  );
  RETURN true;
END
$$;

-- Takes a chunk apart, given its columns; Postgres puts the function into the query that asks. Concatenating nothing brings an
-- array into memory once a chunk rather than once an event, and OFFSET 0 keeps it so; what a query does not ask for is not read.
CREATE FUNCTION events_of(
  first_at timestamptz, ids uuid[], offsets integer[], types text[], type smallint[], pages text[], page smallint[],
  referrers text[], referrer smallint[], visitors uuid[], visitor smallint[], data text[]
) RETURNS TABLE (
  id uuid, visitor_id uuid, event_type text, event_data text, page_url text, referred_by text, created_at timestamptz
) LANGUAGE sql STABLE AS $$
  SELECT
    held.ids[n], held.visitors[held.visitor[n]], held.types[held.type[n]], event_data,
    held.pages[held.page[n]], held.referrers[held.referrer[n]],
    events_of.first_at + held.offsets[n] * interval '1 millisecond'
  FROM (
    SELECT
      events_of.ids || '{}' AS ids, events_of.offsets || '{}' AS offsets,
      events_of.types || '{}' AS types, events_of.type || '{}' AS type,
      events_of.pages || '{}' AS pages, events_of.page || '{}' AS page,
      events_of.referrers || '{}' AS referrers, events_of.referrer || '{}' AS referrer,
      events_of.visitors || '{}' AS visitors, events_of.visitor || '{}' AS visitor
    OFFSET 0
  ) AS held
  CROSS JOIN LATERAL unnest(events_of.data) WITH ORDINALITY AS event (event_data, n)
$$;

-- All chunks taken apart. Ask for bounds of first_at and last_at, or every chunk is read.
CREATE VIEW chunk_events AS
SELECT
  chunk.ctid AS place, chunk.first_at, chunk.last_at, chunk.site_id,
  chunk.types AS chunk_types, chunk.visitors AS chunk_visitors,
  event.id, visitor_id, event_type, event_data, page_url, referred_by AS referrer, created_at
FROM event_chunks AS chunk
CROSS JOIN LATERAL events_of(
  chunk.first_at, ids, offsets, types, type, pages, page, referrers, referrer, visitors, visitor, data
) AS event;

-- The old table's events, a day at a time.
DO $$
DECLARE
  day_table regclass;
BEGIN
  FOR day_table IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'analytics_events'::regclass LOOP
    EXECUTE format('SELECT ensure_event_day(to_date(right(%L, 8), ''YYYYMMDD''))', day_table::text);
    EXECUTE format($move$
      WITH cut AS (
        SELECT *, (row_number() OVER (PARTITION BY site_id ORDER BY created_at, id) - 1) / 1000 AS part FROM %s
      ), placed AS (
        SELECT *,
          dense_rank() OVER (PARTITION BY site_id, part ORDER BY event_type) AS type,
          dense_rank() OVER (PARTITION BY site_id, part ORDER BY page_url) AS page,
          dense_rank() OVER (PARTITION BY site_id, part ORDER BY referrer) AS referrer_place,
          dense_rank() OVER (PARTITION BY site_id, part ORDER BY visitor_id) AS visitor,
          min(created_at) OVER (PARTITION BY site_id, part) AS first_at
        FROM cut
      )
      INSERT INTO event_chunks (
        first_at, last_at, site_id, events, small, types, pages, referrers, visitors,
        ids, offsets, type, page, referrer, visitor, data
      )
      SELECT first_at, max(created_at), site_id, count(*), count(*) < 500,
        array_agg(DISTINCT event_type ORDER BY event_type), array_agg(DISTINCT page_url ORDER BY page_url),
        array_agg(DISTINCT referrer ORDER BY referrer), array_agg(DISTINCT visitor_id ORDER BY visitor_id),
        array_agg(id ORDER BY visitor, created_at, id),
        array_agg((extract(epoch FROM created_at - first_at) * 1000)::integer ORDER BY visitor, created_at, id),
        array_agg(type::smallint ORDER BY visitor, created_at, id),
        array_agg(page::smallint ORDER BY visitor, created_at, id),
        array_agg(referrer_place::smallint ORDER BY visitor, created_at, id),
        array_agg(visitor::smallint ORDER BY visitor, created_at, id),
        array_agg(event_data::text ORDER BY visitor, created_at, id)
      FROM placed
      GROUP BY site_id, part, first_at
    $move$, day_table);
  END LOOP;
END
$$;
DROP TABLE analytics_events;

-- Every event, for whoever asks in SQL. It reads all days; events_between reads those asked for. OFFSET 0 here, and there: what
-- sorts or groups events must not carry their chunks' arrays along, for each event, to the disk.
CREATE VIEW analytics_events AS
SELECT chunk_events.id, visitor_id, event_type, event_data::jsonb, page_url, referrer, created_at, slug AS site, site_id
FROM chunk_events JOIN sites ON sites.id = site_id
OFFSET 0;

-- A site's events from an instant until another, the second excluded. Written so that Postgres puts it into the query that
-- asks and reads only the days and chunks concerned: a chunk begins and ends on one UTC day.
CREATE FUNCTION events_between(of_site text, since timestamptz, until timestamptz)
RETURNS TABLE (
  id uuid, visitor_id uuid, event_type text, event_data jsonb, page_url text, referrer text, created_at timestamptz
) LANGUAGE sql STABLE AS $$
  SELECT id, visitor_id, event_type, event_data::jsonb, page_url, referrer, created_at
  FROM chunk_events
  WHERE site_id = (SELECT sites.id FROM sites WHERE slug = of_site)
    AND first_at >= date_trunc('day', since AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    AND first_at < until AND last_at >= since
    AND (first_at >= since OR created_at >= since) AND (last_at < until OR created_at < until)
  OFFSET 0
$$;

-- Sites, the deployment's fixed settings, the partitions' progress, raw events and the figures kept when those go.

CREATE TABLE sites (
  id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  slug text NOT NULL UNIQUE
);

-- What must not differ between two starts: figures are spread over so many partitions, and cut into this zone's days.
CREATE TABLE deployment (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  partitions smallint NOT NULL,
  time_zone text NOT NULL
);

-- One row a partition of the stream. It is locked and updated by every batch, hence room for HOT updates.
CREATE TABLE stream_partitions (
  partition smallint PRIMARY KEY,
  -- Of the actor that may write; a batch of an earlier one is refused.
  epoch bigint NOT NULL DEFAULT 0,
  -- The last entry whose event is in this database.
  last_stream_id text NOT NULL DEFAULT '0-0'
) WITH (fillfactor = 10);

-- Ids that senders gave their events, and the stream entry that was the first to bring each.
CREATE TABLE idempotency_keys (
  id uuid NOT NULL,
  stream_ms bigint NOT NULL,
  stream_seq integer NOT NULL,
  site_id smallint NOT NULL,
  partition smallint NOT NULL,
  PRIMARY KEY (id, site_id)
);

-- Raw events, one table a UTC day. No unique index: idempotency_keys and stream_partitions keep events single.
-- No default partition either, because it would make every new day scan it under a lock.
CREATE TABLE analytics_events (
  id uuid NOT NULL,
  visitor_id uuid NOT NULL,
  created_at timestamptz(3) NOT NULL,
  site_id smallint NOT NULL,
  event_type text NOT NULL,
  page_url text,
  referrer text,
  event_data jsonb
) PARTITION BY RANGE (created_at);

CREATE INDEX analytics_events_timeline ON analytics_events (site_id, created_at);
CREATE INDEX analytics_events_clicks ON analytics_events (site_id, created_at)
  WHERE event_type IN ('button_click', 'link_click');

-- Totals by site and calendar day of the deployment's zone, written with each batch, kept for ever.
CREATE TABLE daily_totals (
  count bigint NOT NULL,
  day date NOT NULL,
  partition smallint NOT NULL,
  site_id smallint NOT NULL,
  metric text NOT NULL CHECK (
    metric IN ('events', 'page_views', 'letters', 'letters_motivation', 'letters_anti_motivation', 'theme')
  ),
  -- The theme's name when the metric is 'theme'.
  name text NOT NULL DEFAULT '',
  PRIMARY KEY (partition, site_id, day, metric, name)
) WITH (fillfactor = 50);

-- Unique visitors of periods whose raw events are gone or going: what they were then.
CREATE TABLE period_uniques (
  uniques bigint NOT NULL,
  partition smallint NOT NULL,
  site_id smallint NOT NULL,
  -- 2025-12-08, 2025-W50 or 2025-12.
  period_key text NOT NULL,
  PRIMARY KEY (partition, site_id, period_key)
);

-- Creates the table of a UTC day unless it exists; tells whether it did. Creating and attaching takes no lock that
-- readers or writers of other days wait for, as CREATE TABLE … PARTITION OF would.
CREATE FUNCTION ensure_event_day(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  day_table text := 'analytics_events_' || to_char(day, 'YYYYMMDD');
BEGIN
  IF to_regclass(day_table) IS NOT NULL THEN
    RETURN false;
  END IF;
  -- The lock that attaching needs anyway. Having waited for it also makes the other one's table visible.
  LOCK TABLE ONLY analytics_events IN SHARE UPDATE EXCLUSIVE MODE;
  IF to_regclass(day_table) IS NOT NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE analytics_events INCLUDING ALL)', day_table);
  EXECUTE format(
    'ALTER TABLE analytics_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    day_table, day || ' 00:00:00+00', (day + 1) || ' 00:00:00+00'
  );
  RETURN true;
END
$$;

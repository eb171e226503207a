-- What an event's request told: where its visitor came from (origin), who sent it (client), what it is called (label). Each is a
-- JSON array of texts in a dictionary of the chunk, and an event's place in that, as with its other columns; NULL where no event
-- of the chunk has any, and in chunks of earlier versions. The order of the values is in src/domain/dimensions.ts.
ALTER TABLE event_chunks
  ADD COLUMN origins text[],
  ADD COLUMN origin smallint[],
  ADD COLUMN clients text[],
  ADD COLUMN client smallint[],
  ADD COLUMN labels text[],
  ADD COLUMN label smallint[],
  -- Every event of the chunk is marked as a bot's, and counts in no figure.
  ADD COLUMN bots boolean NOT NULL DEFAULT false;

-- As the function of the same name without the facts, which nodes of earlier versions still call.
CREATE FUNCTION events_of(
  first_at timestamptz, ids uuid[], offsets integer[], types text[], type smallint[], pages text[], page smallint[],
  referrers text[], referrer smallint[], visitors uuid[], visitor smallint[], data text[],
  origins text[], origin smallint[], clients text[], client smallint[], labels text[], label smallint[]
) RETURNS TABLE (
  id uuid, visitor_id uuid, event_type text, event_data text, page_url text, referred_by text, created_at timestamptz,
  origin_fact text, client_fact text, label_fact text
) LANGUAGE sql STABLE AS $$
  SELECT
    held.ids[n], held.visitors[held.visitor[n]], held.types[held.type[n]], event_data,
    held.pages[held.page[n]], held.referrers[held.referrer[n]],
    events_of.first_at + held.offsets[n] * interval '1 millisecond',
    held.origins[held.origin[n]], held.clients[held.client[n]], held.labels[held.label[n]]
  FROM (
    SELECT
      events_of.ids || '{}' AS ids, events_of.offsets || '{}' AS offsets,
      events_of.types || '{}' AS types, events_of.type || '{}' AS type,
      events_of.pages || '{}' AS pages, events_of.page || '{}' AS page,
      events_of.referrers || '{}' AS referrers, events_of.referrer || '{}' AS referrer,
      events_of.visitors || '{}' AS visitors, events_of.visitor || '{}' AS visitor,
      events_of.origins || '{}' AS origins, events_of.origin || '{}' AS origin,
      events_of.clients || '{}' AS clients, events_of.client || '{}' AS client,
      events_of.labels || '{}' AS labels, events_of.label || '{}' AS label
    OFFSET 0
  ) AS held
  CROSS JOIN LATERAL unnest(events_of.data) WITH ORDINALITY AS event (event_data, n)
$$;

CREATE OR REPLACE VIEW chunk_events AS
SELECT
  chunk.ctid AS place, chunk.first_at, chunk.last_at, chunk.site_id,
  chunk.types AS chunk_types, chunk.visitors AS chunk_visitors,
  event.id, visitor_id, event_type, event_data, page_url, referred_by AS referrer, created_at,
  origin_fact AS origin, client_fact AS client, label_fact AS label, chunk.bots
FROM event_chunks AS chunk
CROSS JOIN LATERAL events_of(
  chunk.first_at, ids, offsets, types, type, pages, page, referrers, referrer, visitors, visitor, data,
  origins, chunk.origin, clients, chunk.client, labels, chunk.label
) AS event;

-- With what the facts say, each a column. What a query does not ask for is not read.
CREATE OR REPLACE VIEW analytics_events AS
SELECT
  chunk_events.id, visitor_id, event_type, event_data::jsonb, page_url, referrer, created_at, slug AS site, site_id,
  bots AS is_bot, coalesce(label::json ->> 1, event_type) AS event, label::json ->> 0 AS title,
  origin::json ->> 0 AS source, origin::json ->> 1 AS medium, origin::json ->> 2 AS channel, origin::json ->> 3 AS referred_from,
  origin::json ->> 4 AS utm_source, origin::json ->> 5 AS utm_medium, origin::json ->> 6 AS utm_campaign,
  origin::json ->> 7 AS utm_term, origin::json ->> 8 AS utm_content,
  client::json ->> 0 AS browser, client::json ->> 1 AS browser_version, client::json ->> 2 AS os, client::json ->> 3 AS device,
  client::json ->> 4 AS country, client::json ->> 5 AS region, client::json ->> 6 AS city,
  client::json ->> 7 AS language, client::json ->> 8 AS screen, client::json ->> 9 AS bot
FROM chunk_events JOIN sites ON sites.id = site_id
OFFSET 0;

-- Without the events that are marked as bots', as all figures are.
CREATE OR REPLACE FUNCTION events_between(of_site text, since timestamptz, until timestamptz)
RETURNS TABLE (
  id uuid, visitor_id uuid, event_type text, event_data jsonb, page_url text, referrer text, created_at timestamptz
) LANGUAGE sql STABLE AS $$
  SELECT id, visitor_id, event_type, event_data::jsonb, page_url, referrer, created_at
  FROM chunk_events
  WHERE site_id = (SELECT sites.id FROM sites WHERE slug = of_site) AND NOT bots
    AND first_at >= date_trunc('day', since AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    AND first_at < until AND last_at >= since
    AND (first_at >= since OR created_at >= since) AND (last_at < until OR created_at < until)
  OFFSET 0
$$;

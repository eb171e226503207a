-- Where visitors clicked, beside the events: a heatmap reads these and takes no chunk apart. An element a click that has a
-- position: its page's place in the chunk's dictionary, and x and y. NULL in chunks that an earlier version has written,
-- which are taken apart until they are too old for a heatmap.
ALTER TABLE event_chunks
  ADD COLUMN click_page smallint[],
  ADD COLUMN click_x float8[],
  ADD COLUMN click_y float8[];

-- As before, and whether the chunk tells its clicks.
CREATE OR REPLACE VIEW chunk_events AS
SELECT
  chunk.ctid AS place, chunk.first_at, chunk.last_at, chunk.site_id,
  chunk.types AS chunk_types, chunk.visitors AS chunk_visitors,
  event.id, visitor_id, event_type, event_data, page_url, referred_by AS referrer, created_at,
  chunk.click_page IS NOT NULL AS tells_clicks
FROM event_chunks AS chunk
CROSS JOIN LATERAL events_of(
  chunk.first_at, ids, offsets, types, type, pages, page, referrers, referrer, visitors, visitor, data
) AS event;

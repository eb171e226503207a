-- Where visitors clicked, beside the events: a heatmap reads these and takes no chunk apart. An element a click that has a
-- position: its page's place in the chunk's dictionary, and x and y. NULL in chunks that an earlier version has written,
-- which are taken apart until they are too old for a heatmap.
ALTER TABLE event_chunks
  ADD COLUMN click_page smallint[],
  ADD COLUMN click_x float8[],
  ADD COLUMN click_y float8[];

-- What compaction merges while a load leaves many larger ones for later.
CREATE INDEX event_chunks_tiny ON event_chunks (site_id, first_at) WHERE small AND events < 64;

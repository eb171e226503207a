-- How far back raw events are complete: retention notes its cutoff here before it deletes. NULL: nothing was deleted yet.

ALTER TABLE deployment ADD COLUMN raw_since timestamptz(3);

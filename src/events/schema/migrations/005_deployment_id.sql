-- Which deployment this is, at random: put beside the streams in Redis, so that no other deployment takes them for its own.
ALTER TABLE deployment ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();

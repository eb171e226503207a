-- Which erasure has left what Redis may have: who has deleted that says so of this one, whatever has become of the site meanwhile.
ALTER TABLE erased_entries ADD COLUMN erasure uuid NOT NULL DEFAULT gen_random_uuid();

-- Whether a site is one no more is asked when its entries are met: it may be one again by then.
ALTER TABLE erased_entries DROP COLUMN gone;

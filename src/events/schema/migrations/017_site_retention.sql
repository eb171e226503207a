-- Days for which a site's raw events are kept; null for as long as the deployment's.
ALTER TABLE declared_sites ADD COLUMN retention_days integer;

-- Since when all raw events of a site are there, where it keeps fewer than the deployment; noted before any are deleted.
ALTER TABLE sites ADD COLUMN raw_since timestamptz(3);
